#!/usr/bin/env bash
# Applies the example `complete` to moto, with the packages of a folder, and uses what it made: `make infra-apply`.
set -euo pipefail
packages=$(cd "$1/.." && pwd)
cd "$(dirname "$0")/.."
tools=$(cd .. && pwd)/.tools/terraform

# shellcheck source=provider.sh
. checks/provider.sh
moto=$tools/moto
if ! cmp --silent checks/moto.txt "$moto/requirements.txt"; then
  rm -rf "$moto"
  python3 -m venv "$moto"
  "$moto/bin/pip" install --quiet --disable-pip-version-check --requirement checks/moto.txt
  cp checks/moto.txt "$moto/requirements.txt"
fi
export TF_DATA_DIR=$tools/complete PATH=$moto/bin:$PATH
init examples/complete
python3 checks/apply.py "$packages"
