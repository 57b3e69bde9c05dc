#!/usr/bin/env bash
# Replaces the copy of uPlot (MIT license) in this folder by the version below, from npm. Needs npm.
set -euo pipefail
cd "$(dirname "$0")"

readonly VERSION=1.6.32
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm pack --silent --pack-destination "$folder" "uplot@$VERSION" >/dev/null
tar -xzf "$folder/uplot-$VERSION.tgz" -C "$folder" --strip-components 1
cp "$folder"/dist/uPlot.iife.min.js "$folder"/dist/uPlot.min.css "$folder"/LICENSE .
