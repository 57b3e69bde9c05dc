"""Starts `standalone` with a Redis, and reads back what senders of other products have stored there."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[4]
BUILT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "standalone"
TOOLS = ROOT / ".tools"
WAIT_S = 60
PAUSE_S = 0.05


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, ask):
    """Asks until the result is true, and returns it."""
    begin = time.monotonic()
    while time.monotonic() - begin < WAIT_S:
        if result := ask():
            return result
        time.sleep(PAUSE_S)
    raise AssertionError(f"waited for {what}")


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Deployment:
    """A `standalone` on one port, which keeps its series in a Redis: it can stop and start again."""

    def __init__(self, folder):
        self.port, self.redis_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.redis = subprocess.Popen(
            ["redis-server", "--port", str(self.redis_port), "--save", "", "--dir", str(folder)], stdout=subprocess.DEVNULL
        )
        until("Redis", lambda: is_open(self.redis_port))
        self.process = None
        self.start()

    def start(self):
        env = {
            "PORT": str(self.port),
            "LISTEN_HOST": "127.0.0.1",
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_port}",
            "RUST_LOG": "error",
        }
        self.process = subprocess.Popen([BUILT], env=env)
        until("the server", lambda: is_open(self.port))

    def stop(self):
        self.process.terminate()
        assert self.process.wait(30) == 0

    @contextlib.contextmanager
    def stopped(self):
        self.stop()
        yield
        self.start()

    @contextlib.contextmanager
    def store_away(self):
        """Suspends Redis: until it continues, samples are answered with 503."""
        self.redis.send_signal(signal.SIGSTOP)
        until("an answer with 503", lambda: self.get("/readyz")[0] == 503)
        yield
        self.redis.send_signal(signal.SIGCONT)
        until("a store that responds", lambda: self.get("/readyz")[0] == 200)

    def close(self):
        self.redis.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(30)
        self.redis.terminate()
        self.redis.wait(30)

    def get(self, path, **params):
        """The status and the body of an answer."""
        labels = params.pop("labels", {})
        pairs = [*params.items(), *(("label", f"{quote(name)}={value}") for name, value in labels.items())]
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(pairs)}") as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None

    def series(self):
        """Source, metric and labels of all series."""
        # Just after the store was away, a read may be refused once more.
        answer = until("the series", lambda: self.get("/series", limit=1000)[1])
        return [(series["source"], series["metric"], series["labels"]) for series in answer["series"]]

    def find(self, metric, **labels):
        """The name of the one series of a metric that has these labels, or `None`."""
        found = [
            series for series in self.series() if series[1] == metric and labels.items() <= series[2].items()
        ]
        assert len(found) <= 1, found
        return found[0] if found else None

    def samples(self, metric, **labels):
        """The stored samples of that series."""
        series = self.find(metric, **labels)
        if series is None:
            return []
        source, metric, labels = series
        read = lambda: self.get("/series/samples", source=source, metric=metric, labels=labels)[1]
        return until("the samples", read)["samples"]

    def stored(self, metric, **labels):
        """Time in microseconds and value of each stored sample."""
        return [(round(sample["timestamp"] * 1_000), sample["value"]) for sample in self.samples(metric, **labels)]

    def anomalies(self, metric, **labels):
        """The values of the anomalies of that series."""
        return [sample["value"] for sample in self.samples(metric, **labels) if sample["verdict"] == "anomaly"]


def quote(name):
    return re.sub("[%=]", lambda match: urllib.parse.quote(match[0]), name)


@pytest.fixture
def server(tmp_path):
    deployment = Deployment(tmp_path)
    yield deployment
    deployment.close()


@pytest.fixture
def run():
    """Starts processes that end with the test."""
    started = []

    def start(*command, **options):
        started.append(subprocess.Popen([str(part) for part in command], **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(30)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


def in_background(call):
    """Runs a call in a thread; the result waits for its end."""
    thread = threading.Thread(target=call)
    thread.start()

    def joined():
        thread.join(WAIT_S)
        assert not thread.is_alive()

    return joined


def levels(count):
    """Numbers around 100, which repeat in no short cycle."""
    return [100 + (i * 7919) % 23 for i in range(count)]
