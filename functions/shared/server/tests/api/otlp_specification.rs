//! The specification of OTLP over HTTP, clause by clause: what it demands of a receiver of metrics.
//!
//! Each row is named after the clause. Whatever the clause, the answer must be the message of its status, in the encoding
//! of the request.

use std::io::Write;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderValue, Method};
use flate2::Compression;
use flate2::write::GzEncoder;
use intake::testbed::otlp::{
    CUMULATIVE, ExportRequest, ExportResponse, HistogramPoint, Histograms, MetricKind, NumberPoint,
    Numbers, RpcStatus, attribute, export, metric,
};
use prost::Message;
use serde_json::{Value, json};
use service::access::NewApiKey;

use crate::client::{AT_MS, Answer, Client, Panicking, Stuck, closed_port, request};

const PATH: &str = "/v1/metrics";
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// Statuses after which the specification lets a client send again.
const RETRYABLE: [u16; 4] = [429, 502, 503, 504];

/// The answer that a clause demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// 200 without a partial success.
    Success,
    /// 200 with this number of rejected data points, and a message.
    Partial(i64),
    /// This status, with a `google.rpc.Status`.
    Failure(u16),
}

use Expected::{Failure, Partial, Success};

/// A clause, the request that shows it, the answer, and the values that are stored afterwards.
type Clause = (&'static str, &'static str, Vec<u8>, Expected, &'static [&'static str]);

/// A clause, the variables of the server, the encoding and the body of the request, and the status of its answer.
type FailingRequest<'a> = (&'static str, &'a [(&'a str, &'a str)], &'static str, Body, u16);

async fn post(client: &Client, content_type: &str, encoding: &str, body: Body) -> Answer {
    let mut request = request(Method::POST, PATH, body);
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_str(encoding).unwrap());
    client.send(request).await
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Checks an answer, of which status, content type and message must agree.
#[track_caller]
fn check(clause: &str, content_type: &str, answer: &Answer, expected: Expected) {
    let is_json = content_type.starts_with(JSON);
    let status = if let Failure(status) = expected { status } else { 200 };
    assert_eq!(answer.status, status, "{clause}: {answer:?}");
    let same = if is_json { JSON } else { PROTOBUF };
    assert_eq!(answer.headers["content-type"], same, "{clause}");
    if status == 200 {
        let (n_rejected, message) = if is_json {
            let partial = &answer.json()["partialSuccess"];
            let n_rejected = partial["rejectedDataPoints"].as_str().map(|n| n.parse().unwrap());
            (n_rejected, partial["errorMessage"].as_str().map(str::to_owned))
        } else {
            let partial = ExportResponse::decode(&*answer.body).unwrap().partial_success;
            let partial =
                partial.map(|partial| (partial.rejected_data_points, partial.error_message));
            partial.unzip()
        };
        let rejected = if let Partial(n) = expected { Some(n) } else { None };
        assert_eq!(n_rejected, rejected, "{clause}: {message:?}");
        assert_eq!(message.is_some_and(|text| !text.is_empty()), rejected.is_some(), "{clause}");
        return;
    }
    let message = if is_json {
        answer.json()["message"].as_str().unwrap().to_owned()
    } else {
        RpcStatus::decode(&*answer.body).unwrap().message
    };
    assert!(!message.is_empty(), "{clause}");
    // Throttling has a time to wait; a failure that no retry can repair must have none.
    let is_throttled = [429, 503].contains(&status);
    assert_eq!(answer.headers.contains_key("retry-after"), is_throttled, "{clause}");
}

/// The stored series with their values: `source metric {labels} [values]`.
async fn stored(client: &Client) -> Vec<String> {
    let list = client.get("/series?limit=100").await.json();
    let mut lines = Vec::new();
    for series in list["series"].as_array().unwrap() {
        let text = |name: &str| series[name].as_str().unwrap().to_owned();
        let labels = series["labels"].as_object().unwrap();
        let label = |(name, value): (&String, &Value)| {
            format!("&label={name}={}", percent(value.as_str().unwrap()))
        };
        let labels: String = labels.iter().map(label).collect();
        let query = format!("source={}&metric={}{labels}", text("source"), text("metric"));
        let samples = client.get(&format!("/series/samples?{query}")).await.json();
        let values = samples["samples"].as_array().unwrap().iter().map(|s| s["value"].clone());
        let values = Value::Array(values.collect());
        lines.push(format!("{} {} {} {values}", text("source"), text("metric"), series["labels"]));
    }
    lines.sort_unstable();
    lines
}

