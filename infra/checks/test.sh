#!/usr/bin/env bash
# Checks the Terraform of this folder without an AWS account: format, validity, tests with a mock provider, and mutation
# tests, which break a promise on purpose and expect a test to fail.
#
#   infra/checks/test.sh            for `make test`: three mutants; applies the complete example to a mock of AWS, and runs
#                                   the binaries that Cargo built against it
#   infra/checks/test.sh all        for `make infra-test`: all mutants, and checkov
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$(cd .. && pwd)/.tools/terraform
scope=${1:-quick}

python3 checks/tables.py --check
python3 checks/cost.py --check

# shellcheck source=provider.sh
. checks/provider.sh
terraform fmt -check -recursive -diff .

export TF_DATA_DIR=$tools/module
init .
terraform validate -no-color >/dev/null
for example in examples/*/; do
  (
    TF_DATA_DIR=$tools/$(basename "$example")
    init "$example"
    terraform -chdir="$example" validate -no-color >/dev/null
  )
done
echo 'infra: formatted and valid'

# Runs in the background, since the provider mostly waits.
if [ "$scope" = quick ]; then
  checks/apply.sh binaries "${CARGO_TARGET_DIR:-../target}/debug" >"$tools/apply.log" 2>&1 &
  applied=$!
fi

log=$tools/test.log
if ! terraform test -no-color >"$log" 2>&1; then
  grep -v '^  run .*\.\.\. pass$' "$log" >&2
  exit 1
fi
tail -n 1 "$log"

python3 checks/mutants.py "$scope"

if [ "$scope" = all ]; then
  checkov=$tools/checkov
  if ! cmp --silent checks/checkov.txt "$checkov/requirements.txt"; then
    rm -rf "$checkov"
    python3 -m venv "$checkov"
    "$checkov/bin/pip" install --quiet --disable-pip-version-check --requirement checks/checkov.txt
    cp checks/checkov.txt "$checkov/requirements.txt"
  fi
  "$checkov/bin/checkov" --directory . --framework terraform --skip-download --output json >"$tools/checkov.json" || true
  python3 - "$tools/checkov.json" <<'PYTHON'
import json, sys

report = json.load(open(sys.argv[1]))
summary, results = report["summary"], report["results"]
for check in results["failed_checks"]:
    print(f"checkov: {check['check_id']} {check['resource']}: {check['check_name']}", file=sys.stderr)
for file in results["parsing_errors"]:
    print(f"checkov: cannot read {file}", file=sys.stderr)
print(f"checkov: {summary['passed']} passed, {summary['skipped']} skipped with a reason beside the resource")
sys.exit(bool(results["failed_checks"] or results["parsing_errors"] or not summary["passed"]))
PYTHON
fi

if [ "$scope" = quick ]; then
  failed=0
  wait "$applied" || failed=$?
  cat "$tools/apply.log"
  exit "$failed"
fi
