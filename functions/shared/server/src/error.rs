//! The errors of a request, each with its code and status.

use std::time::Duration;

use axum::http::StatusCode;
use domain::SeriesError;
use service::{AccessError, ErrorClass, IntakeError, ServiceError, SpecError};
use thiserror::Error;

/// A part of a request that cannot be understood. As a request extension, it makes the middleware refuse the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{part} is malformed: expected {expected}")]
pub(crate) struct MalformedRequest {
    pub(crate) part: &'static str,
    pub(crate) expected: &'static str,
}

/// The error of a request that has no answer of its use case.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum RequestError {
    /// The head of the request cannot be understood.
    #[error(transparent)]
    Malformed(#[from] MalformedRequest),
    #[error("no route has this path: expected one of {}", paths.join(", "))]
    RouteUnknown { paths: Vec<&'static str> },
    #[error("the route does not have this method: expected one of the header `Allow`")]
    MethodNotAllowed,
    /// The credential is missing, unknown, or lacks the right.
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("parameter {} is unknown: expected {}", quoted(names), quoted(known))]
    ParameterUnknown { names: Vec<String>, known: Vec<String> },
    #[error("parameter `{name}` is repeated: expected one value")]
    ParameterRepeated { name: String },
    #[error("parameter `{name}` is missing")]
    ParameterMissing { name: &'static str },
    #[error("parameter `{name}` is invalid: expected {expected}")]
    ParameterInvalid { name: &'static str, expected: String },
    /// The parameters do not form a series.
    #[error(transparent)]
    Series(#[from] SeriesError),
    /// A parameter is not a detector spec.
    #[error(transparent)]
    Detector(#[from] SpecError),
    /// The connection broke before the end of the body.
    #[error("body ended early: {source}")]
    BodyInterrupted { source: axum::Error },
    /// The body could not be parsed.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// The use case failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(
        "the tenant reads more than {per_s} times per second: retry after {} s",
        retry_after.as_secs()
    )]
    ReadRateExceeded { per_s: u64, retry_after: Duration },
    /// A bound on work in flight is reached.
    #[error("too many {what} are in flight: retry later")]
    Overloaded { what: &'static str },
    #[error(
        "no answer within {} ms: stored samples stay stored, and a retry is safe",
        timeout.as_millis()
    )]
    DeadlineExceeded { timeout: Duration },
    #[error("this binary has no profiles: build it with `--features profiling`")]
    #[cfg_attr(
        feature = "profiling",
        expect(dead_code, reason = "constructed without the feature only")
    )]
    ProfilingMissing,
    #[error("no profile: {reason}")]
    #[cfg_attr(
        not(feature = "profiling"),
        expect(dead_code, reason = "constructed with the feature only")
    )]
    ProfileFailed { reason: String },
    /// Some samples of events were not stored.
    #[error("{summary}")]
    NotStored { is_retryable: bool, summary: String },
    #[error("internal error: the log has the details under the request id")]
    Panicked,
    #[error("the answer could not be serialized: {0}")]
    AnswerUnwritable(#[from] serde_json::Error),
}

impl RequestError {
    /// The code of the error, from a bounded set.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "request_malformed",
            Self::RouteUnknown { .. } => "route_unknown",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Access(error) => error.code(),
            Self::ParameterUnknown { .. } => "parameter_unknown",
            Self::ParameterRepeated { .. } => "parameter_repeated",
            Self::ParameterMissing { .. } => "parameter_missing",
            Self::ParameterInvalid { .. } => "parameter_invalid",
            Self::Series(error) => error.code(),
            Self::Detector(error) => error.code(),
            Self::BodyInterrupted { .. } => "body_interrupted",
            Self::Intake(error) => error.code(),
            Self::Service(error) => error.code(),
            Self::ReadRateExceeded { .. } => "rate_exceeded",
            Self::Overloaded { .. } => "overloaded",
            Self::DeadlineExceeded { .. } => "deadline_exceeded",
            Self::ProfilingMissing => "profiling_missing",
            Self::ProfileFailed { .. } => "profile_failed",
            Self::NotStored { is_retryable: true, .. } => "store_unavailable",
            Self::NotStored { is_retryable: false, .. } => "samples_rejected",
            Self::Panicked => "panicked",
            Self::AnswerUnwritable(_) => "answer_unwritable",
        }
    }

    /// The message for the client, without the reasons that the store or the history gave.
    pub(crate) fn public_detail(&self) -> String {
        match self {
            Self::Service(error) => error.public_detail(),
            _ => self.to_string(),
        }
    }

    /// The status of the response.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_)
            | Self::ParameterUnknown { .. }
            | Self::ParameterRepeated { .. }
            | Self::ParameterMissing { .. }
            | Self::ParameterInvalid { .. }
            | Self::Series(_)
            | Self::Detector(_)
            | Self::NotStored { is_retryable: false, .. }
            | Self::BodyInterrupted { .. } => StatusCode::BAD_REQUEST,
            Self::Access(error) if error.is_unauthorized() => StatusCode::UNAUTHORIZED,
            Self::Access(_) => StatusCode::FORBIDDEN,
            Self::RouteUnknown { .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Intake(error) => match error.class() {
                ErrorClass::Malformed => StatusCode::BAD_REQUEST,
                ErrorClass::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                ErrorClass::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            },
            Self::Service(error) if error.is_not_found() => StatusCode::NOT_FOUND,
            Self::Service(error) if error.is_invalid() => StatusCode::BAD_REQUEST,
            Self::Service(error) if error.is_unacceptable() => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Service(ServiceError::RateExceeded { .. }) | Self::ReadRateExceeded { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Service(error) if error.is_unavailable() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Service(_) | Self::Panicked | Self::AnswerUnwritable(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Overloaded { .. }
            | Self::NotStored { is_retryable: true, .. }
            | Self::ProfileFailed { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::ProfilingMissing => StatusCode::NOT_IMPLEMENTED,
            Self::DeadlineExceeded { .. } => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

/// Names in backticks, separated by commas.
fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
