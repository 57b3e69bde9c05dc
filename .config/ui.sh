#!/usr/bin/env bash
# Tests the page of `standalone` in a headless Chromium. Needs a debug build.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v chromedriver >/dev/null; then
  echo 'ui: the page was NOT tested: chromedriver is not installed' >&2
  exit 0
fi
.tools/ui/bin/python -B -m pytest --quiet -p no:cacheprovider functions/standalone/tests/ui
