//! Who may do what, and that no tenant sees, counts or touches what is another's.

use axum::body::Body;
use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use serde_json::{Value, json};
use service::Right;
use service::access::NewApiKey;
use store::testbed::RedisServer;

use crate::client::{AT_MS, Answer, Client, request, with_spike};
use crate::document::DOCUMENT;

/// A client of somebody without a key, and the keys that are known.
fn client_with_keys<const N: usize>(wanted: [(&str, &str); N]) -> (Client, [String; N]) {
    client_with(wanted, &[])
}

/// The same, with further variables.
fn client_with<const N: usize>(
    wanted: [(&str, &str); N],
    vars: &[(&str, &str)],
) -> (Client, [String; N]) {
    let made = wanted.map(|(tenant, rights)| NewApiKey::generate(tenant, rights).unwrap());
    let entries: Vec<&str> = made.iter().map(|it| it.entry.as_str()).collect();
    let entries = entries.join(",");
    let vars = [&[("TIDEMARK_API_KEYS", entries.as_str())], vars].concat();
    (Client::with(&vars), made.map(|it| it.key))
}

/// Two tenants, each with all rights.
fn two_tenants() -> [Client; 2] {
    two_tenants_with(&[])
}

/// The same, with further variables.
fn two_tenants_with(vars: &[(&str, &str)]) -> [Client; 2] {
    let all = "write+read+admin";
    let (nobody, keys) = client_with([("one", all), ("other", all)], vars);
    keys.map(|key| nobody.with_key(&key))
}

/// Every documented method of every documented path, with the right that the document names.
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
async fn each_route_is_for_those_with_its_right() {
    let names = Right::ALL.map(Right::as_str);
    let (nobody, keys) = client_with_keys(names.map(|right| ("t", right)));
    let stranger = nobody.with_key(&NewApiKey::generate("t", "read").unwrap().key);
    let mut n_guarded = 0;
    for (method, path, right) in operations() {
        let Some(right) = right else {
            let answer = send(&nobody, &method, &path).await;
            assert_eq!((answer.status, path.starts_with("/series")), (200, false), "{path}");
            continue;
        };
        n_guarded += 1;
        let answer = send(&nobody, &method, &path).await;
        answer.is_problem(401, "credential_missing");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        let answer = send(&stranger, &method, &path).await;
        answer.is_problem(401, "credential_unknown");
        assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer "));
        for (name, key) in names.iter().zip(&keys) {
            let answer = send(&nobody.with_key(key), &method, &path).await;
            if *name == right {
                assert!(![401, 403].contains(&answer.status), "{method} {path} {name}");
            } else {
                let detail = answer.is_problem(403, "right_missing");
                assert!(detail.contains(&format!("`{right}`")), "{detail}");
            }
        }
    }
    assert_eq!(n_guarded, 11);
}

#[tokio::test]
async fn a_head_needs_what_its_get_needs() {
    let (nobody, [key]) = client_with_keys([("t", "read")]);
    assert_eq!(send(&nobody, &Method::HEAD, "/series").await.status, 401);
    assert_eq!(send(&nobody.with_key(&key), &Method::HEAD, "/series").await.status, 200);
}

#[tokio::test]
async fn a_refusal_tells_nothing_of_keys_and_costs_no_body() {
    let (nobody, [key]) = client_with_keys([("t", "read")]);
    let stranger = nobody.with_key("tmk_not-a-key-of-anybody");
    let answer = stranger.post("/ingest", Body::new(crate::client::Stuck::default())).await;
    let detail = answer.is_problem(401, "credential_unknown");
    assert!(!detail.contains("not-a-key") && !detail.contains(&key));
    // Two headers are no header: it would be unclear which counts.
    let mut twice = request(Method::GET, "/series", Body::empty());
    for _ in 0..2 {
        twice.headers_mut().append(AUTHORIZATION, format!("Bearer {key}").parse().unwrap());
    }
    nobody.send(twice).await.is_problem(401, "credential_missing");
}

