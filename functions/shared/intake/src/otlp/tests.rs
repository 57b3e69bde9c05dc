//! Both encodings of the same metrics are the same samples.

use domain::SampleKind;
use prost::Message;
use serde_json::json;

use super::*;
use crate::batch::IncomingBatch;
use crate::limits::RequestLimits;
use crate::testbed::otlp::*;

/// 2024-11-20T00:00:00Z, in nanoseconds.
const AT_NS: u64 = 1_732_060_800_000_000_000;
const MINUTE_NS: u64 = 60_000_000_000;

fn binary(request: &ExportRequest) -> IncomingBatch {
    binary::read(&request.encode_to_vec(), &RequestLimits::default()).unwrap()
}

fn texts(batch: &IncomingBatch) -> String {
    let text = |sample: &IncomingSample| {
        let IncomingSample { index, series, at_us, value, kind } = sample;
        let (source, metric, labels) = (series.source(), series.metric(), series.labels());
        let after_s = (at_us.unwrap() - (AT_NS / 1_000) as i64) as f64 / 1e6;
        let kind = match kind {
            SampleKind::Gauge => "gauge".to_owned(),
            SampleKind::Counter { started_at_us } => format!("counter since {started_at_us:?}"),
            SampleKind::Mean(observations) => {
                format!(
                    "sum of {}, start {}",
                    observations.count(),
                    observations.start_number() > 0
                )
            }
        };
        format!("{index} {source} {metric} {labels:?} +{after_s} {value} {kind}")
    };
    let accepted = batch.samples.iter().map(text);
    let rejected = batch.rejected.iter().map(|r| format!("{} {} {}", r.index, r.code, r.detail));
    accepted.chain(rejected).collect::<Vec<_>>().join("\n")
}

fn number(value: f64) -> NumberPoint {
    NumberPoint {
        attributes: vec![attribute("path", "/")],
        start_time_unix_nano: AT_NS - MINUTE_NS,
        time_unix_nano: AT_NS,
        as_double: Some(value),
        ..NumberPoint::default()
    }
}

fn numbers(value: f64, aggregation_temporality: i32, is_monotonic: bool) -> Numbers {
    Numbers { data_points: vec![number(value)], aggregation_temporality, is_monotonic }
}

fn all_shapes() -> ExportRequest {
    let histogram = |aggregation_temporality| {
        MetricKind::Histogram(Histograms {
            data_points: vec![HistogramPoint {
                start_time_unix_nano: AT_NS - MINUTE_NS,
                time_unix_nano: AT_NS,
                count: 120,
                sum: Some(30.0),
                bucket_counts: vec![100, 20],
                explicit_bounds: vec![0.5],
                ..HistogramPoint::default()
            }],
            aggregation_temporality,
        })
    };
    let exponential = MetricKind::ExponentialHistogram(ExponentialHistograms {
        data_points: vec![ExponentialPoint {
            time_unix_nano: AT_NS,
            count: 7,
            scale: -1,
            ..ExponentialPoint::default()
        }],
        aggregation_temporality: CUMULATIVE,
    });
    let summary = MetricKind::Summary(Summaries {
        data_points: vec![SummaryPoint {
            time_unix_nano: AT_NS,
            count: 3,
            sum: 1.5,
            quantile_values: vec![QuantileValue { quantile: 0.99, value: 0.75 }],
            ..SummaryPoint::default()
        }],
    });
    export(
        &[
            ("service.name", "checkout"),
            ("telemetry.sdk.name", "x"),
            ("process.pid", "7"),
            ("os.description", "Debian"),
            ("container.id", "eefd714f92d9"),
            ("service.version", "3.7.15"),
        ],
        vec![
            metric("cpu", MetricKind::Gauge(numbers(0.5, 0, false))),
            metric("queue", MetricKind::Sum(numbers(-3.0, CUMULATIVE, false))),
            metric("requests", MetricKind::Sum(numbers(1e6, CUMULATIVE, true))),
            metric("errors", MetricKind::Sum(numbers(90.0, DELTA, true))),
            metric("duration", histogram(CUMULATIVE)),
            metric("latency", histogram(DELTA)),
            metric("size", exponential),
            metric("rpc", summary),
            metric("unspecified", MetricKind::Sum(numbers(1.0, 0, true))),
        ],
    )
}

