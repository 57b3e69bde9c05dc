#!/usr/bin/env bash
# Removes the cluster and everything in it; does nothing if there is no cluster.
set -euo pipefail

readonly CLUSTER=tidemark

if ! command -v kind >/dev/null; then
  echo "down: \`kind\` is missing: one binary (https://kind.sigs.k8s.io/docs/user/quick-start/#installation)" >&2
  exit 1
fi
if kind get clusters 2>/dev/null | grep -qx "$CLUSTER"; then
  kind delete cluster --name "$CLUSTER"
else
  echo "down: there is no cluster \`$CLUSTER\`" >&2
fi
