"""`up.sh`, `down.sh` and `secrets.sh`, as far as they go without a cluster.

Kind cannot run where the tests do, so `kind`, `kubectl` and `docker` are stand-ins that write down what they are asked and
remember what was made: what is tested is the order, what a second run leaves alone, and what is said when something is
missing. What the real ones do with it is not tested here. `secrets.sh` is also part of the chain, with real keys.
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

# What a stand-in needs of the system, and the scripts of theirs.
SYSTEM = "bash env sed grep sort head tail cut od tr mktemp rm cp cat awk mkdir dirname sha256sum base64 printf sleep make".split()

KIND_STUB = '''echo "kind $*" >>"$CALLS"
case "$1 ${2:-}" in
  "version "*) echo "kind v${KIND_SAYS:-0.32.0} go1.24 linux/amd64" ;;
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
    # The webhook of Knative is not up at once.
    if [ ! -e "$STATE/webhook" ]; then : >"$STATE/webhook"; echo 'connection refused' >&2; exit 1; fi ;;
esac'''

DOCKER_STUB = '''echo "docker $*" >>"$CALLS"
case "$1 ${2:-}" in
  "info "*) [ -z "${DOCKER_IS_DOWN:-}" ] ;;
  "image inspect") [ -z "${IMAGES_ARE_MISSING:-}" ] ;;
  "run --rm") n=$(cat "$STATE/keys" 2>/dev/null || echo 0); echo $((n + 1)) >"$STATE/keys"
    printf 'key   tmk_%s\\nentry default:%s:%s\\n' "$n" "${*: -1}" "$n" ;;
esac'''


class World:
    """A machine with stand-ins, that remembers."""

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
        return [it for it in self.calls.read_text().splitlines() if re.search(pattern, it)]

    def secret(self, name):
        return {it.name: it.read_text() for it in (self.state / f"secret-{name}").iterdir()}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda it: it.name)
def test_shellcheck_has_nothing_to_say(script):
    done = subprocess.run(
        [TOOLS / "shellcheck", "--external-sources", "--source-path=SCRIPTDIR", script],
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda it: it.name)
def test_scripts_end_at_the_first_failure_and_can_be_run(script):
    assert "\nset -euo pipefail\n" in script.read_text()
    assert os.access(script, os.X_OK)


def test_up_makes_everything_in_order(world):
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
    places = [next((i for i, it in enumerate(calls) if re.search(one, it)), one) for one in wanted]
    assert places == sorted(places, key=lambda it: (isinstance(it, str), it)), places
    assert all(isinstance(it, int) for it in places), places
    assert "curl -H 'Host: ingest.tidemark.kind.test'" in done.stdout


def test_up_touches_no_other_cluster(world):
    world.run("up.sh")
    kubectl = world.called("^kubectl ")
    assert kubectl and all("--context kind-tidemark" in it for it in kubectl)


def test_up_waits_for_a_webhook_that_is_not_there_yet(world):
    assert world.run("up.sh").returncode == 0
    assert len(world.called("apply --kustomize")) == 2


def test_up_again_leaves_alone_what_is_there(world):
    world.run("up.sh")
    before = {name: world.secret(name) for name in SECRETS}
    done = world.run("up.sh")
    assert done.returncode == 0, done.stderr
    assert world.called("create cluster") == []
    assert world.called("create secret") == world.called("delete secret") == []
    assert world.called("rollout restart") == []
    assert {name: world.secret(name) for name in SECRETS} == before
    assert world.called("apply --kustomize")


def test_up_makes_again_what_was_deleted(world):
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
    entries = world.secret("api-keys")["entries"].split()
    assert [it.split(":")[1] for it in entries] == ["write", "read", "admin"]


def test_redis_lets_in_only_who_knows_the_password(world):
    world.run("secrets.sh")
    made = world.secret("redis-auth")
    assert len(made["password"]) == 48
    users = made["users.acl"].splitlines()
    assert users[0].startswith("user default off")
    assert f"#{hashlib.sha256(made['password'].encode()).hexdigest()} " in users[1]
    assert made["password"] not in made["users.acl"]


def test_secrets_are_neither_printed_nor_on_a_command_line(world):
    done = world.run("secrets.sh")
    told = done.stdout + done.stderr + world.calls.read_text()
    for name in ("redis-auth", "sender-keys", "grafana"):
        for value in world.secret(name).values():
            assert value.strip() not in told


def test_secrets_leave_no_file_behind(world, tmp_path):
    folder = tmp_path / "tmp"
    folder.mkdir()
    assert world.run("secrets.sh", TMPDIR=str(folder)).returncode == 0
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("tool", ["docker", "kind", "kubectl"])
def test_a_missing_tool_is_named_with_where_it_comes_from(world, tool):
    (world.bin / tool).unlink()
    done = world.run("up.sh")
    assert done.returncode == 1
    assert f"`{tool}` is missing" in done.stderr and "https://" in done.stderr
    assert world.called("create cluster") == []


def test_an_old_kind_is_named(world):
    done = world.run("up.sh", KIND_SAYS="0.9.0")
    assert done.returncode == 1
    assert "version 0.9.0: 0.32.0 or newer is wanted" in done.stderr


def test_a_docker_that_does_not_answer_is_named(world):
    done = world.run("up.sh", DOCKER_IS_DOWN="1")
    assert done.returncode == 1
    assert "Docker does not answer" in done.stderr


def test_missing_images_are_made(world):
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


def test_down_without_kind_says_so(world):
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
