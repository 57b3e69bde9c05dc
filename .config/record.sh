#!/usr/bin/env bash
# Measures detection quality, and writes the results into the records, their tables and docs/quality.md.
#
# DATA=folder adds public labeled data, which the project does not contain: the subfolders `nab`, `microsoft` and `kpi`, each
# in the layout of its publisher. SCORES=folder adds other detectors: the scores in `<data>/<detector>`, as
# `evaluator/baselines/run.sh` writes them.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --release --package evaluator
export PATH=${CARGO_TARGET_DIR:-$PWD/target}/release:$PATH
records=evaluator/records

evaluator run --untimed --no-charts --json "$records/synthetic.json" --csv "$records/synthetic.csv" \
  --markdown "$records/synthetic.md"
evaluator run mixed clean --untimed --splice docs/quality.md synthetic

[[ -n ${DATA:-} ]] || exit 0
# The records contain the commands, so links give all paths names that do not depend on this machine.
here=$(mktemp --directory)
trap 'rm -rf "$here"' EXIT
ln -s "$DATA" "$here/data"
ln -s "$PWD/evaluator" "$here/evaluator"
[[ -z ${SCORES:-} ]] || ln -s "$SCORES" "$here/scores"
# The evaluator records the commit of this repository, also from another folder.
export GIT_DIR=$PWD/.git GIT_WORK_TREE=$PWD
cd "$here"
score() { # name, options
  local name=$1 others=()
  shift
  if [[ -d scores/$name ]]; then
    for folder in "scores/$name"/*/; do others+=(--from-scores "${folder%/}"); done
  fi
  evaluator score "$@" ${others[@]+"${others[@]}"} --untimed --no-charts \
    --csv-out "$records/$name.csv" --markdown "$records/$name.md"
}
score nab --nab data/nab
score microsoft --folder data/microsoft --kpi
score kpi --folder data/kpi --kpi
