"""Runs the shell blocks of a document, in order, in one shell, and returns what each printed.

The working directory is the root of the repository and the binaries of `cargo build` are on the PATH. Every port that
the document names is replaced by a free one, so that documents run beside each other and beside a real server. A
document that names port 8080 and starts no server gets an empty `standalone` there; one that names 6379 gets a Redis.
"""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

import markdown

# Reasons for which a block may be marked as not run. Each names what a test machine does not have.
REASONS = {
    "needs an AWS account",
    "needs Docker",
    "needs a Kubernetes cluster",
    "needs a Prometheus",
    "measures for minutes",
    "needs a release build",
    "needs k6 or Locust",
    "downloads labeled data",
    "needs a profiling build",
    "needs cargo-lambda",
    "runs the tests themselves",
}

PORT = re.compile(r"(?:127\.0\.0\.1:|localhost:|PORT=)(\d{4,5})\b")
HTTP_PORT, REDIS_PORT = "8080", "6379"
TIMEOUT_S = 300
END = "\x1e"


class Failed(AssertionError):
    """A command of a document failed."""


def top_level():
    """The names in the top folder, without those of builds and reports, which git ignores."""
    return {path.name for path in markdown.ROOT.iterdir()} - {"reports", "target"}


def runnable(path):
    """The blocks of a document that run."""
    return [block for block in markdown.blocks(path) if block.language == "sh" and not block.is_generated and not block.not_run]


def run(path):
    """Runs the blocks of a document; returns pairs of block and output."""
    blocks = runnable(path)
    text = "\n".join(block.text for block in blocks)
    ports = free_ports(sorted({*PORT.findall(text), HTTP_PORT}))
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n"\n')
        if REDIS_PORT in ports:
            stack.enter_context(server(["redis-server", "--port", ports[REDIS_PORT], "--save", "", "--dir", folder], ports[REDIS_PORT], {}))
        starts_server = "make demo" in text or any(HTTP_PORT == port_of(block) for block in blocks if block.is_in_background)
        if f":{HTTP_PORT}" in text and not starts_server:
            stack.enter_context(server(["standalone"], ports[HTTP_PORT], {"PORT": ports[HTTP_PORT], "RUST_LOG": "error"}))
        return run_blocks(blocks, ports, folder)


def run_blocks(blocks, ports, folder):
    """Runs blocks in one shell, and ends what they leave running."""
    script = folder / "script.sh"
    script.write_text("set -euo pipefail\n" + "".join(step(block, i, ports, folder) for i, block in enumerate(blocks)))
    process = subprocess.Popen(
        ["bash", script], cwd=markdown.ROOT, env=environment({"PORT": ports[HTTP_PORT], "CURL_HOME": str(folder)}), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )
    timer_text = ""
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        timer_text = f" within {TIMEOUT_S} s"
        end_group(process)
        output, _ = process.communicate()
    finally:
        end_group(process)
    parts = output.split(END)[1:]
    if process.returncode != 0:
        n = max(len(parts) - 1, 0)
        raise Failed(f"{blocks[n]}: exit code {process.returncode}{timer_text}\n{blocks[n].text}\n---\n{parts[n] if parts else output}")
    return list(zip(blocks, parts, strict=True))


def step(block, i, ports, folder):
    """The shell text of one block, behind a mark that separates its output from that of the block before."""
    text = with_ports(block.text, ports)
    mark = f"printf '{END}'\n"
    if not block.is_in_background:
        return f"{mark}{text}\n"
    port = ports[port_of(block)]
    wait = f"for _ in $(seq 100); do (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; sleep 0.1; done\n"
    # Output goes to a file: a process that holds the pipe open would keep the reader waiting.
    return f"{mark}( {text}\n) >{folder}/{i}.log 2>&1 &\n{wait}"


def port_of(block):
    """The port of the server that a block starts."""
    named = re.findall(r"\bPORT=(\d+)", block.text)
    return named[-1] if named else HTTP_PORT


def with_ports(text, ports):
    """The text with free ports in place of those it names."""
    return PORT.sub(lambda match: match[0].removesuffix(match[1]) + ports[match[1]], text)


def free_ports(names):
    """A free port for each name."""
    sockets = [socket.socket() for _ in names]
    for listener in sockets:
        listener.bind(("127.0.0.1", 0))
    ports = {name: str(listener.getsockname()[1]) for name, listener in zip(names, sockets, strict=True)}
    for listener in sockets:
        listener.close()
    return ports


def environment(variables):
    """The environment of commands: binaries on the PATH, nothing of this project set."""
    built = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", markdown.ROOT / "target")) / "debug"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TIDEMARK_", "REDIS_"))}
    return {**kept, "PATH": f"{built}:{os.environ['PATH']}", **variables}


@contextlib.contextmanager
def server(command, port, variables):
    """A server that listens on a port."""
    env = environment(variables)
    # The PATH of the child finds the program; `Popen` would search that of this process.
    process = subprocess.Popen(["env", *map(str, command)], env=env, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), timeout=1):
                break
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            time.sleep(0.05)
        yield
    finally:
        end_group(process)
        process.wait()


def end_group(process):
    """Ends a process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
