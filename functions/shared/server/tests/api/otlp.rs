//! OpenTelemetry metrics over HTTP: each requirement of the specification of OTLP on a receiver.

use std::io::Write;

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderValue, Method};
use flate2::Compression;
use flate2::write::GzEncoder;
use intake::testbed::otlp::{
    CUMULATIVE, ExportRequest, ExportResponse, HistogramPoint, Histograms, MetricKind, NumberPoint,
    Numbers, RpcStatus, attribute, export, metric,
};
use prost::Message;
use serde_json::json;

use crate::client::{AT_MS, Answer, Client, closed_port, request};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

async fn post(client: &Client, content_type: &str, encoding: &str, body: Vec<u8>) -> Answer {
    let mut request = request(Method::POST, "/v1/metrics", body.into());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_str(encoding).unwrap());
    client.send(request).await
}

/// A gauge with these values, one a second.
fn gauges(values: &[f64]) -> ExportRequest {
    let point = |(second, value): (i64, &f64)| NumberPoint {
        attributes: vec![attribute("path", "/")],
        time_unix_nano: u64::try_from(AT_MS + second * 1_000).unwrap() * 1_000_000,
        as_double: Some(*value),
        ..NumberPoint::default()
    };
    let data_points = (0..).zip(values).map(point).collect();
    let numbers = Numbers { data_points, aggregation_temporality: CUMULATIVE, is_monotonic: false };
    export(&[("service.name", "checkout")], vec![metric("rps", MetricKind::Gauge(numbers))])
}

#[tokio::test]
async fn a_full_success_is_an_empty_response_in_the_encoding_of_the_request() {
    let client = Client::standalone();
    let body = gauges(&[1.0, 2.0]).encode_to_vec();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&body).unwrap();
    for (encoding, body) in [("identity", body), ("gzip", gzip.finish().unwrap())] {
        let answer = post(&client, PROTOBUF, encoding, body).await;
        assert_eq!((answer.status, &*answer.body), (200, &[][..]), "{encoding}");
        assert_eq!(answer.headers["content-type"], PROTOBUF);
    }
    let body = json!({ "resourceMetrics": [] }).to_string().into_bytes();
    let answer = post(&client, JSON, "identity", body).await;
    assert_eq!((answer.status, answer.json()), (200, json!({})));
    assert_eq!(answer.headers["content-type"], JSON);
    let list = client.get("/series").await.json();
    assert_eq!(
        (&list["series"][0]["source"], &list["series"][0]["metric"]),
        (&json!("checkout"), &json!("rps"))
    );
    assert_eq!(list["series"][0]["labels"], json!({ "path": "/" }));
}

#[tokio::test]
async fn rejected_data_points_are_a_partial_success_with_their_number_and_a_message() {
    let client = Client::standalone();
    let body = gauges(&[1.0, 1e300, 3.0]).encode_to_vec();
    let answer = post(&client, PROTOBUF, "identity", body).await;
    assert_eq!(answer.status, 200);
    let partial = ExportResponse::decode(&*answer.body).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_data_points, 1);
    assert!(partial.error_message.contains("1 value_too_large"), "{}", partial.error_message);
    let conflict = json!({ "resourceMetrics": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "checkout" } }] },
        "scopeMetrics": [{ "metrics": [{ "name": "rps", "gauge": { "dataPoints": [{
            "attributes": [{ "key": "path", "value": { "stringValue": "/" } }],
            "timeUnixNano": (AT_MS * 1_000_000).to_string(), "asInt": "5"
        }] } }] }]
    }] });
    let answer = post(&client, JSON, "identity", conflict.to_string().into_bytes()).await;
    let partial = &answer.json()["partialSuccess"];
    assert_eq!((answer.status, &partial["rejectedDataPoints"]), (200, &json!("1")));
    assert!(partial["errorMessage"].as_str().unwrap().contains("1 conflict"), "{partial}");
}

#[tokio::test]
async fn a_cumulative_histogram_has_the_mean_of_each_interval() {
    let client = Client::standalone();
    // Number and sum of observations since the start, which is at -60 s, and after a restart at 90 s.
    let sent =
        [(0, 100, 25.0, -60), (60, 140, 45.0, -60), (120, 160, 5.0, 90), (180, 160, 5.0, 90)];
    for (second, count, sum, start) in sent {
        let at_ns = |second: i64| u64::try_from(AT_MS + second * 1_000).unwrap() * 1_000_000;
        let point = HistogramPoint {
            start_time_unix_nano: at_ns(start),
            time_unix_nano: at_ns(second),
            count,
            sum: Some(sum),
            ..HistogramPoint::default()
        };
        let histograms =
            Histograms { data_points: vec![point], aggregation_temporality: CUMULATIVE };
        let body = export(&[], vec![metric("latency", MetricKind::Histogram(histograms))]);
        let body = body.encode_to_vec();
        for _ in 0..2 {
            let answer = post(&client, PROTOBUF, "identity", body.clone()).await;
            assert_eq!((answer.status, &*answer.body), (200, &[][..]));
        }
    }
    let answer = client.get("/series/samples?metric=latency_mean").await.json();
    let samples = answer["samples"].as_array().unwrap();
    let read: Vec<_> =
        samples.iter().map(|sample| (sample["value"].clone(), sample["mean"].clone())).collect();
    let expected = [
        (json!(25.0), json!(null)),
        (json!(45.0), json!(0.5)),
        (json!(5.0), json!(0.03125)),
        (json!(5.0), json!(null)),
    ];
    assert_eq!(read, expected);
    assert!(samples[3]["reason"].as_str().unwrap().starts_with("the mean is not known"));
}

#[tokio::test]
async fn each_error_is_a_status_in_the_encoding_of_the_request() {
    let client = Client::with(&[("TIDEMARK_BODY_BYTES_MAX", "1000")]);
    let good = gauges(&[1.0]).encode_to_vec();
    let cases = [
        ("invalid protobuf", PROTOBUF, "identity", vec![0x0a, 0x05, 1], 400, 3),
        ("invalid JSON", JSON, "identity", b"{".to_vec(), 400, 3),
        ("truncated gzip", PROTOBUF, "gzip", vec![0x1f, 0x8b, 8], 400, 3),
        ("unknown type", "text/plain", "identity", good.clone(), 415, 3),
        ("unknown encoding", PROTOBUF, "br", good, 415, 3),
        ("too large", PROTOBUF, "identity", vec![0; 1_001], 413, 8),
    ];
    for (name, content_type, encoding, body, status, code) in cases {
        let answer = post(&client, content_type, encoding, body).await;
        assert_eq!(answer.status, status, "{name}");
        let (found, message) = if content_type == JSON {
            let json = answer.json();
            (json["code"].as_i64().unwrap(), json["message"].as_str().unwrap().to_owned())
        } else {
            let found = RpcStatus::decode(&*answer.body).unwrap();
            (i64::from(found.code), found.message)
        };
        assert_eq!(found, code, "{name}: {message}");
        assert!(!message.is_empty());
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_a_503_to_retry() {
    let redis = closed_port().await;
    let client = Client::with(&[("REDIS_URL", &redis)]);
    let answer = post(&client, PROTOBUF, "identity", gauges(&[1.0]).encode_to_vec()).await;
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(RpcStatus::decode(&*answer.body).unwrap().code, 14);
}