#[test]
fn each_shape_has_its_samples() {
    insta::assert_snapshot!(texts(&binary(&all_shapes())), @r#"
    0 checkout cpu {"path": "/"} +0 0.5 gauge
    1 checkout queue {"path": "/"} +0 -3 gauge
    2 checkout requests {"path": "/"} +0 1000000 counter since Some(1732060740000000)
    3 checkout errors {"path": "/"} +0 1.5 gauge
    4 checkout duration_count {} +0 120 counter since Some(1732060740000000)
    4 checkout duration_sum {} +0 30 counter since Some(1732060740000000)
    4 checkout duration_mean {} +0 30 sum of 120, start true
    5 checkout latency_count {} +0 2 gauge
    5 checkout latency_sum {} +0 0.5 gauge
    5 checkout latency_mean {} +0 0.25 gauge
    5 checkout latency_p50 {} +0 0.3 gauge
    5 checkout latency_p95 {} +0 0.5 gauge
    5 checkout latency_p99 {} +0 0.5 gauge
    6 checkout size_count {} +0 7 counter since None
    7 checkout rpc_count {} +0 3 counter since None
    7 checkout rpc_sum {} +0 1.5 counter since None
    7 checkout rpc {"quantile": "0.99"} +0 0.75 gauge
    8 sample_malformed the aggregation temporality is unspecified: wanted delta or cumulative
    "#);
}

#[test]
fn json_is_the_same_samples() {
    let (start, time) = ((AT_NS - MINUTE_NS).to_string(), AT_NS.to_string());
    let path = json!([{ "key": "path", "value": { "stringValue": "/" } }]);
    let point = |value: f64| {
        json!({
            "attributes": path, "startTimeUnixNano": start, "timeUnixNano": time, "asDouble": value
        })
    };
    let sum = |name: &str, value, temporality: serde_json::Value, is_monotonic: bool| {
        json!({ "name": name, "unknownField": [{}], "sum": {
            "dataPoints": [point(value)],
            "aggregationTemporality": temporality, "isMonotonic": is_monotonic
        } })
    };
    let histogram = |name: &str, temporality: i32| {
        json!({ "name": name, "histogram": { "aggregationTemporality": temporality, "dataPoints": [{
            "startTimeUnixNano": start, "timeUnixNano": time, "count": "120", "sum": 30,
            "bucketCounts": ["100", "20"], "explicitBounds": [0.5]
        }] } })
    };
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let request = json!({ "resourceMetrics": [{
        "scopeMetrics": [{ "scope": null, "metrics": [
            { "name": "cpu", "gauge": { "dataPoints": [point(0.5)] } },
            sum("queue", -3.0, json!("AGGREGATION_TEMPORALITY_CUMULATIVE"), false),
            sum("requests", 1e6, json!(2), true),
            sum("errors", 90.0, json!(1), true),
            histogram("duration", 2),
            histogram("latency", 1),
            { "name": "size", "exponentialHistogram": { "aggregationTemporality": 2, "dataPoints": [
                { "timeUnixNano": time, "count": 7, "scale": -1 }
            ] } },
            { "name": "rpc", "summary": { "dataPoints": [{
                "timeUnixNano": time, "count": "3", "sum": "1.5",
                "quantileValues": [{ "quantile": 0.99, "value": 0.75 }]
            }] } },
            sum("unspecified", 1.0, json!(0), true)
        ] }],
        "resource": { "attributes": [
            text("service.name", "checkout"), text("telemetry.sdk.name", "x"), text("process.pid", "7"),
            text("os.description", "Debian"), text("container.id", "eefd714f92d9"),
            text("service.version", "3.7.15")
        ] }
    }] });
    let read = json::read(request.to_string().as_bytes(), &RequestLimits::default()).unwrap();
    assert_eq!(texts(&read), texts(&binary(&all_shapes())));
    assert_eq!(read, binary(&all_shapes()));
}

#[test]
fn attributes_of_all_levels_are_labels_that_do_not_hide_each_other() {
    let list = ArrayValue {
        values: vec![AnyValue { value: Some(AnyValueKind::Int(1)) }, AnyValue::default()],
    };
    let point = NumberPoint {
        attributes: vec![attribute("host", "c"), attribute_of("ok", AnyValueKind::Bool(true))],
        as_double: None,
        as_int: Some(-7),
        ..number(0.0)
    };
    let numbers = Numbers { data_points: vec![point], ..Numbers::default() };
    let mut request = export(
        &[("service.name", "default"), ("host", "a")],
        vec![metric("cpu", MetricKind::Gauge(numbers))],
    );
    let resource = &mut request.resource_metrics[0];
    let attributes = &mut resource.resource.as_mut().unwrap().attributes;
    attributes.push(attribute_of("list", AnyValueKind::Array(list)));
    resource.scope_metrics[0].scope = Some(Scope {
        name: "lib".to_owned(),
        version: "1".to_owned(),
        attributes: vec![attribute("host", "b")],
    });
    insta::assert_snapshot!(texts(&binary(&request)), @r#"0 default cpu {"host": "c", "list": "[1,null]", "ok": "true", "otel.scope.name": "lib", "resource.host": "a", "scope.host": "b", "service.name": "default"} +0 -7 gauge"#);
}

#[test]
fn an_attribute_is_the_same_label_in_both_encodings() {
    let nested = AnyValueKind::Map(KeyValueList {
        values: vec![attribute_of("x", AnyValueKind::Double(2.0)), attribute("y", "\"")],
    });
    let list = ArrayValue { values: vec![AnyValue { value: Some(nested) }, AnyValue::default()] };
    let json_list = json!({ "values": [
        { "kvlistValue": { "values": [
            { "key": "x", "value": { "doubleValue": 2 } }, { "key": "y", "value": { "stringValue": "\"" } }
        ] } },
        {}
    ] });
    let cases = [
        (AnyValueKind::String("v".to_owned()), json!({ "stringValue": "v" }), "v"),
        (AnyValueKind::Bool(false), json!({ "boolValue": false }), "false"),
        (AnyValueKind::Int(-7), json!({ "intValue": "-7" }), "-7"),
        (AnyValueKind::Int(7), json!({ "unknown": [1], "intValue": 7, "other": "x" }), "7"),
        (AnyValueKind::Double(7.0), json!({ "doubleValue": 7 }), "7.0"),
        (AnyValueKind::Double(f64::NAN), json!({ "doubleValue": "NaN" }), ""),
        (
            AnyValueKind::Array(list),
            json!({ "arrayValue": json_list }),
            r#"[{"x":2.0,"y":"\""},null]"#,
        ),
        (AnyValueKind::Array(ArrayValue::default()), json!({ "arrayValue": {} }), "[]"),
    ];
    for (value, json, label) in cases {
        let point = NumberPoint { attributes: vec![attribute_of("k", value)], ..number(1.0) };
        let numbers = Numbers { data_points: vec![point], ..Numbers::default() };
        let of_binary = binary(&export(&[], vec![metric("cpu", MetricKind::Gauge(numbers))]));
        let json = json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [{
            "name": "cpu", "gauge": { "dataPoints": [{
                "timeUnixNano": AT_NS, "asDouble": 1, "attributes": [{ "key": "k", "value": json }]
            }] }
        }] }] }] });
        let of_json = json::read(json.to_string().as_bytes(), &RequestLimits::default()).unwrap();
        assert_eq!(of_json.samples[0].series.labels()["k"], label);
        assert_eq!(of_json, of_binary, "{json}");
    }
    let deep = (0..99).fold(json!({}), |value, _| json!({ "arrayValue": { "values": [value] } }));
    let deep = json!({ "resourceMetrics": [{ "resource": { "attributes": [
        { "key": "k", "value": deep }
    ] } }] });
    let error = json::read(deep.to_string().as_bytes(), &RequestLimits::default()).unwrap_err();
    assert!(error.to_string().contains("nests more than"), "{error}");
}

