#!/usr/bin/env bash
# Builds the images `dev.local/tidemark-<binary>:<version>`, each a static binary on an empty base.
#
# Reproducible: the same sources and compiler make the same layers on every machine, since local paths are removed and
# file times are those of the commit. BASE sets another base image, SOURCE_DATE_EPOCH another time.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly BINARIES=(ingest analyze standalone evaluator)
TARGET=${TARGET:-$(rustc -vV | sed -n 's/^host: //p')}
case $TARGET in
  *-linux-gnu) ;;
  *) echo "image: binaries for \`$TARGET\` do not run in a container: build on Linux" >&2; exit 1 ;;
esac
VERSION=$(kind/version.sh)
REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

packages=()
for binary in "${BINARIES[@]}"; do packages+=(--package "$binary"); done
# Links the C library statically, so that the binary needs no file of the system.
RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$PWD=/tidemark \
--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
  cargo build --release --locked --target "$TARGET" "${packages[@]}"

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
for binary in "${BINARIES[@]}"; do
  install -m 755 "${CARGO_TARGET_DIR:-target}/$TARGET/release/$binary" "$context/$binary"
  touch --date "@$SOURCE_DATE_EPOCH" "$context/$binary"
done

for binary in "${BINARIES[@]}"; do
  docker build --quiet --file kind/image/Dockerfile \
    --build-arg BASE="${BASE:-scratch}" \
    --build-arg BINARY="$binary" \
    --build-arg VERSION="$VERSION" \
    --build-arg REVISION="$REVISION" \
    --build-arg CREATED="$(date --utc --date "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" \
    --build-arg SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
    --tag "dev.local/tidemark-$binary:$VERSION" "$context" >/dev/null
  echo "dev.local/tidemark-$binary:$VERSION"
done
