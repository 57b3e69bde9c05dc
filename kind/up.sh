#!/usr/bin/env bash
# Starts Tidemark on Knative in Kind on this machine: cluster, Knative, images, secrets, monitoring.
#
# Idempotent: a second run creates what is missing and applies what has changed.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=versions
source ./versions

readonly CLUSTER=tidemark
readonly IMAGES=(ingest analyze standalone evaluator)
# Not resolvable on purpose: requests carry the name in their header `Host`.
readonly DOMAIN=kind.test
# Longest wait for one step; the first run pulls images.
readonly WAIT=${TIDEMARK_WAIT:-300s}
VERSION=$(./version.sh)
readonly VERSION

step() { printf '\n== %s\n' "$*" >&2; }
fail() { printf 'up: %s\n' "$*" >&2; exit 1; }

need() {
  command -v "$1" >/dev/null || fail "\`$1\` is missing: $2"
}

# Names the context in each call, so that no other cluster is changed.
kube() { kubectl --context "kind-$CLUSTER" "$@"; }

# Retries a command that needs a webhook which may still be starting; `apply` and `patch` are idempotent.
retry() {
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
  need docker 'install Docker, and give your user access to it (https://docs.docker.com/engine/install)'
  need kind 'one binary (https://kind.sigs.k8s.io/docs/user/quick-start/#installation)'
  need kubectl 'one binary (https://kubernetes.io/docs/tasks/tools)'
  docker info >/dev/null 2>&1 || fail 'Docker does not answer: start it, or give your user access to it'
  local found oldest
  found=$(kind version | sed -n 's/^kind v\([0-9.]*\).*/\1/p')
  oldest=$(printf '%s\n%s\n' "$found" "$KIND_VERSION_MIN" | sort -V | head -n 1)
  [ "$oldest" = "$KIND_VERSION_MIN" ] || fail "kind is version ${found:-unknown}: expected $KIND_VERSION_MIN or newer"
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
  retry configure_knative
  observe_knative
}

# Runs after Knative's webhook has started, because the webhook checks these ConfigMaps.
configure_knative() {
  kube --namespace knative-serving patch configmap config-network --type merge \
    --patch '{"data":{"ingress-class":"kourier.ingress.networking.knative.dev"}}' &&
    kube --namespace knative-serving patch configmap config-domain --type merge \
      --patch "{\"data\":{\"$DOMAIN\":\"\"}}" &&
    kube --namespace kourier-system patch service kourier --type merge --patch \
      '{"spec":{"type":"NodePort","ports":[{"name":"http2","port":80,"protocol":"TCP","targetPort":8080,"nodePort":31080}]}}'
}

# Restarts the autoscaler if the setting changed: it opens its metrics port only at start.
observe_knative() {
  local output
  output=$(kube --namespace knative-serving patch configmap config-observability --type merge \
    --patch '{"data":{"metrics-protocol":"prometheus"}}')
  case $output in
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
  retry kube apply --kustomize overlays/dev
}

wait_until_ready() {
  kube --namespace tidemark rollout status statefulset/redis --timeout="$WAIT"
  kube --namespace tidemark wait ksvc --all --for=condition=Ready --timeout="$WAIT"
  wait_for_deployments tidemark
}

print_usage() {
  cat <<TEXT

Tidemark is up. Send a sample:

  key=\$(kubectl --context kind-$CLUSTER --namespace tidemark get secret sender-keys --output jsonpath='{.data.write}' | base64 --decode)
  curl -H 'Host: ingest.tidemark.$DOMAIN' -H "Authorization: Bearer \$key" -H 'Content-Type: application/json' \\
    'http://127.0.0.1:8080/ingest?verdicts=all' -d '{"source":"checkout","metric":"rps","value":812.5}'

Send load, and watch the functions scale:

  kubectl --context kind-$CLUSTER apply --kustomize kind/overlays/load
  kubectl --context kind-$CLUSTER --namespace tidemark get pods --watch

Grafana       http://127.0.0.1:3000
Prometheus    http://127.0.0.1:9090
Alertmanager  http://127.0.0.1:9093
Alerts        kubectl --context kind-$CLUSTER --namespace tidemark logs deployment/alert-receiver --follow

\`make kind-down\` removes all of it.
TEXT
}

step 'Tools'
check_tools
step 'Images'
make_images
step 'Cluster'
make_cluster
step "Knative Serving $KNATIVE_SERVING_VERSION with Kourier"
install_knative
step 'Tidemark'
load_images
apply
wait_until_ready
print_usage