fn percent(text: &str) -> String {
    let escaped: Vec<String> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    escaped.concat()
}

fn at_ns(second: i64) -> u64 {
    u64::try_from(AT_MS + second * 1_000).unwrap() * 1_000_000
}

/// A gauge with these values, one a second.
fn gauge(values: &[f64]) -> ExportRequest {
    let point = |(second, value): (i64, &f64)| NumberPoint {
        time_unix_nano: at_ns(second),
        as_double: Some(*value),
        ..NumberPoint::default()
    };
    let data_points = (0..).zip(values).map(point).collect();
    let numbers = Numbers { data_points, ..Numbers::default() };
    export(&[("service.name", "a")], vec![metric("m", MetricKind::Gauge(numbers))])
}

/// A cumulative histogram at this second.
fn histogram(second: i64, count: u64, bucket_counts: &[u64], bounds: &[f64]) -> ExportRequest {
    let point = HistogramPoint {
        start_time_unix_nano: at_ns(-100_000),
        time_unix_nano: at_ns(second),
        count,
        sum: Some(1.5),
        bucket_counts: bucket_counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        ..HistogramPoint::default()
    };
    let histograms = Histograms { data_points: vec![point], aggregation_temporality: CUMULATIVE };
    export(&[("service.name", "a")], vec![metric("m", MetricKind::Histogram(histograms))])
}

/// A request in JSON with one metric of the source `a`.
fn of_metric(metric: &Value) -> Vec<u8> {
    let name = json!([{ "key": "service.name", "value": { "stringValue": "a" } }]);
    let request = json!({ "resourceMetrics": [{
        "resource": { "attributes": name }, "scopeMetrics": [{ "metrics": [metric] }]
    }] });
    request.to_string().into_bytes()
}

/// A request in JSON with one data point of the gauge `m`: the time, and these fields.
fn of_point(fields: &Value) -> Vec<u8> {
    let mut point = json!({ "timeUnixNano": at_ns(0).to_string() });
    point.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    of_metric(&json!({ "name": "m", "gauge": { "dataPoints": [point] } }))
}

/// A request in JSON with one attribute.
fn of_attribute(value: &Value) -> Vec<u8> {
    of_point(&json!({ "asInt": 1, "attributes": [{ "key": "k", "value": value }] }))
}

