//! The receiver's compliance suite of Prometheus remote write, case by case under its names there.
//!
//! Each case is sent as version 2.0, and what that version shares with 1.0 as that, too. The suite demands a 204 and the
//! exact numbers of written parts, or a 400 and at most the numbers of valid parts.

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderValue, Method};
use intake::testbed::remote_write::{
    BucketSpan, Exemplar, Histogram, MetricMetadata, STALE_MARKER, SampleMessage, TimeSeries,
    WriteRequestMessage, packed, sample, series,
};

use crate::client::{AT_MS, Answer, Client, request};

const V1: &str = "application/x-protobuf";
const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

const HOUR_MS: i64 = 3_600_000;

/// Types of the metadata.
const UNSPECIFIED: i32 = 0;
const COUNTER: i32 = 1;
const GAUGE: i32 = 2;
const HISTOGRAM: i32 = 3;

/// Labels of the suite.
const JOB: Labels = &[("__name__", "up"), ("job", "testjob"), ("instance", "localhost:9090")];
const UNNAMED: Labels = &[("job", "testjob"), ("instance", "localhost:9090")];

type Labels = &'static [(&'static str, &'static str)];

/// A case: its series, the type in their metadata, the status and the numbers of samples, histograms and exemplars.
struct Case {
    name: String,
    timeseries: Vec<TimeSeries>,
    metric_type: i32,
    status: u16,
    written: [usize; 3],
}

fn case(
    name: impl Into<String>,
    metric_type: i32,
    timeseries: Vec<TimeSeries>,
    (status, written): (u16, [usize; 3]),
) -> Case {
    Case { name: name.into(), timeseries, metric_type, status, written }
}

fn ok(n_samples: usize, n_histograms: usize, n_exemplars: usize) -> (u16, [usize; 3]) {
    (204, [n_samples, n_histograms, n_exemplars])
}

fn one(labels: &[(&str, &str)], value: f64) -> TimeSeries {
    series(labels, vec![sample(AT_MS, value)])
}

fn of_histogram(labels: &[(&str, &str)], histogram: Histogram) -> TimeSeries {
    TimeSeries { histograms: vec![histogram], ..series(labels, vec![]) }
}

fn with_exemplar(timeseries: TimeSeries, labels: &[(&str, &str)], value: f64) -> TimeSeries {
    let labels = series(labels, vec![]).labels;
    let exemplars = vec![Exemplar { labels, value, timestamp: AT_MS }];
    TimeSeries { exemplars, ..timeseries }
}

/// A histogram of the suite.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each part is there or not, as in the suite")]
struct Parts {
    positive: bool,
    negative: bool,
    zero: bool,
    custom: bool,
}

const POSITIVE: Parts = Parts { positive: true, negative: false, zero: false, custom: false };
const POSITIVE_ZERO: Parts = Parts { zero: true, ..POSITIVE };
const NEGATIVE: Parts = Parts { negative: true, positive: false, ..POSITIVE };
const NEGATIVE_ZERO: Parts = Parts { zero: true, ..NEGATIVE };
const ZERO: Parts = Parts { zero: true, positive: false, ..POSITIVE };
const NONE: Parts = Parts { zero: false, ..ZERO };
const ALL: Parts = Parts { negative: true, ..POSITIVE_ZERO };
const CUSTOM: Parts = Parts { custom: true, ..NONE };

fn histogram(sum: f64, parts: Parts) -> Histogram {
    let span = |offset, length| BucketSpan { offset, length };
    let mut histogram = Histogram { sum, timestamp: AT_MS, ..Histogram::default() };
    let mut count = 0;
    if parts.positive {
        histogram.positive_spans = vec![span(0, 3), span(2, 2)];
        histogram.positive_deltas = vec![1, 2, 1, 3, 1];
        count += 23;
    }
    if parts.negative {
        histogram.negative_spans = vec![span(0, 2)];
        histogram.negative_deltas = vec![1, 1];
        count += 3;
    }
    if parts.zero {
        histogram.zero_count_int = Some(1);
        count += 1;
    }
    if parts.custom {
        histogram.schema = -53;
        histogram.custom_values = vec![0.1, 0.5, 1.0, 2.5, 5.0, 10.0];
        histogram.positive_spans = vec![span(0, 6)];
        histogram.positive_deltas = vec![2, 1, 2, 3, -1, -2];
        count = 30;
    }
    Histogram { count_int: Some(count), ..histogram }
}

