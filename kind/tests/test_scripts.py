"""Tests `up.sh`, `down.sh` and `secrets.sh` without a cluster.

Stubs of `kind`, `kubectl` and `docker` record their calls and what was created. The tests check the order of the calls,
that a second run changes nothing, and the messages about missing tools. They do not check the effect of the real tools.
`test_chain` runs `secrets.sh` with real keys.
"""

import hashlib
import os
import re
import shutil
import subprocess

import pytest

from chain import stub
from conftest import KIND, TOOLS, version
from test_manifests import SECRETS

SCRIPTS = sorted([*KIND.glob("*.sh"), *(KIND / "image").glob("*.sh")])

# Commands of the system that the scripts and the stubs need.
SYSTEM = "bash env sed grep sort head tail cut od tr mktemp rm cp cat awk mkdir dirname sha256sum base64 printf sleep make".split()

KIND_STUB = '''echo "kind $*" >>"$CALLS"
case "$1 ${2:-}" in
  "version "*) echo "kind v${KIND_STUB_VERSION:-0.32.0} go1.24 linux/amd64" ;;
  "get clusters") cat "$STATE/clusters" 2>/dev/null || echo 'No kind clusters found.' >&2 ;;
  "create cluster") echo tidemark >"$STATE/clusters" ;;
  "delete cluster") rm "$STATE/clusters" ;;
esac'''

KUBECTL_STUB = '''echo "kubectl $*" >>"$CALLS"
case " $* " in
  *" get secret "*) [ -d "$STATE/secret-${*: -1}" ] ;;
  *" create secret "*) cp -r "$(sed 's/.*--from-file=//' <<<"$*")" "$STATE/secret-${*: -2:1}" ;;
  *" delete secret "*) rm -rf "$STATE/secret-${*: -2:1}" ;;
  *" patch "*) if [ -e "$STATE/patched-${*: -5:1}" ]; then echo 'patched (no change)'; else echo patched; fi
    : >"$STATE/patched-${*: -5:1}" ;;
  *" apply --kustomize "*)
    # Knative's webhook refuses the first request.
    if [ ! -e "$STATE/webhook" ]; then : >"$STATE/webhook"; echo 'connection refused' >&2; exit 1; fi ;;
esac'''

DOCKER_STUB = '''echo "docker $*" >>"$CALLS"
case "$1 ${2:-}" in
  "info "*) [ -z "${DOCKER_IS_DOWN:-}" ] ;;
  "image inspect") [ -z "${IMAGES_ARE_MISSING:-}" ] ;;
esac'''


