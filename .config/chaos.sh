#!/usr/bin/env bash
# The worst day: processes killed, Redis slow, silent, cut off, full, replaced and moved, clients that vanish or come all
# at once. Debug builds, which alone have failpoints, then release builds for the rates. Ends with a table, and fails
# where an acknowledged sample was lost or took effect twice.
#
# CHAOS_SEED chooses what is left to chance; CHAOS_ROUNDS how long each test is (10: a few minutes).
set -euo pipefail
cd "$(dirname "$0")/.."

export CHAOS_SEED=${CHAOS_SEED:-$((RANDOM * 32768 + RANDOM))} CHAOS_ROUNDS=${CHAOS_ROUNDS:-10}
report=$(mktemp)
export CHAOS_REPORT=$report
trap 'rm -f "$report"' EXIT
echo "CHAOS_SEED=$CHAOS_SEED CHAOS_ROUNDS=$CHAOS_ROUNDS"

failed=0
run() { cargo test --package ingest --test chaos "$@" || failed=1; }
# One after the other: what a fault does shall not depend on another one.
run -- --nocapture --test-threads 1 --skip rate:: --skip clients::a_
run --release -- --nocapture --test-threads 1 rate:: clients::a_

echo
{ printf 'fault\tfaults\trequests\tacknowledged\tlost\tdoubled\tslowest recovery\n'; cat "$report"; } |
  column --table --separator $'\t' --table-right 2,3,4,5,6,7
echo "CHAOS_SEED=$CHAOS_SEED CHAOS_ROUNDS=$CHAOS_ROUNDS"
exit $failed
