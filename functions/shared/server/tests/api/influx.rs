//! Writes of the clients of InfluxDB, of its versions 1, 2 and 3.

use axum::body::Body;
use axum::http::Method;
use axum::http::header::{AUTHORIZATION, HeaderValue};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::json;
use service::access::NewApiKey;

use crate::client::{AT_MS, Client, closed_port, request};

const PATHS: [&str; 3] = [
    "/write?db=metrics&precision=ms",
    "/api/v2/write?org=o&bucket=metrics&precision=ms",
    "/api/v3/write_lp?db=metrics&precision=millisecond&accept_partial=true&no_sync=false",
];

#[tokio::test]
async fn lines_of_each_version_are_the_same_series() {
    let client = Client::standalone();
    for (i, path) in (0..).zip(PATHS) {
        let body = format!("cpu,host=a,cpu=cpu0 usage_idle=9{i},note=\"x\" {}\n", AT_MS + i);
        let answer = client.post(path, body).await;
        assert_eq!((answer.status, &*answer.body), (204, &[][..]), "{path}");
    }
    let list = client.get("/series").await.json();
    assert_eq!(list["series"].as_array().unwrap().len(), 1, "{list}");
    let listed = &list["series"][0];
    assert_eq!((&listed["source"], &listed["metric"]), (&json!("a"), &json!("cpu_usage_idle")));
    assert_eq!(listed["labels"], json!({ "cpu": "cpu0" }));
}

#[tokio::test]
async fn a_partial_write_is_answered_as_each_version_does_and_keeps_the_good_lines() {
    let body = format!("good v=1 {AT_MS}\nbad v=x {AT_MS}\nalso v=2 {AT_MS}");
    for path in PATHS {
        let client = Client::standalone();
        let answer = client.post(path, body.clone()).await;
        let json = answer.json();
        assert_eq!(answer.status, 400, "{path} {json}");
        let message = json["error"].as_str().or(json["message"].as_str()).unwrap();
        assert!(message.contains("1 of 3 samples were not stored: 1 value_not_number"), "{json}");
        match path {
            path if path.starts_with("/api/v2") => assert_eq!(json["code"], "invalid"),
            path if path.starts_with("/api/v3") => assert_eq!(json["data"][0]["line_number"], 2),
            _ => assert!(message.starts_with("partial write: ") && message.ends_with("dropped=1")),
        }
        assert_eq!(client.get("/series").await.json()["series"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn each_error_is_in_the_form_of_its_version() {
    let redis = closed_port().await;
    let away = Client::with(&[("REDIS_URL", &redis)]);
    let client = Client::standalone();
    for path in PATHS {
        let answer = away.post(path, "cpu v=1").await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.headers.contains_key("retry-after"));
        let unknown = path.replace("precision=m", "precision=x");
        let answer = client.post(&unknown, "cpu v=1").await;
        let json = answer.json();
        assert_eq!((answer.status, json["error"].is_string()), (400, !path.starts_with("/api/v2")));
        assert_eq!(json["code"] == "invalid", path.starts_with("/api/v2"), "{json}");
    }
}

#[tokio::test]
async fn a_key_is_read_from_each_form_that_clients_send() {
    let NewApiKey { key, entry, .. } = NewApiKey::generate("shop", "write").unwrap();
    let client = Client::with(&[("TIDEMARK_API_KEYS", &entry)]);
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("any:{key}")));
    let forms = [format!("Token {key}"), format!("Bearer {key}"), basic, "Token wrong".to_owned()];
    for (form, status) in forms.iter().zip([204, 204, 204, 401]) {
        for path in PATHS {
            let mut request = request(Method::POST, path, Body::from("cpu v=1"));
            request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(form).unwrap());
            assert_eq!(client.send(request).await.status, status, "{path} {form}");
        }
    }
    let path = format!("/write?db=metrics&u=any&p={key}");
    assert_eq!(client.post(&path, "cpu v=1").await.status, 204);
    let refused = client.post("/api/v2/write", "cpu v=1").await;
    assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("unauthorized")));
    // Other routes do not read these forms.
    let mut request = request(Method::POST, "/ingest", Body::from("[]"));
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(&forms[0]).unwrap());
    assert_eq!(client.send(request).await.status, 401);
}

#[tokio::test]
async fn clients_find_what_they_ask_for_before_they_write() {
    let client = Client::standalone();
    let ping = client.get("/ping").await;
    assert_eq!(ping.status, 204);
    assert!(ping.headers["x-influxdb-version"].to_str().unwrap().starts_with("v2-tidemark-"));
    assert_eq!(client.get("/health").await.json()["status"], "pass");
}
