#!/usr/bin/env bash
# Makes the Secrets that are missing, with random values; those that exist are left alone. Nothing is printed or kept.
#
# To change one, delete it, run this again, and restart what mounts it. Arguments are passed to kubectl, such as
# `--context kind-tidemark`.
set -euo pipefail
cd "$(dirname "$0")"

readonly NAMESPACE=tidemark
# Each function makes API keys; this one does so for us.
readonly IMAGE=${TIDEMARK_INGEST_IMAGE:-dev.local/tidemark-ingest:$(./version.sh)}
readonly TENANT=default

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
umask 077

options=("$@")
kube() {
  # Bash before 4.4 takes an empty array for an unset one.
  kubectl ${options[@]+"${options[@]}"} --namespace "$NAMESPACE" "$@"
}

is_missing() {
  ! kube get secret "$1" >/dev/null 2>&1
}

# Makes a Secret of the files in a folder of its name: on a command line every user of the machine would see them.
make_secret() {
  kube create secret generic "$1" --from-file="$folder/$1"
}

random() {
  head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}

if is_missing redis-auth; then
  mkdir "$folder/redis-auth"
  random >"$folder/redis-auth/password"
  # What the functions need, and no more: their own keys, and nothing of administration.
  cat >"$folder/redis-auth/users.acl" <<ACL
user default off resetpass -@all
user tidemark on #$(sha256 <"$folder/redis-auth/password") ~tm:* +@all -@admin -@dangerous
ACL
  make_secret redis-auth
fi

# The entries are what the functions know, the keys what senders know: one without the other is of no use.
if is_missing api-keys || is_missing sender-keys; then
  mkdir "$folder/api-keys" "$folder/sender-keys"
  for right in write read admin; do
    made=$(docker run --rm --network none "$IMAGE" key "$TENANT" "$right")
    awk '$1 == "entry" { print $2 }' <<<"$made" >>"$folder/api-keys/entries"
    awk '$1 == "key" { printf "%s", $2 }' <<<"$made" >"$folder/sender-keys/$right"
  done
  for name in api-keys sender-keys; do
    kube delete secret "$name" --ignore-not-found
    make_secret "$name"
  done
fi

if is_missing grafana; then
  mkdir "$folder/grafana"
  random >"$folder/grafana/password"
  make_secret grafana
fi
