#!/usr/bin/env bash
# Installs the tools for the tests on Debian or Ubuntu: Debian packages into the system; Python tools from .config/tools,
# each in a separate environment, and npm packages from .config/npm into .tools. Does nothing if all are installed.
set -euo pipefail
cd "$(dirname "$0")/.."

# Lists required commands, and the Debian packages that provide them.
debian_of() {
  cat <<'TABLE'
amtool         prometheus-alertmanager
cc             gcc libc6-dev
haproxy        haproxy
prometheus     prometheus
promtool       prometheus
python3        python3
redis-cli      redis-tools
redis-server   redis-server
shellcheck     shellcheck
vmagent        victoria-metrics
xz             xz-utils
TABLE
  # Ubuntu has no package of Chromium, only a snap: there the page is not tested, unless Chromium is installed.
  if grep -q '^ID=debian' /etc/os-release; then
    echo 'chromedriver   chromium chromium-driver fonts-dejavu-core'
  fi
}

debian=()
while read -r command packages; do
  # shellcheck disable=SC2206
  command -v "$command" >/dev/null || debian+=($packages)
done < <(debian_of)
if command -v python3 >/dev/null; then
  python3 -c 'import ensurepip, venv' 2>/dev/null || debian+=(python3-venv)
else
  debian+=(python3-venv)
fi
if [ ${#debian[@]} -gt 0 ]; then
  echo "setup: installing ${debian[*]}" >&2
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -qq
  # RUNLEVEL=1 keeps Debian from starting the installed servers; the tests start their own.
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    $sudo apt-get install -y -qq --no-install-recommends "${debian[@]}" >/dev/null
fi

mkdir -p .tools
for requirements in .config/tools/*.txt; do
  name=$(basename "$requirements" .txt)
  home=.tools/$name
  cmp --silent "$requirements" "$home/requirements.txt" && continue
  echo "setup: installing $name into $home" >&2
  rm -rf "$home"
  python3 -m venv "$home"
  "$home/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
  cp "$requirements" "$home/requirements.txt"
done

for lock in .config/npm/*/package-lock.json; do
  name=$(basename "$(dirname "$lock")")
  home=.tools/$name
  cmp --silent "$lock" "$home/package-lock.json" && continue
  echo "setup: installing $name into $home" >&2
  rm -rf "$home" && mkdir -p "$home"
  cp "$(dirname "$lock")/package.json" "$home"
  cp "$lock" "$home"
  PATH=$PWD/.tools/node/bin:$PATH npm ci --prefix "$home" --ignore-scripts --no-audit --no-fund --silent ||
    { rm -rf "$home"; exit 1; }
done