/// A request with fields that no version of the schema has, in the outermost and in the innermost message.
fn with_unknown_fields() -> Vec<u8> {
    let unknown = [0x98, 0x06, 7, 0x92, 0x06, 2, 0xff, 0xff];
    let mut point = Vec::new();
    let numbers = gauge(&[1.0]);
    let MetricKind::Gauge(numbers) =
        numbers.resource_metrics[0].scope_metrics[0].metrics[0].data.clone().unwrap()
    else {
        unreachable!("the request has a gauge")
    };
    numbers.data_points[0].encode(&mut point).unwrap();
    point.extend_from_slice(&unknown);
    let nested = |field: u8, content: &[u8]| {
        [&[field << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
    };
    let metric = [nested(1, b"m"), nested(5, &nested(1, &point))].concat();
    let scope_metrics = nested(2, &metric);
    let resource_metrics = nested(2, &scope_metrics);
    [nested(1, &resource_metrics), unknown.to_vec()].concat()
}

const ONE: &[&str] = &["a m {} [1.0]"];

#[expect(clippy::too_many_lines, reason = "a table, whose rows are read one by one")]
fn clauses_of_both_encodings() -> Vec<Clause> {
    let binary = |request: &ExportRequest| request.encode_to_vec();
    let text = of_point(&json!({ "asDouble": 1.0 }));
    let unspecified = Numbers { is_monotonic: true, ..Numbers::default() };
    let unspecified = Numbers {
        data_points: vec![NumberPoint {
            time_unix_nano: at_ns(0),
            as_double: Some(1.0),
            ..NumberPoint::default()
        }],
        ..unspecified
    };
    let unspecified =
        export(&[("service.name", "a")], vec![metric("m", MetricKind::Sum(unspecified))]);
    let mut twice = gauge(&[1.0]);
    twice.resource_metrics[0]
        .resource
        .as_mut()
        .unwrap()
        .attributes
        .push(attribute("service.name", "b"));
    vec![
        ("a request as Protocol Buffers", PROTOBUF, binary(&gauge(&[1.0])), Success, ONE),
        ("a request as JSON", JSON, text.clone(), Success, ONE),
        (
            "the same content type, without parameters",
            "application/json; charset=utf-8",
            text,
            Success,
            ONE,
        ),
        ("an empty request SHOULD be a success", PROTOBUF, vec![], Success, &[]),
        ("an empty request SHOULD be a success", JSON, b"{}".to_vec(), Success, &[]),
        (
            "receivers MAY ignore empty envelopes",
            PROTOBUF,
            binary(&export(&[], vec![])),
            Success,
            &[],
        ),
        (
            "unknown fields are ignored",
            PROTOBUF,
            with_unknown_fields(),
            Success,
            &["default m {} [1.0]"],
        ),
        (
            "a partial success MUST be a 200 with a number",
            PROTOBUF,
            binary(&gauge(&[1.0, 1e300])),
            Partial(1),
            ONE,
        ),
        (
            "a partial success MUST be a 200 with a number",
            JSON,
            of_point(&json!({ "asDouble": 1e300 })),
            Partial(1),
            &[],
        ),
        ("bad data MUST be a 400", PROTOBUF, vec![0x0a, 0x05, 1], Failure(400), &[]),
        ("bad data MUST be a 400", JSON, b"{".to_vec(), Failure(400), &[]),
        (
            "another content type is no OTLP",
            "text/plain",
            binary(&gauge(&[1.0])),
            Failure(415),
            &[],
        ),
        (
            "bucket counts MUST add up to the count",
            PROTOBUF,
            binary(&histogram(0, 4, &[1, 2], &[0.5])),
            Partial(1),
            &[],
        ),
        (
            "bucket counts are one more than bounds",
            PROTOBUF,
            binary(&histogram(0, 3, &[1, 2], &[])),
            Partial(1),
            &[],
        ),
        (
            "bounds MUST be increasing",
            PROTOBUF,
            binary(&histogram(0, 3, &[1, 1, 1], &[2.0, 1.0])),
            Partial(1),
            &[],
        ),
        (
            "buckets are optional",
            PROTOBUF,
            binary(&histogram(0, 3, &[], &[])),
            Success,
            &["a m_count {} [3.0]", "a m_mean {} [1.5]", "a m_sum {} [1.5]"],
        ),
        (
            "the temporality MUST NOT be unspecified",
            PROTOBUF,
            binary(&unspecified),
            Partial(1),
            &[],
        ),
        ("attribute keys MUST be unique", PROTOBUF, binary(&twice), Partial(1), &[]),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table, whose rows are read one by one")]
fn clauses_of_json() -> Vec<Clause> {
    let point = |fields: Value| of_point(&fields);
    let attribute = |value: Value| of_attribute(&value);
    let sum = |fields: Value| {
        let mut sum = json!({ "dataPoints": [{ "timeUnixNano": at_ns(0), "asInt": 1 }] });
        sum.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        of_metric(&json!({ "name": "m", "sum": sum }))
    };
    let ids = json!({ "asInt": 1, "exemplars": [
        { "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174" }
    ] });
    let snake = json!({ "resource_metrics": [{ "scope_metrics": [] }] }).to_string().into_bytes();
    let unknown = json!({ "x": [{}], "resourceMetrics": [{ "x": 1, "schemaUrl": "u",
        "resource": { "x": null, "attributes": [
            { "key": "service.name", "x": {}, "value": { "stringValue": "a", "x": 7 } }
        ] },
        "scopeMetrics": [{ "x": "y", "scope": { "name": "", "x": 1 }, "metrics": [
            { "name": "m", "x": [], "gauge": { "x": 1, "dataPoints": [
                { "x": { "asInt": 9 }, "timeUnixNano": at_ns(0), "asInt": 1 }
            ] } }
        ] }]
    }] });
    let nulls = json!({ "resourceMetrics": [{ "schemaUrl": null,
        "resource": { "attributes": [
            { "key": "service.name", "value": { "stringValue": "a" } }, { "key": "k", "value": null }
        ] },
        "scopeMetrics": [{ "scope": { "name": null, "attributes": null }, "metrics": [
            { "name": "m", "description": null, "sum": null, "gauge": { "dataPoints": [
                { "timeUnixNano": at_ns(0), "startTimeUnixNano": null, "asInt": 1, "flags": null }
            ] } },
            { "name": null, "gauge": null }
        ] }]
    }, { "resource": null, "scopeMetrics": null }] });
    let bytes = |json: Value| json.to_string().into_bytes();
    let rows: Vec<(&'static str, Vec<u8>, Expected, &'static [&'static str])> = vec![
        ("fields with unknown names MUST be ignored", bytes(unknown), Success, ONE),
        ("original field names are not valid as keys", snake, Success, &[]),
        ("original field names are not valid as keys", point(json!({ "as_int": 1 })), Success, &[]),
        ("null is a missing field", bytes(nulls), Success, &[r#"a m {"k":""} [1.0]"#]),
        (
            "null is a missing field",
            attribute(json!({ "stringValue": null })),
            Success,
            &[r#"a m {"k":""} [1.0]"#],
        ),
        ("64-bit integers are strings", point(json!({ "asInt": "1" })), Success, ONE),
        (
            "64-bit integers are numbers, too",
            point(json!({ "asInt": 1, "timeUnixNano": at_ns(0) })),
            Success,
            ONE,
        ),
        (
            "integers may have an exponent",
            point(json!({ "asInt": 1.0, "flags": "0e0" })),
            Success,
            ONE,
        ),
        ("an integer has no fraction", point(json!({ "asInt": 1.5 })), Failure(400), &[]),
        ("an integer is not a word", point(json!({ "asInt": "one" })), Failure(400), &[]),
        ("a count is not negative", point(json!({ "count": -1 })), Failure(400), &[]),
        ("doubles may be strings", point(json!({ "asDouble": "1" })), Success, ONE),
        (
            "doubles may be NaN, which is no value",
            point(json!({ "asDouble": "NaN" })),
            Success,
            &[],
        ),
        (
            "a flag marks a data point without a value",
            point(json!({ "asInt": 1, "flags": 1 })),
            Success,
            &[],
        ),
        (
            "enums are integers",
            sum(json!({ "aggregationTemporality": 2, "isMonotonic": true })),
            Success,
            ONE,
        ),
        ("enums are integers", sum(json!({ "aggregationTemporality": "2" })), Success, ONE),
        (
            "an unknown name of an enum is bad data",
            sum(json!({ "aggregationTemporality": "DELTA" })),
            Failure(400),
            &[],
        ),
        (
            "a boolean is not a text",
            sum(json!({ "aggregationTemporality": 2, "isMonotonic": "yes" })),
            Failure(400),
            &[],
        ),
        ("ids are hexadecimal, in any case", point(ids), Success, ONE),
        (
            "a string",
            attribute(json!({ "stringValue": "v" })),
            Success,
            &[r#"a m {"k":"v"} [1.0]"#],
        ),
        (
            "a boolean",
            attribute(json!({ "boolValue": true })),
            Success,
            &[r#"a m {"k":"true"} [1.0]"#],
        ),
        ("an integer", attribute(json!({ "intValue": "7" })), Success, &[r#"a m {"k":"7"} [1.0]"#]),
        (
            "a double",
            attribute(json!({ "doubleValue": 7 })),
            Success,
            &[r#"a m {"k":"7.0"} [1.0]"#],
        ),
        (
            "bytes are base64",
            attribute(json!({ "bytesValue": "AQI=" })),
            Success,
            &[r#"a m {"k":"AQI="} [1.0]"#],
        ),
        (
            "an array is the label that it is as Protocol Buffers",
            attribute(
                json!({ "arrayValue": { "values": [{ "intValue": "1" }, {}, { "stringValue": "x" }] } }),
            ),
            Success,
            &[r#"a m {"k":"[1,null,\"x\"]"} [1.0]"#],
        ),
        (
            "a map is the label that it is as Protocol Buffers",
            attribute(
                json!({ "kvlistValue": { "values": [{ "key": "x", "value": { "boolValue": false } }] } }),
            ),
            Success,
            &[r#"a m {"k":"{\"x\":false}"} [1.0]"#],
        ),
    ];
    rows.into_iter()
        .map(|(name, body, expected, stored)| (name, JSON, body, expected, stored))
        .collect()
}

#[tokio::test]
async fn each_clause_on_requests_and_their_encodings() {
    let all = [clauses_of_both_encodings(), clauses_of_json()].concat();
    for (clause, content_type, body, expected, values) in all {
        // "All server components MUST support no compression and gzip."
        for (encoding, body) in [("identity", body.clone()), ("gzip", gzip(&body))] {
            let client = Client::standalone();
            let answer = post(&client, content_type, encoding, body.clone().into()).await;
            check(clause, content_type, &answer, expected);
            assert_eq!(stored(&client).await, values, "{clause} {encoding}");
            // "The client will typically choose to re-send such data": what is stored does not change.
            let again = post(&client, content_type, encoding, body.into()).await;
            check(clause, content_type, &again, expected);
            assert_eq!(stored(&client).await, values, "{clause} {encoding}, sent again");
        }
    }
}

#[tokio::test]
async fn each_clause_on_failures() {
    let redis = closed_port().await;
    let away = [("REDIS_URL", redis.as_str())];
    let limits = [("TIDEMARK_BODY_BYTES_MAX", "1000"), ("TIDEMARK_UNPACKED_BYTES_MAX", "1000")];
    let body = || Body::from(gauge(&[1.0]).encode_to_vec());
    let table: Vec<FailingRequest<'_>> = vec![
        ("the size of the body MUST be limited", &limits, "identity", vec![0; 1_001].into(), 413),
        (
            "the size after decompression MUST be limited",
            &limits,
            "gzip",
            gzip(&vec![0; 99_999]).into(),
            413,
        ),
        ("a corrupt body is bad data", &[], "gzip", vec![0x1f, 0x8b, 8].into(), 400),
        ("another encoding is not read", &[], "br", body(), 415),
        ("a failure that a retry can repair is retryable", &away, "identity", body(), 503),
        (
            "a failure that a retry can repair is retryable",
            &[("TIDEMARK_REQUEST_TIMEOUT_MS", "100")],
            "identity",
            Body::new(Stuck::default()),
            504,
        ),
        ("the body of all failures MUST be a status", &[], "identity", Body::new(Panicking), 500),
    ];
    for (clause, vars, encoding, body, status) in table {
        let client = Client::with(vars);
        let answer = post(&client, PROTOBUF, encoding, body).await;
        check(clause, PROTOBUF, &answer, Failure(status));
        let is_for_good = [400, 413, 415, 500].contains(&status);
        assert_ne!(is_for_good, RETRYABLE.contains(&status), "{clause}");
    }
}

#[tokio::test]
async fn throttling_is_a_429_with_the_time_to_wait() {
    let client =
        Client::with(&[("TIDEMARK_TENANT_SAMPLES_PER_S_MAX", "1"), ("TIDEMARK_SAMPLES_MAX", "50")]);
    for expected in [Success, Failure(429)] {
        let body = gauge(&[1.0; 45]).encode_to_vec();
        let answer = post(&client, PROTOBUF, "identity", body.into()).await;
        check("throttling", PROTOBUF, &answer, expected);
    }
}

#[tokio::test]
async fn a_refused_method_or_key_is_a_status_too() {
    let client = Client::standalone();
    let key = NewApiKey::generate("one", "write").unwrap();
    let locked = Client::with(&[("TIDEMARK_API_KEYS", &key.entry)]);
    for content_type in [PROTOBUF, JSON] {
        let mut request = request(Method::PUT, PATH, Body::empty());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        let answer = client.send(request).await;
        check("another method", content_type, &answer, Failure(405));
        let answer = post(&locked, content_type, "identity", Body::empty()).await;
        check("no key", content_type, &answer, Failure(401));
    }
}

#[tokio::test]
async fn a_data_point_of_several_samples_is_rejected_once() {
    let client = Client::standalone();
    for second in 0..200 {
        let body = histogram(second, 3, &[1, 2], &[0.5]).encode_to_vec();
        assert_eq!(post(&client, PROTOBUF, "identity", body.into()).await.body.len(), 0);
    }
    let old = histogram(-9_000, 3, &[1, 2], &[0.5]).encode_to_vec();
    let answer = post(&client, PROTOBUF, "identity", old.into()).await;
    check("the number of data points it rejected", PROTOBUF, &answer, Partial(1));
}
