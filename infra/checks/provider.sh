# shellcheck shell=bash
# Configures `terraform init` to find the AWS provider. Source it with a folder in `tools`.
#
# Sources in order: the configuration in TF_CLI_CONFIG_FILE, a mirror in the usual folders or in TF_MIRROR, the registry.
# If none is available, prints a line and exits 0.

# Prints the folder of a mirror, which contains `<host>/hashicorp/aws`.
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
  echo 'infra: NOT checked: terraform is not installed (expected 1.9 or newer)' >&2
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

# Installs the provider into the data folder of a configuration; exits 0 if no source is available.
init() {
  local output
  if output=$(timeout 120 terraform -chdir="$1" init -backend=false -no-color 2>&1); then
    return
  fi
  if [ -z "${TF_CLI_CONFIG_FILE:-}" ] && grep -qiE 'registry|failed to query|no such host|timeout|tls|connect' <<<"$output"; then
    echo 'infra: NOT checked: neither a mirror of providers (TF_CLI_CONFIG_FILE, TF_MIRROR) nor the registry is available' >&2
    exit 0
  fi
  echo "$output" >&2
  exit 1
}
