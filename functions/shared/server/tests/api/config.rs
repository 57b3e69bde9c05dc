//! `/series/config`, in one process and over Redis.

use axum::body::Body;
use axum::http::{Method, Request};
use detector::series_config::{MAINTENANCE_WINDOWS_MAX, REASON_LEN_MAX};
use serde_json::{Value, json};
use server::Function;
use store::testbed::RedisServer;

use crate::client::{AT_MS, Client, app, sample, with_spike};
use crate::document::DOCUMENT;

const PATH: &str = "/series/config?source=checkout&metric=rps";
const ANALYZE: &str = "/analyze?source=checkout&metric=rps";

#[tokio::test]
async fn a_configuration_is_put_read_and_removed() {
    let client = Client::standalone();
    client.get(PATH).await.is_problem(404, "series_unknown");
    client.delete(PATH).await.is_problem(404, "series_unknown");
    let until = "2024-11-20T02:00:00.5Z";
    let body = json!({
        "detector": "zscore:window=40,threshold=5",
        "maintenance": [{ "from": AT_MS, "until": until, "reason": "load test" }],
    });
    let put = client.put(PATH, body.to_string()).await;
    assert_eq!(put.status, 200);
    let json = put.json();
    assert_eq!((&json["source"], &json["metric"]), (&json!("checkout"), &json!("rps")));
    assert_eq!((&json["configured"], &json["own_detector"]), (&json!(true), &json!(true)));
    assert_eq!(json["detector"], "zscore:window=40,threshold=5");
    let window = json!({ "from": AT_MS, "until": AT_MS + 7_200_500, "reason": "load test" });
    assert_eq!(json["maintenance"], json!([window]));
    assert_eq!(client.get(PATH).await.json(), json);

    let empty = client.put(PATH, "{}").await.json();
    assert_eq!((&empty["configured"], &empty["own_detector"]), (&json!(true), &json!(false)));
    assert_eq!(
        (&empty["detector"], &empty["maintenance"]),
        (&json!("zscore:window=50,threshold=3"), &json!([]))
    );
    assert!(empty["revision"].as_i64() > json["revision"].as_i64());

    assert_eq!(client.delete(PATH).await.status, 204);
    client.get(PATH).await.is_problem(404, "series_unknown");
}

#[tokio::test]
async fn a_series_without_a_configuration_returns_the_defaults() {
    let client = Client::standalone();
    client.send_values(&[1.0]).await;
    let json = client.get(PATH).await.json();
    assert_eq!((&json["configured"], &json["revision"]), (&json!(false), &json!(0)));
    assert_eq!(json["detector"], "zscore:window=50,threshold=3");
    assert_eq!(client.delete(PATH).await.status, 204);
}