fn metrics() -> Vec<Case> {
    let values = [
        ("1.0", 1.0),
        ("StaleNaN", STALE_MARKER),
        ("NaN", f64::NAN),
        ("Inf", f64::INFINITY),
        ("-Inf", f64::NEG_INFINITY),
    ];
    let single: [(&str, Labels, bool); 7] = [
        ("simple metric", &[("__name__", "up")], true),
        ("simple metric with multiple labels", JOB, true),
        (
            "simple metric with newlines",
            &[("__name__", "up"), ("job", "test\njob\n"), ("instance", "localhost:9090")],
            true,
        ),
        (
            "simple metric with dots",
            &[("__name__", "resource.cpu.usage"), ("job.name", "testjob"), ("instance.name", "a")],
            true,
        ),
        (
            "simple metric with spaces",
            &[("__name__", "resource cpu usage"), ("job name", "testjob"), ("instance name", "a")],
            true,
        ),
        ("simple metric without name label", UNNAMED, false),
        ("empty metric", &[], false),
    ];
    let mut cases = Vec::new();
    for (value_name, value) in values {
        for (name, labels, is_valid) in single {
            let name = format!("SingleMetric/{value_name}/{name}");
            let answer = if is_valid { ok(1, 0, 0) } else { (400, [0; 3]) };
            cases.push(case(name, UNSPECIFIED, vec![one(labels, value)], answer));
        }
        let several = |n_unnamed: usize| -> Vec<TimeSeries> {
            let instance = |i: usize| ["9090", "9091", "9092", "9093"][i];
            let labels = |i: usize| {
                let all = [("__name__", "up"), ("job", "testjob"), ("instance", instance(i))];
                one(&all[usize::from(i < n_unnamed)..], value)
            };
            (0..4).map(labels).collect()
        };
        for (name, n_unnamed, answer) in [
            ("multiple metrics", 0, ok(4, 0, 0)),
            ("multiple metrics, without name label", 4, (400, [0; 3])),
            ("multiple metrics, 1 without name label", 1, (400, [3, 0, 0])),
        ] {
            let name = format!("MultipleMetrics/{value_name}/{name}");
            cases.push(case(name, UNSPECIFIED, several(n_unnamed), answer));
        }
    }
    cases
}

/// A counter that began before.
fn created(labels: &[(&str, &str)], value: f64, age_ms: i64) -> TimeSeries {
    let started = SampleMessage { start_timestamp: AT_MS - age_ms, ..sample(AT_MS, value) };
    series(labels, vec![started])
}

