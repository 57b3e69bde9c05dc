//! `GET /explain`: numbers and sentences about one sample.

use serde_json::{Value, json};

use crate::client::{AT_MS, Client, closed_port};

/// Samples a minute apart, around 100, with these last values.
fn series(source: &str, metric: &str, last: &[f64]) -> Vec<Value> {
    let usual = (0..300).map(|i| 100.0 + f64::from(i * 7 % 11));
    let values: Vec<f64> = usual.chain(last.iter().copied()).collect();
    let sample = |(i, value): (usize, &f64)| {
        let at_ms = AT_MS + 60_000 * i as i64;
        json!({ "source": source, "metric": metric, "timestamp": at_ms, "value": value })
    };
    values.iter().enumerate().map(sample).collect()
}

async fn send(client: &Client, samples: Vec<Value>) {
    let answer = client.post("/ingest?verdicts=none", json!(samples).to_string()).await;
    assert_eq!(answer.status, 200);
}

/// A client of a deployment with the default detector.
fn traffic() -> Client {
    Client::with(&[("TIDEMARK_DETECTOR", "traffic")])
}

const PATH: &str = "/explain?source=checkout&metric=rps";

fn sentences(answer: &Value) -> Vec<&str> {
    answer["sentences"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_newest_sample_is_explained_by_all_signals() {
    let client = traffic();
    send(&client, series("checkout", "rps", &[500.0])).await;
    let answer = client.get(PATH).await.json();
    assert_eq!(
        (&answer["sample"]["value"], &answer["verdict_stored"]),
        (&json!(500.0), &json!(true))
    );
    let signals = answer["signals"].as_array().unwrap();
    assert_eq!(signals.len(), 5);
    let deviation = signals.iter().find(|signal| signal["signal"] == "deviation").unwrap();
    assert_eq!(
        deviation["score"].as_f64().unwrap() as f32,
        answer["sample"]["score"].as_f64().unwrap() as f32
    );
    assert!((90.0..120.0).contains(&answer["recent"]["value"].as_f64().unwrap()));
    assert_eq!(
        (&answer["false_alarms_per_day"], &answer["judged_count"]),
        (&json!(0.2), &json!(301))
    );
    assert_eq!(answer["silence"]["parameter"], "false_alarms_per_day");
    assert_eq!(answer["config"], json!({ "revision": 0, "changed": null, "own_detector": false }));
    let sentences = sentences(&answer);
    assert_eq!(sentences[0], "At 2024-11-20T05:00:00Z rps of checkout was 500.0.");
    assert!(sentences[1].contains(" was expected, and "), "{sentences:?}");
    assert!(sentences[2].starts_with("The signal `deviation` raised the alarm: it reached "));
    let text = sentences.join("\n");
    assert!(text.contains("The series has learned from 301 samples; 0.200 false alarms a day"));
    assert!(
        text.contains("No other series of checkout") && text.contains("follows the configuration")
    );
    assert!(text.is_ascii() && sentences.iter().all(|sentence| sentence.ends_with('.')), "{text}");
}

#[tokio::test]
async fn a_normal_sample_names_the_nearest_signal() {
    let client = traffic();
    send(&client, series("checkout", "rps", &[104.0])).await;
    let answer = client.get(PATH).await.json();
    assert_eq!(
        (&answer["sample"]["verdict"], &answer["silence"]),
        (&json!("normal"), &Value::Null)
    );
    assert!(sentences(&answer)[1].ends_with("the value is within that range."));
    assert!(sentences(&answer)[2].starts_with("The signal nearest to an alarm is `"));
}

#[tokio::test]
async fn an_older_sample_is_explained_by_its_stored_verdict_only() {
    let client = traffic();
    send(&client, series("checkout", "rps", &[500.0, 103.0, 104.0])).await;
    let at = |minute: i64| format!("{PATH}&timestamp={}", AT_MS + 60_000 * minute);
    let anomaly = client.get(&at(300)).await.json();
    assert_eq!(
        (&anomaly["sample"]["value"], &anomaly["verdict_stored"]),
        (&json!(500.0), &json!(true))
    );
    assert_eq!(anomaly["signals"].as_array().unwrap().len(), 1);
    let normal = client.get(&at(250)).await.json();
    assert_eq!((&normal["verdict_stored"], &normal["signals"]), (&json!(false), &json!([])));
    let expected = normal["sample"]["expected"].as_f64().unwrap();
    assert!((98.0..108.0).contains(&expected) && normal["sample"]["signal"].is_null(), "{normal}");
    assert!(normal["recent"]["value"].is_number());
    assert!(sentences(&normal)[1].ends_with("the value is within that range."));
    let rfc3339 = format!("{PATH}&timestamp=2024-11-20T05:00:00Z");
    assert_eq!(client.get(&rfc3339).await.json()["sample"], anomaly["sample"]);
}

#[tokio::test]
async fn each_sample_that_cannot_be_explained_has_its_error() {
    let client = traffic();
    client.get(PATH).await.is_problem(404, "series_unknown");
    send(&client, series("checkout", "rps", &[])).await;
    let at = |ms: i64| format!("{PATH}&timestamp={ms}");
    let detail = client.get(&at(AT_MS + 1)).await.is_problem(404, "sample_not_kept");
    assert!(detail.contains("one of the newest 128"), "{detail}");
    client.get(&at(AT_MS + 60_000 * 299 - 1)).await.is_problem(404, "sample_unknown");
    client.get(&at(AT_MS + 60_000 * 300)).await.is_problem(404, "sample_unknown");
    client.get(&format!("{PATH}&timestamp=noon")).await.is_problem(400, "parameter_invalid");
    client.get(&format!("{PATH}&at=1")).await.is_problem(400, "parameter_unknown");
    client.get("/explain?source=checkout").await.is_problem(400, "parameter_missing");
    let away = Client::with(&[("REDIS_URL", &closed_port().await)]);
    away.get(PATH).await.is_problem(503, "store_unavailable");
}

#[tokio::test]
async fn series_of_the_same_source_that_were_anomalous_then_are_listed() {
    let client = traffic();
    send(&client, series("checkout", "rps", &[500.0])).await;
    for i in 0..25 {
        send(&client, series("checkout", &format!("errors{i}"), &[900.0])).await;
    }
    send(&client, series("checkout", "calm", &[105.0])).await;
    send(&client, series("search", "rps", &[900.0])).await;
    let mut before = series("checkout", "before", &[]);
    before[150]["value"] = json!(900.0);
    send(&client, before).await;
    let answer = client.get(PATH).await.json();
    let similar = answer["similar"].as_array().unwrap();
    assert!((15..=20).contains(&similar.len()), "{}", similar.len());
    for other in similar {
        assert!(other["metric"].as_str().unwrap().starts_with("errors"), "{other}");
        assert_eq!(
            (&other["source"], &other["start"]),
            (&json!("checkout"), &json!(AT_MS + 18_000_000))
        );
    }
    let text = sentences(&answer).join(" ");
    assert!(text.contains("Of checkout these were anomalous at the same time: errors"), "{text}");
}

#[tokio::test]
async fn every_detector_explains_and_names_its_silence() {
    for spec in ["zscore", "robust", "ewma", "deviation", "novelty", "traffic"] {
        let client = Client::with(&[("TIDEMARK_DETECTOR", spec)]);
        send(&client, series("checkout", "rps", &[130.0])).await;
        let answer = client.get(PATH).await.json();
        assert_eq!(answer["sample"]["verdict"], "anomaly", "{spec}");
        let signals = answer["signals"].as_array().unwrap();
        let score = |signal: &Value| signal["score"].as_f64() > signal["threshold"].as_f64();
        assert!(signals.iter().any(score), "{spec} {signals:?}");
        assert!(answer["silence"]["parameter"].is_string(), "{spec}");
    }
}

#[tokio::test]
async fn of_a_counter_the_rate_is_explained() {
    let client = traffic();
    let sample = |i: i64| {
        let total = 6_000 * i + 60 * (i * 7 % 11) + if i == 200 { 90_000 } else { 0 };
        json!({ "metric": "requests_total", "kind": "counter", "timestamp": AT_MS + 60_000 * i, "value": total })
    };
    send(&client, (0..=200).map(sample).collect()).await;
    let answer = client.get("/explain?metric=requests_total").await.json();
    assert!(answer["sample"]["rate"].as_f64().unwrap() > 1_000.0);
    assert!((90.0..110.0).contains(&answer["recent"]["value"].as_f64().unwrap()), "{answer}");
    assert!(sentences(&answer)[0].ends_with(" a second."), "{answer}");
    let first = format!("/explain?metric=requests_total&timestamp={}", AT_MS + 60_000 * 74);
    let first = client.get(&first).await.json();
    let range = &first["sample"]["band"];
    assert!(range[0].as_f64().unwrap() > 60.0 && range[1].as_f64().unwrap() < 140.0, "{first}");
    assert!(sentences(&first)[1].ends_with("the value is within that range."), "{first}");
}

#[tokio::test]
async fn the_last_change_of_the_configuration_is_named() {
    let client = traffic();
    send(&client, series("checkout", "rps", &[500.0])).await;
    let path = "/series/config?source=checkout&metric=rps";
    client.put(path, r#"{"detector":"zscore"}"#).await;
    let answer = client.get(PATH).await.json();
    let revision = answer["config"]["revision"].as_i64().unwrap();
    assert_eq!(answer["config"]["changed"].as_f64().unwrap(), revision as f64 / 1e3);
    assert_eq!(
        (&answer["config"]["own_detector"], &answer["false_alarms_per_day"]),
        (&json!(true), &Value::Null)
    );
    assert!(sentences(&answer).last().unwrap().contains("changed last at 20"));
}
