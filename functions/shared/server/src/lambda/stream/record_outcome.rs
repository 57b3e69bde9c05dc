//! The outcome of one record of an event.

use std::collections::BTreeMap;

use service::{IntakeError, RecordResult, RejectedSample};

/// The outcome of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordOutcome {
    /// The store has all its samples, new or as duplicates.
    Stored,
    /// Failed temporarily: a retry may succeed.
    Retry { code: &'static str, detail: String },
    /// Failed permanently: the record is invalid.
    Poisoned { code: &'static str, detail: String },
}

impl RecordOutcome {
    /// A record that was not reached.
    pub(super) fn untried() -> Self {
        let detail = "an earlier record failed temporarily".to_owned();
        Self::Retry { code: "untried", detail }
    }

    /// A record that follows a failed one of its group.
    pub(super) fn behind() -> Self {
        Self::Retry { code: "behind", detail: "an earlier record of its group failed".to_owned() }
    }

    /// A record that was not stored before the deadline.
    pub(super) fn late() -> Self {
        let detail = "the store did not answer before the deadline of the invocation".to_owned();
        Self::Retry { code: "deadline_exceeded", detail }
    }

    /// A record that the service refused.
    pub(super) fn retry(code: &'static str, error: &impl ToString) -> Self {
        Self::Retry { code, detail: error.to_string() }
    }

    /// A record that could not be parsed.
    pub(super) fn unreadable(error: &IntakeError) -> Self {
        Self::Poisoned { code: error.code(), detail: error.to_string() }
    }

    /// Adds a rejected sample of the record. The first permanent failure has priority, then the first temporary one.
    pub(super) fn worsen(&mut self, rejected: &RejectedSample) {
        let (code, detail) = (rejected.code.as_str(), rejected.detail.clone());
        if rejected.code.is_retryable() {
            if *self == Self::Stored {
                *self = Self::Retry { code, detail };
            }
        } else if !self.is_poisoned() {
            *self = Self::Poisoned { code, detail };
        }
    }

    pub(super) fn is_failed(&self) -> bool {
        *self != Self::Stored
    }

    pub(super) fn is_retryable(&self) -> bool {
        matches!(self, Self::Retry { .. })
    }

    pub(super) fn is_poisoned(&self) -> bool {
        matches!(self, Self::Poisoned { .. })
    }

    /// The code of the failure, from a bounded set; empty if stored.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Stored => "",
            Self::Retry { code, .. } | Self::Poisoned { code, .. } => code,
        }
    }

    /// The message of the failure; empty if stored.
    pub(super) fn detail(&self) -> &str {
        match self {
            Self::Stored => "",
            Self::Retry { detail, .. } | Self::Poisoned { detail, .. } => detail,
        }
    }

    fn result(&self) -> RecordResult {
        match self {
            Self::Stored => RecordResult::Stored,
            Self::Retry { .. } => RecordResult::Retried,
            Self::Poisoned { .. } => RecordResult::Poisoned,
        }
    }
}

/// The number of records with each result.
pub(super) fn counts(outcomes: &[RecordOutcome]) -> BTreeMap<RecordResult, u64> {
    let mut counts = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry(outcome.result()).or_default() += 1;
    }
    counts
}
