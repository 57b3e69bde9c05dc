"""k6, which sends the metrics of its script by remote write, and retries nothing."""

import json
import pathlib
import time

from conftest import TOOLS, levels, until

SCRIPT = pathlib.Path(__file__).with_name("script.js")
BURST = 5000


def start(server, run, values):
    env = {
        "K6_PROMETHEUS_RW_SERVER_URL": f"{server.url}/api/v1/write",
        "K6_PROMETHEUS_RW_PUSH_INTERVAL": "50ms",
        "K6_NO_USAGE_REPORT": "true",
        "LEVELS": json.dumps(values),
        "PAUSE_S": "0.1",
    }
    return run(TOOLS / "senders/bin/k6", "run", "--quiet", "-o", "experimental-prometheus-rw", SCRIPT, env=env)


def test_values_and_times_arrive_and_a_burst_is_an_anomaly(server, run):
    values, begin_us = [*levels(30), BURST], time.time() * 1e6
    assert start(server, run, values).wait(60) == 0
    stored = server.stored("k6_queue_length")
    assert begin_us < stored[0][0] and stored[-1][0] < time.time() * 1e6
    # Of the values between two pushes only the last one is sent.
    received = iter(values)
    assert all(value in received for _, value in stored)
    assert len(stored) > 20
    assert BURST in server.anomalies("k6_queue_length")
    assert server.stored("k6_bought_total")[-1][1] == sum(values)
    assert server.find("k6_bought_total") == ("default", "k6_bought_total", {"scenario": "default"})


def test_a_total_is_right_after_the_server_was_away(server, run):
    values = levels(30)
    process = start(server, run, values)
    until("samples", lambda: len(server.stored("k6_bought_total")) >= 5)
    with server.stopped():
        time.sleep(0.5)
    assert process.wait(60) == 0
    samples = server.samples("k6_bought_total")
    assert samples[-1]["value"] == sum(values)
    assert all(sample.get("rate", 0) >= 0 for sample in samples)
