//! Adapts HTTP events of API Gateway, function URLs and load balancers to the router.

use axum::Router;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{Extensions, HeaderValue};
use http_body_util::BodyExt;
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Adapter, Body, Context, LambdaEvent, RequestExt, Response, service_fn};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tower::{Service, ServiceExt};

use crate::error::MalformedRequest;
use crate::lambda::error::InvocationError;
use crate::lambda::malformed::{TakenParts, take_parts};
use crate::middleware::Deadline;
use crate::request_id::{X_AMZN_TRACE_ID, X_REQUEST_ID};

/// Answers a request in the format of its trigger, before the deadline of its invocation.
pub(super) async fn answer(
    router: Router,
    mut request: LambdaRequest,
    context: Context,
    deadline: Option<Instant>,
) -> Result<Box<RawValue>, InvocationError> {
    let TakenParts { malformed, host } = take_parts(&mut request);
    let respond = |event: lambda_http::Request| {
        let mut request = http_request(event);
        if let Some(host) = &host {
            request.headers_mut().insert(HOST, host.clone());
        }
        request.extensions_mut().extend(extensions(malformed, deadline));
        respond(router.clone(), request)
    };
    let mut adapter = Adapter::from(service_fn(respond));
    let answer = adapter.call(LambdaEvent::new(request, context)).await;
    let answer = answer.map_err(InvocationError::AnswerUnwritable)?;
    to_raw_value(&answer).map_err(|error| InvocationError::AnswerUnwritable(error.into()))
}

/// Answers an HTTP event that cannot be read, with a 400 in the format that all triggers understand.
pub(super) async fn refuse(router: Router) -> Result<Box<RawValue>, InvocationError> {
    let malformed =
        MalformedRequest { part: "the event", expected: "an HTTP request of a known trigger" };
    let mut request = Request::default();
    request.extensions_mut().extend(extensions(Some(malformed), None));
    let response = respond(router, request).await.map_err(InvocationError::AnswerUnwritable)?;
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Map<String, Value> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), Value::String(text(value))))
        .collect();
    let answer = json!({
        "statusCode": response.status().as_u16(),
        "headers": headers,
        "body": String::from_utf8_lossy(response.body()),
        "isBase64Encoded": false,
    });
    to_raw_value(&answer).map_err(|error| InvocationError::AnswerUnwritable(error.into()))
}

fn extensions(malformed: Option<MalformedRequest>, deadline: Option<Instant>) -> Extensions {
    let mut extensions = Extensions::new();
    if let Some(malformed) = malformed {
        extensions.insert(malformed);
    }
    if let Some(at) = deadline {
        extensions.insert(Deadline(at));
    }
    extensions
}

/// Calls the router, and collects the body, since Lambda takes an answer in one piece.
async fn respond(router: Router, request: Request) -> Result<Response<Body>, lambda_http::Error> {
    let response = router.oneshot(request).await;
    let (parts, body) = response.unwrap_or_else(|never| match never {}).into_parts();
    let bytes = body.collect().await?.to_bytes().to_vec();
    // A compressed body is sent as base64, text unchanged.
    let body =
        String::from_utf8(bytes).map_or_else(|error| Body::Binary(error.into_bytes()), Body::Text);
    Ok(Response::from_parts(parts, body))
}

/// Converts an event to a request of the router.
fn http_request(event: lambda_http::Request) -> Request {
    let stage = match event.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.stage.clone(),
        Some(RequestContext::ApiGatewayV2(context)) => context.stage.clone(),
        _ => None,
    };
    let context = event.lambda_context_ref();
    let invocation_id = context.map(|context| context.request_id.clone());
    let trace_id = context.and_then(|context| context.xray_trace_id.clone());
    let mut request = event.map(axum::body::Body::new);
    if let Some(uri) = stage.and_then(|stage| without_stage(request.uri(), &stage)) {
        *request.uri_mut() = uri;
    }
    // The ids of the client have priority over those of the runtime.
    for (name, id) in [(X_REQUEST_ID, invocation_id), (X_AMZN_TRACE_ID, trace_id)] {
        if let Some(id) = id.and_then(|id| id.parse().ok()) {
            request.headers_mut().entry(name).or_insert(id);
        }
    }
    request
}

