//! Why a use case had no answer.

use std::time::Duration;

use store::{HistoryError, StoreError};
use thiserror::Error;

use crate::config_request::ConfigRequestError;

/// Why a use case had no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// Nothing is known of the series.
    #[error("the series is unknown: one that has sent samples is wanted")]
    NotFound,
    /// What is wanted of the series cannot be.
    #[error(transparent)]
    Config(#[from] ConfigRequestError),
    /// The tenant sends more than it may.
    #[error(
        "the tenant sends more than {rate_per_s} samples a second: nothing of this request was stored, send it again \
         after {} s",
        retry_after.as_secs()
    )]
    RateExceeded {
        /// What it may send.
        rate_per_s: u64,
        /// When there will be room for this request, in whole seconds.
        retry_after: Duration,
    },
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// History did not do its part.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The metrics could not be written.
    #[error("metrics could not be rendered: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl ServiceError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "series_unknown",
            Self::Config(error) => error.code(),
            Self::RateExceeded { .. } => "rate_exceeded",
            Self::Store(error) => error.code(),
            Self::History(error) => error.code(),
            Self::Metrics(_) => "metrics_failed",
        }
    }

    /// Whether the series is unknown.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound)
    }

    /// Whether the request was wrong, and not the store.
    pub fn is_invalid(&self) -> bool {
        match self {
            Self::Store(StoreError::CursorInvalid { .. }) => true,
            Self::Config(error) => error.is_malformed(),
            _ => false,
        }
    }

    /// Whether the request could be read, and asks for what cannot be.
    pub fn is_unacceptable(&self) -> bool {
        matches!(self, Self::Config(error) if !error.is_malformed())
    }

    /// Whether the same request may succeed later.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Store(_) | Self::History(_)) && !self.is_invalid()
    }
}