#[tokio::test]
async fn labels_distinguish_configurations() {
    let client = Client::standalone();
    let zone = |zone: &str| format!("{PATH}&label=zone={zone}");
    client.put(&zone("a"), r#"{"detector":"ewma"}"#).await;
    assert_eq!(client.get(&zone("a")).await.json()["labels"], json!({ "zone": "a" }));
    client.get(&zone("b")).await.is_problem(404, "series_unknown");
    client.get(PATH).await.is_problem(404, "series_unknown");
}

#[tokio::test]
async fn a_configuration_applies_on_all_replicas() {
    let server = RedisServer::start();
    let vars = [("REDIS_URL", &*server.url())].map(|(name, url)| (name, url.to_owned()));
    let vars: Vec<(&str, &str)> = vars.iter().map(|(name, url)| (*name, url.as_str())).collect();
    let of = |function| Client::over(&app(function, &vars));
    let (ingest, analyze) = (of(Function::Ingest), of(Function::Analyze));
    ingest.send_values(&with_spike(60)).await;
    assert_eq!(analyze.get(ANALYZE).await.json()["anomaly_count"], 1);

    analyze
        .put(
            PATH,
            json!({ "maintenance": [{ "from": 0, "until": AT_MS + 86_400_000 }] }).to_string(),
        )
        .await;
    let spike = json!(sample(61, 90_000.0)).to_string();
    let sent = ingest.post("/ingest?verdicts=all", spike.clone()).await.json();
    assert_eq!(sent["verdicts"][0]["verdict"], "maintenance");
    assert_eq!(ingest.post("/ingest", spike).await.json()["verdicts"], json!([]));
    let analysis = analyze.get(ANALYZE).await.json();
    assert_eq!(
        (&analysis["last"]["verdict"], &analysis["episode"]),
        (&json!("maintenance"), &Value::Null)
    );
    assert_eq!((&analysis["anomaly_count"], &analysis["configured"]), (&json!(1), &json!(true)));
    let listed = analyze.get("/anomalies?source=checkout&metric=rps").await.json();
    assert_eq!(listed["anomalies"].as_array().unwrap().len(), 1);

    analyze.put(PATH, r#"{"detector":"robust:window=40,threshold=4"}"#).await;
    ingest.post("/ingest", json!(sample(62, 200.0)).to_string()).await;
    let analysis = analyze.get(ANALYZE).await.json();
    assert_eq!(analysis["detector"], "robust:window=40,threshold=4");
    assert_eq!((&analysis["own_detector"], &analysis["judged_count"]), (&json!(true), &json!(63)));

    assert_eq!(analyze.delete("/series?source=checkout&metric=rps").await.status, 204);
    analyze.get(PATH).await.is_problem(404, "series_unknown");
}

#[tokio::test]
async fn each_invalid_configuration_is_explained() {
    let client = Client::standalone();
    let cases = [
        (r#"{"detector":"zscor"}"#, 422, "detector_invalid", "`detector`"),
        (r#"{"detector":"zscore:window=1"}"#, 422, "detector_invalid", "in 2..=1024"),
        (r#"{"season":"day"}"#, 422, "detector_invalid", "parameter `season` is unknown"),
        (r#"{"false_alarms_per_day":0.2}"#, 422, "detector_invalid", "`false_alarms_per_day`"),
        (r#"{"windows":[]}"#, 422, "config_invalid", "`windows` is unknown"),
        (
            r#"{"maintenance":[{"from":1,"until":2,"reson":""}]}"#,
            422,
            "config_invalid",
            "`maintenance[0].reson`",
        ),
        (r#"{"maintenance":[{"from":2,"until":1}]}"#, 422, "config_invalid", "`maintenance[0]`"),
        (r#"{"maintenance":[{"from":"noon","until":1}]}"#, 422, "config_invalid", "RFC 3339"),
        ("[]", 422, "config_invalid", "an object"),
        ("{", 400, "body_malformed", "not JSON"),
        ("", 400, "body_malformed", "not JSON"),
    ];
    for (body, status, code, part) in cases {
        let detail = client.put(PATH, body).await.is_problem(status, code);
        assert!(detail.contains(part), "{body}: {detail}");
    }
    client.get(PATH).await.is_problem(404, "series_unknown");
    client.put("/series/config?source=checkout", "{}").await.is_problem(400, "parameter_missing");
    client.put(&format!("{PATH}&since=1"), "{}").await.is_problem(400, "parameter_unknown");
    let answer = client.post(PATH, "{}").await;
    answer.is_problem(405, "method_not_allowed");
    assert_eq!(answer.headers["allow"], "GET,HEAD,PUT,DELETE");
}

#[tokio::test]
async fn a_configuration_has_its_bounds() {
    let client = Client::standalone();
    let window = json!({ "from": 1, "until": 2, "reason": "x".repeat(128) });
    let body = |n: usize| json!({ "maintenance": vec![window.clone(); n] }).to_string();
    assert_eq!(
        client.put(PATH, body(16)).await.json()["maintenance"].as_array().unwrap().len(),
        16
    );
    assert!(
        client.put(PATH, body(17)).await.is_problem(422, "config_invalid").contains("at most 16")
    );
    let long = json!({ "maintenance": [{ "from": 1, "until": 2, "reason": "x".repeat(129) }] });
    let detail = client.put(PATH, long.to_string()).await.is_problem(422, "config_invalid");
    assert!(detail.contains("129 bytes"), "{detail}");
    let large = format!("{{}}{}", " ".repeat(2 << 20));
    client.put(PATH, large).await.is_problem(413, "body_too_large");
    let padded = format!("{{}}{}", " ".repeat(64 << 10));
    client.put(PATH, padded).await.is_problem(413, "unpacked_too_large");
    let text = |content_type: &str| {
        let request = Request::builder().method(Method::PUT).uri(PATH);
        request.header("content-type", content_type).body(Body::from("{}")).unwrap()
    };
    client.send(text("text/csv")).await.is_problem(415, "content_type_unknown");
    assert_eq!(client.send(text("application/json")).await.status, 200);
}

#[test]
fn bounds_of_a_configuration_are_documented() {
    let number = |path: &str| {
        let path = format!("/components/schemas/{path}");
        DOCUMENT.pointer(&path).and_then(Value::as_u64).unwrap()
    };
    assert_eq!(
        number("SeriesConfigRequest/properties/maintenance/maxItems"),
        MAINTENANCE_WINDOWS_MAX as u64
    );
    assert_eq!(
        number("ConfigAnswer/properties/maintenance/maxItems"),
        MAINTENANCE_WINDOWS_MAX as u64
    );
    assert_eq!(number("MaintenanceRequest/properties/reason/maxLength"), REASON_LEN_MAX as u64);
    let spec = number("SeriesConfigRequest/properties/detector/maxLength");
    assert_eq!(spec, detector::spec::SPEC_LEN_MAX as u64);
}
