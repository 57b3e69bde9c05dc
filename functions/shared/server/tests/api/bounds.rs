//! Bounds on one request and on all requests.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::client::{AT_MS, Client, Panicking, Stuck, request, sample};
use crate::document::DOCUMENT;

#[tokio::test]
async fn the_number_of_samples_is_bounded() {
    let client = Client::standalone();
    let samples = |n: usize| {
        let samples: Vec<Value> =
            (0..n).map(|i| json!({ "m": i, "ts": 1_732_060_800 + i })).collect();
        json!(samples).to_string()
    };
    let answer = client.post("/ingest?verdicts=none", samples(10_000)).await;
    assert_eq!((answer.status, &answer.json()["accepted"]), (200, &json!(10_000)));
    client.post("/ingest", samples(10_001)).await.is_problem(413, "too_many_samples");
}

#[tokio::test]
async fn the_declared_and_the_actual_length_of_a_body_are_bounded() {
    let client = Client::with(&[("TIDEMARK_BODY_BYTES_MAX", "10")]);
    assert_eq!(client.post("/ingest", "[        ]").await.status, 200);
    client.post("/ingest", "[         ]").await.is_problem(413, "body_too_large");
    // Refused by its headers, before the body, which never arrives.
    let mut declared = request(Method::POST, "/ingest", Body::new(Stuck::default()));
    declared.headers_mut().insert("content-length", 11.into());
    client.send(declared).await.is_problem(413, "body_too_large");
}

#[tokio::test]
async fn a_slow_request_times_out() {
    let client = Client::with(&[("TIDEMARK_REQUEST_TIMEOUT_MS", "100")]);
    let answer = client.post("/ingest", Body::new(Stuck::default())).await;
    assert!(answer.is_problem(504, "deadline_exceeded").contains("within 100 ms"));
}

#[tokio::test]
async fn a_panic_is_answered_and_fails_no_other_request() {
    let client = Client::standalone();
    let answer = client.post("/ingest", Body::new(Panicking)).await;
    assert!(!answer.is_problem(500, "panicked").contains("a secret detail"));
    assert_eq!(client.post("/ingest", "[]").await.status, 200);
}

#[tokio::test]
async fn requests_past_the_bound_are_refused_at_once_and_health_is_not() {
    let client = Client::with(&[("TIDEMARK_IN_FLIGHT_REQUESTS_MAX", "1")]);
    let body = Stuck::default();
    let is_awaited = Arc::clone(&body.is_awaited);
    let stuck = tokio::spawn({
        let client = client.clone();
        async move { client.post("/ingest", Body::new(body)).await }
    });
    is_awaited.notified().await;
    client.post("/ingest", "[]").await.is_problem(503, "overloaded");
    client.get("/series").await.is_problem(503, "overloaded");
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
    stuck.abort();
    assert!(stuck.await.unwrap_err().is_cancelled());
    assert_eq!(client.post("/ingest", "[]").await.status, 200);
    // The client that disconnected is counted, too; metrics are up to a second old.
    let counted = r#"method="POST",route="/ingest",status="499"} 1"#;
    while !client.get("/metrics").await.text().contains(counted) {
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn bytes_past_the_bound_are_refused_at_once() {
    let client = Client::with(&[
        ("TIDEMARK_BODY_BYTES_MAX", "600000"),
        ("TIDEMARK_UNPACKED_BYTES_MAX", "600000"),
        ("TIDEMARK_IN_FLIGHT_BYTES_MAX", "1200000"),
    ]);
    let mut stuck = Vec::new();
    for n_bytes in [600_000, 500_000] {
        let body = Stuck::after(vec![b' '; n_bytes]);
        let is_awaited = Arc::clone(&body.is_awaited);
        let client = client.clone();
        stuck.push(tokio::spawn(async move { client.post("/ingest", Body::new(body)).await }));
        is_awaited.notified().await;
    }
    client.post("/ingest", vec![b' '; 100_001]).await.is_problem(503, "overloaded");
    // A short body may become samples, which need room as well.
    client.post("/ingest", vec![b' '; 1_000]).await.is_problem(503, "overloaded");
    client.post("/ingest", vec![b' '; 100]).await.is_problem(400, "body_empty");
    let mut declared = request(Method::POST, "/ingest", Body::new(Stuck::default()));
    declared.headers_mut().insert("content-length", 100_001.into());
    client.send(declared).await.is_problem(503, "overloaded");
    for stuck in stuck {
        stuck.abort();
        assert!(stuck.await.unwrap_err().is_cancelled());
    }
    client.post("/ingest", vec![b' '; 600_000]).await.is_problem(400, "body_empty");
}

#[tokio::test]
async fn many_long_requests_of_one_tenant_wait_for_their_turns() {
    let client = Client::with(&[("TIDEMARK_IN_FLIGHT_BYTES_MAX", "10000000")]);
    let samples: Vec<Value> = (0..300).map(|i| json!({ "m": i % 7, "ts": AT_MS + i })).collect();
    let body = json!(samples).to_string();
    let answers = (0..16).map(|_| client.post("/analyze", body.clone()));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!((answer.status, &answer.json()["judged"]), (200, &json!(300)));
    }
}

/// Every documented method of every documented path.
fn operations() -> Vec<(Method, String)> {
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    let methods = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(move |method| (method.to_uppercase().parse().unwrap(), path.clone()))
    });
    methods.collect()
}

