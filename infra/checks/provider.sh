# shellcheck shell=bash
# Sourced, with a folder in `tools`: finds the AWS provider for `terraform init`, and sets what makes Terraform find it.
#
# A configuration in TF_CLI_CONFIG_FILE counts, then a mirror in the folders where Terraform and packages look for one,
# then the registry, if it can be reached. Exits 0 with a line where none of these is there.

# A mirror is a folder of hosts; the provider is at `<host>/hashicorp/aws` in it.
mirror() {
  local folder
  for folder in "${TF_MIRROR:-}" ~/.terraform.d/plugins /usr/local/share/terraform/plugins /usr/share/terraform/plugins /opt/*; do
    if compgen -G "$folder/*/hashicorp/aws" >/dev/null; then
      echo "$folder"
      return
    fi
  done
}

if ! command -v terraform >/dev/null; then
  echo 'infra: NOT checked: terraform is not installed (1.9 or newer is wanted)' >&2
  exit 0
fi

export CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1 TF_INPUT=0
if [ ! -f "${TF_CLI_CONFIG_FILE:-}" ]; then
  unset TF_CLI_CONFIG_FILE
  found=$(mirror)
  if [ -n "$found" ]; then
    mkdir -p "${tools:?}"
    printf 'provider_installation {\n  filesystem_mirror {\n    path = "%s"\n  }\n}\n' "$found" >"$tools/terraformrc"
    export TF_CLI_CONFIG_FILE=$tools/terraformrc
  fi
fi

# Downloads the provider into, or links it in, the data folder of each configuration; ends the script where it cannot be had.
init() {
  local said
  if said=$(timeout 120 terraform -chdir="$1" init -backend=false -no-color 2>&1); then
    return
  fi
  if [ -z "${TF_CLI_CONFIG_FILE:-}" ] && grep -qiE 'registry|failed to query|no such host|timeout|tls|connect' <<<"$said"; then
    echo 'infra: NOT checked: neither a mirror of providers (TF_CLI_CONFIG_FILE, TF_MIRROR) nor the registry is there' >&2
    exit 0
  fi
  echo "$said" >&2
  exit 1
}
