"""The client of InfluxDB 3 for JavaScript."""

import pathlib
import subprocess

from conftest import TOOLS, levels

PROGRAM = pathlib.Path(__file__).with_name("influxdb3.js")
BURST = 5000
BEGIN_MS = 1_732_060_800_000


def test_values_and_times_arrive_and_a_burst_is_an_anomaly(server, run):
    client = run(
        TOOLS / "node/bin/node", PROGRAM, TOOLS / "senders-js", server.url, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def write(line):
        client.stdin.write(f"{line}\n")
        client.stdin.flush()
        return client.stdout.readline().strip()

    values = [*levels(60), BURST]
    for i, level in enumerate(values):
        assert write(f"queue,host=web-1,zone=a length={level} {BEGIN_MS + i * 1_000}") == "ok"
    assert server.stored("queue_length") == [((BEGIN_MS + i * 1_000) * 1_000, value) for i, value in enumerate(values)]
    assert server.find("queue_length") == ("web-1", "queue_length", {"zone": "a"})
    assert server.anomalies("queue_length") == [BURST]
    # Another value at the same time.
    error = write(f"queue,host=web-1,zone=a length=7 {BEGIN_MS}")
    assert "partial write of line protocol occurred" in error and "conflict" in error