fn histograms() -> Vec<Case> {
    let plain: Labels = &[("__name__", "test_histogram")];
    let api: Labels = &[("__name__", "request_duration_seconds"), ("job", "api")];
    let get: Labels = &[("__name__", "http_request_duration_seconds"), ("method", "GET")];
    let upload: Labels = &[("__name__", "response_size_bytes"), ("service", "upload")];
    let of = |labels: Labels, sum, parts| of_histogram(labels, histogram(sum, parts));
    let bad_count = Histogram { count_int: Some(99), ..histogram(1.0, POSITIVE) };
    let started = Histogram { start_timestamp: AT_MS - HOUR_MS / 2, ..histogram(1.5, ALL) };
    let [cpu, memory] = ["cpu_usage_histogram", "memory_usage_histogram"]
        .map(|name| [("__name__", name), ("instance", "server1")]);
    let [first, second] = ["hist1", "hist2"].map(|name| [("__name__", name), ("job", "test")]);
    let metadata = vec![
        of_histogram(&cpu, histogram(0.75, POSITIVE_ZERO)),
        of_histogram(&memory, histogram(8_589_934_592.0, Parts { zero: false, ..ALL })),
    ];
    let several = vec![
        of_histogram(&first, histogram(10.5, POSITIVE_ZERO)),
        of_histogram(&second, histogram(5.2, NEGATIVE)),
    ];
    let traced: Labels = &[("trace_id", "abc123def456"), ("span_id", "span789")];
    let large: Labels = &[("trace_id", "large_upload_trace"), ("user_id", "user456")];
    let both = with_exemplar(of(upload, 10_485_760.0, ALL), large, 10_485_760.0);
    let ok1 = ok(0, 1, 0);
    vec![
        case("Histograms/basic_histogram", 0, vec![of(plain, 1.0, ALL)], ok1),
        case("Histograms/custom_buckets_histogram", 0, vec![of(plain, 1.0, CUSTOM)], ok1),
        case("Histograms/positive_only_histogram", 0, vec![of(plain, 1.0, POSITIVE_ZERO)], ok1),
        case("Histograms/negative_only_histogram", 0, vec![of(plain, 1.0, NEGATIVE)], ok1),
        case("Histograms/minimal_histogram", 0, vec![of(plain, 1.0, ZERO)], ok1),
        case(
            "Histograms/bad_count_histogram",
            0,
            vec![of_histogram(plain, bad_count)],
            (400, [0; 3]),
        ),
        case("HistogramWithCreatedTimestamp", 0, vec![of_histogram(api, started)], ok1),
        case("MultipleHistograms", 0, several, ok(0, 2, 0)),
        case("EmptyHistogram", 0, vec![of(plain, 0.0, NONE)], ok1),
        case("HistogramWithMetadata", HISTOGRAM, vec![of(api, 2.5, ALL)], ok1),
        case(
            "HistogramWithExemplar",
            0,
            vec![with_exemplar(of(get, 1.23, POSITIVE_ZERO), traced, 1.23)],
            ok(0, 1, 1),
        ),
        case("HistogramWithMetadataAndExemplar", HISTOGRAM, vec![both], ok(0, 1, 1)),
        case("MultipleHistogramsWithMetadata", HISTOGRAM, metadata, ok(0, 2, 0)),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table, whose rows are read one by one")]
fn exemplars() -> Vec<Case> {
    let rows: [(&str, Labels, Labels, f64); 7] = [
        (
            "basic_exemplar",
            &[("__name__", "http_requests_total"), ("job", "api")],
            &[("trace_id", "abc123def456")],
            1.0,
        ),
        (
            "exemplar_with_span_id",
            &[("__name__", "request_duration_seconds"), ("method", "GET")],
            &[("trace_id", "xyz789"), ("span_id", "span123")],
            0.125,
        ),
        (
            "exemplar_without_trace_id",
            &[("__name__", "cpu_usage"), ("instance", "host1")],
            &[("user_id", "user123")],
            0.85,
        ),
        (
            "exemplar_with_multiple_labels",
            &[("__name__", "request_latency"), ("service", "auth")],
            &[("trace_id", "trace456"), ("user", "admin"), ("endpoint", "/login")],
            0.05,
        ),
        ("exemplar_no_labels", &[("__name__", "simple_counter")], &[], 1.0),
        (
            "exemplar_with_special_chars",
            &[("__name__", "test_metric")],
            &[("trace_id", "trace-with-dashes_and_underscores.123")],
            42.0,
        ),
        (
            "exemplar_with_unicode",
            &[("__name__", "unicode_test"), ("region", "🌍")],
            &[("trace_id", "unicode_trace_测试")],
            100.0,
        ),
    ];
    let mut cases = Vec::new();
    for (name, labels, of_exemplar, value) in rows {
        let timeseries = vec![with_exemplar(one(labels, value), of_exemplar, value)];
        cases.push(case(format!("Exemplars/{name}"), UNSPECIFIED, timeseries, ok(1, 0, 1)));
    }
    let trace: Labels = &[("trace_id", "special_value_trace")];
    let valid: Labels = &[("__name__", "test_metric")];
    for (name, value) in [
        ("zero_value", 0.0),
        ("negative_value", -123.456),
        ("large_value", 1e10),
        ("small_value", 1e-10),
        ("nan_value", f64::NAN),
        ("inf_value", f64::INFINITY),
        ("-inf_value", f64::NEG_INFINITY),
    ] {
        let timeseries = vec![with_exemplar(one(valid, value), trace, value)];
        let name = format!("ExemplarSpecialValues/{name}");
        cases.push(case(name, UNSPECIFIED, timeseries, ok(1, 0, 1)));
    }
    // An exemplar is not stored, whatever its series: it counts as written, which the suite permits beside a 400.
    let of = |labels: Labels| vec![with_exemplar(one(labels, 1.0), trace, 1.0)];
    let of_counter: Labels = &[("__name__", "http_requests_total"), ("job", "api")];
    let latency = |hours: i64| sample(AT_MS - hours * HOUR_MS, hours as f64);
    let timed = series(&[("__name__", "latency_hist")], vec![latency(2), latency(1), latency(0)]);
    let exemplar =
        |hours: i64| Exemplar { timestamp: AT_MS - hours * HOUR_MS, ..Exemplar::default() };
    let timed = TimeSeries { exemplars: [2, 1, 0].map(exemplar).into(), ..timed };
    let [get, post] =
        ["GET", "POST"].map(|method| [("__name__", "request_duration"), ("method", method)]);
    let errors = [("__name__", "error_count"), ("service", "payment")];
    let several =
        [&get[..], &post, &errors].map(|labels| with_exemplar(one(labels, 0.1), trace, 0.1));
    cases.extend([
        case(
            "ExemplarWithCreatedTimestamp",
            COUNTER,
            vec![with_exemplar(created(of_counter, 250.0, 2 * HOUR_MS), trace, 250.0)],
            ok(1, 0, 1),
        ),
        case("MultipleExemplars", UNSPECIFIED, several.into(), ok(3, 0, 3)),
        case("ExemplarTimestamps", UNSPECIFIED, vec![timed], ok(3, 0, 3)),
        case(
            "ExemplarValidation/exemplar_without_name_label",
            UNSPECIFIED,
            of(&[("job", "test")]),
            (400, [0, 0, 1]),
        ),
        case(
            "ExemplarValidation/exemplar_with_empty_name",
            UNSPECIFIED,
            of(&[("__name__", "")]),
            (400, [0, 0, 1]),
        ),
        case("ExemplarValidation/exemplar_with_valid_name", UNSPECIFIED, of(valid), ok(1, 0, 1)),
    ]);
    cases
}

fn metadata() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, metric, metric_type) in [
        ("counter_metadata", "http_requests_total", COUNTER),
        ("gauge_metadata", "cpu_usage_percent", GAUGE),
        ("metadata_no_help_no_unit", "simple_counter", COUNTER),
        ("metadata_with_special_chars", "test_metric", GAUGE),
        ("unspecified_metadata_type", "unknown_metric", UNSPECIFIED),
        ("info_metadata_type", "build_info", 6),
        ("stateset_metadata_type", "node_state", 7),
        ("summary_metadata_type", "request_latency_summary", 5),
        ("gauge_histogram_metadata_type", "temperature_histogram", 4),
    ] {
        let timeseries = vec![one(&[("__name__", metric)], 1.0)];
        cases.push(case(format!("Metadata/{name}"), metric_type, timeseries, ok(1, 0, 0)));
    }
    let of_histogram = |labels: &[(&str, &str)]| vec![of_histogram(labels, histogram(1.0, ALL))];
    let total: Labels = &[("__name__", "http_requests_total"), ("job", "api")];
    let usage =
        ["cpu_usage", "memory_usage", "disk_usage"].map(|name| one(&[("__name__", name)], 85.5));
    let complex: Labels = &[
        ("__name__", "http_request_duration_seconds"),
        ("job", "api-server"),
        ("instance", "localhost:8080"),
        ("method", "GET"),
        ("status", "200"),
        ("endpoint", "/api/v1/users"),
    ];
    let validated = |labels: Labels| vec![one(labels, 1.0)];
    cases.extend([
        case(
            "Metadata/histogram_metadata",
            HISTOGRAM,
            of_histogram(&[("__name__", "request_duration_seconds")]),
            ok(0, 1, 0),
        ),
        case(
            "CounterWithCreatedTimestamp",
            UNSPECIFIED,
            vec![created(total, 100.0, HOUR_MS)],
            ok(1, 0, 0),
        ),
        case(
            "CounterMetadataWithCreatedTimestamp",
            COUNTER,
            vec![created(total, 150.0, HOUR_MS)],
            ok(1, 0, 0),
        ),
        case("MetadataWithSamples", COUNTER, vec![one(total, 42.0)], ok(1, 0, 0)),
        case("MultipleMetadata", GAUGE, usage.into(), ok(3, 0, 0)),
        case("MetadataWithComplexLabels", HISTOGRAM, of_histogram(complex), ok(0, 1, 0)),
        case(
            "MetadataValidation/metadata_without_name_label",
            COUNTER,
            validated(&[("job", "test")]),
            (400, [0; 3]),
        ),
        case(
            "MetadataValidation/metadata_with_empty_name",
            GAUGE,
            validated(&[("__name__", "")]),
            (400, [0; 3]),
        ),
        case(
            "MetadataValidation/metadata_with_valid_name",
            COUNTER,
            validated(&[("__name__", "valid_metric_name")]),
            ok(1, 0, 0),
        ),
    ]);
    cases
}

