"""Starts servers for the duration of a check."""

import contextlib
import socket
import subprocess
import time


def free_port() -> int:
    """Returns a port that is currently free."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(command: list[str], **options):
    """Runs a server until the end of the block; the first number among its arguments is its port."""
    port = next(int(part) for part in command if part.isdigit())
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} does not listen on port {port}")
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait()
