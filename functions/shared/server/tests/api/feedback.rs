//! `/feedback`: the answers of people, and their effect on verdicts.

use axum::http::Method;
use serde_json::{Value, json};
use store::testbed::RedisServer;

use crate::client::{AT_MS, Client, closed_port, request};

const SERIES: &str = "source=checkout&metric=rps";

/// Samples a minute apart, around 100, with spikes of 113 at these minutes: just above the threshold.
fn samples(minutes: std::ops::Range<i64>, spikes: &[i64]) -> String {
    let sample = |minute: i64| {
        let usual = 100.0 + (minute * 7 % 11) as f64;
        let value = if spikes.contains(&minute) { 118.0 } else { usual };
        let at_ms = AT_MS + 60_000 * minute;
        json!({ "source": "checkout", "metric": "rps", "timestamp": at_ms, "value": value })
    };
    json!(minutes.map(sample).collect::<Vec<Value>>()).to_string()
}

/// The minutes of anomalies among the samples of these minutes.
async fn send(client: &Client, minutes: std::ops::Range<i64>, spikes: &[i64]) -> Vec<i64> {
    let answer = client.post("/ingest", samples(minutes, spikes)).await;
    assert_eq!(answer.status, 200);
    let verdicts = answer.json()["verdicts"].as_array().unwrap().clone();
    verdicts
        .iter()
        .map(|verdict| (verdict["timestamp"].as_i64().unwrap() - AT_MS) / 60_000)
        .collect()
}

fn answer_at(minute: i64, verdict: &str) -> Value {
    let at_ms = AT_MS + 60_000 * minute;
    json!({ "source": "checkout", "metric": "rps", "timestamp": at_ms, "verdict": verdict })
}