#[test]
fn a_data_point_without_a_value_is_neither_stored_nor_rejected() {
    let points = vec![
        NumberPoint { flags: 1, ..number(1.0) },
        number(f64::NAN),
        NumberPoint { as_double: None, ..number(1.0) },
        number(2.0),
    ];
    let numbers = Numbers { data_points: points, ..Numbers::default() };
    let batch = binary(&export(&[], vec![metric("cpu", MetricKind::Gauge(numbers))]));
    assert_eq!((batch.samples.len(), batch.rejected.len(), batch.extras.n_absent), (1, 0, 3));
}

#[test]
fn an_invalid_data_point_rejects_only_itself() {
    let no_start = NumberPoint { start_time_unix_nano: 0, ..number(1.0) };
    let backwards = NumberPoint { start_time_unix_nano: AT_NS, ..number(1.0) };
    let no_time = NumberPoint { time_unix_nano: 0, ..number(1.0) };
    let twice =
        NumberPoint { attributes: vec![attribute("a", "1"), attribute("a", "2")], ..number(1.0) };
    let many = (0..200).map(|i| attribute(&format!("a{i}"), "1")).collect();
    let many = NumberPoint { attributes: many, ..number(1.0) };
    let long = NumberPoint { attributes: vec![attribute("a", &"v".repeat(9_000))], ..number(1.0) };
    let points = vec![no_start, backwards, no_time, twice, many, long, number(1.0)];
    let numbers =
        Numbers { data_points: points, aggregation_temporality: DELTA, is_monotonic: true };
    let batch = binary(&export(&[], vec![metric("errors", MetricKind::Sum(numbers))]));
    let codes: Vec<_> = batch.rejected.iter().map(|r| (r.index, r.code.as_str())).collect();
    let wanted = [
        (0, "sample_malformed"),
        (1, "sample_malformed"),
        (2, "time_invalid"),
        (3, "sample_malformed"),
        (4, "labels_too_many"),
        (5, "label_too_long"),
    ];
    assert_eq!((codes, batch.samples.len()), (wanted.to_vec(), 1));
}

