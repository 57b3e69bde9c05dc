//! HTTP on Lambda: all triggers, API keys, other events, concurrent requests.

use std::process::Command;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use server::testbed::{FunctionProcess, LambdaService};
use store::testbed::RedisServer;
use tokio::time::Instant;

use crate::kit::{Deployment, INGEST, STREAM, event, queued};

/// One request of each trigger: REST API, HTTP API, function URL, load balancer with single and multiple header values.
const TRIGGERS: [&str; 5] = [
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

/// Sets a header of an event, in the format of its trigger.
fn with_header(mut event: Value, name: &str, value: &str) -> Value {
    for (headers, value) in [("headers", json!(value)), ("multiValueHeaders", json!([value]))] {
        if let Some(headers) = event[headers].as_object_mut() {
            headers.retain(|present, _| !present.eq_ignore_ascii_case(name));
            headers.insert(name.to_owned(), value);
        }
    }
    event
}

#[tokio::test]
async fn each_trigger_requires_a_key() {
    let (key, entry) = key();
    let keys = [("TIDEMARK_ACCESS", "keys"), ("TIDEMARK_API_KEYS", entry.as_str())];
    let deployment = Deployment::start(INGEST, &keys).await;
    for trigger in TRIGGERS {
        let event = event(trigger);
        assert_eq!(deployment.invoke(&event).await["statusCode"], 401, "{trigger}");
        for name in ["authorization", "Authorization"] {
            let event = with_header(event.clone(), name, &format!("Bearer {key}"));
            let answer = deployment.invoke(&event).await;
            assert_eq!(answer["statusCode"], 200, "{trigger}: {answer}");
        }
        let unknown = with_header(event, "Authorization", "Bearer tmk_0");
        assert_eq!(deployment.invoke(&unknown).await["statusCode"], 401, "{trigger}");
    }
}

#[tokio::test]
async fn the_stage_of_a_rest_api_is_removed_from_the_path() {
    let deployment = Deployment::start(INGEST, &[]).await;
    for path in ["/ingest", "/prod/ingest"] {
        let mut event = event("apigw-v1-ingest-spike.json");
        event["path"] = json!(path);
        assert_eq!(deployment.invoke(&event).await["statusCode"], 200, "{path}");
    }
}

/// Sets a field of an event, if its trigger has it.
fn with_field(mut event: Value, name: &str, value: Value) -> Option<Value> {
    *event.as_object_mut().unwrap().get_mut(name)? = value;
    Some(event)
}

#[tokio::test]
async fn a_malformed_event_is_a_400_and_no_failed_invocation() {
    let deployment = Deployment::start(INGEST, &[]).await;
    let mut n_refused = 0;
    for trigger in TRIGGERS {
        let event = event(trigger);
        let mut malformed = Vec::new();
        for query in ["<", "\"", "a b", "\u{0}", "ä\n"] {
            malformed.extend(with_field(event.clone(), "rawQueryString", json!(query)));
        }
        for host in ["a b", "<a>", "[::1", "user@a", ":"] {
            malformed.push(with_header(event.clone(), "host", host));
        }
        for path in ["ingest", ":99999", "@a/", "/a b\n"] {
            for name in ["path", "rawPath"] {
                malformed.extend(with_field(event.clone(), name, json!(path)));
            }
        }
        let encoded = with_field(event.clone(), "isBase64Encoded", json!(true)).unwrap();
        malformed.extend(with_field(encoded, "body", json!("no base64!")));
        malformed.push(with_header(event.clone(), "x-flood", "a\r\nb"));
        for malformed in malformed {
            let answer = deployment.invoke(&malformed).await;
            assert_eq!(answer["statusCode"], 400, "{malformed}: {answer}");
            assert!(answer["body"].as_str().unwrap().contains("request_malformed"), "{answer}");
            n_refused += 1;
        }
        let scheme = with_header(event.clone(), "x-forwarded-proto", "<");
        assert_eq!(deployment.invoke(&scheme).await["statusCode"], 200, "{trigger}");
    }
    assert!(n_refused > 50, "{n_refused}");
    // The log of requests and the totals have them.
    let totals = deployment.totals().await;
    let refused = totals
        .iter()
        .filter(|(name, _)| name.starts_with("http_requests ingest ") && name.ends_with(" 400"));
    let refused: u64 = refused.map(|(_, n)| n).sum();
    assert_eq!(refused, n_refused);
}

#[tokio::test]
async fn an_http_invocation_ends_before_its_deadline() {
    let patient =
        ["REDIS_CONNECT_TIMEOUT_MS", "REDIS_RESPONSE_TIMEOUT_MS"].map(|name| (name, "30000"));
    let deployment = Deployment::start(INGEST, &patient).await;
    deployment.proxy.stall();
    for left in [Duration::from_secs(1), Duration::from_secs(4)] {
        let begin = Instant::now();
        let sent = event("apigw-v2-ingest-spike.json");
        let answer = deployment.lambda.invoke_within(&sent, left).await.unwrap();
        assert!(begin.elapsed() < left, "{:?} of {left:?}", begin.elapsed());
        assert_eq!(answer["statusCode"], 504, "{answer}");
    }
    deployment.proxy.heal();
    assert_eq!(deployment.invoke(&event("apigw-v2-ingest-spike.json")).await["statusCode"], 200);
    assert_eq!(deployment.n_accepted().await, 31);
}

#[tokio::test]
async fn an_event_that_is_not_http_fails_only_its_invocation() {
    let deployment = Deployment::start(INGEST, &[]).await;
    for (wrong, code) in [
        (queued(&[]), "event_not_http"),
        (json!({}), "event_not_http"),
        (json!({ "requestContext": {} }), "request_malformed"),
    ] {
        let error = deployment.lambda.invoke(&wrong).await.unwrap_err();
        assert_eq!(error["errorType"], code, "{error}");
    }
    assert_eq!(deployment.invoke(&event(TRIGGERS[0])).await["statusCode"], 200);
}

#[tokio::test]
async fn concurrent_requests_are_served_if_lambda_is_configured_so() {
    let deployment = Deployment::start(INGEST, &[("AWS_LAMBDA_MAX_CONCURRENCY", "4")]).await;
    deployment.proxy.stall();
    let event = event("alb-ingest-spike.json");
    let (answers, ()) = tokio::join!(join_all((0..4).map(|_| deployment.invoke(&event))), async {
        deployment.until(async || deployment.lambda.n_running() == 4).await;
        deployment.proxy.heal();
    });
    assert!(answers.iter().all(|answer| answer["statusCode"] == 200), "{answers:?}");
    assert_eq!(deployment.n_accepted().await, 31);
}

#[tokio::test]
async fn an_unavailable_store_is_a_503_and_no_failed_invocation() {
    let deployment = Deployment::start(INGEST, &[]).await;
    deployment.proxy.refuse();
    let answer = deployment.invoke(&event("apigw-v2-ingest-sample.json")).await;
    assert_eq!(answer["statusCode"], 503, "{answer}");
    assert_eq!(answer["headers"]["retry-after"], "2");
}

#[tokio::test]
async fn totals_are_in_the_store_before_the_answer() {
    let deployment = Deployment::start(INGEST, &[]).await;
    for n in 1..=5 {
        deployment.invoke(&event("apigw-v2-ingest-sample.json")).await;
        assert_eq!(deployment.total("http_requests ingest POST /ingest 200").await, n);
    }
}

#[tokio::test]
async fn only_functions_with_routes_require_keys() {
    let redis = RedisServer::start();
    let lambda = LambdaService::start().await;
    let vars = [("REDIS_URL", redis.url())];
    let vars = vars.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut ingest = FunctionProcess::start(INGEST, &lambda, &vars);
    assert_eq!(ingest.end(), Some(64));
    assert!(ingest.stderr().iter().any(|line| line.contains("TIDEMARK_API_KEYS is missing")));
    let mut without_store = FunctionProcess::start(STREAM, &lambda, &[]);
    assert_eq!(without_store.end(), Some(64));
    let _stream = FunctionProcess::start(STREAM, &lambda, &vars);
    assert_eq!(lambda.invoke(&queued(&[])).await, Ok(json!({ "batchItemFailures": [] })));
}
