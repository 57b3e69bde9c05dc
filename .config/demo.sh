#!/usr/bin/env bash
# Demonstration without Redis or other servers: builds and starts `standalone`, sends synthetic traffic with anomalies to its
# HTTP API, measures detection quality, writes the HTML report, and prints curl commands for the server, which keeps running.
#
# demo.sh        runs the demonstration
# demo.sh stop   stops the server
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
step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

if [ "${1:-}" = stop ]; then
  stop
  exit 0
fi

step "1. Building (the first time takes a minute or two)"
cargo build --package standalone --package evaluator

step "2. Starting standalone on $url, with the series in memory"
mkdir -p $folder
stop
if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
  echo "demo: port $port is in use: choose a different port, PORT=8090 make demo" >&2
  exit 69
fi
PORT=$port RUST_LOG=warn nohup "$built/standalone" >$folder/standalone.log 2>&1 </dev/null &
echo $! >"$pid_file"
for _ in $(seq 100); do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  sleep 0.1
done

step "3. Sending four days of checkout traffic, one sample a minute: two for learning, two with anomalies"
"$built/evaluator" replay --url "$url" --scenario .config/demo.toml --rebase \
  --source checkout --metric rps --batch 30 --speed-up 20000 --print-anomalies

step "4. Measuring detection quality on synthetic scenarios, compared with a rolling z-score"
# Prints the first tables; the HTML report has all.
"$built/evaluator" run --quick spike burst dip outage storm mixed clean poison --html $folder/report.html --table |
  sed '/^Samples/,$d'

step "5. The server is still running; try"
cat <<END
  curl '$url/analyze?source=checkout&metric=rps'
  curl '$url/anomalies?source=checkout&metric=rps&limit=5'
  curl '$url/ingest' -H 'content-type: application/json' \\
    -d '{"source":"checkout","metric":"rps","value":9000}'

  series, as a page:  $url/ui
  report:             $PWD/$folder/report.html
  stop the server:    make stop
END
