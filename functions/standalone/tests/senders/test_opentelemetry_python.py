"""The OpenTelemetry SDK of Python: OTLP as Protocol Buffers, cumulative and delta."""

import math
import time

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from conftest import in_background, levels, until

BURST = 5000


class NotingExporter(OTLPMetricExporter):
    """The exporter, which notes what it sends."""

    def __init__(self, **options):
        super().__init__(**options)
        self.points, self.results = {}, []

    def export(self, metrics_data, **options):
        for of_resource in metrics_data.resource_metrics:
            for scope in of_resource.scope_metrics:
                for metric in scope.metrics:
                    self.points.setdefault(metric.name, []).extend(metric.data.data_points)
        self.results.append(super().export(metrics_data, **options))
        return self.results[-1]


class Program:
    """A program with a gauge and a counter."""

    def __init__(self, server, temporality, of_histograms=AggregationTemporality.DELTA):
        self.exporter = NotingExporter(
            endpoint=f"{server.url}/v1/metrics",
            preferred_temporality={Counter: temporality, Histogram: of_histograms},
            compression=Compression.Gzip,
            timeout=40,
        )
        reader = PeriodicExportingMetricReader(self.exporter, export_interval_millis=math.inf, export_timeout_millis=60_000)
        self.provider = MeterProvider([reader], Resource({"service.name": "checkout"}), shutdown_on_exit=False)
        meter = self.provider.get_meter("tests")
        self.queue, self.requests = meter.create_gauge("queue.length"), meter.create_counter("requests")

    def send(self, level):
        self.queue.set(level)
        self.requests.add(level, {"route": "/buy"})
        self.provider.force_flush(60_000)
        # Later than the millisecond of the next point.
        time.sleep(0.005)

    def gauge(self):
        return [(point.time_unix_nano // 1_000, point.value) for point in self.exporter.points["queue.length"]]

    def totals(self):
        return [(point.time_unix_nano // 1_000, point.value) for point in self.exporter.points["requests"]]

    def rates(self):
        def rate(point):
            return point.value / ((point.time_unix_nano - point.start_time_unix_nano) / 1e9)

        return [(point.time_unix_nano // 1_000, rate(point)) for point in self.exporter.points["requests"]]


@pytest.fixture(params=[AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA], ids=["cumulative", "delta"])
def program(server, request):
    program = Program(server, request.param)
    program.expected = program.totals if request.param == AggregationTemporality.CUMULATIVE else program.rates
    yield program
    program.provider.shutdown()


def test_values_and_times_arrive_and_a_burst_is_an_anomaly(server, program):
    for level in levels(60):
        program.send(level)
    assert server.stored("queue.length") == program.gauge()
    assert server.stored("requests", route="/buy") == program.expected()
    assert server.find("requests")[::2] == ("checkout", {"otel.scope.name": "tests", "route": "/buy"})
    program.send(BURST)
    assert BURST in server.anomalies("queue.length")


@pytest.mark.parametrize("trouble", ["stopped", "store_away"])
def test_nothing_is_lost_or_doubled_while_the_server_is_away(server, program, trouble):
    for level in levels(5):
        program.send(level)
    with getattr(server, trouble)():
        sent = in_background(lambda: program.send(777))
        until("the export", lambda: len(program.gauge()) == 6)
        time.sleep(0.5)
        assert len(program.exporter.results) == 5, "the sender still retries"
    sent()
    program.send(800)
    assert program.exporter.results == [MetricExportResult.SUCCESS] * 7
    assert server.stored("queue.length") == program.gauge()
    assert server.stored("requests") == program.expected()


def test_a_delta_of_a_histogram_has_a_mean_and_quantiles(server, program):
    latency = program.provider.get_meter("tests").create_histogram("latency")
    for i in range(1, 101):
        latency.record(i)
    program.send(100)
    # Of the bounds of the SDK, 0, 5, 10, 25, 50, 75 and 100 matter here: the observations are spread evenly.
    expected = {"mean": 50.5, "p50": 50, "p95": 95, "p99": 99}
    for statistic, value in expected.items():
        assert [found for _, found in server.stored(f"latency_{statistic}")] == pytest.approx([value])


def test_a_cumulative_histogram_has_the_mean_of_each_interval(server):
    program = Program(server, AggregationTemporality.CUMULATIVE, of_histograms=AggregationTemporality.CUMULATIVE)
    latency = program.provider.get_meter("tests").create_histogram("latency")
    intervals = [[10, 20], [40], [], [1, 2, 6]]
    for observations in intervals:
        for observation in observations:
            latency.record(observation)
        program.send(100)
    program.provider.shutdown()
    means = [sample.get("mean") for sample in server.samples("latency_mean")]
    assert means == [None, 40, None, 3]
    assert [value for _, value in server.stored("latency_mean")] == [30, 70, 70, 79]