#[tokio::test]
async fn two_keys_of_a_tenant_are_the_same_tenant() {
    let (nobody, [old, new]) = client_with_keys([("t", "write+read"), ("t", "read")]);
    nobody.with_key(&old).post("/ingest", r#"{"metric":"rps","value":1}"#).await;
    for key in [old, new] {
        assert_eq!(nobody.with_key(&key).get("/analyze?metric=rps").await.status, 200);
    }
}

/// Two tenants of functions over a real Redis.
fn two_tenants_over(redis: &RedisServer) -> [Client; 2] {
    two_tenants_with(&[("REDIS_URL", &redis.url())])
}

#[tokio::test]
async fn a_tenant_sees_and_counts_its_own_series_only() {
    sees_and_counts_its_own(two_tenants()).await;
    let redis = RedisServer::start();
    sees_and_counts_its_own(two_tenants_over(&redis)).await;
}

async fn sees_and_counts_its_own([one, other]: [Client; 2]) {
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
    // A cursor of another leads to nothing of the other.
    let cursor = one.get("/series?limit=1").await.json()["next"].as_str().unwrap().to_owned();
    let page = other.get(&format!("/series?cursor={}", cursor.replace('/', "%2F"))).await;
    assert_eq!(page.json()["series"], json!([]), "{page:?}");
    assert_eq!(one.get("/analyze").await.json()["series_count"], 2);
}

#[tokio::test]
async fn a_tenant_touches_its_own_series_only() {
    touches_its_own(two_tenants()).await;
    let redis = RedisServer::start();
    touches_its_own(two_tenants_over(&redis)).await;
}

async fn touches_its_own([one, other]: [Client; 2]) {
    one.send_values(&with_spike(60)).await;
    let query = "source=checkout&metric=rps";
    for path in ["/series", "/series/config"] {
        other.delete(&format!("{path}?{query}")).await.is_problem(404, "series_unknown");
    }
    // The same name and time with another value is no conflict, and no configuration of the first.
    let sent = other.send_values(&[7.0]).await.json();
    assert_eq!((&sent["accepted"], &sent["rejected"]), (&json!(1), &json!([])));
    other.put(&format!("/series/config?{query}"), r#"{"detector":"ewma"}"#).await;
    assert_eq!(other.delete(&format!("/series?{query}")).await.status, 204);
    let told: Value = one.get(&format!("/analyze?{query}")).await.json();
    assert_eq!((&told["judged_count"], &told["own_detector"]), (&json!(61), &json!(false)));
    assert_eq!(told["last"]["timestamp"], AT_MS + 60_000);
}

#[tokio::test]
async fn a_tenant_past_its_rate_is_told_when_to_come_again_and_slows_nobody() {
    let [one, other] = two_tenants_with(&[
        ("TIDEMARK_TENANT_SAMPLES_PER_S_MAX", "1"),
        ("TIDEMARK_SAMPLES_MAX", "50"),
    ]);
    let samples = |n: usize| json!(vec![json!({ "metric": "rps", "value": 1 }); n]).to_string();
    assert_eq!(one.post("/ingest", samples(45)).await.json()["accepted"], 45);
    let answer = one.post("/ingest", samples(50)).await;
    assert!(answer.is_problem(429, "rate_exceeded").contains("more than 1 samples a second"));
    let wait_s: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((30..=45).contains(&wait_s), "{wait_s}");
    // A refused request takes nothing away: what is left is there for a shorter one.
    assert_eq!(one.post("/ingest", samples(5)).await.json()["accepted"], 5);
    assert_eq!(other.post("/ingest", samples(50)).await.json()["accepted"], 50);
    assert_eq!(one.get("/analyze?metric=rps").await.json()["judged_count"], 50);
    // Reading, and what holds no sample, is not counted.
    assert_eq!(one.post("/ingest", "[]").await.status, 200);
}

#[tokio::test]
async fn a_tenant_at_its_bound_of_series_keeps_those_it_has() {
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
async fn the_tenant_is_that_of_the_key_whatever_a_request_says() {
    let [one, other] = two_tenants();
    let body = r#"{"tenant":"other","metric":"rps","value":1,"labels":{"tenant":"other"}}"#;
    one.post("/ingest", body).await;
    assert_eq!(other.get("/series").await.json()["series"], json!([]));
    other.get("/series?tenant=one").await.is_problem(400, "parameter_unknown");
}
