//! Why an invocation failed: what Lambda counts as an error, and whoever invoked it may repeat.

use std::fmt;

use intake::EventError;
use lambda_runtime::Diagnostic;
use service::ServiceError;
use thiserror::Error;

use crate::function::Function;

/// Why an invocation failed.
#[derive(Error)]
#[non_exhaustive]
pub enum InvocationError {
    /// The event has the context of a request, and is none.
    #[error(
        "the event is no request of API Gateway, of a function URL or of a load balancer: {source}"
    )]
    HttpMalformed {
        /// What was found.
        source: serde_json::Error,
    },
    /// The function serves HTTP only.
    #[error("`{function}` serves HTTP: what queues and streams deliver is for `ingest-stream`")]
    NotHttp {
        /// Which function.
        function: Function,
    },
    /// The answer could not be put into the shape of its trigger.
    #[error("the answer could not be written: {0}")]
    Answer(#[source] lambda_runtime::Error),
    /// The event is none of a known trigger.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Some records were not stored, of a trigger that repeats a whole event or none of it.
    #[error("{n_failed} of {n_records} records were not stored, first `{id}`: {detail}")]
    RecordsFailed {
        /// How many were not.
        n_failed: usize,
        /// How many there were.
        n_records: usize,
        /// The first of them.
        id: String,
        /// Why not.
        detail: String,
        /// The code of it.
        code: &'static str,
    },
    /// No time was left.
    #[error("the store did not answer before the deadline of the invocation")]
    DeadlineExceeded,
    /// The use case had no answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl InvocationError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::HttpMalformed { .. } => "request_malformed",
            Self::NotHttp { .. } => "event_not_http",
            Self::Answer(_) => "answer_unwritable",
            Self::Event(error) => error.code(),
            Self::RecordsFailed { code, .. } => code,
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Service(error) => error.code(),
        }
    }
}

/// The runtime writes an error into the log in this form.
impl fmt::Debug for InvocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.code())
    }
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        Self { error_type: error.code().to_owned(), error_message: error.to_string() }
    }
}
