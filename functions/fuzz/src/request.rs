//! Whole requests and events of Lambda: no panic, and never a failure of the server.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::BodyExt;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use server::{App, Function, InvocationAnswer, answer_event, router};
use service::{Config, Service, StoreScope, store_for};
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// Paths whose handlers read input.
const PATHS: [&str; 14] = [
    "/ingest",
    "/analyze",
    "/series",
    "/series/config",
    "/anomalies",
    "/metrics",
    "/sweep",
    "/api/v1/write",
    "/v1/metrics",
    "/write",
    "/api/v2/write",
    "/api/v3/write_lp",
    "/firehose",
    "/cloudevents",
];

const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::PUT, Method::DELETE];

/// Headers that handlers and middleware read.
const HEADERS: [&str; 6] = [
    "content-type",
    "content-encoding",
    "authorization",
    "x-request-id",
    "traceparent",
    "ce-specversion",
];

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::new().expect("a runtime can be started"));

/// A function with an empty store.
fn app(function: Function) -> App {
    let config = Config::from_env(std::iter::empty()).expect("the defaults are valid");
    let store =
        store_for(&config, StoreScope::Process).expect("the memory store needs no configuration");
    App::new(function, Service::new(store, &config), &config)
}

/// Sends a request made from bytes, twice: the first byte selects method and path, the second a header; then follow the
/// header's value, the query and the body, separated by line feeds.
pub fn request(bytes: &[u8]) {
    let [which, header, rest @ ..] = bytes else { return };
    let mut parts = rest.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (value, query, body) = (part(), part(), part());
    let which = usize::from(*which);
    let uri = format!("{}?{}", PATHS[which / 4 % PATHS.len()], String::from_utf8_lossy(query));
    let name = HeaderName::from_static(HEADERS[usize::from(*header) % HEADERS.len()]);
    let app = app(Function::Standalone);
    for _ in 0..2 {
        let mut request = Request::builder().method(&METHODS[which % 4]).uri(&uri);
        if let Ok(value) = HeaderValue::from_bytes(value) {
            request = request.header(&name, value);
        }
        // An invalid URI never reaches a router.
        let Ok(request) = request.body(Body::from(body.to_vec())) else { return };
        let (status, answer) = RUNTIME.block_on(answer(router(app.clone()), request));
        assert!(status < 500, "{uri} {status} {}", String::from_utf8_lossy(&answer));
    }
}

async fn answer(router: Router, request: Request<Body>) -> (u16, Vec<u8>) {
    let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("the body ends");
    (status, body.to_bytes().to_vec())
}

/// Delivers an event to the function of queues and streams, and to the one of HTTP and schedules.
pub fn event(bytes: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Value>(bytes) else { return };
    deliver(&event);
}

/// Delivers an HTTP event of each trigger made from bytes: the first selects the trigger; then follow path, query, host,
/// another header and body, separated by line feeds.
pub fn http_event(bytes: &[u8]) {
    let [which, rest @ ..] = bytes else { return };
    let mut parts = rest.splitn(5, |byte| *byte == b'\n');
    let mut part = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (path, query, host, header, body) = (part(), part(), part(), part(), part());
    let headers = json!({ "host": host, "x-forwarded-proto": header, "content-encoding": header });
    let is_base64 = which & 4 != 0;
    deliver(&match which % 3 {
        0 => json!({
            "version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers,
            "requestContext": {
                "domainName": host, "stage": header,
                "http": { "method": "POST", "path": path }
            },
            "body": body, "isBase64Encoded": is_base64
        }),
        1 => json!({
            "httpMethod": "POST", "path": path, "headers": headers,
            "multiValueHeaders": { "host": [host], "x-forwarded-proto": [header] },
            "queryStringParameters": { query.clone(): query },
            "multiValueQueryStringParameters": { query.clone(): [query] },
            "requestContext": { "domainName": host, "stage": header, "httpMethod": "POST" },
            "body": body, "isBase64Encoded": is_base64
        }),
        _ => json!({
            "httpMethod": "POST", "path": path, "headers": headers,
            "queryStringParameters": { query.clone(): query },
            "requestContext": { "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:x" } },
            "body": body, "isBase64Encoded": is_base64
        }),
    });
}

fn deliver(event: &Value) {
    for function in [Function::IngestStream, Function::Standalone] {
        let app = app(function);
        let payload = to_raw_value(event).expect("parsed JSON can be serialized");
        let event = LambdaEvent::new(payload, Context::default());
        let answer = RUNTIME.block_on(answer_event(&app, router(app.clone()), event));
        // Other events are refused, and answers to streams have no status.
        let Ok(InvocationAnswer::Http(answer)) = answer else { continue };
        let answer: Value = serde_json::from_str(answer.get()).expect("an answer is JSON");
        assert!(answer["statusCode"].as_u64().is_some_and(|status| status < 500), "{answer}");
    }
}
