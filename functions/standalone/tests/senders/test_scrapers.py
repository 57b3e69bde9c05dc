"""vmagent and Prometheus, which scrape a process of the test, and send by remote write."""

import http.server
import threading
import time

import pytest

from conftest import free_port, is_open, levels, until

BURST = 5000

CONFIG = """
global: {{ scrape_interval: 200ms, scrape_timeout: 200ms }}
scrape_configs:
- job_name: shop
  static_configs: [{{ targets: ['127.0.0.1:{port}'] }}]
"""

REMOTE_WRITE = """
remote_write:
- url: {url}
  queue_config: {{ batch_send_deadline: 100ms, max_backoff: 1s }}
"""


class Target:
    """A process with a gauge that changes from scrape to scrape, and a counter."""

    def __init__(self):
        self.level, self.total, self.scraped = None, 0, []
        self.levels = iter(levels(100_000))
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = target.scrape().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def scrape(self):
        level, self.level = self.level or next(self.levels), None
        self.total += level
        self.scraped.append((level, self.total))
        return f"# TYPE queue_length gauge\nqueue_length {level}\n# TYPE requests_total counter\nrequests_total {self.total}\n"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def target():
    target = Target()
    yield target
    target.close()


@pytest.fixture(params=["vmagent", "prometheus"])
def scraper(server, run, target, tmp_path, request):
    """Starts a scraper of the target; the result is its name."""
    url, port, config = f"{server.url}/api/v1/write", free_port(), tmp_path / "prometheus.yml"
    text = CONFIG.format(port=target.port)
    if request.param == "vmagent":
        command = [
            "vmagent",
            f"-promscrape.config={config}",
            f"-remoteWrite.url={url}",
            f"-remoteWrite.tmpDataPath={tmp_path}/data",
            "-remoteWrite.flushInterval=100ms",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-loggerLevel=ERROR",
        ]
    else:
        text += REMOTE_WRITE.format(url=url)
        command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
    config.write_text(text)
    run(*command)
    until("the scraper", lambda: is_open(port))
    return request.param


def test_values_and_times_arrive_and_a_burst_is_an_anomaly(server, target, scraper):
    begin_us = time.time() * 1e6
    until("samples", lambda: len(server.stored("queue_length")) >= 20)
    target.level = BURST
    until("the burst", lambda: BURST in [value for _, value in server.stored("queue_length")])
    assert BURST in server.anomalies("queue_length")
    # A restart of the target: its counter begins again.
    target.total = 0
    n_scraped = len(target.scraped)
    until("samples after it", lambda: len(server.stored("queue_length")) >= 28 and len(target.scraped) > n_scraped + 5)
    source, _, labels = server.find("queue_length")
    assert (source, labels) == ("shop", {"instance": f"127.0.0.1:{target.port}"})
    assert all(begin_us - 1e6 < at < time.time() * 1e6 for at, _ in server.stored("queue_length"))
    assert all(sample.get("rate", 0) >= 0 for sample in server.samples("requests_total"))


# The test `senders` of `ingest` stops it in front of a Prometheus.
@pytest.mark.parametrize(
    "scraper, trouble",
    [("vmagent", "stopped"), ("vmagent", "store_away"), ("prometheus", "store_away")],
    indirect=["scraper"],
)
def test_nothing_is_lost_or_doubled_while_the_server_is_away(server, target, scraper, trouble):
    until("samples", lambda: len(server.stored("queue_length")) >= 5)
    with getattr(server, trouble)():
        n_scraped = len(target.scraped)
        until("scrapes meanwhile", lambda: len(target.scraped) >= n_scraped + 8)
        target.level = BURST
        until("a scrape of the burst", lambda: target.level is None)
        n_scraped = len(target.scraped)
    until("the missed samples", lambda: BURST in [value for _, value in server.stored("queue_length")])
    until("newer samples", lambda: len(target.scraped) > n_scraped + 4)
    until("equal samples", lambda: is_complete(server, target, n_scraped))


def is_complete(server, target, n_scraped):
    """True once the stored samples are all that were scraped, up to one of the newest.

    A scrape that took too long is missing: the scraper notes it as `up` of 0.
    """
    gauge, counter = server.stored("queue_length"), server.stored("requests_total")
    n_down = [value for _, value in server.stored("up")].count(0)
    times = [at for at, _ in gauge]
    if times != sorted(set(times)) or min(len(gauge), len(counter)) < n_scraped - n_down:
        return False
    return all(
        is_part([value for _, value in stored], [pair[i] for pair in target.scraped], n_down)
        for i, stored in enumerate((gauge, counter))
    )


def is_part(stored, scraped, n_missing_max):
    """True if the stored values are the scraped ones in their order, of which at most so many are missing."""
    n_missing, rest = 0, iter(scraped)
    for value in stored:
        for found in rest:
            if found == value:
                break
            n_missing += 1
        else:
            return False
    return n_missing <= n_missing_max
