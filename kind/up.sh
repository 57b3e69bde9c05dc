#!/usr/bin/env bash
# From nothing to Tidemark on Knative in Kind, on this machine: cluster, Knative, images, secrets, everything watched.
# Run again at any time: what is there stays, what is missing or has changed is made.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=versions
source ./versions

readonly CLUSTER=tidemark
readonly IMAGES=(ingest analyze standalone evaluator)
# A name that leads nowhere: requests name it in their header `Host`.
readonly DOMAIN=kind.test
# How long to wait for any one thing; the first time images are pulled.
readonly WAIT=${TIDEMARK_WAIT:-300s}
VERSION=$(./version.sh)
readonly VERSION

say() { printf '\n== %s\n' "$*" >&2; }
fail() { printf 'up: %s\n' "$*" >&2; exit 1; }

need() {
  command -v "$1" >/dev/null || fail "\`$1\` is missing: $2"
}

# The context is named each time, so that no other cluster is touched.
kube() { kubectl --context "kind-$CLUSTER" "$@"; }

# For a webhook that is not there yet: what is applied once more is as if applied once.
insist() {
  local left
  for left in 9 8 7 6 5 4 3 2 1 0; do
    "$@" && return
    [ "$left" = 0 ] || sleep "${TIDEMARK_PAUSE:-5}"
  done
  return 1
}

wait_for_deployments() {
  kube --namespace "$1" wait deployment --all --for=condition=Available --timeout="$WAIT"
}

check_tools() {
  need docker 'install Docker, and let your user speak to it (https://docs.docker.com/engine/install)'
  need kind 'one binary (https://kind.sigs.k8s.io/docs/user/quick-start/#installation)'
  need kubectl 'one binary (https://kubernetes.io/docs/tasks/tools)'
  docker info >/dev/null 2>&1 || fail 'Docker does not answer: start it, or let your user speak to it'
  local found oldest
  found=$(kind version | sed -n 's/^kind v\([0-9.]*\).*/\1/p')
  oldest=$(printf '%s\n%s\n' "$found" "$KIND_VERSION_MIN" | sort -V | head -n 1)
  [ "$oldest" = "$KIND_VERSION_MIN" ] || fail "kind is version ${found:-unknown}: $KIND_VERSION_MIN or newer is wanted"
}

make_images() {
  local image
  for image in "${IMAGES[@]}"; do
    docker image inspect "dev.local/tidemark-$image:$VERSION" >/dev/null 2>&1 && continue
    make -C .. image
    return
  done
}

make_cluster() {
  if kind get clusters 2>/dev/null | grep -qx "$CLUSTER"; then
    kind export kubeconfig --name "$CLUSTER"
  else
    kind create cluster --name "$CLUSTER" --config cluster.yaml --image "$NODE_IMAGE" --wait "$WAIT"
  fi
}

install_knative() {
  local serving=https://github.com/knative/serving/releases/download/knative-v$KNATIVE_SERVING_VERSION
  local kourier=https://github.com/knative-extensions/net-kourier/releases/download/knative-v$KNATIVE_KOURIER_VERSION
  kube apply --filename "$serving/serving-crds.yaml"
  kube wait crd --selector knative.dev/crd-install=true --for=condition=Established --timeout="$WAIT"
  kube apply --filename "$serving/serving-core.yaml"
  kube apply --filename "$kourier/kourier.yaml"
  wait_for_deployments knative-serving
  wait_for_deployments kourier-system
  insist configure_knative
  observe_knative
}

# Its webhook looks at these, too, so they come after it is up.
configure_knative() {
  kube --namespace knative-serving patch configmap config-network --type merge \
    --patch '{"data":{"ingress-class":"kourier.ingress.networking.knative.dev"}}' &&
    kube --namespace knative-serving patch configmap config-domain --type merge \
      --patch "{\"data\":{\"$DOMAIN\":\"\"}}" &&
    kube --namespace kourier-system patch service kourier --type merge --patch \
      '{"spec":{"type":"NodePort","ports":[{"name":"http2","port":80,"protocol":"TCP","targetPort":8080,"nodePort":31080}]}}'
}

# The autoscaler opens its port of metrics when it starts, so it starts again, once.
observe_knative() {
  local said
  said=$(kube --namespace knative-serving patch configmap config-observability --type merge \
    --patch '{"data":{"metrics-protocol":"prometheus"}}')
  case $said in
    *'no change'*) ;;
    *)
      kube --namespace knative-serving rollout restart deployment autoscaler
      kube --namespace knative-serving rollout status deployment autoscaler --timeout="$WAIT"
      ;;
  esac
}

load_images() {
  local image names=()
  for image in "${IMAGES[@]}"; do names+=("dev.local/tidemark-$image:$VERSION"); done
  kind load docker-image --name "$CLUSTER" "${names[@]}"
}

apply() {
  kube apply --filename base/namespace.yaml
  ./secrets.sh --context "kind-$CLUSTER"
  insist kube apply --kustomize overlays/dev
}

wait_until_ready() {
  kube --namespace tidemark rollout status statefulset/redis --timeout="$WAIT"
  kube --namespace tidemark wait ksvc --all --for=condition=Ready --timeout="$WAIT"
  wait_for_deployments tidemark
}

tell() {
  cat <<TEXT

Tidemark is up. Send a sample:

  key=\$(kubectl --context kind-$CLUSTER --namespace tidemark get secret sender-keys --output jsonpath='{.data.write}' | base64 --decode)
  curl -H 'Host: ingest.tidemark.$DOMAIN' -H "Authorization: Bearer \$key" -H 'Content-Type: application/json' \\
    'http://127.0.0.1:8080/ingest?verdicts=all' -d '{"source":"checkout","metric":"rps","value":812.5}'

Load it, and watch it scale:

  kubectl --context kind-$CLUSTER apply --kustomize kind/overlays/load
  kubectl --context kind-$CLUSTER --namespace tidemark get pods --watch

Grafana       http://127.0.0.1:3000
Prometheus    http://127.0.0.1:9090
Alertmanager  http://127.0.0.1:9093
Alerts        kubectl --context kind-$CLUSTER --namespace tidemark logs deployment/alert-receiver --follow

\`make kind-down\` removes all of it.
TEXT
}

say 'Looking for the tools'
check_tools
say 'Images'
make_images
say 'Cluster'
make_cluster
say "Knative Serving $KNATIVE_SERVING_VERSION with Kourier"
install_knative
say 'Tidemark'
load_images
apply
wait_until_ready
tell
