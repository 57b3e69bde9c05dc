"""The OpenTelemetry SDK of JavaScript: OTLP as Protocol Buffers and JSON, cumulative and delta."""

import json
import pathlib
import subprocess
import time

import pytest

from conftest import TOOLS, levels

PROGRAM = pathlib.Path(__file__).with_name("otlp.js")
BURST = 5000
SUCCESS = 0


class Program:
    def __init__(self, run, server, encoding, temporality):
        self.process = run(
            TOOLS / "node/bin/node",
            PROGRAM,
            TOOLS / "senders-js",
            f"{server.url}/v1/metrics",
            encoding,
            temporality,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.is_delta = temporality == "DELTA"
        self.points = {"queue.length": [], "requests": []}

    def begin(self, level):
        self.process.stdin.write(f"{level}\n")
        self.process.stdin.flush()

    def end(self):
        """Waits for the end of an export."""
        export = json.loads(self.process.stdout.readline())
        assert export["code"] == SUCCESS, export
        for name, points in export["points"].items():
            self.points[name] += points

    def send(self, level):
        self.begin(level)
        self.end()

    def gauge(self):
        return [(nanoseconds(point["endTime"]) // 1_000, point["value"]) for point in self.points["queue.length"]]

    def counter(self):
        def value(point):
            elapsed_ns = nanoseconds(point["endTime"]) - nanoseconds(point["startTime"])
            return point["value"] / (elapsed_ns / 1e9) if self.is_delta else point["value"]

        return [(nanoseconds(point["endTime"]) // 1_000, value(point)) for point in self.points["requests"]]


def nanoseconds(pair):
    return pair[0] * 1_000_000_000 + pair[1]


@pytest.mark.parametrize("temporality", ["CUMULATIVE", "DELTA"])
@pytest.mark.parametrize("encoding", ["proto", "http"])
def test_values_and_times_arrive_and_a_burst_is_an_anomaly(server, run, encoding, temporality):
    program = Program(run, server, encoding, temporality)
    for level in levels(60):
        program.send(level)
    assert server.stored("queue.length") == program.gauge()
    assert server.stored("requests", route="/buy") == program.counter()
    assert server.find("requests")[::2] == ("checkout", {"otel.scope.name": "tests", "route": "/buy"})
    program.send(BURST)
    assert BURST in server.anomalies("queue.length")


@pytest.mark.parametrize("trouble", ["stopped", "store_away"])
@pytest.mark.parametrize("encoding, temporality", [("proto", "DELTA"), ("http", "CUMULATIVE")])
def test_nothing_is_lost_or_doubled_while_the_server_is_away(server, run, encoding, temporality, trouble):
    program = Program(run, server, encoding, temporality)
    for level in levels(5):
        program.send(level)
    with getattr(server, trouble)():
        program.begin(777)
        time.sleep(0.5)
    program.end()
    program.send(800)
    assert len(program.gauge()) == 7
    assert server.stored("queue.length") == program.gauge()
    assert server.stored("requests") == program.counter()
