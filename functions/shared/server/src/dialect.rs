//! The forms of errors that senders of other products expect.
//!
//! Handlers and middleware produce problems, whatever the route; here the response of a route is translated as a whole, so
//! that a refused credential, overload and a timeout are in the sender's dialect, too.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;
use service::{BodyFormat, now_us};

use crate::body::content_type;
use crate::otlp_message;
use crate::problem::{ProblemCode, ProblemDetail};

/// Headers with the numbers that a request of Prometheus remote write has stored: samples, histograms, exemplars.
pub(crate) const WRITTEN: [HeaderName; 3] = [
    HeaderName::from_static("x-prometheus-remote-write-samples-written"),
    HeaderName::from_static("x-prometheus-remote-write-histograms-written"),
    HeaderName::from_static("x-prometheus-remote-write-exemplars-written"),
];

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The form of the errors of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Problems of RFC 9457.
    Problem,
    /// Text, with the numbers that were stored.
    RemoteWrite,
    /// `google.rpc.Status`, in the encoding of the request.
    Otlp,
    /// JSON with `error`, of the versions 1 and 3 of InfluxDB.
    Influx,
    /// JSON with `code` and `message`, of version 2 of InfluxDB.
    InfluxV2,
    /// JSON with the id of the request, as Amazon Data Firehose demands.
    Firehose,
}

/// The parts of a request that determine the form of its errors.
#[derive(Debug)]
pub(crate) enum ErrorForm {
    /// The usual one of the dialect.
    Usual,
    /// JSON, as the request is.
    Json,
    /// With the id of the request.
    Firehose(FirehoseAnswer),
}

/// The answer to a request of Amazon Data Firehose, which takes one without the id of the request for a failure.
#[derive(Debug)]
pub(crate) struct FirehoseAnswer {
    request_id: String,
}

impl FirehoseAnswer {
    pub(crate) fn to_request(headers: &HeaderMap) -> Self {
        let id = headers.get("x-amz-firehose-request-id").and_then(|id| id.to_str().ok());
        Self { request_id: id.unwrap_or_default().to_owned() }
    }

    /// The body; without an error it is that of a success.
    pub(crate) fn body(&self, error: Option<&str>) -> String {
        let mut body = json!({ "requestId": self.request_id, "timestamp": now_us() / 1_000 });
        if let Some(error) = error {
            body["errorMessage"] = error.into();
        }
        body.to_string()
    }
}

impl Dialect {
    /// The form of the errors of a request: those of OTLP have the encoding of the request.
    pub(crate) fn error_form(self, headers: &HeaderMap) -> ErrorForm {
        let is_otlp_json = || {
            BodyFormat::of_otlp(content_type(headers).as_deref()).ok() == Some(BodyFormat::OtlpJson)
        };
        match self {
            Self::Otlp if is_otlp_json() => ErrorForm::Json,
            Self::Firehose => ErrorForm::Firehose(FirehoseAnswer::to_request(headers)),
            _ => ErrorForm::Usual,
        }
    }

    /// Translates a response with a problem; returns any other unchanged.
    pub(crate) fn translate(self, mut response: Response, form: &ErrorForm) -> Response {
        let Some(ProblemDetail(detail)) = response.extensions().get().cloned() else {
            return response;
        };
        let status = response.status();
        match self {
            Self::Problem => {}
            Self::Firehose => {
                if let ErrorForm::Firehose(answer) = form {
                    set_body(&mut response, JSON, answer.body(Some(&detail)));
                }
            }
            Self::RemoteWrite => {
                translate_remote_write(&mut response);
                set_body(&mut response, TEXT, detail + "\n");
            }
            Self::Otlp if matches!(form, ErrorForm::Json) => {
                set_body(&mut response, JSON, otlp_message::status_json(status, &detail));
            }
            Self::Otlp => {
                set_body(&mut response, PROTOBUF, otlp_message::status_binary(status, &detail));
            }
            Self::Influx => {
                let body = json!({ "error": detail });
                set_body(&mut response, JSON, body.to_string());
            }
            Self::InfluxV2 => {
                let body = json!({ "code": influx_code(status), "message": detail });
                set_body(&mut response, JSON, body.to_string());
            }
        }
        response
    }

    /// True if the API key may be in the forms that clients of InfluxDB send.
    pub(crate) fn is_influx(self) -> bool {
        matches!(self, Self::Influx | Self::InfluxV2)
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

/// The code of version 2 of InfluxDB for a status.
pub(crate) fn influx_code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::PAYLOAD_TOO_LARGE => "request too large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported media type",
        StatusCode::TOO_MANY_REQUESTS => "too many requests",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => "unavailable",
        status if status.is_client_error() => "invalid",
        _ => "internal error",
    }
}

/// A response in a dialect, with the code of its problem for the log.
pub(crate) fn response(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Body>,
    code: Option<&'static str>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    if let Some(code) = code {
        response.extensions_mut().insert(ProblemCode(code));
    }
    crate::problem::set_retry_after(&mut response);
    response
}

fn set_body(response: &mut Response, content_type: HeaderValue, body: impl Into<Body>) {
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    *response.body_mut() = body.into();
}
