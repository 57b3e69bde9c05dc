//! The router behind API Gateway, a function URL or a load balancer.

use axum::Router;
use axum::extract::Request;
use axum::http::uri::{PathAndQuery, Uri};
use http_body_util::BodyExt;
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Adapter, Body, Context, LambdaEvent, RequestExt, Response, service_fn};
use serde_json::value::{RawValue, to_raw_value};
use tower::{Service, ServiceExt};

use crate::lambda::error::InvocationError;
use crate::request_id::{X_AMZN_TRACE_ID, X_REQUEST_ID};

/// Answers a request, in the shape that its trigger wants.
pub(super) async fn answer(
    router: Router,
    request: LambdaRequest,
    context: Context,
) -> Result<Box<RawValue>, InvocationError> {
    let mut adapter = Adapter::from(service_fn(|request| respond(router.clone(), request)));
    let answer = adapter.call(LambdaEvent::new(request, context)).await;
    let answer = answer.map_err(InvocationError::Answer)?;
    to_raw_value(&answer).map_err(|error| InvocationError::Answer(error.into()))
}

/// Lets the router respond.
///
/// The body of the answer is collected, since Lambda takes it in one piece; an error fails the invocation.
async fn respond(
    router: Router,
    event: lambda_http::Request,
) -> Result<Response<Body>, lambda_http::Error> {
    let response = router.oneshot(request_of(event)).await;
    let (parts, body) = response.unwrap_or_else(|never| match never {}).into_parts();
    let bytes = body.collect().await?.to_bytes().to_vec();
    // What is packed goes as base64, what is text as it is.
    let body = String::from_utf8(bytes).map_or_else(|it| Body::Binary(it.into_bytes()), Body::Text);
    Ok(Response::from_parts(parts, body))
}

/// The event as the request that the router knows.
fn request_of(event: lambda_http::Request) -> Request {
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
    if let Some(id) = invocation_id.and_then(|id| id.parse().ok()) {
        request.headers_mut().entry(X_REQUEST_ID).or_insert(id);
    }
    // What the runtime says of the trace; whoever sent the event may have said it before.
    if let Some(id) = trace_id.and_then(|id| id.parse().ok()) {
        request.headers_mut().entry(X_AMZN_TRACE_ID).or_insert(id);
    }
    request
}

/// The address without the stage of an API.
///
/// API Gateway puts the name of every stage but `$default` before the path, and where a domain of one's own
/// does not, `lambda_http` adds it, unless `AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH` is set. So it may be there
/// whatever the deployment, and means nothing to a route.
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
    use serde_json::{Value, json};

    use super::*;

    fn request(event: &Value) -> Request {
        request_of(lambda_http::request::from_str(&event.to_string()).unwrap())
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
    fn the_stage_is_no_part_of_the_path() {
        let cases = [
            ("$default", "/series", "/series"),
            ("prod", "/prod/series", "/series"),
            // A domain of one's own leaves the stage away; `lambda_http` puts it there.
            ("prod", "/series", "/series"),
            ("series", "/series", "/series"),
            ("series", "/series/series", "/series"),
            ("prod", "/prod/product", "/product"),
        ];
        for (stage, path, wanted) in cases {
            let request = request(&http_api(stage, path, "limit=5&cursor=a%26b"));
            assert_eq!(request.uri().path(), wanted, "{stage} {path}");
            assert_eq!(request.uri().query(), Some("limit=5&cursor=a%26b"));
        }
    }

    #[test]
    fn the_trace_of_the_invocation_is_that_of_the_request() {
        let of_invocation = "Root=1-5759e988-bd862e3fe1be46a994272793";
        let with_header = |headers: Value| {
            let mut event = http_api("$default", "/series", "");
            event["headers"] = headers;
            let event = lambda_http::request::from_str(&event.to_string()).unwrap();
            let mut context = Context::default();
            context.xray_trace_id = Some(of_invocation.to_owned());
            request_of(event.with_lambda_context(context)).headers()["x-amzn-trace-id"].clone()
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
    async fn packed_answers_are_binary_and_others_text() {
        let event = || lambda_http::request::from_str(&http_api("$default", "/", "").to_string());
        for (sent, wanted) in [
            (b"{}".to_vec(), Body::Text("{}".to_owned())),
            (vec![0x1f, 0x8b, 0x08], Body::Binary(vec![0x1f, 0x8b, 0x08])),
        ] {
            let router = Router::new().fallback(move || async move { sent });
            let response = respond(router, event().unwrap()).await.unwrap();
            assert_eq!(*response.body(), wanted);
        }
    }
}
