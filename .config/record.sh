#!/usr/bin/env bash
# Measures detection quality anew and writes it where it is told of: the record, its tables, the README.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --package evaluator
export PATH=$PWD/target/debug:$PATH
evaluator run --untimed --no-charts --json evaluator/records/synthetic.json --csv evaluator/records/synthetic.csv \
  --markdown evaluator/records/synthetic.md
evaluator run mixed quiet --untimed --splice README.md synthetic
