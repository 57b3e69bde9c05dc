#!/usr/bin/env bash
# Installs what the tests need on Debian or Ubuntu: redis-server from Debian; cargo-lambda and schemathesis from PyPI into
# .tools, each in an environment of its own.
# Does nothing where everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

debian=()
command -v redis-server >/dev/null && command -v redis-cli >/dev/null || debian+=(redis-server)
command -v cc >/dev/null || debian+=(gcc libc6-dev)
command -v xz >/dev/null || debian+=(xz-utils)
if [ ! -x .tools/bin/cargo-lambda ] || [ ! -x .tools/schema/bin/schemathesis ]; then
  command -v python3 >/dev/null || debian+=(python3)
  python3 -c 'import ensurepip, venv' 2>/dev/null || debian+=(python3-venv)
fi
if [ ${#debian[@]} -gt 0 ]; then
  echo "setup: installing ${debian[*]}" >&2
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -qq
  # A server that Debian starts by itself would only be in the way; the tests start their own.
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${debian[@]}" >/dev/null
fi
if [ ! -x .tools/bin/cargo-lambda ]; then
  echo "setup: installing cargo-lambda into .tools" >&2
  python3 -m venv .tools
  .tools/bin/pip install --quiet --disable-pip-version-check cargo-lambda==1.9.2
fi
if [ ! -x .tools/schema/bin/schemathesis ]; then
  echo "setup: installing schemathesis into .tools/schema" >&2
  python3 -m venv .tools/schema
  .tools/schema/bin/pip install --quiet --disable-pip-version-check schemathesis==4.32.5
fi