fn reads_a_body(method: &Method, path: &str) -> bool {
    [Method::POST, Method::PUT].contains(method) && path != "/sweep"
}

#[tokio::test]
async fn each_route_is_bounded_in_time() {
    // Accepts connections, and never responds.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let client = Client::with(&[
        ("TIDEMARK_REQUEST_TIMEOUT_MS", "100"),
        ("REDIS_CONNECT_TIMEOUT_MS", "60000"),
        ("REDIS_RESPONSE_TIMEOUT_MS", "60000"),
        ("REDIS_URL", &url),
    ]);
    let mut n_given_up = 0;
    for (method, path) in operations() {
        if ["/", "/livez", "/openapi.json", "/ping", "/health"].contains(&path.as_str()) {
            continue; // These await nothing.
        }
        let of_series = [
            "/analyze",
            "/series/samples",
            "/series/config",
            "/anomalies",
            "/episodes",
            "/explain",
        ];
        let needs_series = of_series.contains(&path.as_str());
        let is_series = needs_series && method != Method::POST || method == Method::DELETE;
        let query = if is_series { "?metric=rps" } else { "" };
        let body = match path.as_str() {
            "/ingest" => Body::from(sample(0, 1.0).to_string()),
            "/analyze" if method == Method::POST => Body::new(Stuck::default()),
            "/feedback" => {
                Body::from(r#"{"metric":"rps","timestamp":1732060800,"verdict":"right"}"#)
            }
            _ => Body::from("{}"),
        };
        let answer = client.send(request(method, &format!("{path}{query}"), body)).await;
        answer.is_refused(&path, 504, "deadline_exceeded");
        n_given_up += 1;
    }
    assert_eq!(n_given_up, 28);
}

#[tokio::test]
async fn each_route_is_bounded_in_size() {
    let client =
        Client::with(&[("TIDEMARK_BODY_BYTES_MAX", "10"), ("TIDEMARK_REQUEST_TIMEOUT_MS", "5000")]);
    for (method, path) in operations() {
        if reads_a_body(&method, &path) {
            let uri = if path == "/series/config" { "/series/config?metric=rps" } else { &*path };
            let mut request = request(method, uri, Body::from("[         ]"));
            let content_type = match path.as_str() {
                "/cloudevents" => "application/cloudevents-batch+json",
                "/api/v1/write" => "application/x-protobuf",
                _ => "application/json",
            };
            request.headers_mut().insert("content-type", content_type.parse().unwrap());
            client.send(request).await.is_refused(&path, 413, "body_too_large");
        } else {
            // A body that the route does not read is not awaited.
            let answer = client.send(request(method, &path, Body::new(Stuck::default()))).await;
            assert!([200, 204, 400].contains(&answer.status), "{path}: {}", answer.status);
        }
    }
}
