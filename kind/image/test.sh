#!/usr/bin/env bash
# Builds the images twice, compares them, and runs them with the restrictions of a cluster: read-only, without
# capabilities, as user 65532. Needs Docker, redis-server, curl and a Linux host network.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Largest image, in bytes.
readonly SIZE_MAX=15000000
VERSION=$(kind/version.sh)
readonly VERSION
readonly BINARIES=(ingest analyze standalone evaluator)
readonly STRICT=(--read-only --cap-drop ALL --user 65532 --security-opt no-new-privileges --network host)

folder=$(mktemp -d)
containers=()
redis=
cleanup() {
  [ ${#containers[@]} = 0 ] || docker rm --force "${containers[@]}" >/dev/null 2>&1 || true
  [ -z "$redis" ] || kill "$redis" 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT

fail() { echo "image-test: $*" >&2; exit 1; }
passed=0
check() {
  local promise=$1
  shift
  "$@" >"$folder/out" 2>&1 || { cat "$folder/out" >&2; fail "failed: $promise"; }
  passed=$((passed + 1))
  echo "  $promise"
}

image() { echo "dev.local/tidemark-$1:$VERSION"; }
inspect() { docker image inspect --format "$2" "$(image "$1")"; }
layers() { for name in "${BINARIES[@]}"; do inspect "$name" '{{json .RootFS.Layers}}'; done; }

# Starts a container and writes its address to a file.
start() {
  local name=$1 id
  shift
  id=$(docker run --detach "${STRICT[@]}" --env PORT=0 --env LISTEN_HOST=127.0.0.1 "$@")
  containers+=("$id")
  printf '%s' "$id" >"$folder/$name.id"
  for _ in $(seq 100); do
    docker logs "$id" 2>&1 | grep --only-matching --max-count 1 '127\.0\.0\.1:[0-9]*' >"$folder/$name" && return
    sleep 0.1
  done
  docker logs "$id" >&2
  fail "$name does not listen"
}
at() { curl --silent --show-error --fail --max-time 10 "http://$(cat "$folder/$1")$2" "${@:3}"; }
answers() { local expected=$1; shift; at "$@" | tee "$folder/answer" | grep --quiet "$expected"; }
stops_with_0() {
  docker stop --time 10 "$(cat "$folder/$1.id")" >/dev/null
  [ "$(docker inspect --format '{{.State.ExitCode}}' "$(cat "$folder/$1.id")")" = 0 ]
}

docker info >/dev/null 2>&1 || fail 'Docker does not answer'
kind/image/build.sh >/dev/null
layers >"$folder/first"
docker image rm --force "$(image ingest)" "$(image analyze)" "$(image standalone)" "$(image evaluator)" >/dev/null
kind/image/build.sh >/dev/null
layers >"$folder/second"
check 'two builds have the same layers' cmp "$folder/first" "$folder/second"

for name in "${BINARIES[@]}"; do
  size=$(inspect "$name" '{{.Size}}')
  check "$name: $((size / 1000)) kB, at most $((SIZE_MAX / 1000))" test "$size" -le "$SIZE_MAX"
  check "$name: one layer, unprivileged user, version and license" test \
    "$(inspect "$name" '{{len .RootFS.Layers}} {{.Config.User}} {{index .Config.Labels "org.opencontainers.image.version"}} {{index .Config.Labels "org.opencontainers.image.licenses"}}')" \
    = "1 65532:65532 $VERSION Apache-2.0"
done

# Copies the binary from an image without running it.
copy_binary() {
  local id
  id=$(docker create "$(image "$1")")
  docker cp "$id:/tidemark" "$folder/$1.binary" >/dev/null
  docker rm "$id" >/dev/null
}
contains_no_path() {
  copy_binary "$1"
  ! grep --quiet --fixed-strings --text -e "$PWD/" -e "${CARGO_HOME:-$HOME/.cargo}/" "$folder/$1.binary"
}
for name in "${BINARIES[@]}"; do
  check "$name: contains no path of this machine" contains_no_path "$name"
done

start standalone "$(image standalone)"
check 'standalone: alive' answers alive standalone /livez
check 'standalone: judges a sample' answers '"accepted":1' standalone '/ingest?verdicts=all' \
  --header 'content-type: application/json' --data '{"source":"checkout","metric":"rps","value":812.5}'
check 'evaluator: replays a series against it' docker run --rm "${STRICT[@]}" "$(image evaluator)" replay \
  --url "http://$(cat "$folder/standalone")" --scenario spike --batch 100 --metric rps
check 'standalone: exits with 0 on SIGTERM' stops_with_0 standalone

# The image listens on all addresses, so it requires keys; 64 is the exit code of a wrong configuration.
refuses_to_start() {
  local code=0
  docker run --rm "${STRICT[@]}" --env REDIS_URL=redis://127.0.0.1 "$(image ingest)" || code=$?
  [ "$code" = 64 ]
}
check 'ingest: does not start without keys' refuses_to_start

port=$((20000 + RANDOM % 10000))
redis-server --port "$port" --bind 127.0.0.1 --save '' --dir "$folder" >/dev/null &
redis=$!
start ingest --env REDIS_URL="redis://127.0.0.1:$port" "$(image ingest)"
start analyze --env REDIS_URL="redis://127.0.0.1:$port" "$(image analyze)"
check 'ingest: ready over Redis' answers ready ingest /readyz
check 'ingest: accepts a sample' answers '"accepted":1' ingest /ingest \
  --header 'content-type: application/json' --data '{"source":"checkout","metric":"rps","value":812.5}'
check 'analyze: lists its series' answers '"source":"checkout"' analyze '/series'
check 'ingest: exits with 0 on SIGTERM' stops_with_0 ingest
check 'analyze: exits with 0 on SIGTERM' stops_with_0 analyze
echo "$passed passed, 0 failed"
