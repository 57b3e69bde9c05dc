#!/usr/bin/env bash
# Applies the example `complete` to moto, a mock of AWS, and runs the real functions against the created resources.
#
#   infra/checks/apply.sh packages target/lambda     for `make infra-apply`: deploys and runs the packages of a folder
#   infra/checks/apply.sh binaries target/debug      for `make test`: runs the binaries that Cargo built
set -euo pipefail
what=$1
folder=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."
tools=$(cd .. && pwd)/.tools/terraform

# shellcheck source=provider.sh
. checks/provider.sh
# `make setup` installs it.
export TF_DATA_DIR=$tools/complete PATH=${tools%/*}/moto/bin:$PATH
init examples/complete
python3 checks/apply.py "$what" "$folder"