#[expect(clippy::too_many_lines, reason = "a table, whose rows are read one by one")]
fn combined() -> Vec<Case> {
    let trace: Labels = &[("trace_id", "request_trace_123"), ("user_id", "user789")];
    let total: Labels = &[("__name__", "http_requests_total"), ("job", "api"), ("method", "POST")];
    let auth: Labels = &[("__name__", "request_duration_seconds"), ("service", "auth")];
    let [cpu, memory] =
        ["cpu_usage", "memory_usage"].map(|name| [("__name__", name), ("instance", "server1")]);
    let users: Labels = &[("__name__", "response_time_hist"), ("endpoint", "/api/v1/users")];
    let size: Labels = &[("__name__", "request_size_hist"), ("method", "POST")];
    let status: Labels = &[("__name__", "http_requests_total"), ("status", "200")];
    let celsius: Labels = &[("__name__", "temperature_celsius"), ("location", "datacenter1")];
    let handler: Labels = &[("__name__", "request_duration_seconds"), ("handler", "/metrics")];
    let special: Labels = &[
        ("__name__", "test_metric"),
        ("job", "test-job_with.special@chars"),
        ("instance", "localhost:9090"),
        ("environment", "test🚀"),
    ];
    let version: Labels = &[("__name__", "custom_latency_hist"), ("version", "v2")];
    let orphan: Labels = &[("__name__", "orphan_metric")];
    let of = |labels: Labels, sum, parts| of_histogram(labels, histogram(sum, parts));
    let many = |i: usize| {
        let (metric, label) = (format!("counter_metric_{i}"), format!("series_{i}"));
        with_exemplar(
            one(&[("__name__", &metric), ("series", &label)], 100.0 * i as f64),
            trace,
            1.0,
        )
    };
    let many_histograms = |i: usize| {
        let (metric, label) = (format!("histogram_metric_{i}"), format!("bucket_{i}"));
        let parts = Parts { negative: i.is_multiple_of(2), ..POSITIVE_ZERO };
        let histogram = histogram(i as f64 / 10.0, parts);
        with_exemplar(
            of_histogram(&[("__name__", &metric), ("bucket", &label)], histogram),
            trace,
            1.0,
        )
    };
    let old = series(&[("__name__", "old_metric")], vec![sample(AT_MS - HOUR_MS, 1.0)]);
    let mixed = vec![with_exemplar(old, trace, 1.0), one(&[("__name__", "new_metric")], 2.0)];
    vec![
        case(
            "SamplesWithMetadataAndExemplars",
            COUNTER,
            vec![with_exemplar(one(total, 1.0), trace, 1.0)],
            ok(1, 0, 1),
        ),
        case(
            "HistogramsWithMetadataAndExemplars",
            HISTOGRAM,
            vec![with_exemplar(of(auth, 0.456, ALL), trace, 0.456)],
            ok(0, 1, 1),
        ),
        case(
            "ComplexSamplesRequest",
            GAUGE,
            vec![with_exemplar(one(&cpu, 0.85), trace, 0.85), one(&memory, 8_589_934_592.0)],
            ok(2, 0, 1),
        ),
        case(
            "ComplexHistogramsRequest",
            HISTOGRAM,
            vec![
                with_exemplar(of(users, 0.125, POSITIVE_ZERO), trace, 0.125),
                of(size, 1_024.0, NEGATIVE_ZERO),
            ],
            ok(0, 2, 1),
        ),
        case(
            "MultipleMetricFamiliesSamples",
            COUNTER,
            vec![with_exemplar(one(status, 1_000.0), trace, 1_000.0), one(celsius, 23.5)],
            ok(2, 0, 1),
        ),
        case(
            "MultipleMetricFamiliesHistograms",
            HISTOGRAM,
            vec![with_exemplar(of(handler, 0.003, POSITIVE_ZERO), trace, 0.003)],
            ok(0, 1, 1),
        ),
        case(
            "EdgeCaseCombinations/metadata_without_data",
            COUNTER,
            vec![series(orphan, vec![])],
            ok(0, 0, 0),
        ),
        case(
            "EdgeCaseCombinations/exemplars_without_data",
            UNSPECIFIED,
            vec![with_exemplar(series(orphan, vec![]), trace, 42.0)],
            ok(0, 0, 1),
        ),
        case("EdgeCaseCombinations/mixed_timestamp_data", UNSPECIFIED, mixed, ok(2, 0, 1)),
        case("ManySamples", COUNTER, (0..50).map(many).collect(), ok(50, 0, 50)),
        case("ManyHistograms", HISTOGRAM, (0..50).map(many_histograms).collect(), ok(0, 50, 50)),
        case(
            "SpecialCharactersCombined",
            GAUGE,
            vec![with_exemplar(one(special, 42.0), trace, 42.0)],
            ok(1, 0, 1),
        ),
        case(
            "CustomBucketsHistogramWithExemplar",
            UNSPECIFIED,
            vec![with_exemplar(of(version, 0.05, CUSTOM), trace, 0.05)],
            ok(0, 1, 1),
        ),
        case(
            "RW1BasicCompatibility",
            UNSPECIFIED,
            vec![one(JOB, 1.0), one(&[("__name__", "http_requests_total")], 100.0)],
            ok(2, 0, 0),
        ),
    ]
}

