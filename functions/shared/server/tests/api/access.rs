//! Authentication, rights, and the isolation of tenants.

use axum::body::Body;
use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use serde_json::{Value, json};
use service::Right;
use service::access::NewApiKey;
use store::testbed::RedisServer;

use crate::client::{AT_MS, Answer, Client, request, with_spike};
use crate::document::DOCUMENT;

/// A client without a key, and the configured keys.
fn client_with_keys<const N: usize>(tenants: [(&str, &str); N]) -> (Client, [String; N]) {
    client_with(tenants, &[])
}

/// Like `client_with_keys`, with further variables.
fn client_with<const N: usize>(
    tenants: [(&str, &str); N],
    vars: &[(&str, &str)],
) -> (Client, [String; N]) {
    let made = tenants.map(|(tenant, rights)| NewApiKey::generate(tenant, rights).unwrap());
    let entries: Vec<&str> = made.iter().map(|made| made.entry.as_str()).collect();
    let entries = entries.join(",");
    let vars = [&[("TIDEMARK_API_KEYS", entries.as_str())], vars].concat();
    (Client::with(&vars), made.map(|made| made.key))
}

/// Two tenants, each with all rights.
fn two_tenants() -> [Client; 2] {
    two_tenants_with(&[])
}

/// Like `two_tenants`, with further variables.
fn two_tenants_with(vars: &[(&str, &str)]) -> [Client; 2] {
    let all = "write+read+admin+feedback";
    let (anonymous, keys) = client_with([("one", all), ("other", all)], vars);
    keys.map(|key| anonymous.with_key(&key))
}

/// Every documented method of every documented path, with its documented right.
fn operations() -> Vec<(Method, String, Option<String>)> {
    let mut operations = Vec::new();
    for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            let right = operation["security"][0]["key"][0].as_str().map(str::to_owned);
            operations.push((method, path.clone(), right));
        }
    }
    operations
}

async fn send(client: &Client, method: &Method, path: &str) -> Answer {
    client.send(request(method.clone(), path, Body::empty())).await
}

#[tokio::test]
async fn each_route_requires_its_right() {
    let names = Right::ALL.map(Right::as_str);
    let (anonymous, keys) = client_with_keys(names.map(|right| ("t", right)));
    let unknown = anonymous.with_key(&NewApiKey::generate("t", "read").unwrap().key);
    let mut n_guarded = 0;
    for (method, path, right) in operations() {
        let Some(right) = right else {
            let answer = send(&anonymous, &method, &path).await;
            let is_answered = [200, 204].contains(&answer.status);
            assert!(is_answered && !path.starts_with("/series"), "{path} {}", answer.status);
            continue;
        };
        n_guarded += 1;
        let answer = send(&anonymous, &method, &path).await;
        answer.is_refused(&path, 401, "credential_missing");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        let answer = send(&unknown, &method, &path).await;
        answer.is_refused(&path, 401, "credential_unknown");
        assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer "));
        for (name, key) in names.iter().zip(&keys) {
            let answer = send(&anonymous.with_key(key), &method, &path).await;
            if *name == right {
                assert!(![401, 403].contains(&answer.status), "{method} {path} {name}");
            } else {
                let detail = answer.is_refused(&path, 403, "right_missing");
                assert!(detail.contains(&format!("`{right}`")), "{detail}");
            }
        }
    }
    assert_eq!(n_guarded, 25);
}

#[tokio::test]
async fn head_requires_the_right_of_get() {
    let (anonymous, [key]) = client_with_keys([("t", "read")]);
    assert_eq!(send(&anonymous, &Method::HEAD, "/series").await.status, 401);
    assert_eq!(send(&anonymous.with_key(&key), &Method::HEAD, "/series").await.status, 200);
}

#[tokio::test]
async fn a_refusal_reveals_no_key_and_reads_no_body() {
    let (anonymous, [key]) = client_with_keys([("t", "read")]);
    let unknown = anonymous.with_key("tmk_not-a-key-of-anybody");
    let answer = unknown.post("/ingest", Body::new(crate::client::Stuck::default())).await;
    let detail = answer.is_problem(401, "credential_unknown");
    assert!(!detail.contains("not-a-key") && !detail.contains(&key));
    // Two headers are ambiguous, so they count as none.
    let mut twice = request(Method::GET, "/series", Body::empty());
    for _ in 0..2 {
        twice.headers_mut().append(AUTHORIZATION, format!("Bearer {key}").parse().unwrap());
    }
    anonymous.send(twice).await.is_problem(401, "credential_missing");
}

