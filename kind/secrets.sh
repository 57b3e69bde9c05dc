#!/usr/bin/env bash
# Creates the missing Secrets with random values and leaves existing ones unchanged. Prints no value and leaves no file.
#
# To change a Secret, delete it, run this script, and restart the pods that mount it. Arguments such as
# `--context kind-tidemark` are passed to kubectl.
set -euo pipefail
cd "$(dirname "$0")"

readonly NAMESPACE=tidemark
# The image that makes the API keys; any function can.
readonly IMAGE=${TIDEMARK_INGEST_IMAGE:-dev.local/tidemark-ingest:$(./version.sh)}
readonly TENANT=default

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
umask 077

options=("$@")
kube() {
  # Bash before 4.4 treats an empty array as unset.
  kubectl ${options[@]+"${options[@]}"} --namespace "$NAMESPACE" "$@"
}

is_missing() {
  ! kube get secret "$1" >/dev/null 2>&1
}

# Creates a Secret from files: values on a command line would be visible to every user of the machine.
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
  # The functions may use their own keys only, and no administrative command. No client can log in as the default user, but
  # Redis replays its append-only file as that user, and checks the rights again: without these rights it would start
  # empty after a restart.
  cat >"$folder/redis-auth/users.acl" <<ACL
user default off resetpass ~tm:* +@all -@admin -@dangerous
user tidemark on #$(sha256 <"$folder/redis-auth/password") ~tm:* +@all -@admin -@dangerous
ACL
  make_secret redis-auth
fi

# The functions read the entries (hashes), senders the keys: both are always made together.
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
