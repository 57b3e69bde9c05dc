#!/usr/bin/env bash
# Runs other people's detectors over a folder of series: `./run.sh --help`.
# Makes its own virtual environment beside this file, and makes it again when requirements.txt changes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=$here/.venv

if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
  if ! python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "run.sh: Python 3.11 or newer with venv is needed; on Debian: apt-get install python3-venv" >&2
    exit 1
  fi
  echo "run.sh: installing the detectors into $venv" >&2
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/installed.txt"
fi

# One thread each: the cost a sample is that of one core.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
if [ "${1:-}" = test ]; then
  cd "$here"
  exec "$venv/bin/python" -m unittest --verbose test_baselines
fi
exec "$venv/bin/python" "$here/baselines.py" "$@"
