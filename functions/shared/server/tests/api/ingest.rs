//! `POST /ingest`.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use crate::client::{AT_MS, Answer, Client, request, sample, with_spike};

fn counts(answer: &Answer) -> [i64; 4] {
    let json = answer.json();
    let rejected = json["rejected"].as_array().unwrap().len() as i64;
    let count = |name: &str| json[name].as_i64().unwrap();
    [count("accepted"), count("duplicates"), count("too_old"), rejected]
}

#[tokio::test]
async fn every_shape_of_samples_is_accepted() {
    let client = Client::standalone();
    let bodies = [
        (r#"{"metric":"a","value":1,"timestamp":1732060800}"#, 1),
        (r#"[{"metric":"b","value":1},{"metric":"b","value":2}]"#, 2),
        (r#"{"samples":[{"metric":"c","value":1,"labels":{"zone":"a"}}]}"#, 1),
        (r#"{"source":"checkout","timestamp":"2024-11-20T10:00:00Z","rps":812.5,"cpu":41.0}"#, 2),
        ("{\"metric\":\"d\",\"value\":1}\n{\"metric\":\"d\",\"value\":2}\n", 2),
        ("[]", 0),
    ];
    for (body, n_samples) in bodies {
        let answer = client.post("/ingest", body).await;
        assert_eq!((answer.status, counts(&answer)), (200, [n_samples, 0, 0, 0]), "{body}");
    }
}

#[tokio::test]
async fn the_answer_has_the_verdict_of_a_spike() {
    let client = Client::standalone();
    let samples: Vec<Value> =
        (0..).zip(with_spike(60)).map(|(second, value)| sample(second, value)).collect();
    let answer = client.post("/ingest", json!(samples).to_string()).await.json();
    let verdicts = answer["verdicts"].as_array().unwrap();
    assert_eq!(verdicts.len(), 1, "{verdicts:?}");
    let verdict = &verdicts[0];
    assert_eq!(verdict["source"], "checkout");
    assert_eq!(verdict["metric"], "rps");
    assert_eq!(verdict["labels"], json!({}));
    assert_eq!(verdict["timestamp"], AT_MS + 60_000);
    assert_eq!((&verdict["verdict"], &verdict["signal"]), (&json!("anomaly"), &json!("deviation")));
    assert!(verdict["reason"].as_str().unwrap().starts_with("900.0 is above the band"));
}

#[tokio::test]
async fn the_query_selects_the_verdicts() {
    for (query, wanted) in
        [("", 1), ("?verdicts=anomalies", 1), ("?verdicts=all", 61), ("?verdicts=none", 0)]
    {
        let samples: Vec<Value> =
            (0..).zip(with_spike(60)).map(|(second, value)| sample(second, value)).collect();
        let body = json!(samples).to_string();
        let answer = Client::standalone().post(&format!("/ingest{query}"), body).await;
        assert_eq!(answer.json()["verdicts"].as_array().unwrap().len(), wanted, "{query}");
    }
    let answer = Client::standalone().post("/ingest?verdicts=some", "[]").await;
    assert!(answer.is_problem(400, "parameter_invalid").contains("all, anomalies or none"));
}

#[tokio::test]
async fn a_repeated_request_changes_nothing() {
    let client = Client::standalone();
    let first = client.send_values(&with_spike(60)).await;
    let again = client.send_values(&with_spike(60)).await;
    assert_eq!((first.status, counts(&first)), (200, [61, 0, 0, 0]));
    assert_eq!((again.status, counts(&again)), (200, [0, 61, 0, 0]));
    assert_eq!(first.json()["verdicts"][60]["verdict"], "anomaly");
    assert_eq!(again.json()["verdicts"][60]["verdict"], "anomaly");
}

#[tokio::test]
async fn valid_samples_are_stored_if_others_are_invalid() {
    let client = Client::standalone();
    let body = r#"[{"metric":"rps","value":1,"timestamp":1732060800},
        {"metric":"rps","value":"high","timestamp":1732060801},
        {"metric":"rps","value":NaN,"timestamp":1732060802},
        {"metric":"rps","value":1e21,"timestamp":1732060803},
        {"metric":"r\tps","value":1},
        {"metric":"rps","value":1,"timestamp":"tomorrow"},
        {"metric":"rps","value":1,"timestamp":9000000000},
        {"name":"checkout"}, 7,
        {"metric":"rps","value":2,"timestamp":1732060800},
        {"metric":"rps","value":2,"timestamp":1732060804}]"#;
    let answer = client.post("/ingest", body).await;
    let json = answer.json();
    let codes: Vec<(i64, &str)> = json["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sample| (sample["index"].as_i64().unwrap(), sample["code"].as_str().unwrap()))
        .collect();
    let wanted = [
        (1, "value_not_number"),
        (2, "value_not_finite"),
        (3, "value_too_large"),
        (4, "name_invalid"),
        (5, "time_invalid"),
        (6, "time_ahead"),
        (7, "metric_missing"),
        (8, "sample_malformed"),
        (9, "conflict"),
    ];
    assert_eq!(codes, wanted);
    assert_eq!((answer.status, counts(&answer)), (200, [2, 0, 0, 9]));
}

#[tokio::test]
async fn a_request_is_rejected_only_if_all_samples_are() {
    let client = Client::standalone();
    let answer = client.post("/ingest", r#"{"metric":"rps","value":"high"}"#).await;
    assert_eq!((answer.status, counts(&answer)), (422, [0, 0, 0, 1]));
    assert_eq!(answer.json()["rejected"][0]["metric"], "rps");
}

#[tokio::test]
async fn each_malformed_body_has_its_code() {
    let client = Client::standalone();
    for (body, code) in [
        ("", "body_empty"),
        (" \n", "body_empty"),
        ("{", "body_malformed"),
        ("metric=rps", "body_malformed"),
        (r#"[{"metric":"rps","value":1}"#, "body_malformed"),
        (r#"{"samples":[],"source":"checkout"}"#, "body_malformed"),
    ] {
        client.post("/ingest", body).await.is_problem(400, code);
    }
}

#[tokio::test]
async fn the_content_type_selects_the_format() {
    let client = Client::standalone();
    let with_type = |content_type: &str, body: &'static str| {
        let mut request = request(Method::POST, "/ingest", Body::from(body));
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        client.send(request)
    };
    let lines = "{\"a\":1}\n\n{\"b\":1}\n";
    assert_eq!(with_type("application/x-ndjson", lines).await.status, 200);
    assert_eq!(with_type("application/json; charset=utf-8", "{\"a\":1}").await.status, 200);
    for content_type in ["text/csv", "application/json; charset=latin1", "application/x-protobuf"] {
        with_type(content_type, "{}").await.is_problem(415, "content_type_unknown");
    }
}

#[tokio::test]
async fn the_error_lists_unknown_parameters() {
    let client = Client::standalone();
    let answer = client.post("/ingest?verdict=all&dry_run=1", "[]").await;
    let detail = answer.is_problem(400, "parameter_unknown");
    assert!(detail.contains("`verdict`, `dry_run`") && detail.contains("expected `verdicts`"));
    let answer = client.post("/ingest?verdicts=all&verdicts=none", "[]").await;
    answer.is_problem(400, "parameter_repeated");
}
