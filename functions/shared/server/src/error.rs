//! Why a request had no answer of its own, with the one place that maps each reason to a status.

use std::time::Duration;

use axum::http::StatusCode;
use detector::SpecError;
use domain::SeriesError;
use intake::{ErrorClass, IntakeError};
use service::{AccessError, ServiceError};
use thiserror::Error;

/// Why a request had no answer of its own.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum RequestError {
    /// No route has that path.
    #[error("no route has this path: one of {} is wanted", paths.join(", "))]
    RouteUnknown {
        /// Those that have routes.
        paths: Vec<&'static str>,
    },
    /// The route does not know the method.
    #[error("the route does not know this method: one of the header `Allow` is wanted")]
    MethodNotAllowed,
    /// The credential is missing, unknown, or not for this.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The query holds parameters that the route does not know.
    #[error("parameter {} is unknown: {} is wanted", quoted(names), quoted(known))]
    ParameterUnknown {
        /// Those that were given.
        names: Vec<String>,
        /// Those that the route knows.
        known: Vec<String>,
    },
    /// A parameter that has one value was given several times.
    #[error("parameter `{name}` is given several times: one is wanted")]
    ParameterRepeated {
        /// Its name.
        name: String,
    },
    /// A parameter is missing.
    #[error("parameter `{name}` is missing")]
    ParameterMissing {
        /// Its name.
        name: &'static str,
    },
    /// A parameter has a value that it cannot have.
    #[error("parameter `{name}` is not possible: {wanted} is wanted")]
    ParameterInvalid {
        /// Its name.
        name: &'static str,
        /// What was wanted.
        wanted: String,
    },
    /// The parameters name no series.
    #[error(transparent)]
    Series(#[from] SeriesError),
    /// A parameter names no detector.
    #[error(transparent)]
    Detector(#[from] SpecError),
    /// The body ended before its end.
    #[error("body ended early: {source}")]
    BodyInterrupted {
        /// What the connection said.
        source: axum::Error,
    },
    /// The body holds no samples that could be read.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// The use case had no answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// As much is being served as may be.
    #[error("too many {what} are being served: send it again later")]
    Overloaded {
        /// What there is too much of.
        what: &'static str,
    },
    /// The request took too long.
    #[error(
        "no answer within {} ms: what was stored stays stored, and sending it again is safe",
        timeout.as_millis()
    )]
    DeadlineExceeded {
        /// How long it might have taken.
        timeout: Duration,
    },
    /// This binary was built without profiles.
    #[error("this binary has no profiles: one built with `--features profiling` is wanted")]
    #[cfg_attr(
        feature = "profiling",
        expect(dead_code, reason = "said by a binary without the feature only")
    )]
    ProfilingMissing,
    /// A profile cannot be taken.
    #[error("no profile: {reason}")]
    #[cfg_attr(
        not(feature = "profiling"),
        expect(dead_code, reason = "said by a binary with the feature only")
    )]
    ProfileFailed {
        /// What the profiler said.
        reason: String,
    },
    /// There is a mistake in this program.
    #[error("a mistake in the server: the request id leads to it in the log")]
    Panicked,
    /// An answer could not be written.
    #[error("the answer could not be written: {0}")]
    Answer(#[from] serde_json::Error),
}

impl RequestError {
    /// The bounded code of the error.
    pub(crate) fn code(&self) -> &'static str {
        match self {
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
            Self::Overloaded { .. } => "overloaded",
            Self::DeadlineExceeded { .. } => "deadline_exceeded",
            Self::ProfilingMissing => "profiling_missing",
            Self::ProfileFailed { .. } => "profile_failed",
            Self::Panicked => "panicked",
            Self::Answer(_) => "answer_unwritable",
        }
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::ParameterUnknown { .. }
            | Self::ParameterRepeated { .. }
            | Self::ParameterMissing { .. }
            | Self::ParameterInvalid { .. }
            | Self::Series(_)
            | Self::Detector(_)
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
            Self::Service(ServiceError::RateExceeded { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Self::Service(error) if error.is_unavailable() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Service(_) | Self::Panicked | Self::Answer(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Overloaded { .. } | Self::ProfileFailed { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::ProfilingMissing => StatusCode::NOT_IMPLEMENTED,
            Self::DeadlineExceeded { .. } => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

/// Names as a person reads them: `` `since`, `limit` ``.
fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
