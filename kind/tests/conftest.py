"""Paths, and overlays as `kubectl` renders them, for all tests."""

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

OVERLAYS = sorted(path.name for path in (KIND / "overlays").iterdir())


@functools.cache
def rendered(overlay):
    """Returns the text of an overlay."""
    command = [TOOLS / "kubectl", "kustomize", KIND / "overlays" / overlay]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def documents(overlay):
    """Returns a copy of the documents of an overlay, which the test may change."""
    return copy.deepcopy(parsed(overlay))


@functools.cache
def parsed(overlay):
    return manifests.load(rendered(overlay))


def variables():
    """Returns the variables that the binaries read, from the table that is generated from their declaration."""
    texts = [path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))]
    (text,) = (text for text in texts if "<!-- variables:begin -->" in text)
    table = text.split("<!-- variables:begin -->")[1].split("<!-- variables:end -->")[0]
    return set(re.findall(r"^\| `([A-Z_0-9]+)`", table, re.MULTILINE))


def version():
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def binary(name):
    """Returns the path of a binary that `cargo build` made."""
    folder = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = folder / "debug" / name
    assert path.exists(), f"{path} is missing: `cargo build --workspace` makes it"
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kind")
