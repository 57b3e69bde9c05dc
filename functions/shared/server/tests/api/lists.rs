//! The pages of `/series` and `/anomalies`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::{AT_MS, Client, closed_port, sample, with_spike};

/// Percent-encodes the reserved characters of a query.
fn encoded(text: &str) -> String {
    text.replace('%', "%25").replace('&', "%26").replace('+', "%2B").replace('#', "%23")
}

#[tokio::test]
async fn all_series_are_listed_page_by_page() {
    let client = Client::standalone();
    let samples: Vec<Value> =
        (0..5).map(|i| json!({ "metric": format!("m{i}"), "value": i })).collect();
    client.post("/ingest", json!(samples).to_string()).await;
    let (mut listed, mut cursor, mut n_pages) = (BTreeSet::new(), String::new(), 0);
    loop {
        let page = client.get(&format!("/series?limit=2{cursor}")).await.json();
        let series = page["series"].as_array().unwrap();
        assert!(series.len() <= 2);
        listed.extend(series.iter().map(|series| series["metric"].as_str().unwrap().to_owned()));
        n_pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={}", encoded(next));
    }
    assert_eq!(listed.into_iter().collect::<Vec<_>>(), ["m0", "m1", "m2", "m3", "m4"]);
    assert_eq!(n_pages, 3);
}

#[tokio::test]
async fn the_length_of_a_page_is_bounded() {
    let client = Client::standalone();
    for limit in ["0", "1001", "many"] {
        let answer = client.get(&format!("/series?limit={limit}")).await;
        assert!(answer.is_problem(400, "parameter_invalid").contains("from 1 to 1000"));
    }
    client.get("/series?cursor=made-up").await.is_problem(400, "cursor_invalid");
    client.get("/series?since=1").await.is_problem(400, "parameter_unknown");
}

#[tokio::test]
async fn the_newest_samples_of_a_series_have_their_verdicts() {
    let client = Client::standalone();
    let values: Vec<f64> = (0..200).map(|i| 100.0 + f64::from(i * 7 % 11)).collect();
    client.send_values(&[&values[..], &[900.0]].concat()).await;
    let path = "/series/samples?source=checkout&metric=rps";
    let answer = client.get(path).await.json();
    let samples = answer["samples"].as_array().unwrap();
    assert_eq!((samples.len(), &answer["metric"]), (128, &json!("rps")));
    let times: Vec<f64> =
        samples.iter().map(|sample| sample["timestamp"].as_f64().unwrap()).collect();
    assert!(times.is_sorted());
    let [before, newest] = &samples[126..] else { panic!("{answer}") };
    assert_eq!((&before["verdict"], &before["value"]), (&json!("normal"), &json!(values[199])));
    assert_eq!((&newest["verdict"], &newest["value"]), (&json!("anomaly"), &json!(900.0)));
    assert!(newest["band"][1].as_f64().unwrap() < 900.0 && newest["signal"].is_string());
    // What was expected is stored for each sample, exactly and with its signal for anomalies and the newest.
    for sample in samples {
        let (value, band) = (sample["value"].as_f64().unwrap(), &sample["band"]);
        let (low, high) = (band[0].as_f64().unwrap(), band[1].as_f64().unwrap());
        let expected = sample["expected"].as_f64().unwrap();
        assert!(low < expected && expected < high, "{sample}");
        assert_eq!((low..high).contains(&value), sample["verdict"] == json!("normal"), "{sample}");
    }
    assert!(before["signal"].is_null(), "{before}");
    assert!(before["reason"].as_str().unwrap().contains("is within the band"), "{before}");
    client.get("/series/samples?metric=none").await.is_problem(404, "series_unknown");
    client.get("/series/samples").await.is_problem(400, "parameter_missing");
}

#[tokio::test]
async fn a_deleted_series_is_unknown() {
    let client = Client::standalone();
    client.send_values(&[1.0, 2.0]).await;
    let path = "/series?source=checkout&metric=rps";
    let answer = client.delete(path).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    client.delete(path).await.is_problem(404, "series_unknown");
    client.get("/analyze?source=checkout&metric=rps").await.is_problem(404, "series_unknown");
    client.get("/anomalies?source=checkout&metric=rps").await.is_problem(404, "series_unknown");
    client.delete("/series").await.is_problem(400, "parameter_missing");
}

#[tokio::test]
async fn anomalies_are_listed_newest_first_page_by_page() {
    let client = Client::standalone();
    let mut values = with_spike(60);
    for _ in 0..2 {
        values.extend(with_spike(60));
    }
    client.send_values(&values).await;
    let path = "/anomalies?source=checkout&metric=rps";
    let all = client.get(path).await.json();
    let seconds = |page: &Value| -> Vec<i64> {
        let anomalies = page["anomalies"].as_array().unwrap().iter();
        anomalies.map(|anomaly| (anomaly["timestamp"].as_i64().unwrap() - AT_MS) / 1000).collect()
    };
    assert_eq!((seconds(&all), &all["next"]), (vec![182, 121, 60], &Value::Null));

    let first = client.get(&format!("{path}&limit=2")).await.json();
    assert_eq!(seconds(&first), [182, 121]);
    let next = first["next"].as_str().unwrap();
    let second = client.get(&format!("{path}&limit=2&cursor={next}")).await.json();
    assert_eq!((seconds(&second), &second["next"]), (vec![60], &Value::Null));

    for since in [(AT_MS + 121_000).to_string(), "2024-11-20T00:02:01Z".to_owned()] {
        assert_eq!(seconds(&client.get(&format!("{path}&since={since}")).await.json()), [182, 121]);
    }
}

#[tokio::test]
async fn a_series_without_anomalies_has_an_empty_list() {
    let client = Client::standalone();
    client.post("/ingest", sample(0, 1.0).to_string()).await;
    let page = client.get("/anomalies?source=checkout&metric=rps").await.json();
    assert_eq!((&page["anomalies"], &page["next"]), (&json!([]), &Value::Null));
    let path = "/anomalies?source=checkout&metric=rps";
    for query in ["since=yesterday", "cursor=yesterday", "limit=0"] {
        client.get(&format!("{path}&{query}")).await.is_problem(400, "parameter_invalid");
    }
    client.get("/anomalies?source=checkout").await.is_problem(400, "parameter_missing");
}

#[tokio::test]
async fn a_problem_quotes_neither_the_cursor_nor_the_reason_of_the_store() {
    let cursor = "x".repeat(5_000);
    let client = Client::standalone();
    for path in ["/series?", "/analyze?"] {
        let answer = client.get(&format!("{path}cursor={cursor}")).await;
        let detail = answer.is_problem(400, "cursor_invalid");
        assert!(!detail.contains("xx"), "{detail}");
    }
    let away = Client::with(&[("REDIS_URL", &closed_port().await)]);
    for path in ["/series", "/readyz"] {
        let detail = away.get(path).await.is_problem(503, "store_unavailable");
        assert_eq!(detail, "the store does not answer", "{path}");
    }
    let answer = away.post("/ingest", sample(0, 1.0).to_string()).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["rejected"][0]["detail"], "the store does not answer");
}
