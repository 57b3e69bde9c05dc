//! CloudEvents and deliveries of Firehose: each answer, and what it makes the sender do.

use axum::body::Body;
use axum::http::{HeaderName, Method, Request};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use service::access::NewApiKey;

use crate::client::{Answer, Client, closed_port, request};

const STRUCTURED: &str = "application/cloudevents+json; charset=UTF-8";
const BATCH: &str = "application/cloudevents-batch+json";

async fn post(client: &Client, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request: Request<Body> = request(Method::POST, path, Body::from(body.to_owned()));
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    client.send(request).await
}

fn event(id: &str, data: &Value) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/kafkasources/load#samples",
        "type": "dev.knative.kafka.event", "time": "2024-11-20T00:00:00Z", "data": data
    })
}

async fn deliver(client: &Client, event: &Value) -> Answer {
    post(client, "/cloudevents", &[("content-type", STRUCTURED)], &event.to_string()).await
}

/// The values of the samples of a series.
async fn values(client: &Client, metric: &str) -> Vec<f64> {
    let answer = client.get(&format!("/series/samples?metric={metric}")).await.json();
    let samples = answer["samples"].as_array().cloned().unwrap_or_default();
    samples.iter().map(|sample| sample["value"].as_f64().unwrap()).collect()
}

/// The headers of an event in the binary mode.
const BINARY: [(&str, &str); 6] = [
    ("ce-specversion", "1.0"),
    ("ce-id", "partition:0/offset:564"),
    ("ce-source", "/kafkasources/load#samples"),
    ("ce-type", "dev.knative.kafka.event"),
    ("ce-time", "2024-11-20T00:00:00Z"),
    ("content-type", "text/plain"),
];

#[tokio::test]
async fn an_event_of_each_mode_is_stored_once_however_often_it_is_delivered() {
    let data = json!([{ "rps": 7.0 }, { "rps": 8.0 }]);
    let structured = event("partition:0/offset:564", &data);
    let batch = json!([structured.clone(), structured.clone()]).to_string();
    let client = Client::standalone();
    for _ in 0..2 {
        let answers = [
            post(&client, "/cloudevents", &BINARY, &data.to_string()).await,
            deliver(&client, &structured).await,
            post(&client, "/cloudevents", &[("content-type", BATCH)], &batch).await,
        ];
        for answer in answers {
            assert_eq!((answer.status, answer.text().as_str()), (202, ""));
        }
    }
    assert_eq!(values(&client, "rps").await, [7.0, 8.0]);
}

#[tokio::test]
async fn an_event_that_can_never_be_stored_is_not_retried_and_its_good_samples_are_kept() {
    let client = Client::standalone();
    let cases = [
        (json!([{ "rps": 7.0 }, { "rps": "x" }]), "samples_rejected"),
        (json!("no samples"), "body_malformed"),
    ];
    for (data, code) in cases {
        deliver(&client, &event("1", &data)).await.is_problem(400, code);
    }
    assert_eq!(values(&client, "rps").await, [7.0]);
    deliver(&client, &json!({ "specversion": "1.0" })).await.is_problem(400, "body_malformed");
    // An event in neither mode.
    let answer = post(&client, "/cloudevents", &[("content-type", "application/json")], "{}").await;
    assert!(answer.is_problem(415, "content_type_unknown").contains("ce-specversion"));
    let headers = &BINARY[..2];
    let answer = post(&client, "/cloudevents", headers, r#"{"rps":1}"#).await;
    assert!(answer.is_problem(400, "body_malformed").contains("source"));
}

#[tokio::test]
async fn an_event_delivered_again_after_its_samples_have_left_the_window_is_no_failure() {
    let client = Client::standalone();
    let sample = |i: i64| json!({ "rps": i as f64, "timestamp": 1_732_060_800 + i });
    let first = event("1", &sample(0));
    assert_eq!(deliver(&client, &first).await.status, 202);
    let many: Vec<Value> = (1..=2_000).map(sample).collect();
    assert_eq!(deliver(&client, &event("2", &json!(many))).await.status, 202);
    assert_eq!(deliver(&client, &first).await.status, 202);
}

#[tokio::test]
async fn a_store_that_is_away_is_a_503_which_knative_retries() {
    let redis = closed_port().await;
    let client = Client::with(&[("REDIS_URL", &redis)]);
    let answer = deliver(&client, &event("1", &json!({ "rps": 7.0 }))).await;
    answer.is_problem(503, "store_unavailable");
    let record = json!({ "rps": 7.0, "timestamp": 1_732_060_800 }).to_string();
    let answer = deliver_records(&client, &[&record]).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["requestId"], REQUEST_ID);
}

const REQUEST_ID: &str = "ed4acda5-034f-9f42-bba1-f29aea6d7d8f";

async fn deliver_records(client: &Client, records: &[&str]) -> Answer {
    let records: Vec<Value> =
        records.iter().map(|record| json!({ "data": BASE64_STANDARD.encode(record) })).collect();
    let body = json!({ "requestId": REQUEST_ID, "timestamp": 1, "records": records });
    let headers = [("content-type", "application/json"), ("x-amz-firehose-request-id", REQUEST_ID)];
    post(client, "/firehose", &headers, &body.to_string()).await
}

#[tokio::test]
async fn firehose_gets_the_id_of_its_request_in_each_answer() {
    let client = Client::standalone();
    let good = r#"{"rps":7,"timestamp":1732060800}"#;
    for _ in 0..2 {
        let answer = deliver_records(&client, &[good, good]).await;
        let json = answer.json();
        assert_eq!((answer.status, &json["requestId"]), (200, &json!(REQUEST_ID)));
        assert!(json["timestamp"].as_i64().unwrap() > 1_700_000_000_000);
        assert!(json["errorMessage"].is_null());
    }
    let later = r#"{"rps":8,"timestamp":1732060860}"#;
    let answer = deliver_records(&client, &[later, "no samples"]).await;
    let json = answer.json();
    assert_eq!((answer.status, &json["requestId"]), (400, &json!(REQUEST_ID)));
    let message = json["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("1 of 2 samples were not stored: 1 sample_malformed"), "{message}");
    assert_eq!(values(&client, "rps").await, [7.0, 8.0]);
    let headers = [("x-amz-firehose-request-id", REQUEST_ID)];
    let answer = post(&client, "/firehose", &headers, "{").await;
    assert_eq!((answer.status, &answer.json()["requestId"]), (400, &json!(REQUEST_ID)));
}

#[tokio::test]
async fn the_access_key_of_a_stream_is_an_api_key() {
    let made = NewApiKey::generate("shop", "write").unwrap();
    let client = Client::with(&[("TIDEMARK_API_KEYS", &made.entry)]);
    let body = r#"{"records":[]}"#;
    for (key, status) in [(made.key.as_str(), 200), ("another", 401)] {
        let headers =
            [("x-amz-firehose-access-key", key), ("x-amz-firehose-request-id", REQUEST_ID)];
        let answer = post(&client, "/firehose", &headers, body).await;
        assert_eq!((answer.status, &answer.json()["requestId"]), (status, &json!(REQUEST_ID)));
    }
}
