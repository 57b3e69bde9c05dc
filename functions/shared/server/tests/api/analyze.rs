//! `/analyze`, for stored series and for those of a body.

use serde_json::{Value, json};

use crate::client::{AT_MS, Client, sample, with_spike};

#[tokio::test]
async fn one_series_is_analyzed_in_full() {
    let client = Client::standalone();
    client.send_values(&with_spike(60)).await;
    let answer = client.get("/analyze?source=checkout&metric=rps").await;
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!(json["detector"], "zscore:window=50,threshold=3");
    assert_eq!(json["window"]["count"], 50);
    assert_eq!(json["window"]["max"], 900.0);
    assert_eq!(json["last"]["verdict"], "anomaly");
    assert_eq!(json["learning"]["ready"], true);
    assert_eq!((&json["judged_count"], &json["pending"]), (&json!(61), &json!(0)));
    assert_eq!(json["anomaly_count"], 1);
    assert_eq!(json["anomalies"][0]["timestamp"], AT_MS + 60_000);
    assert_eq!(json["episode"]["samples"], 1);
}

#[tokio::test]
async fn a_series_is_found_by_its_labels_and_only_by_them() {
    let client = Client::standalone();
    let body = r#"{"metric":"rps","value":1,"labels":{"zone":"a","path":"/a=1&b"}}"#;
    client.post("/ingest", body).await;
    let found = client.get("/analyze?metric=rps&label=zone=a&label=path%3D%2Fa%3D1%26b").await;
    assert_eq!(found.status, 200);
    assert_eq!(found.json()["labels"], json!({ "path": "/a=1&b", "zone": "a" }));
    for query in ["metric=rps", "metric=rps&label=zone=a", "source=other&metric=rps"] {
        client.get(&format!("/analyze?{query}")).await.is_problem(404, "series_unknown");
    }
}

#[tokio::test]
async fn without_parameters_there_is_a_summary() {
    let empty = Client::standalone().get("/analyze").await.json();
    assert_eq!((&empty["series_count"], &empty["worst"]), (&json!(0), &json!([])));
    let client = Client::standalone();
    client.send_values(&with_spike(60)).await;
    client.post("/ingest", r#"{"metric":"idle","value":1}"#).await;
    let summary = client.get("/analyze").await.json();
    assert_eq!(summary["series_count"], 2);
    let worst: Vec<&Value> = summary["worst"].as_array().unwrap().iter().collect();
    assert_eq!(worst.len(), 1);
    assert_eq!((&worst[0]["metric"], &worst[0]["anomaly_count"]), (&json!("rps"), &json!(1)));
    assert_eq!((&summary["anomalous_count"], &summary["pending_count"]), (&json!(1), &json!(0)));
    assert_eq!(summary["next"], Value::Null);
}

#[tokio::test]
async fn the_summary_of_many_anomalous_series_is_paginated() {
    let client = Client::standalone();
    for i in 0..130 {
        let samples: Vec<Value> = (0..).zip(with_spike(40)).map(|(second, value)| {
            json!({ "metric": format!("m{i}"), "timestamp": 1_732_060_800 + second, "value": value })
        }).collect();
        client.post("/ingest?verdicts=none", json!(samples).to_string()).await;
    }
    let first = client.get("/analyze").await.json();
    assert_eq!((&first["series_count"], &first["anomalous_count"]), (&json!(130), &json!(130)));
    let cursor = first["next"].as_str().unwrap().replace('%', "%25");
    let second = client.get(&format!("/analyze?cursor={cursor}")).await.json();
    assert_eq!(second["next"], Value::Null);
    let metrics = |page: &Value| -> Vec<String> {
        let worst = page["worst"].as_array().unwrap().iter();
        worst.map(|series| series["metric"].as_str().unwrap().to_owned()).collect()
    };
    let all: std::collections::BTreeSet<String> =
        metrics(&first).into_iter().chain(metrics(&second)).collect();
    assert_eq!((metrics(&first).len(), all.len()), (100, 130));
    client.get("/analyze?cursor=rubbish").await.is_problem(400, "cursor_invalid");
    client.get("/analyze?metric=m1&cursor=1:a").await.is_problem(400, "parameter_unknown");
}

#[tokio::test]
async fn each_invalid_query_has_its_code() {
    let client = Client::standalone();
    for (query, code) in [
        ("source=checkout", "parameter_missing"),
        ("label=zone=a", "parameter_missing"),
        ("metric=rps&label=zone", "parameter_invalid"),
        ("metric=rps&metric=cpu", "parameter_repeated"),
        ("metric=r%0As", "name_invalid"),
        ("metric=rps&source=", "name_invalid"),
        ("metric=rps&window=50", "parameter_unknown"),
    ] {
        client.get(&format!("/analyze?{query}")).await.is_problem(400, code);
    }
}

#[tokio::test]
async fn a_series_in_the_body_is_judged_and_not_stored() {
    let client = Client::standalone();
    let samples: Vec<Value> =
        (0..).zip(with_spike(60)).map(|(second, value)| sample(second, value)).collect();
    let body = json!(samples).to_string();
    let answer = client.post("/analyze", body.clone()).await;
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!((&json["judged"], &json["anomalies"]), (&json!(61), &json!(1)));
    assert_eq!(json["verdicts"].as_array().unwrap().len(), 61);
    let other = client.post("/analyze?detector=zscore:window=50,threshold=1000", body).await.json();
    assert_eq!(other["anomalies"], 0);
    assert_eq!(client.get("/series").await.json()["series"], json!([]));
}

#[tokio::test]
async fn a_series_in_the_body_requires_times_and_a_valid_detector() {
    let client = Client::standalone();
    let timeless = client.post("/analyze", r#"{"metric":"rps","value":1}"#).await;
    assert_eq!(timeless.status, 422);
    assert_eq!(timeless.json()["rejected"][0]["code"], "time_invalid");
    let answer = client.post("/analyze?detector=zscor", "[]").await;
    assert!(answer.is_problem(400, "detector_invalid").contains("zscor"));
    client.post("/analyze", "{").await.is_problem(400, "body_malformed");
}

#[tokio::test]
async fn each_learning_verdict_has_its_progress() {
    let client = Client::standalone();
    let sent = client.send_values(&with_spike(10)).await.json();
    let learning = |i: usize| sent["verdicts"][i]["learning"].clone();
    assert_eq!(learning(0), json!({ "ready": false, "seen": 1, "needed": 30 }));
    let ready_at = AT_MS + 29_000;
    let eleven = json!({ "ready": false, "seen": 11, "needed": 30, "ready_at": ready_at });
    assert_eq!(learning(10), eleven);
    assert_eq!(client.get("/analyze?source=checkout&metric=rps").await.json()["learning"], eleven);
    client.send_values(&with_spike(40)).await;
    let analysis = client.get("/analyze?source=checkout&metric=rps").await.json();
    assert_eq!(analysis["learning"], json!({ "ready": true, "seen": 30, "needed": 30 }));
}