async fn post(client: &Client, content_type: &str, encoding: &str, body: Vec<u8>) -> Answer {
    let mut request = request(Method::POST, "/api/v1/write", body.into());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_str(encoding).unwrap());
    client.send(request).await
}

fn outcome(answer: &Answer) -> (u16, [usize; 3]) {
    let written = ["samples", "histograms", "exemplars"].map(|kind| {
        let name = format!("x-prometheus-remote-write-{kind}-written");
        answer.headers[&name].to_str().unwrap().parse().unwrap()
    });
    (answer.status, written)
}

#[tokio::test]
async fn each_case_of_the_suite_as_version_2_0_and_1_0() {
    let all = [metrics(), histograms(), exemplars(), metadata(), combined()];
    for Case { name, timeseries, metric_type, status, written } in all.into_iter().flatten() {
        let named = timeseries.iter().flat_map(|one| &one.labels);
        let described =
            named.filter(|label| label.name == "__name__" && metric_type != UNSPECIFIED);
        let metadata = described.map(|label| MetricMetadata {
            r#type: metric_type,
            metric_family_name: label.value.clone(),
            help: "Test metric with \"quotes\", äöü\nand a second line".to_owned(),
            unit: "bytes/sec".to_owned(),
        });
        let metadata = metadata.collect();
        let message = WriteRequestMessage { timeseries, metadata };
        let bodies = [(V2, packed(&message.to_v2(metric_type))), (V1, packed(&message))];
        for (content_type, body) in bodies {
            let client = Client::standalone();
            let answer = post(&client, content_type, "snappy", body.clone()).await;
            assert_eq!(outcome(&answer), (status, written), "{name}: {}", answer.text());
            let again = post(&client, content_type, "snappy", body).await;
            assert_eq!(outcome(&again), (status, written), "{name}, again: {}", again.text());
        }
    }
}

#[tokio::test]
async fn each_malformed_request_of_the_suite() {
    let client = Client::standalone();
    let message = WriteRequestMessage::of(vec![one(&[("__name__", "up")], 1.0)]);
    let corrupt = |first: u8, body: Vec<u8>| [&[first], &body[1..]].concat();
    let v2 = corrupt(b'0', packed(&message.to_v2(UNSPECIFIED)));
    for (name, content_type, encoding, body, status) in [
        ("BadContentTypes/application_json", "application/json", "snappy", v2.clone(), 415),
        ("BadContentTypes/image_png", "image/png", "snappy", v2.clone(), 415),
        ("BadContentEncodings/gzip", V2, "gzip", v2.clone(), 415),
        ("BadContentEncodings/deflate", V2, "deflate", v2.clone(), 415),
        ("CorruptRequestBody", V2, "snappy", v2.clone(), 400),
        ("RW1ErrorHandling", V1, "snappy", corrupt(0xff, packed(&message)), 400),
    ] {
        let answer = post(&client, content_type, encoding, body).await;
        assert_eq!(outcome(&answer), (status, [0; 3]), "{name}: {}", answer.text());
    }
}