#[tokio::test]
async fn two_keys_of_a_tenant_share_its_series() {
    let (anonymous, [old, new]) = client_with_keys([("t", "write+read"), ("t", "read")]);
    anonymous.with_key(&old).post("/ingest", r#"{"metric":"rps","value":1}"#).await;
    for key in [old, new] {
        assert_eq!(anonymous.with_key(&key).get("/analyze?metric=rps").await.status, 200);
    }
}

/// Two tenants on a real Redis.
fn two_tenants_over(redis: &RedisServer) -> [Client; 2] {
    two_tenants_with(&[("REDIS_URL", &redis.url())])
}

#[tokio::test]
async fn a_tenant_reads_and_counts_only_its_own_series() {
    reads_and_counts_own_series(two_tenants()).await;
    let redis = RedisServer::start();
    reads_and_counts_own_series(two_tenants_over(&redis)).await;
}

async fn reads_and_counts_own_series([one, other]: [Client; 2]) {
    one.send_values(&with_spike(60)).await;
    one.post("/ingest", r#"{"metric":"secret","value":1}"#).await;
    for query in ["source=checkout&metric=rps", "metric=secret"] {
        for path in ["/analyze", "/anomalies", "/episodes", "/series/config"] {
            other.get(&format!("{path}?{query}")).await.is_problem(404, "series_unknown");
        }
    }
    let summary = other.get("/analyze").await.json();
    assert_eq!((&summary["series_count"], &summary["worst"]), (&json!(0), &json!([])));
    assert_eq!(other.get("/series").await.json()["series"], json!([]));
    // A cursor of another tenant returns no series of it.
    let cursor = one.get("/series?limit=1").await.json()["next"].as_str().unwrap().to_owned();
    let page = other.get(&format!("/series?cursor={}", cursor.replace('/', "%2F"))).await;
    assert_eq!(page.json()["series"], json!([]), "{page:?}");
    assert_eq!(one.get("/analyze").await.json()["series_count"], 2);
}

#[tokio::test]
async fn a_tenant_changes_only_its_own_series() {
    changes_own_series(two_tenants()).await;
    let redis = RedisServer::start();
    changes_own_series(two_tenants_over(&redis)).await;
}

async fn changes_own_series([one, other]: [Client; 2]) {
    one.send_values(&with_spike(60)).await;
    let query = "source=checkout&metric=rps";
    for path in ["/series", "/series/config"] {
        other.delete(&format!("{path}?{query}")).await.is_problem(404, "series_unknown");
    }
    // The same series and time with another value is no conflict, and a configuration does not affect the other tenant.
    let sent = other.send_values(&[7.0]).await.json();
    assert_eq!((&sent["accepted"], &sent["rejected"]), (&json!(1), &json!([])));
    other.put(&format!("/series/config?{query}"), r#"{"detector":"ewma"}"#).await;
    assert_eq!(other.delete(&format!("/series?{query}")).await.status, 204);
    let analysis: Value = one.get(&format!("/analyze?{query}")).await.json();
    assert_eq!((&analysis["judged_count"], &analysis["own_detector"]), (&json!(61), &json!(false)));
    assert_eq!(analysis["last"]["timestamp"], AT_MS + 60_000);
}

#[tokio::test]
async fn a_rate_limited_tenant_receives_retry_after_and_affects_no_other() {
    let [one, other] = two_tenants_with(&[
        ("TIDEMARK_TENANT_SAMPLES_PER_S_MAX", "1"),
        ("TIDEMARK_SAMPLES_MAX", "50"),
    ]);
    let samples = |n: usize| json!(vec![json!({ "metric": "rps", "value": 1 }); n]).to_string();
    assert_eq!(one.post("/ingest", samples(45)).await.json()["accepted"], 45);
    let answer = one.post("/ingest", samples(50)).await;
    assert!(answer.is_problem(429, "rate_exceeded").contains("more than 1 samples"));
    let wait_s: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((30..=45).contains(&wait_s), "{wait_s}");
    // A refused request takes one token, as it was parsed: the rest is available to a shorter one.
    assert_eq!(one.post("/ingest", samples(4)).await.json()["accepted"], 4);
    assert_eq!(other.post("/ingest", samples(50)).await.json()["accepted"], 50);
    assert_eq!(one.get("/analyze?metric=rps").await.json()["judged_count"], 49);
}

/// Repeats a request until it is refused for the rate limit; panics if it never is.
async fn repeat_until_refused(mut send: impl AsyncFnMut() -> Answer) {
    for _ in 0..10_000 {
        let answer = send().await;
        if answer.status == 429 {
            answer.is_problem(429, "rate_exceeded");
            assert!(answer.headers.contains_key("retry-after"));
            return;
        }
    }
    panic!("it costs nothing");
}

#[tokio::test]
async fn every_request_costs_of_the_rate_and_affects_no_other_tenant() {
    let vars = [
        ("TIDEMARK_TENANT_SAMPLES_PER_S_MAX", "1"),
        ("TIDEMARK_SAMPLES_MAX", "10"),
        ("TIDEMARK_TENANT_READS_PER_S_MAX", "1"),
    ];
    let spaces = zstd::stream::encode_all(&*(" ".repeat(1 << 20) + "[]").into_bytes(), 0).unwrap();
    for path in ["/ingest", "/analyze"] {
        for (body, encoding) in [
            (b"[]".to_vec(), "identity"),
            (b"no json".to_vec(), "identity"),
            (b"no zstd".to_vec(), "zstd"),
            (spaces.clone(), "zstd"),
        ] {
            let [one, other] = two_tenants_with(&vars);
            let send = |client: &Client| {
                let mut request = request(Method::POST, path, Body::from(body.clone()));
                request.headers_mut().insert("content-encoding", encoding.parse().unwrap());
                let client = client.clone();
                async move { client.send(request).await }
            };
            repeat_until_refused(async || send(&one).await).await;
            assert_ne!(send(&other).await.status, 429, "{path} {encoding}");
        }
    }
    for path in ["/series", "/series?limit=1000", "/analyze", "/episodes?metric=m"] {
        let [one, other] = two_tenants_with(&vars);
        repeat_until_refused(async || one.get(path).await).await;
        assert_ne!(other.get(path).await.status, 429, "{path}");
        // Samples have a limit of their own.
        assert_eq!(one.post("/ingest", r#"{"m":1}"#).await.status, 200);
    }
}

#[tokio::test]
async fn requests_of_all_senders_cost_of_the_rate_of_samples_and_not_of_reads() {
    let vars = [("TIDEMARK_TENANT_READS_PER_S_MAX", "1")];
    let empty_block: &[u8] = &[0];
    let senders: [(&str, &str, &[u8]); 8] = [
        ("/ingest", "application/json", b"[]"),
        ("/api/v1/write", "application/x-protobuf", empty_block),
        ("/v1/metrics", "application/json", b"{}"),
        ("/write", "text/plain", b""),
        ("/api/v2/write", "text/plain", b""),
        ("/api/v3/write_lp", "text/plain", b""),
        ("/firehose", "application/json", br#"{"records":[]}"#),
        ("/cloudevents", "application/cloudevents-batch+json", b"[]"),
    ];
    for (path, content_type, body) in senders {
        let [one, _] = two_tenants_with(&vars);
        // More than the burst of reads.
        for _ in 0..100 {
            let mut request = request(Method::POST, path, Body::from(body.to_vec()));
            request.headers_mut().insert("content-type", content_type.parse().unwrap());
            assert_ne!(one.send(request).await.status, 429, "{path}");
        }
    }
}

#[tokio::test]
async fn a_tenant_at_its_series_limit_can_write_existing_series() {
    let [one, other] = two_tenants_with(&[("TIDEMARK_TENANT_SERIES_MAX", "2")]);
    let body = r#"[{"metric":"a","value":1},{"metric":"b","value":1},{"metric":"c","value":1}]"#;
    let answer = one.post("/ingest", body).await;
    let json = answer.json();
    assert_eq!((answer.status, &json["accepted"]), (200, &json!(2)));
    assert_eq!(json["rejected"][0]["code"], "too_many_series");
    let answer = one.post("/ingest", r#"{"metric":"d","value":1}"#).await;
    assert_eq!(
        (answer.status, &answer.json()["rejected"][0]["code"]),
        (422, &"too_many_series".into())
    );
    assert_eq!(one.post("/ingest", r#"{"metric":"a","value":2}"#).await.json()["accepted"], 1);
    assert_eq!(other.post("/ingest", r#"{"metric":"c","value":1}"#).await.json()["accepted"], 1);
    assert_eq!(one.get("/analyze").await.json()["series_count"], 2);
}

#[tokio::test]
async fn the_tenant_of_a_request_is_that_of_its_key() {
    let [one, other] = two_tenants();
    let body = r#"{"tenant":"other","metric":"rps","value":1,"labels":{"tenant":"other"}}"#;
    one.post("/ingest", body).await;
    assert_eq!(other.get("/series").await.json()["series"], json!([]));
    other.get("/series?tenant=one").await.is_problem(400, "parameter_unknown");
}
