//! Errors as RFC 9457 problems.
//!
//! The `type` is always `about:blank`, so the `title` is the phrase of the status: what a program
//! reads is the `code`, a closed set that `openapi.json` lists.

use std::any::Any;

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use service::ServiceError;
use tracing::error;

use crate::app::App;
use crate::authentication;
use crate::error::RequestError;
use crate::routes;

/// The media type of a problem.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// When to come back, in seconds: a lost connection to the store is found again within about one.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");

/// The code of the problem that an answer carries, for the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProblemCode(pub(crate) &'static str);

#[derive(Debug, Serialize)]
struct Problem {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let (status, code) = (self.status(), self.code());
        let challenge = authentication::challenge(&self);
        let retry_after = match &self {
            Self::Service(ServiceError::RateExceeded { retry_after, .. }) => Some(*retry_after),
            _ => None,
        };
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.to_string(),
            code,
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, [(CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        response.extensions_mut().insert(ProblemCode(code));
        ask_back(&mut response);
        if let Some(retry_after) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, retry_after.as_secs().into());
        }
        if let Some(challenge) = challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// Tells the sender of a request that was refused for now when to come back.
pub(crate) fn ask_back(response: &mut Response) {
    if matches!(response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
    {
        response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S);
    }
}

/// Answers a path that no route has.
pub(crate) async fn route_unknown(State(app): State<App>) -> RequestError {
    let paths = routes::of(app.function()).iter().map(|route| route.path).collect();
    RequestError::RouteUnknown { paths }
}

/// Answers a method that a route does not have; axum adds the methods that it has as `Allow`.
pub(crate) async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    RequestError::MethodNotAllowed.into_response()
}

/// Answers a request in which this program made a mistake, and logs what it said.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands over what was thrown")]
pub(crate) fn panicked(thrown: Box<dyn Any + Send>) -> Response {
    let said = thrown
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| thrown.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("nothing that could be read");
    error!(code = RequestError::Panicked.code(), said, "request panicked");
    RequestError::Panicked.into_response()
}
