//! Errors of the use cases.

use std::time::Duration;

use store::{HistoryError, StoreError};
use thiserror::Error;

use crate::alerting::PreviewError;
use crate::config_request::ConfigRequestError;

/// Error of a use case.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The series has no samples.
    #[error("unknown series: expected one that has sent samples")]
    NotFound,
    /// The series has no sample at the requested time.
    #[error("no sample of the series has this time: expected the `timestamp` of one")]
    SampleUnknown,
    /// The sample at the requested time is older than all that are stored.
    #[error(
        "the sample is no longer stored: expected one of the newest {n_samples}, or a stored anomaly"
    )]
    SampleNotKept {
        /// Number of stored samples.
        n_samples: usize,
    },
    /// Feedback is not JSON.
    #[error("body is not JSON: {problem}")]
    FeedbackMalformed {
        /// Message of the parser.
        problem: String,
    },
    /// Feedback is JSON, but invalid.
    #[error("feedback is invalid: {problem}")]
    FeedbackInvalid {
        /// Reason, with the field and what was expected.
        problem: String,
    },
    /// Other requests changed the configuration of the series at each attempt.
    #[error("the configuration of the series is being changed by other requests: retry later")]
    ConfigContended,
    /// The configuration of a series is invalid.
    #[error(transparent)]
    Config(#[from] ConfigRequestError),
    /// A preview of alerts is invalid.
    #[error(transparent)]
    Preview(#[from] PreviewError),
    /// The tenant exceeds its rate limit.
    #[error(
        "the tenant sends more than {rate_per_s} samples per second: nothing of this request was stored, retry after {} s",
        retry_after.as_secs()
    )]
    RateExceeded {
        /// Limit in samples per second.
        rate_per_s: u64,
        /// Time until the request fits, in whole seconds.
        retry_after: Duration,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The history failed.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The metrics could not be rendered.
    #[error("render the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl ServiceError {
    /// Bounded error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "series_unknown",
            Self::SampleUnknown => "sample_unknown",
            Self::SampleNotKept { .. } => "sample_not_kept",
            Self::FeedbackMalformed { .. } => "body_malformed",
            Self::FeedbackInvalid { .. } => "feedback_invalid",
            Self::ConfigContended => "config_contended",
            Self::Config(error) => error.code(),
            Self::Preview(_) => "preview_invalid",
            Self::RateExceeded { .. } => "rate_exceeded",
            Self::Store(error) => error.code(),
            Self::History(error) => error.code(),
            Self::Metrics(_) => "metrics_failed",
        }
    }

    /// The message for clients. The reasons that the store or the history gave may name servers, keys or users, and are
    /// only logged.
    pub fn public_detail(&self) -> String {
        match self {
            Self::Store(error) => error.public_detail(),
            Self::History(error) => error.public_detail().to_owned(),
            _ => self.to_string(),
        }
    }

    /// True if the series or the sample is not stored.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound | Self::SampleUnknown | Self::SampleNotKept { .. })
    }

    /// True if the request is malformed.
    pub fn is_invalid(&self) -> bool {
        match self {
            Self::Store(StoreError::CursorInvalid) | Self::FeedbackMalformed { .. } => true,
            Self::Config(error) => error.is_malformed(),
            _ => false,
        }
    }

    /// True if the request is well-formed but unacceptable.
    pub fn is_unacceptable(&self) -> bool {
        match self {
            Self::Config(error) => !error.is_malformed(),
            Self::FeedbackInvalid { .. } | Self::Preview(_) => true,
            Self::Store(error) => matches!(error, StoreError::TooManyConfigs { .. }),
            _ => false,
        }
    }

    /// True if the same request may succeed later.
    pub fn is_unavailable(&self) -> bool {
        let is_refused = self.is_invalid() || self.is_unacceptable();
        matches!(self, Self::Store(_) | Self::History(_) | Self::ConfigContended) && !is_refused
    }
}