#[test]
fn data_points_past_the_limit_are_counted() {
    let limits = RequestLimits { n_samples_max: 5, ..RequestLimits::default() };
    let numbers = Numbers { data_points: vec![number(1.0); 9], ..Numbers::default() };
    let request = export(&[], vec![metric("cpu", MetricKind::Gauge(numbers))]);
    let batch = binary::read(&request.encode_to_vec(), &limits).unwrap();
    assert_eq!((batch.samples.len(), batch.extras.n_unread), (5, 4));
}

#[test]
fn a_malformed_message_is_an_error() {
    let limits = RequestLimits::default();
    let bytes = all_shapes().encode_to_vec();
    for len in 1..bytes.len() {
        assert_eq!(binary::read(&bytes[..len], &limits).unwrap_err().code(), "body_malformed");
    }
    assert!(binary::read(&[], &limits).unwrap().samples.is_empty());
    let nested = (0..99).fold(AnyValueKind::Int(1), |value, _| {
        AnyValueKind::Array(ArrayValue { values: vec![AnyValue { value: Some(value) }] })
    });
    let mut request = all_shapes();
    let resource = request.resource_metrics[0].resource.as_mut().unwrap();
    resource.attributes.push(attribute_of("a", nested));
    let error = binary::read(&request.encode_to_vec(), &limits).unwrap_err();
    assert!(error.to_string().contains("nests more than"), "{error}");
    let texts = [
        "",
        "[]",
        "{",
        r#"{"resourceMetrics":{}}"#,
        r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":1}]}]}]}"#,
        r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"timeUnixNano":"x"}]}}]}]}]}"#,
    ];
    for text in texts {
        assert_eq!(json::read(text.as_bytes(), &limits).unwrap_err().code(), "body_malformed");
    }
    assert!(json::read(b"{}", &limits).unwrap().samples.is_empty());
}

#[test]
fn both_encodings_of_a_delta_of_an_exponential_histogram_have_the_same_quantiles() {
    let (start, time) = (AT_NS - MINUTE_NS, AT_NS);
    let buckets = |offset, bucket_counts: &[u64]| {
        Some(ExponentialBucketCounts { offset, bucket_counts: bucket_counts.to_vec() })
    };
    let point = ExponentialPoint {
        start_time_unix_nano: start,
        time_unix_nano: time,
        count: 120,
        sum: Some(300.0),
        scale: 0,
        zero_count: 20,
        positive: buckets(0, &[50, 40]),
        negative: buckets(-1, &[10]),
        min: Some(-0.75),
        max: Some(3.5),
        ..ExponentialPoint::default()
    };
    let request = export(
        &[],
        vec![metric(
            "size",
            MetricKind::ExponentialHistogram(ExponentialHistograms {
                data_points: vec![point],
                aggregation_temporality: DELTA,
            }),
        )],
    );
    let json = json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [{
        "name": "size",
        "exponentialHistogram": { "aggregationTemporality": 1, "dataPoints": [{
            "startTimeUnixNano": start.to_string(), "timeUnixNano": time.to_string(),
            "count": "120", "sum": 300, "scale": 0, "zeroCount": "20", "min": -0.75, "max": 3.5,
            "positive": { "offset": 0, "bucketCounts": ["50", "40"] },
            "negative": { "offset": -1, "bucketCounts": [10] }
        }] }
    }] }] }] });
    let of_json = json::read(json.to_string().as_bytes(), &RequestLimits::default()).unwrap();
    let of_binary = binary(&request);
    assert_eq!(of_json, of_binary);
    insta::assert_snapshot!(texts(&of_binary), @r"
    0 default size_count {} +0 2 gauge
    0 default size_sum {} +0 5 gauge
    0 default size_mean {} +0 2.5 gauge
    0 default size_p50 {} +0 1.515716566510398 gauge
    0 default size_p95 {} +0 3.5 gauge
    0 default size_p99 {} +0 3.5 gauge
    ");
}

#[test]
fn a_histogram_whose_buckets_do_not_fit_is_rejected_by_itself() {
    let point = |count| HistogramPoint {
        start_time_unix_nano: AT_NS - MINUTE_NS,
        time_unix_nano: AT_NS,
        count,
        bucket_counts: vec![1, 2],
        explicit_bounds: vec![0.5],
        ..HistogramPoint::default()
    };
    let histograms = |aggregation_temporality| {
        MetricKind::Histogram(Histograms {
            data_points: vec![point(3), point(4)],
            aggregation_temporality,
        })
    };
    for temporality in [DELTA, CUMULATIVE] {
        let batch = binary(&export(&[], vec![metric("latency", histograms(temporality))]));
        let rejected: Vec<_> =
            batch.rejected.iter().map(|sample| (sample.index, sample.code.as_str())).collect();
        assert_eq!(rejected, [(1, "sample_malformed")]);
        assert!(batch.samples.iter().all(|sample| sample.index == 0));
    }
}
