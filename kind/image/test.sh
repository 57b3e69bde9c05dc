#!/usr/bin/env bash
# Makes the images twice, holds them against what is promised of them, and runs them as a cluster does: read-only, without
# any capability, as a user that no file knows. Wants Docker, redis-server, curl and a Linux whose network it may share.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Largest image, in bytes.
readonly SIZE_MAX=15000000
VERSION=$(kind/version.sh)
readonly VERSION
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
holds() {
  local what=$1
  shift
  "$@" >"$folder/out" 2>&1 || { cat "$folder/out" >&2; fail "not so: $what"; }
  passed=$((passed + 1))
  echo "  $what"
}

image() { echo "dev.local/tidemark-$1:$VERSION"; }
of() { docker image inspect --format "$2" "$(image "$1")"; }
layers() { for it in ingest analyze standalone evaluator; do of "$it" '{{json .RootFS.Layers}}'; done; }

# Starts a container, and says where it listens.
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
answers() { local wanted=$1; shift; at "$@" | tee "$folder/answer" | grep --quiet "$wanted"; }
ends_well() {
  docker stop --time 10 "$(cat "$folder/$1.id")" >/dev/null
  [ "$(docker inspect --format '{{.State.ExitCode}}' "$(cat "$folder/$1.id")")" = 0 ]
}

docker info >/dev/null 2>&1 || fail 'Docker does not answer'
kind/image/build.sh >/dev/null
layers >"$folder/first"
docker image rm --force "$(image ingest)" "$(image analyze)" "$(image standalone)" "$(image evaluator)" >/dev/null
kind/image/build.sh >/dev/null
layers >"$folder/second"
holds 'two builds have the same layers' cmp "$folder/first" "$folder/second"

for it in ingest analyze standalone evaluator; do
  size=$(of "$it" '{{.Size}}')
  holds "$it: $((size / 1000)) kB, at most $((SIZE_MAX / 1000))" test "$size" -le "$SIZE_MAX"
  holds "$it: one layer, nobody's user, version and license" test \
    "$(of "$it" '{{len .RootFS.Layers}} {{.Config.User}} {{index .Config.Labels "org.opencontainers.image.version"}} {{index .Config.Labels "org.opencontainers.image.licenses"}}')" \
    = "1 65532:65532 $VERSION Apache-2.0"
done

# What is in an image, without running it.
binary_of() {
  local id
  id=$(docker create "$(image "$1")")
  docker cp "$id:/tidemark" "$folder/$1.binary" >/dev/null
  docker rm "$id" >/dev/null
}
tells_no_path() {
  binary_of "$1"
  ! grep --quiet --fixed-strings --text -e "$PWD/" -e "${CARGO_HOME:-$HOME/.cargo}/" "$folder/$1.binary"
}
for it in ingest analyze standalone evaluator; do
  holds "$it: tells no path of this machine" tells_no_path "$it"
done

start standalone "$(image standalone)"
holds 'standalone: alive' answers alive standalone /livez
holds 'standalone: judges a sample' answers '"accepted":1' standalone '/ingest?verdicts=all' \
  --header 'content-type: application/json' --data '{"source":"checkout","metric":"rps","value":812.5}'
holds 'evaluator: replays a series against it' docker run --rm "${STRICT[@]}" "$(image evaluator)" replay \
  --url "http://$(cat "$folder/standalone")" --scenario spike --batch 100 --metric rps
holds 'standalone: ends with 0 when told' ends_well standalone

# As the image is, it listens everywhere, and then it wants keys: 64 is a mistake in the configuration.
refused() {
  local code=0
  docker run --rm "${STRICT[@]}" --env REDIS_URL=redis://127.0.0.1 "$(image ingest)" || code=$?
  [ "$code" = 64 ]
}
holds 'ingest: without keys it serves nobody' refused

port=$((20000 + RANDOM % 10000))
redis-server --port "$port" --bind 127.0.0.1 --save '' --dir "$folder" >/dev/null &
redis=$!
start ingest --env REDIS_URL="redis://127.0.0.1:$port" "$(image ingest)"
start analyze --env REDIS_URL="redis://127.0.0.1:$port" "$(image analyze)"
holds 'ingest: ready over Redis' answers ready ingest /readyz
holds 'ingest: keeps a sample' answers '"accepted":1' ingest /ingest \
  --header 'content-type: application/json' --data '{"source":"checkout","metric":"rps","value":812.5}'
holds 'analyze: knows it' answers '"source":"checkout"' analyze '/series'
holds 'ingest: ends with 0 when told' ends_well ingest
holds 'analyze: ends with 0 when told' ends_well analyze
echo "$passed passed, 0 failed"
