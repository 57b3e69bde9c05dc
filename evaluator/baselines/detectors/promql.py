"""Rules that people write in PromQL, evaluated by a real Prometheus at the times of the samples.

The series are imported as blocks, as one backfills a history. A sample that does not come after the
one before it has no score: Prometheus would refuse it, too.
"""

import http.client
import json
import math
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from detectors.base import Scored, in_thresholds
from series import Series

INSTALL_HINT = "on Debian and Ubuntu: apt-get install prometheus (it brings promtool, too)"

# Prometheus answers a range query of at most 11,000 points.
POINTS_MAX = 11_000
# Evaluations a sample up to which irregular times share one query; sparser ones get their own.
POINTS_PER_SAMPLE_MAX = 64
READY_TIMEOUT_S = 60
QUERY_TIMEOUT_S = 600


class PrometheusMissingError(Exception):
    """There is no Prometheus on this machine."""


@dataclass(frozen=True)
class Rule:
    """An expression over the series `x`, and the threshold at which people let it alarm."""

    name: str
    expression: str
    threshold: float | None

    def version(self) -> str:
        """Name the installed Prometheus and its version."""
        text = subprocess.run(
            [tool("prometheus"), "--version"], capture_output=True, text=True, check=True
        )
        found = re.search(r"version (\d+\.\d+\.\d+)", text.stdout + text.stderr)
        return f"prometheus {found[1] if found else 'of unknown version'}"

    def score(self, all_series: Iterable[Series]) -> Iterator[Scored]:
        """Import all series at once, then ask for each."""
        all_series = list(all_series)
        with tempfile.TemporaryDirectory(prefix="baselines-") as folder:
            import_blocks(Path(folder), all_series)
            with running(Path(folder)) as server:
                for number, series in enumerate(all_series):
                    yield self._score_one(server, number, series)

    def _score_one(self, server: "Server", number: int, series: Series) -> Scored:
        expression = self.expression.format(x=f'x{{series="{number}"}}')
        rows = accepted_rows(series)
        times_s = [at_s for _, at_s in rows]
        before_s = server.cpu_s()
        answers: dict[int, float] = {}
        for times in regular_runs(times_s):
            answers.update(server.query_range(expression, times))
        cpu_s = server.cpu_s() - before_s
        scores = [0.0] * len(series)
        for row, at_s in rows:
            scores[row] = in_thresholds(answers.get(at_s), self.threshold)
        return Scored(series, scores, cpu_s, 0)


BASELINES = [
    Rule(
        "promql-zscore",
        "abs({x} - avg_over_time({x}[1h])) / stddev_over_time({x}[1h])",
        3.0,
    ),
    Rule(
        "promql-zscore-1w",
        "abs({x} - avg_over_time({x}[1w])) / stddev_over_time({x}[1w])",
        3.0,
    ),
    Rule(
        "promql-daily",
        "abs({x} - avg_over_time({x}[1h] offset 1d)) / stddev_over_time({x}[1h] offset 1d)",
        3.0,
    ),
]


def tool(name: str) -> str:
    """Find a program of Prometheus, or explain how to install it."""
    path = shutil.which(name)
    if path is None:
        raise PrometheusMissingError(f"`{name}` is not installed; {INSTALL_HINT}")
    return path


def accepted_rows(series: Series) -> list[tuple[int, int]]:
    """List row and whole second of the samples that Prometheus would store."""
    rows: list[tuple[int, int]] = []
    for row, (at_s, value) in enumerate(zip(series.at_s, series.values, strict=True)):
        at_s = math.floor(at_s)
        if not math.isnan(value) and (not rows or at_s > rows[-1][1]):
            rows.append((row, at_s))
    return rows


def regular_runs(times_s: list[int]) -> Iterator[list[int]]:
    """Cut times into runs that one range query covers."""
    run: list[int] = []
    step_s = 0
    for at_s in times_s:
        if run:
            wider_s = math.gcd(step_s, at_s - run[-1])
            n_points = (at_s - run[0]) // wider_s + 1
            if n_points > min(POINTS_MAX, POINTS_PER_SAMPLE_MAX * (len(run) + 1)):
                yield run
                run, wider_s = [], 0
            step_s = wider_s
        run.append(at_s)
    if run:
        yield run


def import_blocks(folder: Path, all_series: list[Series]) -> None:
    """Write all series as OpenMetrics text and let promtool make blocks of it."""
    text = folder / "series.txt"
    with open(text, "w", encoding="utf-8") as file:
        file.write("# TYPE x gauge\n")
        for number, series in enumerate(all_series):
            for row, at_s in accepted_rows(series):
                file.write(f'x{{series="{number}"}} {series.values[row]!r} {at_s}\n')
        file.write("# EOF\n")
    command = [tool("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=768h"]
    command += ["--quiet", "openmetrics", str(text), str(folder / "data")]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode != 0:
        raise RuntimeError(f"promtool cannot import the series: {made.stderr or made.stdout}")
    text.unlink()


@contextmanager
def running(folder: Path) -> Iterator["Server"]:
    """Run a Prometheus over the blocks in `folder` that scrapes nothing, on a free port."""
    (folder / "prometheus.yml").write_text("scrape_configs: []\n", encoding="utf-8")
    port = free_port()
    command = [
        tool("prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        # History is older than the default retention; blocks are read once, so never compacted.
        "--storage.tsdb.retention.time=100y",
        "--storage.tsdb.min-block-duration=2h",
        "--storage.tsdb.max-block-duration=2h",
        f"--query.timeout={QUERY_TIMEOUT_S}s",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with open(folder / "prometheus.log", "w+", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            server = Server(port)
            if not server.wait_ready(process):
                log.seek(0)
                raise RuntimeError(f"prometheus does not start: {log.read()[-2000:]}")
            yield server
        finally:
            process.terminate()
            process.wait()


def free_port() -> int:
    """Ask the system for a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Server:
    """The HTTP interface of a running Prometheus."""

    port: int

    def wait_ready(self, process: subprocess.Popen) -> bool:
        """Wait until it answers queries; false when it ended or took too long."""
        give_up_s = time.monotonic() + READY_TIMEOUT_S
        while process.poll() is None and time.monotonic() < give_up_s:
            try:
                if self._get("/-/ready")[0] == 200:
                    return True
            except OSError:
                pass
            time.sleep(0.1)
        return False

    def cpu_s(self) -> float:
        """Read the processor time it has used."""
        _, text = self._get("/metrics")
        for line in text.splitlines():
            if line.startswith("process_cpu_seconds_total "):
                return float(line.split()[1])
        raise RuntimeError("prometheus does not report its processor time")

    def query_range(self, expression: str, times_s: list[int]) -> Iterator[tuple[int, float]]:
        """Evaluate an expression at times that lie on a grid; yields time and value."""
        step_s = math.gcd(*(at_s - times_s[0] for at_s in times_s)) or 1
        query = {"query": expression, "start": times_s[0], "end": times_s[-1], "step": step_s}
        status, text = self._get("/api/v1/query_range?" + urlencode(query))
        if status != 200:
            raise RuntimeError(f"prometheus refuses `{expression}`: {text}")
        for one in json.loads(text)["data"]["result"]:
            yield from ((int(at_s), float(value)) for at_s, value in one["values"])

    def _get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=QUERY_TIMEOUT_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()
