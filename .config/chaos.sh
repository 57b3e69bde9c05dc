#!/usr/bin/env bash
# Chaos tests: kills processes; makes Redis slow, unresponsive, unreachable, full, replaced or moved; lets clients disconnect
# or connect all at once. Runs debug builds, which have failpoints, then release builds for the rates. Prints a table, and
# fails if an acknowledged sample was lost or stored twice.
#
# CHAOS_SEED seeds the random choices; CHAOS_ROUNDS sets the length of each test (10: a few minutes).
set -euo pipefail
cd "$(dirname "$0")/.."

export CHAOS_SEED=${CHAOS_SEED:-$((RANDOM * 32768 + RANDOM))} CHAOS_ROUNDS=${CHAOS_ROUNDS:-10}
report=$(mktemp)
export CHAOS_REPORT=$report
trap 'rm -f "$report"' EXIT
echo "CHAOS_SEED=$CHAOS_SEED CHAOS_ROUNDS=$CHAOS_ROUNDS"

failed=0
run() { cargo test --package ingest --test chaos "$@" || failed=1; }
# Sequentially, so that faults do not overlap.
run -- --nocapture --test-threads 1 --skip rate:: --skip clients::a_ --skip tenants::
run --release -- --nocapture --test-threads 1 rate:: clients::a_ tenants::

echo
{ printf 'fault\tfaults\trequests\tacknowledged\tlost\tdoubled\tslowest recovery\n'; cat "$report"; } |
  column --table --separator $'\t' --table-right 2,3,4,5,6,7
echo "CHAOS_SEED=$CHAOS_SEED CHAOS_ROUNDS=$CHAOS_ROUNDS"
exit $failed
