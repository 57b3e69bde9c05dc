//! Prometheus remote write, as Prometheus and vmagent send it; `compliance` has the cases of the compliance suite.

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderValue, Method};
use intake::testbed::remote_write::{
    Histogram, SampleMessage, TimeSeries, WriteRequestMessage, packed, sample, series,
};
use prost::Message;

use crate::client::{AT_MS, Answer, Client, closed_port, request};

const PATH: &str = "/api/v1/write";
const V1: &str = "application/x-protobuf";
const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// Type `counter` of the metadata of version 2.0.
const COUNTER: i32 = 1;

async fn post(client: &Client, content_type: &str, encoding: &str, body: Vec<u8>) -> Answer {
    let mut request = request(Method::POST, PATH, body.into());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_str(encoding).unwrap());
    client.send(request).await
}

async fn v1(client: &Client, timeseries: Vec<TimeSeries>) -> Answer {
    post(client, V1, "snappy", packed(&WriteRequestMessage::of(timeseries))).await
}

async fn v2(client: &Client, timeseries: Vec<TimeSeries>) -> Answer {
    post(client, V2, "snappy", packed(&WriteRequestMessage::of(timeseries).to_v2(COUNTER))).await
}

/// The status, and the numbers of written samples, histograms and exemplars.
fn outcome(answer: &Answer) -> (u16, [usize; 3]) {
    let written = ["samples", "histograms", "exemplars"].map(|kind| {
        let name = format!("x-prometheus-remote-write-{kind}-written");
        answer.headers[&name].to_str().unwrap().parse().unwrap()
    });
    (answer.status, written)
}

fn up(instance: &str, samples: Vec<SampleMessage>) -> TimeSeries {
    series(&[("__name__", "up"), ("instance", instance), ("job", "node")], samples)
}

#[tokio::test]
async fn samples_of_both_versions_are_the_same_series() {
    let client = Client::standalone();
    let first = v1(&client, vec![up("a", vec![sample(AT_MS, 1.0), sample(AT_MS + 15_000, 2.0)])]);
    assert_eq!(outcome(&first.await), (204, [2, 0, 0]));
    // A duplicate counts as written, and samples out of order are accepted.
    let second = vec![sample(AT_MS + 30_000, 3.0), sample(AT_MS, 1.0), sample(AT_MS - 15_000, 0.5)];
    let second = v2(&client, vec![up("a", second)]).await;
    assert_eq!(outcome(&second), (204, [3, 0, 0]));
    assert!(second.body.is_empty());
    let list = client.get("/series").await.json();
    let listed = &list["series"][0];
    assert_eq!((listed["source"].as_str(), listed["metric"].as_str()), (Some("node"), Some("up")));
    assert_eq!(listed["labels"], serde_json::json!({ "instance": "a" }));
    assert_eq!(list["series"].as_array().unwrap().len(), 1, "{list}");
}

#[tokio::test]
async fn a_series_of_kubernetes_is_stored_and_found_by_its_labels() {
    let client = Client::standalone();
    let long = "p".repeat(2_048);
    let names: Vec<String> = (0..61).map(|i| format!("annotation name {i}/größe")).collect();
    let mut labels = vec![("__name__", "resource cpu usage"), ("a=b", "c=d"), ("long", &long)];
    labels.extend(names.iter().map(|name| (name.as_str(), "✓")));
    let answer = v1(&client, vec![series(&labels, vec![sample(AT_MS, 1.0)])]).await;
    assert_eq!(outcome(&answer), (204, [1, 0, 0]), "{}", answer.text());
    let list = client.get("/series").await.json();
    assert_eq!(list["series"][0]["labels"].as_object().unwrap().len(), 63);
    let query = names.iter().map(|name| format!("&label={}=✓", name.replace(' ', "%20")));
    let query: String = query.collect::<String>().replace('ö', "%C3%B6").replace('ß', "%C3%9F");
    let query = query.replace('✓', "%E2%9C%93");
    let query = format!("metric=resource%20cpu%20usage&label=a%253Db=c=d&label=long={long}{query}");
    let answer = client.get(&format!("/analyze?{query}")).await;
    assert_eq!((answer.status, &answer.json()["window"]["count"]), (200, &serde_json::json!(1)));
}

#[tokio::test]
async fn each_unreadable_request_has_its_status() {
    let client = Client::standalone();
    let good = packed(&WriteRequestMessage::of(vec![up("a", vec![sample(AT_MS, 1.0)])]));
    let raw = |bytes: &[u8]| snap::raw::Encoder::new().compress_vec(bytes).unwrap();
    let truncated = good[..good.len() - 3].to_vec();
    let declared = vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0];
    let cases = [
        ("an unknown message", "application/x-protobuf;proto=x", "snappy", good.clone(), 415),
        ("truncated snappy", V1, "snappy", truncated, 400),
        ("a declared length of 4 GB", V1, "snappy", declared, 400),
        ("invalid protobuf", V1, "snappy", raw(&[0x0a, 0x05, 1]), 400),
        ("an empty body", V1, "snappy", Vec::new(), 400),
        ("zstd that is none", V1, "zstd", good.clone(), 400),
        ("an empty request", V1, "snappy", raw(&[]), 204),
        ("RW1BasicCompatibility", V1, "snappy", good, 204),
    ];
    for (name, content_type, encoding, body, status) in cases {
        let answer = post(&client, content_type, encoding, body).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        if status != 204 {
            assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8", "{name}");
            assert_eq!(outcome(&answer), (status, [0, 0, 0]), "{name}");
        }
    }
}

