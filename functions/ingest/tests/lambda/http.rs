//! HTTP on Lambda: every door, its keys, what is not HTTP, several requests at once.

use std::process::Command;

use futures_util::future::join_all;
use serde_json::{Value, json};
use server::testbed::{FunctionProcess, LambdaService};
use store::testbed::RedisServer;

use crate::kit::{Deployment, INGEST, STREAM, event, queued};

/// One request by every door: REST API, HTTP API, function URL, load balancer with single and with several values.
const DOORS: [&str; 5] = [
    "apigw-v1-ingest-spike.json",
    "apigw-v2-ingest-spike.json",
    "function-url-ingest-ndjson.json",
    "alb-ingest-spike.json",
    "alb-ingest-multi-value.json",
];

/// A key of the tenant `checkout`, and its entry in the configuration.
fn key() -> (String, String) {
    let output = Command::new(INGEST).env_clear().args(["key", "checkout", "write"]).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let of = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
    };
    (of("key"), of("entry"))
}

/// The event with a header, where its door puts headers.
fn with_header(mut event: Value, name: &str, value: &str) -> Value {
    for (headers, value) in [("headers", json!(value)), ("multiValueHeaders", json!([value]))] {
        if let Some(headers) = event[headers].as_object_mut() {
            headers.insert(name.to_owned(), value);
        }
    }
    event
}

#[tokio::test]
async fn a_key_opens_every_door_and_without_it_none_opens() {
    let (key, entry) = key();
    let keys = [("TIDEMARK_ACCESS", "keys"), ("TIDEMARK_API_KEYS", entry.as_str())];
    let it = Deployment::start(INGEST, &keys).await;
    for door in DOORS {
        let event = event(door);
        assert_eq!(it.invoke(&event).await["statusCode"], 401, "{door}");
        for name in ["authorization", "Authorization"] {
            let event = with_header(event.clone(), name, &format!("Bearer {key}"));
            let answer = it.invoke(&event).await;
            assert_eq!(answer["statusCode"], 200, "{door}: {answer}");
        }
        let unknown = with_header(event, "Authorization", "Bearer tmk_0");
        assert_eq!(it.invoke(&unknown).await["statusCode"], 401, "{door}");
    }
}

#[tokio::test]
async fn a_stage_of_a_rest_api_is_no_part_of_the_path() {
    let it = Deployment::start(INGEST, &[]).await;
    for path in ["/ingest", "/prod/ingest"] {
        let mut event = event("apigw-v1-ingest-spike.json");
        event["path"] = json!(path);
        assert_eq!(it.invoke(&event).await["statusCode"], 200, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_http_fails_the_invocation_and_nothing_else() {
    let it = Deployment::start(INGEST, &[]).await;
    for (wrong, code) in [
        (queued(&[]), "event_not_http"),
        (json!({}), "event_not_http"),
        (json!({ "requestContext": {} }), "request_malformed"),
    ] {
        let error = it.lambda.invoke(&wrong).await.unwrap_err();
        assert_eq!(error["errorType"], code, "{error}");
    }
    assert_eq!(it.invoke(&event(DOORS[0])).await["statusCode"], 200);
}

#[tokio::test]
async fn several_requests_are_served_at_once_where_lambda_says_so() {
    let it = Deployment::start(INGEST, &[("AWS_LAMBDA_MAX_CONCURRENCY", "4")]).await;
    it.proxy.stall();
    let event = event("alb-ingest-spike.json");
    let (answers, ()) = tokio::join!(join_all((0..4).map(|_| it.invoke(&event))), async {
        it.until(async || it.lambda.n_running() == 4).await;
        it.proxy.heal();
    });
    assert!(answers.iter().all(|it| it["statusCode"] == 200), "{answers:?}");
    assert_eq!(it.n_accepted().await, 31);
}

#[tokio::test]
async fn a_store_that_is_away_is_a_503_and_not_a_failed_invocation() {
    let it = Deployment::start(INGEST, &[]).await;
    it.proxy.refuse();
    let answer = it.invoke(&event("apigw-v2-ingest-sample.json")).await;
    assert_eq!(answer["statusCode"], 503, "{answer}");
    assert_eq!(answer["headers"]["retry-after"], "2");
}

#[tokio::test]
async fn totals_are_in_the_store_when_the_answer_comes() {
    let it = Deployment::start(INGEST, &[]).await;
    for n in 1..=5 {
        it.invoke(&event("apigw-v2-ingest-sample.json")).await;
        assert_eq!(it.total("requests ingest POST /ingest 200").await, n);
    }
}

#[tokio::test]
async fn only_what_has_routes_wants_keys() {
    let redis = RedisServer::start();
    let lambda = LambdaService::start().await;
    let vars = [("REDIS_URL", redis.url())];
    let vars = vars.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut ingest = FunctionProcess::start(INGEST, &lambda, &vars);
    assert_eq!(ingest.end(), Some(64));
    assert!(ingest.stderr().iter().any(|it| it.contains("TIDEMARK_API_KEYS is missing")));
    let mut without_store = FunctionProcess::start(STREAM, &lambda, &[]);
    assert_eq!(without_store.end(), Some(64));
    let _stream = FunctionProcess::start(STREAM, &lambda, &vars);
    assert_eq!(lambda.invoke(&queued(&[])).await, Ok(json!({ "batchItemFailures": [] })));
}
