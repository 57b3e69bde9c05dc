#!/usr/bin/env bash
# Sends load to a function over Redis and downloads its profiles meanwhile: reports/cpu.pb.gz and reports/heap.pb.gz.
#
# `go tool pprof -http : reports/cpu.pb.gz` shows one as a flame graph, and so does every other viewer of the format.
# FUNCTION=standalone profiles without Redis. LOAD holds the options of `evaluator load` (`--clients 16 --batch 10`),
# PROFILE_SECONDS the duration (15). Needs curl, a C compiler and make (for jemalloc), and redis-server.
set -euo pipefail
cd "$(dirname "$0")/.."

function=${FUNCTION:-ingest} seconds=${PROFILE_SECONDS:-15} port=28480 redis_port=28479
read -r -a load <<<"${LOAD:---clients 16 --batch 10 --series 1000}"
# Compiled into jemalloc: heap profiling is available, and starts when TIDEMARK_DEBUG is on.
export JEMALLOC_SYS_WITH_MALLOC_CONF=prof:true,prof_active:false,lg_prof_sample:16
cargo build --profile profiling --package "$function" --features "$function/profiling"
cargo build --release --package evaluator
built=${CARGO_TARGET_DIR:-target}

work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
if [ "$function" != standalone ]; then
  redis-server --port $redis_port --bind 127.0.0.1 --save '' --appendonly no --dir "$work" >"$work/redis.log" & pids+=($!)
  until redis-cli -p $redis_port ping >/dev/null 2>&1; do sleep 0.1; done
  export REDIS_URL=redis://127.0.0.1:$redis_port
fi
PORT=$port RUST_LOG=warn TIDEMARK_DEBUG=on TIDEMARK_TENANT_SAMPLES_PER_S_MAX=0 "$built/profiling/$function" & pids+=($!)
url=http://127.0.0.1:$port
until curl --silent --fail --output /dev/null $url/readyz; do sleep 0.1; done

mkdir -p reports
"$built/release/evaluator" load --url $url "${load[@]}" --seconds $((seconds + 5)) --table &
sending=$!
sleep 2
curl --silent --show-error --fail --output reports/cpu.pb.gz "$url/debug/pprof/profile?seconds=$seconds"
curl --silent --show-error --fail --output reports/heap.pb.gz $url/debug/pprof/heap
curl --silent --show-error --fail $url/debug/runtime
echo
wait $sending
ls -l reports/cpu.pb.gz reports/heap.pb.gz
echo 'show one as a flame graph: go tool pprof -http : reports/cpu.pb.gz'
