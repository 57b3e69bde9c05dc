"""Starts functions, a Redis, an Alertmanager and webhooks on loopback."""

import contextlib
import http.server
import json
import os
import pathlib
import re
import select
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

ROOT = pathlib.Path(__file__).resolve().parents[4]
BUILT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WAIT_S = 60


def until(what, ask, wait_s=WAIT_S):
    """Asks until the result is true, and returns it."""
    begin = time.monotonic()
    while time.monotonic() - begin < wait_s:
        if result := ask():
            return result
        time.sleep(0.05)
    raise AssertionError(f"waited {wait_s} s: {what() if callable(what) else what}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Hook:
    """A receiver that verifies signatures with the reference library, and answers as a test sets."""

    def __init__(self):
        self.messages, self.ids, self.refusals = [], [], []
        self.answers = []
        self.server = None
        self.port = free_port()
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    def start(self):
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                hook.receive(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def receive(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        status, headers = self.answers.pop(0) if self.answers else (204, {})
        identity = request.headers.get("webhook-id")
        if status < 300:
            if identity:  # Alertmanager signs nothing.
                Verifier(SECRET).verify(body, dict(request.headers.items()))
            self.ids.append(identity)
            self.messages.append(json.loads(body))
        else:
            self.refusals.append((identity, time.monotonic()))
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def phases(self):
        """Returns the phases received, in order, with their revisions."""
        return [(message["data"]["phase"], message["data"]["revision"]) for message in self.messages]

    def until(self, *phases):
        """Waits for the last message to have one of the phases."""
        until(lambda: f"{phases}, received {self.phases()}", lambda: self.messages and self.phases()[-1][0] in phases)


class SlowHook(Hook):
    """A receiver that answers long after the notifier has given up waiting, as long as it is slow."""

    SLOW_S = 20

    def __init__(self):
        self.is_slow, self.n_open, self.n_answered = True, 0, 0
        super().__init__()

    def receive(self, request):
        if not self.is_slow:
            return super().receive(request)
        request.rfile.read(int(request.headers["Content-Length"]))
        self.n_open += 1
        begin = time.monotonic()
        # Until the notifier closes the connection.
        while self.is_slow and time.monotonic() - begin < self.SLOW_S:
            if select.select([request.connection], [], [], 0.05)[0] and not request.connection.recv(1, socket.MSG_PEEK):
                break
            time.sleep(0.05)
        self.n_open -= 1
        self.n_answered += 1
        request.close_connection = True


def command(*words, **env):
    """Runs a command; returns its code, output and errors."""
    done = subprocess.run([BUILT / words[0], *words[1:]], env=env, capture_output=True, text=True, timeout=WAIT_S)
    return done.returncode, done.stdout, done.stderr


class Process:
    """A function on a free port."""

    def __init__(self, *command, **env):
        defaults = {"PORT": "0", "RUST_LOG": "warn,server::run=info,server::http=info"}
        self.process = subprocess.Popen(
            [BUILT / command[0], *command[1:]], env={**defaults, **env}, stderr=subprocess.PIPE, text=True
        )
        self.lines = []
        for line in self.process.stderr:
            self.lines.append(line)
            if match := re.search(r'"address":"([^"]+)"', line):
                self.url = f"http://{match[1]}"
                threading.Thread(target=self.read, daemon=True).start()
                return
        raise AssertionError(f"{command} does not start: {self.lines}")

    def read(self):
        self.lines.extend(self.process.stderr)

    def request(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def send(self, samples):
        status, answer = self.request("POST", "/ingest", samples)
        assert status == 200, answer
        return answer

    def configure(self, source, config):
        query = urllib.parse.urlencode({"source": source, "metric": "rps"})
        return self.request("PUT", f"/series/config?{query}", config)

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


class Redis:
    """A Redis that keeps every write over a restart."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.start()

    def start(self):
        options = ["--port", str(self.port), "--dir", str(self.folder), "--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        self.process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        until("redis", lambda: b"PONG" in self.ask("PING"))

    def ask(self, *command):
        return subprocess.run(["redis-cli", "-p", str(self.port), *command], capture_output=True).stdout

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def kill(self):
        self.process.kill()
        self.process.wait(30)


class Alertmanager:
    """An Alertmanager that notifies a webhook at once."""

    def __init__(self, folder, hook):
        config = folder / "alertmanager.yml"
        config.write_text(
            "route: {receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n"
            f"receivers: [{{name: hook, webhook_configs: [{{url: '{hook.url}'}}]}}]\n"
        )
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = subprocess.Popen(
            ["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={folder}/data",
             f"--web.listen-address={self.url.removeprefix('http://')}", "--cluster.listen-address="],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until("alertmanager", self.is_ready)

    def is_ready(self):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"{self.url}/-/ready").status == 200

    def alerts(self):
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts") as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture
def started():
    """Starts something, and stops it after the test."""
    everything = []

    def start(kind, *arguments, **options):
        everything.append(kind(*arguments, **options))
        return everything[-1]

    yield start
    for one in reversed(everything):
        with contextlib.suppress(Exception):
            one.kill() if hasattr(one, "kill") else one.stop()
