//! Outcome of one sample, and the errors of a write.

use detector::{LearningProgress, RestoreError};
use domain::Judgement;
use store::StoreError;
use thiserror::Error;

/// Outcome of one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SampleOutcome {
    /// Stored by this request.
    Accepted(StoredSample),
    /// Stored by an earlier request.
    Duplicate(StoredSample),
    /// Another value is stored for its time.
    Conflict { stored: f64 },
    /// Older than everything stored of its series.
    TooOld,
    /// The series is new, but the tenant has reached its limit.
    TooManySeries,
}

impl SampleOutcome {
    pub(crate) fn of_stored(is_ours: bool, sample: StoredSample) -> Self {
        if is_ours { Self::Accepted(sample) } else { Self::Duplicate(sample) }
    }

    /// Returns the stored sample of an accepted or duplicate one.
    pub(crate) fn stored_mut(&mut self) -> Option<&mut StoredSample> {
        match self {
            Self::Accepted(sample) | Self::Duplicate(sample) => Some(sample),
            _ => None,
        }
    }
}

/// A stored sample with its judgement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StoredSample {
    /// Time in Unix microseconds.
    pub(crate) at_us: i64,
    /// `None` if another writer judged the sample and the window has dropped it since.
    pub(crate) judgement: Option<Judgement>,
    /// Learning progress after the sample, if this writer judged it and the series was learning.
    pub(crate) learning: Option<LearningProgress>,
}

/// Failure to write samples; sending them again is safe.
#[derive(Debug, Clone, Error)]
pub(crate) enum WriteError {
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Store(String),
    #[error(transparent)]
    Detector(#[from] RestoreError),
    #[error("too many requests are queued for this series")]
    Overloaded,
    #[error("earlier samples of this series cannot be judged")]
    Backlog,
    #[error("the write was aborted")]
    Aborted,
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        if error.is_away() {
            Self::Unavailable(error.public_detail())
        } else {
            Self::Store(error.public_detail())
        }
    }
}

impl WriteError {
    /// Code of the rejected samples.
    pub(crate) fn code(&self) -> intake::RejectionCode {
        match self {
            Self::Detector(_) => intake::RejectionCode::DetectorMismatch,
            _ => intake::RejectionCode::StoreUnavailable,
        }
    }
}
