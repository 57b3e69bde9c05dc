//! The forms of errors that senders of other products expect.
//!
//! Handlers and middleware produce problems, whatever the route; here the response of a route is translated as a whole, so
//! that a refused credential, overload and a timeout are in the sender's dialect, too.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use crate::body::content_type;
use crate::problem::ProblemDetail;

/// Headers with the numbers that a request of Prometheus remote write has stored: samples, histograms, exemplars.
pub(crate) const WRITTEN: [HeaderName; 3] = [
    HeaderName::from_static("x-prometheus-remote-write-samples-written"),
    HeaderName::from_static("x-prometheus-remote-write-histograms-written"),
    HeaderName::from_static("x-prometheus-remote-write-exemplars-written"),
];

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The form of the errors of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Problems of RFC 9457.
    Problem,
    /// Text, with the numbers that were stored.
    RemoteWrite,
}

/// True if the body of a request is declared as JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let content_type = content_type(headers).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

impl Dialect {
    /// Translates a response with a problem; returns any other unchanged.
    pub(crate) fn translate(self, mut response: Response, _is_json: bool) -> Response {
        let Some(ProblemDetail(detail)) = response.extensions().get().cloned() else {
            return response;
        };
        match self {
            Self::Problem => return response,
            Self::RemoteWrite => {
                translate_remote_write(&mut response);
                set_body(&mut response, TEXT, detail + "\n");
            }
        }
        response
    }
}

/// Prometheus drops what is answered with 400, and vmagent retries what is answered with 413 for ever.
fn translate_remote_write(response: &mut Response) {
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    for name in WRITTEN {
        response.headers_mut().insert(name, HeaderValue::from(0));
    }
}

fn set_body(response: &mut Response, content_type: HeaderValue, body: impl Into<Body>) {
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    *response.body_mut() = body.into();
}
