//! Replaces the parts of HTTP events that cannot be part of a request.
//!
//! `lambda_http` panics on them, which would fail the invocation where the client should get a 400.

use axum::http::header::HOST;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::request::LambdaRequest;

use crate::error::MalformedRequest;
use crate::http::host_header;

/// Header from which `lambda_http` takes the scheme of the URL.
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Longest path or query, in bytes: API Gateway accepts 10 KB in all.
const TARGET_LEN_MAX: usize = 16 << 10;

const PATH: MalformedRequest =
    MalformedRequest { part: "the path", expected: "one that begins with `/`" };
const QUERY: MalformedRequest =
    MalformedRequest { part: "the query", expected: "percent-encoded text" };
const BODY: MalformedRequest = MalformedRequest { part: "the body", expected: "valid base64" };

/// The parts of an event from which a request is built.
struct EventParts<'e> {
    path: &'e mut Option<String>,
    raw_query: Option<&'e mut Option<String>>,
    queries: Vec<&'e mut QueryMap>,
    headers: Vec<&'e mut HeaderMap>,
    domain_name: Option<&'e mut Option<String>>,
    body: &'e mut Option<String>,
    is_base64: bool,
}

/// The parts that were taken from an event.
#[derive(Debug, Clone, Default)]
pub(super) struct TakenParts {
    /// The first malformed part, which an empty one replaces.
    pub(super) malformed: Option<MalformedRequest>,
    /// The header `Host`, of which the URL would be made; nothing uses the host of the URL.
    pub(super) host: Option<HeaderValue>,
}

/// Takes the parts of an event of which no request can be made.
pub(super) fn take_parts(request: &mut LambdaRequest) -> TakenParts {
    parts(request).map(take_from).unwrap_or_default()
}

fn take_from(parts: EventParts<'_>) -> TakenParts {
    let (mut malformed, mut host) = (None, None);
    if !parts.path.as_deref().is_none_or(|path| path.is_empty() || is_target(path)) {
        *parts.path = Some("/".to_owned());
        malformed = Some(PATH);
    }
    if let Some(query) = parts.raw_query
        && !query.as_deref().is_none_or(|query| is_target(&format!("/?{query}")))
    {
        *query = None;
        malformed = malformed.or(Some(QUERY));
    }
    for query in parts.queries {
        if query.to_query_string().len() > TARGET_LEN_MAX {
            *query = QueryMap::default();
            malformed = malformed.or(Some(QUERY));
        }
    }
    if parts.is_base64 && parts.body.as_deref().is_some_and(|body| STANDARD.decode(body).is_err()) {
        *parts.body = None;
        malformed = malformed.or(Some(BODY));
    }
    for headers in parts.headers {
        malformed = malformed.or(host_header::check_value(headers).err());
        host = headers.remove(HOST).or(host);
        headers.remove(X_FORWARDED_PROTO);
    }
    if let Some(domain_name) = parts.domain_name {
        *domain_name = None;
    }
    TakenParts { malformed, host }
}

fn is_target(target: &str) -> bool {
    target.len() <= TARGET_LEN_MAX
        && target.starts_with('/')
        && PathAndQuery::try_from(target).is_ok()
}

/// The parts of a request; `None` for triggers that are not enabled.
fn parts(request: &mut LambdaRequest) -> Option<EventParts<'_>> {
    match request {
        LambdaRequest::ApiGatewayV1(event) => Some(EventParts {
            path: &mut event.path,
            raw_query: None,
            queries: vec![
                &mut event.query_string_parameters,
                &mut event.multi_value_query_string_parameters,
            ],
            headers: vec![&mut event.headers, &mut event.multi_value_headers],
            domain_name: Some(&mut event.request_context.domain_name),
            body: &mut event.body,
            is_base64: event.is_base64_encoded,
        }),
        LambdaRequest::ApiGatewayV2(event) => Some(EventParts {
            path: &mut event.raw_path,
            raw_query: Some(&mut event.raw_query_string),
            queries: Vec::new(),
            headers: vec![&mut event.headers],
            domain_name: Some(&mut event.request_context.domain_name),
            body: &mut event.body,
            is_base64: event.is_base64_encoded,
        }),
        LambdaRequest::Alb(event) => Some(EventParts {
            path: &mut event.path,
            raw_query: None,
            queries: vec![
                &mut event.query_string_parameters,
                &mut event.multi_value_query_string_parameters,
            ],
            headers: vec![&mut event.headers, &mut event.multi_value_headers],
            domain_name: None,
            body: &mut event.body,
            is_base64: event.is_base64_encoded,
        }),
        _ => None,
    }
}