async fn give(client: &Client, minute: i64, verdict: &str) {
    let answer = client.post("/feedback", answer_at(minute, verdict).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn listed(client: &Client, query: &str) -> Vec<Value> {
    client.get(&format!("/feedback?{query}")).await.json()["feedback"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_false_alarm_silences_its_like_and_a_removed_answer_does_not() {
    let client = Client::standalone();
    let spikes: Vec<i64> = (0..20).map(|i| 100 + 60 * i).collect();
    assert_eq!(send(&client, 0..110, &spikes).await, [100]);
    give(&client, 100, "false_alarm").await;
    assert_eq!(send(&client, 110..170, &spikes).await, Vec::<i64>::new());
    let delete = format!("/feedback?{SERIES}&timestamp={}", AT_MS + 60_000 * 100);
    assert_eq!(client.delete(&delete).await.status, 204);
    assert_eq!(send(&client, 170..230, &spikes).await, [220]);
    // Removing it once more changes nothing.
    assert_eq!(client.delete(&delete).await.status, 204);
    assert_eq!(listed(&client, SERIES).await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_answer_counts_once_and_another_verdict_replaces_it() {
    let client = Client::standalone();
    send(&client, 0..110, &[100]).await;
    give(&client, 100, "false_alarm").await;
    let first = listed(&client, SERIES).await;
    give(&client, 100, "false_alarm").await;
    assert_eq!(listed(&client, SERIES).await, first);
    assert_eq!(first.len(), 1);
    assert_eq!(
        (&first[0]["signals"], &first[0]["start"]),
        (&json!(["deviation"]), &json!(AT_MS + 6_000_000))
    );
    give(&client, 100, "right").await;
    let replaced = listed(&client, SERIES).await;
    assert_eq!((replaced.len(), &replaced[0]["verdict"]), (1, &json!("right")));
}

#[tokio::test]
async fn a_missed_anomaly_lowers_the_threshold() {
    let client = Client::standalone();
    // 114 is below the threshold.
    let value = |minute: i64| if minute == 109 { 114.0 } else { 100.0 + (minute * 7 % 11) as f64 };
    let sample = |minute: i64| json!({ "source": "checkout", "metric": "rps", "timestamp": AT_MS + 60_000 * minute, "value": value(minute) });
    let body = json!((0..110).map(sample).collect::<Vec<Value>>()).to_string();
    assert_eq!(client.post("/ingest", body).await.json()["verdicts"], json!([]));
    give(&client, 109, "missed").await;
    let mut again = sample(110);
    again["value"] = json!(114.0);
    let verdicts = client.post("/ingest", again.to_string()).await.json();
    assert_eq!(verdicts["verdicts"][0]["verdict"], "anomaly", "{verdicts}");
}

#[tokio::test]
async fn the_explanation_names_feedback_and_its_effect() {
    let client = Client::standalone();
    send(&client, 0..101, &[100]).await;
    give(&client, 100, "false_alarm").await;
    let explained = client.get(&format!("/explain?{SERIES}")).await.json();
    let factor = explained["signals"][0]["feedback_factor"].as_f64().unwrap();
    assert!((factor - 2_f64.sqrt()).abs() < 1e-9, "{factor}");
    assert_eq!(explained["feedback"][0]["verdict"], "false_alarm");
    let text = explained["sentences"].to_string();
    let expected = "This was answered to be a false alarm; feedback moved thresholds: `deviation` to 1.414 times.";
    assert!(text.contains(expected), "{text}");
}

#[tokio::test]
async fn a_configuration_and_feedback_do_not_replace_each_other() {
    let client = Client::standalone();
    send(&client, 0..110, &[100]).await;
    give(&client, 100, "false_alarm").await;
    let path = format!("/series/config?{SERIES}");
    let before = client.get(&path).await.json();
    assert_eq!((&before["configured"], &before["own_detector"]), (&json!(false), &json!(false)));
    client.put(&path, r#"{"detector":"ewma"}"#).await;
    assert_eq!(listed(&client, SERIES).await.len(), 1);
    give(&client, 100, "right").await;
    assert_eq!(client.get(&path).await.json()["detector"], "ewma:alpha=0.1,threshold=4");
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.get(&path).await.json()["configured"], false);
    assert_eq!(listed(&client, SERIES).await.len(), 1);
}

#[tokio::test]
async fn every_process_judges_by_the_same_answers() {
    let server = RedisServer::start();
    let replica = || Client::with(&[("REDIS_URL", &server.url())]);
    let (one, other) = (replica(), replica());
    let spikes: Vec<i64> = (0..20).map(|i| 100 + 60 * i).collect();
    assert_eq!(send(&one, 0..110, &spikes).await, [100]);
    assert_eq!(send(&other, 110..170, &spikes).await, [160]);
    // The first process judges by what it has cached, until its commit is refused.
    give(&other, 160, "false_alarm").await;
    assert_eq!(send(&one, 170..230, &spikes).await, Vec::<i64>::new());
    assert_eq!(send(&other, 230..290, &spikes).await, Vec::<i64>::new());
    assert_eq!(listed(&one, "").await, listed(&other, SERIES).await);
    assert_eq!(other.delete(&format!("/feedback?{SERIES}")).await.status, 204);
    assert_eq!(send(&one, 290..350, &spikes).await, [340]);
}

#[tokio::test]
async fn feedback_of_all_series_is_listed_page_by_page() {
    let client = Client::standalone();
    for i in 0..5 {
        let body = samples(0..110, &[100]).replace("\"rps\"", &format!("\"m{i}\""));
        client.post("/ingest", body).await;
    }
    let answers: Vec<Value> = (0..3)
        .map(|i| {
            let mut answer = answer_at(100, "false_alarm");
            answer["metric"] = json!(format!("m{i}"));
            answer
        })
        .collect();
    let given = client.post("/feedback", json!(answers).to_string()).await.json();
    assert_eq!(given["feedback"].as_array().unwrap().len(), 3);
    let (mut metrics, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/feedback?limit=2{cursor}")).await.json();
        let feedback = page["feedback"].as_array().unwrap();
        metrics.extend(feedback.iter().map(|answer| answer["metric"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor =
            format!("&cursor={}", next.replace('%', "%25").replace('&', "%26").replace('+', "%2B"));
    }
    metrics.sort();
    assert_eq!(metrics, ["m0", "m1", "m2"]);
}

#[tokio::test]
async fn each_answer_that_cannot_be_stored_has_its_error() {
    let client = Client::standalone();
    let post = |body: Value| {
        let client = client.clone();
        async move { client.post("/feedback", body.to_string()).await }
    };
    post(answer_at(1, "right")).await.is_problem(404, "series_unknown");
    client.get(&format!("/feedback?{SERIES}")).await.is_problem(404, "series_unknown");
    client.delete(&format!("/feedback?{SERIES}")).await.is_problem(404, "series_unknown");
    send(&client, 0..110, &[]).await;
    let detail = post(answer_at(50, "false_alarm")).await.is_problem(422, "feedback_invalid");
    assert!(detail.contains("no anomaly of the series is stored at this time"), "{detail}");
    post(answer_at(50, "wrong")).await.is_problem(422, "feedback_invalid");
    post(json!([])).await.is_problem(422, "feedback_invalid");
    post(json!(vec![answer_at(50, "missed"); 101])).await.is_problem(422, "feedback_invalid");
    client.post("/feedback", "{").await.is_problem(400, "body_malformed");
    client.get("/feedback?limit=101").await.is_problem(400, "parameter_invalid");
    client.get("/feedback?cursor=made-up").await.is_problem(400, "cursor_invalid");
    client.delete("/feedback").await.is_problem(400, "parameter_missing");
    let away = Client::with(&[("REDIS_URL", &closed_port().await)]);
    let body = answer_at(50, "missed").to_string();
    let sent = away.send(request(Method::POST, "/feedback", body.into())).await;
    sent.is_problem(503, "store_unavailable");
}
