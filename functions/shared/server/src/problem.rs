//! Error responses as RFC 9457 problems.
//!
//! The `type` is always `about:blank`, so the `title` is the phrase of the status. Programs read the `code`, a closed
//! set that `openapi.json` lists.

use std::any::Any;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use service::{AccessError, ServiceError};
use tracing::error;

use crate::error::RequestError;

/// The media type of a problem.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Default of `Retry-After`, in seconds: a lost connection to the store is restored within about one.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");

/// Response extension with the code of the problem, for the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProblemCode(pub(crate) &'static str);

/// Response extension with the detail of the problem, for the routes of senders that expect errors in another form.
#[derive(Debug, Clone)]
pub(crate) struct ProblemDetail(pub(crate) String);

#[derive(Debug, Serialize)]
struct ProblemBody {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let (status, code) = (self.status(), self.code());
        let detail = self.public_detail();
        let problem = ProblemBody {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: detail.clone(),
            code,
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, [(CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        response.extensions_mut().insert(ProblemCode(code));
        response.extensions_mut().insert(ProblemDetail(detail));
        set_retry_after(&mut response);
        match &self {
            Self::Service(ServiceError::RateExceeded { retry_after, .. })
            | Self::ReadRateExceeded { retry_after, .. } => {
                response.headers_mut().insert(RETRY_AFTER, retry_after.as_secs().into());
            }
            Self::Access(error) => {
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge(*error));
            }
            _ => {}
        }
        response
    }
}

/// Sets `Retry-After` on the statuses that ask the client to retry.
pub(crate) fn set_retry_after(response: &mut Response) {
    if matches!(response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
    {
        response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S);
    }
}

/// The challenge of RFC 6750.
fn challenge(error: AccessError) -> HeaderValue {
    HeaderValue::from_static(match error {
        AccessError::CredentialMissing => "Bearer",
        AccessError::RightMissing { .. } | AccessError::TenantDiffers => {
            r#"Bearer error="insufficient_scope""#
        }
        _ => r#"Bearer error="invalid_token""#,
    })
}

/// Responds to a request whose handler panicked, and logs the message of the panic.
#[expect(clippy::needless_pass_by_value, reason = "the layer passes the payload by value")]
pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown");
    error!(code = RequestError::Panicked.code(), panic = message, "request panicked");
    RequestError::Panicked.into_response()
}
