#!/usr/bin/env bash
# One sample a request, 16 connections: the rate of `ingest` over Redis beside that of a bare route that does one PING,
# in turns, in release. Needs redis-server and wrk (both Debian's).
set -euo pipefail
cd "$(dirname "$0")/.."

command -v wrk >/dev/null || { echo "load: wrk is wanted (apt-get install wrk)" >&2; exit 69; }
seconds=${SECONDS_EACH:-8} redis_port=16379 ingest_port=18080 ping_port=18081
cargo build --release --package ingest --quiet
cargo build --release --package host --example ping --quiet

work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null; rm -rf "$work"' EXIT
redis-server --port $redis_port --save '' --appendonly no --dir "$work" >"$work/redis.log" & pids+=($!)
export REDIS_URL=redis://127.0.0.1:$redis_port RUST_LOG=warn
until redis-cli -p $redis_port ping >/dev/null 2>&1; do sleep 0.1; done
PORT=$ingest_port target/release/ingest 2>"$work/ingest.log" & pids+=($!)
PORT=$ping_port target/release/examples/ping & pids+=($!)
until curl --silent --fail http://127.0.0.1:$ingest_port/readyz >/dev/null; do sleep 0.1; done

cat >"$work/sample.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"source":"load","metric":"rps","value":812.5}'
LUA

# Prints requests a second and answers that were no 2xx.
measure() {
  wrk -t1 -c16 -d"${seconds}s" --latency "$@" |
    awk '/Requests\/sec/ { rate = $2 } /Non-2xx/ { refused = $NF } /50%/ { p50 = $2 } /99%/ { p99 = $2 }
         END { printf "%d %d %s %s\n", rate, refused, p50, p99 }'
}

printf '%-7s %12s %8s %9s %9s %12s %7s\n' round 'ingest req/s' refused p50 p99 'PING req/s' ratio
for round in 1 2 3; do
  read -r ingest refused p50 p99 < <(measure -s "$work/sample.lua" http://127.0.0.1:$ingest_port/ingest)
  read -r ping _ < <(measure http://127.0.0.1:$ping_port/ping)
  printf '%-7s %12d %8d %9s %9s %12d %7.2f\n' "$round" "$ingest" "$refused" "$p50" "$p99" "$ping" \
    "$(awk "BEGIN { print $ingest / $ping }")"
done
