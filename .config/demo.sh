#!/usr/bin/env bash
# The demonstration: builds, starts `standalone` without any server, streams synthetic traffic with spikes through its
# HTTP API, prints the quality table, writes the HTML report, and leaves the server running for the curl lines it prints.
#
# demo.sh        runs it
# demo.sh stop   stops the server it left
set -euo pipefail
cd "$(dirname "$0")/.."

port=${PORT:-8080} url=http://127.0.0.1:${PORT:-8080} folder=reports
built=${CARGO_TARGET_DIR:-target}/debug
pid_file=$folder/standalone.pid

stop() {
  if [ -f "$pid_file" ]; then
    kill "$(cat "$pid_file")" 2>/dev/null || true
    rm -f "$pid_file"
  fi
}
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

if [ "${1:-}" = stop ]; then
  stop
  exit 0
fi

say "1. Building (the first time takes a minute or two)"
cargo build --package standalone --package evaluator

say "2. Starting standalone on $url, series in its own memory"
mkdir -p $folder
stop
if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
  echo "demo: port $port is in use: another one is wanted, PORT=8090 make demo" >&2
  exit 69
fi
PORT=$port RUST_LOG=warn nohup "$built/standalone" >$folder/standalone.log 2>&1 </dev/null &
echo $! >"$pid_file"
for _ in $(seq 100); do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  sleep 0.1
done

say "3. Streaming four days of checkout traffic, one sample a minute: two to learn from, two with anomalies"
"$built/evaluator" replay --url "$url" --scenario .config/demo.toml --rebase \
  --source checkout --metric rps --batch 30 --speed-up 20000 --print-anomalies

say "4. Measuring detection quality on scenarios, beside the rule this project descends from"
# The first tables; the page has all of them.
"$built/evaluator" run --quick spike burst dip outage storm mixed quiet poison --html $folder/report.html --table |
  sed '/^Samples/,$d'

say "5. The server goes on; ask it"
cat <<END
  curl '$url/analyze?source=checkout&metric=rps'
  curl '$url/anomalies?source=checkout&metric=rps&limit=5'
  curl '$url/ingest' -H 'content-type: application/json' \\
    -d '{"source":"checkout","metric":"rps","value":9000}'

  the report:  $PWD/$folder/report.html
  stop it:     make stop
END