#[tokio::test]
async fn what_vmagent_compresses_with_zstd_is_read() {
    let client = Client::standalone();
    let message = WriteRequestMessage::of(vec![up("a", vec![sample(AT_MS, 1.0)])]).encode_to_vec();
    let body = zstd::stream::encode_all(&message[..], 0).unwrap();
    assert_eq!(outcome(&post(&client, V1, "zstd", body).await), (204, [1, 0, 0]));
}

#[tokio::test]
async fn a_histogram_that_is_too_old_is_not_written_and_takes_no_sample_with_it() {
    let client = Client::standalone();
    let histogram = |timestamp| {
        let labels = [("__name__", "latency"), ("job", "node")];
        let histogram =
            Histogram { count_int: Some(0), sum: 1.5, timestamp, ..Histogram::default() };
        TimeSeries { histograms: vec![histogram], ..series(&labels, vec![]) }
    };
    let newest = (0..200).map(|second| histogram(AT_MS + second * 1_000)).collect();
    assert_eq!(outcome(&v1(&client, newest).await), (204, [0, 200, 0]));
    let old = vec![histogram(AT_MS - 9_000), up("a", vec![sample(AT_MS, 1.0)])];
    assert_eq!(outcome(&v1(&client, old).await), (400, [1, 0, 0]));
}

#[tokio::test]
async fn good_samples_of_a_request_with_bad_ones_are_kept() {
    let client = Client::standalone();
    let repeated = [("__name__", "up"), ("a", "1"), ("a", "2")];
    let answer = v1(
        &client,
        vec![
            up("a", vec![sample(AT_MS, 1.0), sample(AT_MS + 1, 1e300), sample(AT_MS, 7.0)]),
            series(&repeated, vec![sample(AT_MS, 1.0)]),
        ],
    )
    .await;
    assert_eq!(outcome(&answer), (400, [1, 0, 0]));
    insta::assert_snapshot!(answer.text(), @"3 of 4 samples were not stored: 1 conflict, 1 sample_malformed, 1 value_too_large; the first, of `up`: value `1e300` is too large: expected a magnitude of at most 1e20");
    assert_eq!(client.get("/series").await.json()["series"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn series_above_the_limit_of_a_request_are_counted_and_the_others_kept() {
    let client =
        Client::with(&[("TIDEMARK_SAMPLES_MAX", "200"), ("TIDEMARK_REQUEST_TIMEOUT_MS", "300000")]);
    let series = (0..100_000).map(|i| up(&i.to_string(), vec![sample(AT_MS, 1.0)]));
    let answer = v1(&client, series.collect()).await;
    assert_eq!(outcome(&answer), (400, [200, 0, 0]));
    let expected = "99800 of 100000 samples were not stored: 99800 too_many_samples\n";
    assert_eq!(answer.text(), expected);
}

#[tokio::test]
async fn a_store_that_is_away_is_a_503_to_retry() {
    let redis = closed_port().await;
    let client = Client::with(&[("REDIS_URL", &redis)]);
    let answer = v1(&client, vec![up("a", vec![sample(AT_MS, 1.0)])]).await;
    assert_eq!(outcome(&answer), (503, [0, 0, 0]));
    assert!(answer.headers.contains_key("retry-after"));
    assert!(answer.text().contains("store_unavailable"), "{}", answer.text());
}

#[tokio::test]
async fn what_the_default_rules_drop_is_written_for_its_sender_and_not_stored() {
    let client = Client::standalone();
    let named =
        |name: &str| series(&[("__name__", name), ("job", "node")], vec![sample(AT_MS, 1.0)]);
    let names = ["http_requests_total", "http_duration_seconds_bucket", "node_uname_info", "up"];
    for answer in
        [v1(&client, names.map(named).into()).await, v2(&client, names.map(named).into()).await]
    {
        assert_eq!(outcome(&answer), (204, [4, 0, 0]));
    }
    let list = client.get("/series").await.json();
    let mut stored: Vec<&str> = list["series"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["metric"].as_str())
        .collect();
    stored.sort_unstable();
    assert_eq!(stored, ["http_requests_total", "up"]);
    let metrics = client.get("/metrics").await;
    let dropped = "samples_not_selected_total{rule=\"default-buckets\"} 2";
    assert!(metrics.text().contains(dropped), "{}", metrics.text());
}
