"""A Lambda Runtime API on loopback that runs one function and returns its answers.

It has the calls that the Rust runtime uses: `next`, `response`, `error` and `init/error`. It simulates no memory limit, no
freezing and no timeout.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Longest wait for the first poll or for an answer; a busy machine may take seconds.
TIMEOUT_S = 60.0


class Server(ThreadingHTTPServer):
    """A server that ignores connections closed by the client, which is killed during a poll."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Function:
    """A running function; use it in a `with` block."""

    def __init__(self, binary: Path, environment: dict[str, str]):
        self.events: queue.Queue = queue.Queue()
        self.answers: queue.Queue = queue.Queue()
        self.polled_at: queue.Queue = queue.Queue()
        self.server = Server(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            [binary],
            env=inherited | {
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_port}",
                "AWS_LAMBDA_FUNCTION_NAME": binary.name,
                "AWS_LAMBDA_FUNCTION_VERSION": "1",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
                "AWS_LAMBDA_LOG_GROUP_NAME": "log",
                "AWS_LAMBDA_LOG_STREAM_NAME": "log",
            } | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip())

    def _handler(api):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                api.polled_at.put(time.monotonic())
                identity, event = api.events.get()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", identity)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 30_000))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:f")
                self.send_header("Lambda-Runtime-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(event)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self):
                at = time.monotonic()
                if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                    body = b""
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                api.answers.put((self.path.rsplit("/", 1)[-1], body, at))

        return Handler

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.server.shutdown()
        self.server.server_close()

    def _get(self, of: queue.Queue):
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                return of.get(timeout=0.2)
            except queue.Empty:
                code = self.process.poll()
                if code is not None or time.monotonic() > deadline:
                    output = "\n".join(self.lines[-20:])
                    raise RuntimeError(f"the function ended with {code}, or did not answer:\n{output}") from None

    def first_poll_s(self) -> float:
        """Returns the seconds from the start of the process to its first poll for an event."""
        return self._get(self.polled_at) - self.started_at

    def invoke(self, event: dict) -> tuple[str, object, float]:
        """Sends an event; returns `response` or `error`, the JSON, and the seconds since the process started."""
        identity = f"00000000-0000-4000-8000-{time.monotonic_ns() % 10**12:012d}"
        self.events.put((identity, json.dumps(event).encode()))
        kind, body, at = self._get(self.answers)
        return kind, json.loads(body) if body else None, at - self.started_at
