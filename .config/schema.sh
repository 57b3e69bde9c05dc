#!/usr/bin/env bash
# Sends requests generated from `openapi.json` to `standalone`: no answer may be a 5xx or differ from the document. Two
# checks are excluded, because the schema cannot express their rules: samples are validated one by one, and a time range
# must end after its start.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --package standalone --quiet
log=$(mktemp)
PORT=0 RUST_LOG=warn,server::run=info "${CARGO_TARGET_DIR:-target}/debug/standalone" 2>"$log" &
pid=$!
trap 'kill $pid 2>/dev/null || true; wait $pid 2>/dev/null || true; rm -f "$log"' EXIT
until address=$(grep --only-matching --max-count 1 '127.0.0.1:[0-9]*' "$log"); do sleep 0.1; done
# schemathesis writes files into its working directory.
cd .tools/schemathesis
PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=schema_hooks PYTHONPATH=../../.config bin/schemathesis run "http://$address/openapi.json" --max-examples 25 --seed "${SCHEMA_SEED:-1}" \
  --exclude-checks positive_data_acceptance,negative_data_rejection
