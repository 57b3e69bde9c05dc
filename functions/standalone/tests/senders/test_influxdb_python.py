"""The client of InfluxDB 2 for Python: line protocol, point by point and in batches."""

import time

import pytest
from influxdb_client import InfluxDBClient, Point, WriteOptions, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS

from conftest import levels

BURST = 5000
BEGIN_MS = 1_732_060_800_000


def point(i, level):
    at_ms = BEGIN_MS + i * 1_000
    return Point("queue").tag("host", "web-1").tag("zone", "a").field("length", float(level)).time(at_ms, WritePrecision.MS)


@pytest.fixture
def client(server):
    with InfluxDBClient(url=server.url, token="any", org="any", timeout=20_000) as client:
        yield client


def test_the_client_finds_a_server_that_is_ready(client):
    assert client.ping()
    assert client.version().startswith("v2-tidemark-")
    with pytest.deprecated_call():
        assert client.health().status == "pass"


@pytest.mark.parametrize("gzip", [False, True])
def test_values_and_times_arrive_and_a_burst_is_an_anomaly(server, gzip):
    values = [*levels(60), BURST]
    with InfluxDBClient(url=server.url, token="any", org="any", enable_gzip=gzip) as client:
        api = client.write_api(write_options=SYNCHRONOUS)
        for i, level in enumerate(values):
            api.write(bucket="any", record=point(i, level))
    assert server.stored("queue_length") == [((BEGIN_MS + i * 1_000) * 1_000, value) for i, value in enumerate(values)]
    assert server.find("queue_length") == ("web-1", "queue_length", {"zone": "a"})
    assert server.anomalies("queue_length") == [BURST]


@pytest.mark.parametrize("trouble", ["stopped", "store_away"])
def test_nothing_is_lost_or_doubled_while_the_server_is_away(server, client, trouble):
    options = WriteOptions(batch_size=10, flush_interval=100, retry_interval=200, jitter_interval=0, max_retries=20)
    values, failed = levels(60), []
    with client.write_api(write_options=options, error_callback=lambda *failure: failed.append(failure)) as api:
        for i, level in enumerate(values[:30]):
            api.write(bucket="any", record=point(i, level))
        with getattr(server, trouble)():
            for i, level in enumerate(values[30:], 30):
                api.write(bucket="any", record=point(i, level))
            time.sleep(1)
    assert failed == []
    assert server.stored("queue_length") == [((BEGIN_MS + i * 1_000) * 1_000, value) for i, value in enumerate(values)]
