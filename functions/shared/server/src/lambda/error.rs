//! The errors that fail an invocation. Lambda counts them, and its trigger may retry.

use std::fmt;

use lambda_runtime::Diagnostic;
use service::{EventError, ServiceError};
use thiserror::Error;

use crate::function::Function;

/// The error of an invocation.
#[derive(Error)]
#[non_exhaustive]
pub enum InvocationError {
    /// The event has the context of an HTTP request, but is not one.
    #[error(
        "the event is not a request of API Gateway, a function URL or a load balancer: {source}"
    )]
    HttpMalformed {
        /// The error of the parser.
        source: serde_json::Error,
    },
    /// The function serves HTTP only.
    #[error("`{function}` serves HTTP: send events of queues and streams to `ingest-stream`")]
    NotHttp {
        /// The function.
        function: Function,
    },
    /// The response could not be converted to the format of the trigger.
    #[error("the answer could not be serialized: {0}")]
    AnswerUnwritable(#[source] lambda_runtime::Error),
    /// The event is not one of a known trigger.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Some records were not stored, and the trigger can only retry the whole event.
    #[error("{n_failed} of {n_records} records were not stored, first `{id}`: {detail}")]
    RecordsFailed {
        /// The number of failed records.
        n_failed: usize,
        /// The number of all records.
        n_records: usize,
        /// The id of the first failed record.
        id: String,
        /// Its error.
        detail: String,
        /// The code of its error.
        code: &'static str,
    },
    /// The deadline passed.
    #[error("the store did not answer before the deadline of the invocation")]
    DeadlineExceeded,
    /// The use case failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl InvocationError {
    /// The code of the error, from a bounded set.
    pub fn code(&self) -> &'static str {
        match self {
            Self::HttpMalformed { .. } => "request_malformed",
            Self::NotHttp { .. } => "event_not_http",
            Self::AnswerUnwritable(_) => "answer_unwritable",
            Self::Event(error) => error.code(),
            Self::RecordsFailed { code, .. } => code,
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Service(error) => error.code(),
        }
    }
}

/// The form in which the runtime logs an error.
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
