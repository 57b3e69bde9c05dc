#!/usr/bin/env bash
# Checks the Terraform of this folder without an account: format, validity, its tests with a provider that is made up,
# that these tests fail where a promise is broken on purpose.
#
#   infra/checks/test.sh            as part of `make test`: three of the broken promises; the complete example applied to a
#                                   stand-in for AWS, and used by what Cargo built
#   infra/checks/test.sh all        as `make infra-test`: all of the broken promises, checkov
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$(cd .. && pwd)/.tools/terraform
what=${1:-quick}

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

# Most of its minutes are the provider's waiting, so the rest goes on beside it.
if [ "$what" = quick ]; then
  checks/apply.sh binaries "${CARGO_TARGET_DIR:-../target}/debug" >"$tools/apply.log" 2>&1 &
  applied=$!
fi

log=$tools/test.log
if ! terraform test -no-color >"$log" 2>&1; then
  grep -v '^  run .*\.\.\. pass$' "$log" >&2
  exit 1
fi
tail -n 1 "$log"

python3 checks/mutants.py "$what"

if [ "$what" = all ]; then
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
for it in results["failed_checks"]:
    print(f"checkov: {it['check_id']} {it['resource']}: {it['check_name']}", file=sys.stderr)
for it in results["parsing_errors"]:
    print(f"checkov: cannot read {it}", file=sys.stderr)
print(f"checkov: {summary['passed']} passed, {summary['skipped']} excepted with a reason beside the resource")
sys.exit(bool(results["failed_checks"] or results["parsing_errors"] or not summary["passed"]))
PYTHON
fi

if [ "$what" = quick ]; then
  failed=0
  wait "$applied" || failed=$?
  cat "$tools/apply.log"
  exit "$failed"
fi
