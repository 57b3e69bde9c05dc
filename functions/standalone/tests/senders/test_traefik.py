"""Traefik under a small load: OTLP, and line protocol of InfluxDB 2."""

import contextlib
import http.server
import threading
import time
import urllib.error
import urllib.request

import pytest

from conftest import TOOLS, free_port, is_open, until

STATIC = """
entryPoints: {{ web: {{ address: "127.0.0.1:{port}" }} }}
providers: {{ file: {{ filename: {dynamic} }} }}
global: {{ checkNewVersion: false, sendAnonymousUsage: false }}
log: {{ level: ERROR }}
metrics:
  {metrics}
"""

DYNAMIC = """
http:
  routers: {{ shop: {{ rule: "PathPrefix(`/`)", service: shop }} }}
  services: {{ shop: {{ loadBalancer: {{ servers: [{{ url: "http://127.0.0.1:{port}" }}] }} }} }}
"""

OTLP = 'otlp: {{ serviceName: edge, pushInterval: 200ms, http: {{ endpoint: "{url}/v1/metrics" }} }}'
INFLUX = 'influxDB2: {{ address: "{url}", token: any, org: any, bucket: any, pushInterval: 200ms }}'


class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@pytest.fixture
def shop():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def start(run, folder, shop, metrics):
    """Starts Traefik; the result is a call that sends requests through it, and returns the number of all so far."""
    port, static, dynamic = free_port(), folder / "traefik.yml", folder / "dynamic.yml"
    static.write_text(STATIC.format(port=port, dynamic=dynamic, metrics=metrics))
    dynamic.write_text(DYNAMIC.format(port=shop))
    run(TOOLS / "senders/bin/traefik", f"--configFile={static}")
    until("Traefik", lambda: is_open(port))
    sent = []

    def send(count):
        for _ in range(count):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/buy") as answer:
                sent.append(answer.status)
        return len(sent)

    def has_routes():
        with contextlib.suppress(urllib.error.HTTPError):
            return send(1)

    until("its routes", has_routes)
    return send


def send_steadily(send, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        count = send(1)
        time.sleep(0.09)
    return count


def test_the_rate_of_requests_arrives_by_otlp_and_a_burst_is_an_anomaly(server, run, shop, tmp_path):
    metric, labels = "traefik_service_requests_total", {"service": "shop@file", "code": "200"}
    send = start(run, tmp_path, shop, OTLP.format(url=server.url))

    def has_learned():
        send_steadily(send, 0.2)
        return len(server.stored(metric, **labels)) >= 18

    until("samples", has_learned)
    n_requests = send(400)
    until("all requests", lambda: server.stored(metric, **labels)[-1][1] == n_requests)
    anomalies = [sample["rate"] for sample in server.samples(metric, **labels) if sample["verdict"] == "anomaly"]
    assert anomalies, server.samples(metric, **labels)
    source, _, found = server.find(metric, **labels)
    assert source == "edge"
    # What changes at a restart or an update would begin new series.
    assert found.keys() == {"service", "code", "method", "protocol", "host.name", "otel.scope.name"}
    assert not [series for series in server.series() if server.stored(series[1], **series[2])[-1][1] > 1e9]


def test_a_total_is_right_after_the_server_was_away(server, run, shop, tmp_path):
    metric, labels = "traefik_service_requests_total", {"service": "shop@file", "code": "200"}
    send = start(run, tmp_path, shop, OTLP.format(url=server.url))
    until("samples", lambda: server.stored(metric, **labels))
    with server.stopped():
        n_requests = send_steadily(send, 1)
    until("all requests", lambda: server.stored(metric, **labels)[-1][1] == n_requests)
    times = [at for at, _ in server.stored(metric, **labels)]
    assert times == sorted(set(times))
    assert all(sample.get("rate", 0) >= 0 for sample in server.samples(metric, **labels))


def test_the_requests_of_each_interval_arrive_as_line_protocol(server, run, shop, tmp_path):
    metric, labels = "traefik.service.requests.total_count", {"service": "shop@file", "code": "200"}
    send = start(run, tmp_path, shop, INFLUX.format(url=server.url))
    n_requests = send_steadily(send, 1)
    until("all requests", lambda: sum(value for _, value in server.stored(metric, **labels)) == n_requests)
    assert not [series for series in server.series() if server.stored(series[1], **series[2])[-1][1] > 1e9]