class World:
    """A machine with stubs, and the record of their calls."""

    def __init__(self, folder):
        self.bin, self.state, self.calls = folder / "bin", folder / "state", folder / "calls"
        self.bin.mkdir()
        self.state.mkdir()
        self.calls.touch()
        for name in SYSTEM:
            found = shutil.which(name)
            if found:
                (self.bin / name).symlink_to(found)
        for name, script in (("kind", KIND_STUB), ("kubectl", KUBECTL_STUB), ("docker", DOCKER_STUB)):
            stub(self.bin / name, script)

    def run(self, script, *arguments, **env):
        self.calls.write_text("")
        env = {
            "PATH": str(self.bin),
            "CALLS": str(self.calls),
            "STATE": str(self.state),
            "TIDEMARK_PAUSE": "0",
            **env,
        }
        command = [shutil.which("bash"), KIND / script, *arguments]
        return subprocess.run(command, env=env, text=True, capture_output=True)

    def called(self, pattern):
        return [line for line in self.calls.read_text().splitlines() if re.search(pattern, line)]

    def secret(self, name):
        return {path.name: path.read_text() for path in (self.state / f"secret-{name}").iterdir()}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_has_no_findings(script):
    done = subprocess.run(
        [TOOLS / "shellcheck", "--external-sources", "--source-path=SCRIPTDIR", script],
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_stop_at_the_first_failure_and_are_executable(script):
    assert "\nset -euo pipefail\n" in script.read_text()
    assert os.access(script, os.X_OK)


def test_up_runs_all_steps_in_order(world):
    done = world.run("up.sh")
    assert done.returncode == 0, done.stderr
    wanted = [
        r"^kind create cluster --name tidemark --config cluster.yaml --image kindest/node:v[\d.]+@sha256:[0-9a-f]{64}",
        r"apply --filename https://.*serving-crds.yaml",
        r"wait crd .*Established",
        r"apply --filename https://.*serving-core.yaml",
        r"apply --filename https://.*kourier.yaml",
        r"knative-serving wait deployment --all",
        r"patch configmap config-network .*kourier.ingress.networking.knative.dev",
        r"patch configmap config-observability .*prometheus",
        r"rollout restart deployment autoscaler",
        r"^kind load docker-image --name tidemark .*tidemark-ingest:",
        r"apply --filename base/namespace.yaml",
        r"create secret generic redis-auth",
        r"apply --kustomize overlays/dev",
        r"wait ksvc --all --for=condition=Ready",
    ]
    calls = world.calls.read_text().splitlines()
    positions = [next((i for i, call in enumerate(calls) if re.search(one, call)), one) for one in wanted]
    assert positions == sorted(positions, key=lambda position: (isinstance(position, str), position)), positions
    assert all(isinstance(position, int) for position in positions), positions
    assert "curl -H 'Host: ingest.tidemark.kind.test'" in done.stdout


def test_up_changes_no_other_cluster(world):
    world.run("up.sh")
    kubectl = world.called("^kubectl ")
    assert kubectl and all("--context kind-tidemark" in call for call in kubectl)


def test_up_waits_until_the_webhook_answers(world):
    assert world.run("up.sh").returncode == 0
    assert len(world.called("apply --kustomize")) == 2


def test_a_second_up_changes_nothing(world):
    world.run("up.sh")
    before = {name: world.secret(name) for name in SECRETS}
    done = world.run("up.sh")
    assert done.returncode == 0, done.stderr
    assert world.called("create cluster") == []
    assert world.called("create secret") == world.called("delete secret") == []
    assert world.called("rollout restart") == []
    assert {name: world.secret(name) for name in SECRETS} == before
    assert world.called("apply --kustomize")


def test_up_creates_deleted_secrets(world):
    world.run("up.sh")
    before = {name: world.secret(name) for name in SECRETS}
    shutil.rmtree(world.state / "secret-redis-auth")
    world.run("up.sh")
    assert world.secret("redis-auth") != before["redis-auth"]
    assert world.secret("api-keys") == before["api-keys"]


def test_keys_and_their_entries_are_made_together(world):
    world.run("up.sh")
    before = world.secret("sender-keys")
    shutil.rmtree(world.state / "secret-api-keys")
    world.run("up.sh")
    assert set(world.secret("sender-keys").values()).isdisjoint(before.values())


def test_secrets_have_the_keys_that_the_manifests_mount(world):
    assert world.run("secrets.sh").returncode == 0
    assert {name: set(world.secret(name)) for name in SECRETS} == SECRETS
    keys = world.secret("sender-keys")
    assert all(re.fullmatch("tmk_[0-9a-f]{64}", key) for key in keys.values())
    rights = ["write", "read", "admin"]
    expected = [f"default:{right}:{hashlib.sha256(keys[right].encode()).hexdigest()}" for right in rights]
    assert world.secret("api-keys")["entries"].split() == expected


def test_secrets_need_kubectl_only(world):
    for tool in ("docker", "kind"):
        (world.bin / tool).unlink()
    done = world.run("secrets.sh")
    assert (done.returncode, done.stderr) == (0, "")
    made = {name: world.secret(name) for name in SECRETS}
    assert world.run("secrets.sh").returncode == 0
    assert {name: world.secret(name) for name in SECRETS} == made


def test_redis_requires_the_password(world):
    world.run("secrets.sh")
    made = world.secret("redis-auth")
    assert len(made["password"]) == 48
    users = made["users.acl"].splitlines()
    assert users[0].startswith("user default off")
    assert f"#{hashlib.sha256(made['password'].encode()).hexdigest()} " in users[1]
    assert made["password"] not in made["users.acl"]


def test_secrets_are_neither_printed_nor_on_a_command_line(world):
    done = world.run("secrets.sh")
    output = done.stdout + done.stderr + world.calls.read_text()
    for name in ("redis-auth", "sender-keys", "grafana"):
        for value in world.secret(name).values():
            assert value.strip() not in output


def test_secrets_leave_no_file_behind(world, tmp_path):
    folder = tmp_path / "tmp"
    folder.mkdir()
    assert world.run("secrets.sh", TMPDIR=str(folder)).returncode == 0
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("tool", ["docker", "kind", "kubectl"])
def test_a_missing_tool_is_named_with_its_website(world, tool):
    (world.bin / tool).unlink()
    done = world.run("up.sh")
    assert done.returncode == 1
    assert f"`{tool}` is missing" in done.stderr and "https://" in done.stderr
    assert world.called("create cluster") == []


def test_an_old_kind_is_named(world):
    done = world.run("up.sh", KIND_STUB_VERSION="0.9.0")
    assert done.returncode == 1
    assert "version 0.9.0: expected 0.32.0 or newer" in done.stderr


def test_a_docker_that_does_not_answer_is_named(world):
    done = world.run("up.sh", DOCKER_IS_DOWN="1")
    assert done.returncode == 1
    assert "Docker does not answer" in done.stderr


def test_missing_images_are_built(world):
    stub_make = world.bin / "make"
    stub_make.unlink()
    stub(stub_make, 'echo "make $*" >>"$CALLS"')
    world.run("up.sh", IMAGES_ARE_MISSING="1")
    assert world.called("^make -C .. image$")


def test_down_removes_the_cluster_and_nothing_the_second_time(world):
    world.run("up.sh")
    assert world.run("down.sh").returncode == 0
    assert world.called("^kind delete cluster --name tidemark$")
    done = world.run("down.sh")
    assert done.returncode == 0
    assert "there is no cluster" in done.stderr
    assert world.called("delete") == []


def test_down_without_kind_names_the_missing_tool(world):
    (world.bin / "kind").unlink()
    done = world.run("down.sh")
    assert done.returncode == 1 and "https://" in done.stderr


def test_versions_are_pinned():
    text = (KIND / "versions").read_text()
    assert re.search(r"^NODE_IMAGE=kindest/node:v[\d.]+@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    for name in ("KNATIVE_SERVING_VERSION", "KNATIVE_KOURIER_VERSION", "KIND_VERSION_MIN"):
        assert re.search(rf"^{name}=\d+\.\d+\.\d+$", text, re.MULTILINE)


def test_the_version_of_the_images_is_that_of_the_workspace():
    done = subprocess.run([KIND / "version.sh"], text=True, stdout=subprocess.PIPE, check=True)
    assert done.stdout.strip() == version()
