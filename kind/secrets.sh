#!/usr/bin/env bash
# Creates the missing Secrets with random values and leaves existing ones unchanged. Prints no value and leaves no file.
#
# Needs kubectl only. To change a Secret, delete it, run this script, and restart the pods that mount it. Arguments such
# as `--context kind-tidemark` are passed to kubectl.
set -euo pipefail
cd "$(dirname "$0")"

readonly NAMESPACE=tidemark
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

# Prints that many random bytes as hex digits.
random() {
  head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}

if is_missing redis-auth; then
  mkdir "$folder/redis-auth"
  random 24 >"$folder/redis-auth/password"
  random 24 >"$folder/redis-auth/viewer"
  # The functions may use their own keys only, and no administrative command; INFO returns the memory of Redis. No client can log in as the default user, but
  # Redis replays its append-only file as that user, and checks the rights again: without these rights it would start
  # empty after a restart. `viewer` is for people: it reads, and changes nothing.
  cat >"$folder/redis-auth/users.acl" <<ACL
user default off resetpass ~tm:* +@all -@admin -@dangerous
user tidemark on #$(sha256 <"$folder/redis-auth/password") ~tm:* +@all -@admin -@dangerous +info
user viewer on #$(sha256 <"$folder/redis-auth/viewer") ~tm:* +@read +@connection -@admin -@dangerous +info +slowlog|get +slowlog|len +latency|latest
ACL
  make_secret redis-auth
fi

# The functions read the entries (hashes), senders the keys: both are always made together.
if is_missing api-keys || is_missing sender-keys; then
  mkdir "$folder/api-keys" "$folder/sender-keys"
  for right in write read admin; do
    # What the command `key` of every function prints.
    printf 'tmk_%s' "$(random 32)" >"$folder/sender-keys/$right"
    echo "$TENANT:$right:$(sha256 <"$folder/sender-keys/$right")" >>"$folder/api-keys/entries"
  done
  for name in api-keys sender-keys; do
    kube delete secret "$name" --ignore-not-found
    make_secret "$name"
  done
fi

if is_missing grafana; then
  mkdir "$folder/grafana"
  random 24 >"$folder/grafana/password"
  make_secret grafana
fi