/// Removes the stage of an API from a path.
///
/// API Gateway puts the name of every stage except `$default` before the path. A custom domain does not, but
/// `lambda_http` then adds it, unless `AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH` is set. Routes have no stage.
fn without_stage(uri: &Uri, stage: &str) -> Option<Uri> {
    let rest = uri.path().strip_prefix('/')?.strip_prefix(stage)?;
    if !rest.starts_with('/') {
        return None;
    }
    let path_and_query = match uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(event: &Value) -> Request {
        http_request(lambda_http::request::from_str(&event.to_string()).unwrap())
    }

    /// An event of an HTTP API or a function URL.
    fn http_api(stage: &str, path: &str, query: &str) -> Value {
        json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": { "host": "api.example.com" },
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "a1",
                "domainName": "api.example.com",
                "http": {
                    "method": "GET",
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1",
                    "userAgent": "test"
                },
                "requestId": "r1",
                "routeKey": "$default",
                "stage": stage,
                "timeEpoch": 1_732_060_800_000_i64
            },
            "isBase64Encoded": false
        })
    }

    #[test]
    fn the_stage_is_removed_from_the_path() {
        let cases = [
            ("$default", "/series", "/series"),
            ("prod", "/prod/series", "/series"),
            // A custom domain omits the stage; `lambda_http` adds it.
            ("prod", "/series", "/series"),
            ("series", "/series", "/series"),
            ("series", "/series/series", "/series"),
            ("prod", "/prod/product", "/product"),
        ];
        for (stage, path, expected) in cases {
            let request = request(&http_api(stage, path, "limit=5&cursor=a%26b"));
            assert_eq!(request.uri().path(), expected, "{stage} {path}");
            assert_eq!(request.uri().query(), Some("limit=5&cursor=a%26b"));
        }
    }

    #[test]
    fn a_request_has_the_trace_of_its_invocation_unless_it_brings_one() {
        let of_invocation = "Root=1-5759e988-bd862e3fe1be46a994272793";
        let with_header = |headers: Value| {
            let mut event = http_api("$default", "/series", "");
            event["headers"] = headers;
            let event = lambda_http::request::from_str(&event.to_string()).unwrap();
            let mut context = Context::default();
            context.xray_trace_id = Some(of_invocation.to_owned());
            http_request(event.with_lambda_context(context)).headers()["x-amzn-trace-id"].clone()
        };
        assert_eq!(with_header(json!({})), of_invocation);
        let of_sender = "Root=1-67891233-abcdef012345678912345678";
        assert_eq!(with_header(json!({ "x-amzn-trace-id": of_sender })), of_sender);
    }

    #[test]
    fn a_load_balancer_has_no_stage() {
        let request = request(&json!({
            "requestContext": { "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:x" } },
            "httpMethod": "GET",
            "path": "/analyze",
            "queryStringParameters": { "source": "checkout", "metric": "rps" },
            "headers": { "host": "lb.example.com", "x-amzn-trace-id": "Root=1-5759e988-bd86" },
            "isBase64Encoded": false,
            "body": ""
        }));
        assert_eq!(request.uri().path(), "/analyze");
        let query = request.uri().query().unwrap();
        assert!(query.contains("source=checkout") && query.contains("metric=rps"), "{query}");
    }

    #[tokio::test]
    async fn compressed_answers_are_binary_and_others_text() {
        let event = || lambda_http::request::from_str(&http_api("$default", "/", "").to_string());
        for (sent, expected) in [
            (b"{}".to_vec(), Body::Text("{}".to_owned())),
            (vec![0x1f, 0x8b, 0x08], Body::Binary(vec![0x1f, 0x8b, 0x08])),
        ] {
            let router = Router::new().fallback(move || async move { sent });
            let response = respond(router, http_request(event().unwrap())).await.unwrap();
            assert_eq!(*response.body(), expected);
        }
    }
}
