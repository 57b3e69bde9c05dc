"""What the tests share: where things are, and overlays as `kubectl` renders them."""

import copy
import functools
import os
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

KIND = pathlib.Path(__file__).resolve().parent.parent
ROOT = KIND.parent
TOOLS = pathlib.Path(sys.prefix) / "bin"

sys.path.insert(0, str(KIND / "tests"))

import manifests  # noqa: E402

OVERLAYS = sorted(it.name for it in (KIND / "overlays").iterdir())


@functools.cache
def rendered(overlay):
    """The text of an overlay."""
    command = [TOOLS / "kubectl", "kustomize", KIND / "overlays" / overlay]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def documents(overlay):
    """The documents of an overlay, new each time: tests may break them."""
    return copy.deepcopy(parsed(overlay))


@functools.cache
def parsed(overlay):
    return manifests.load(rendered(overlay))


def variables():
    """The variables that the binaries read: the table of the README, which is made from their declaration."""
    text = (ROOT / "README.md").read_text()
    table = text.split("<!-- variables:begin -->")[1].split("<!-- variables:end -->")[0]
    return set(re.findall(r"^\| `([A-Z_0-9]+)`", table, re.MULTILINE))


def version():
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def binary(name):
    """One of our binaries, as `cargo build` leaves it."""
    folder = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = folder / "debug" / name
    assert path.exists(), f"{path} is missing: `cargo build --workspace` makes it"
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kind")
