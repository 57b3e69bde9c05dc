//! What became of one record of an event.

use std::collections::BTreeMap;

use intake::{IntakeError, RejectedSample};
use service::RecordResult;

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordOutcome {
    /// The store holds all its samples, or held them before.
    Stored,
    /// It may be stored when it is delivered again.
    Later { code: &'static str, detail: String },
    /// It can never be stored as it is.
    Never { code: &'static str, detail: String },
}

impl RecordOutcome {
    /// A record that was not reached.
    pub(super) fn untried() -> Self {
        Self::Later { code: "untried", detail: "an earlier record failed for now".to_owned() }
    }

    /// A record that may not overtake one of its group.
    pub(super) fn behind() -> Self {
        Self::Later { code: "behind", detail: "an earlier record of its group failed".to_owned() }
    }

    /// A record for which no time was left.
    pub(super) fn late() -> Self {
        let detail = "the store did not answer before the deadline of the invocation".to_owned();
        Self::Later { code: "deadline_exceeded", detail }
    }

    /// A record that the service had no answer for.
    pub(super) fn later(code: &'static str, error: &impl ToString) -> Self {
        Self::Later { code, detail: error.to_string() }
    }

    /// A record that holds no samples that could be read.
    pub(super) fn of_error(error: &IntakeError) -> Self {
        Self::Never { code: error.code(), detail: error.to_string() }
    }

    /// Notes that a sample of the record was not kept. The first fault for good counts, or else the first.
    pub(super) fn worsen(&mut self, rejection: &RejectedSample) {
        let (code, detail) = (rejection.code.as_str(), rejection.detail.clone());
        if rejection.code.is_retryable() {
            if *self == Self::Stored {
                *self = Self::Later { code, detail };
            }
        } else if !self.is_poisoned() {
            *self = Self::Never { code, detail };
        }
    }

    /// Whether it was not stored.
    pub(super) fn is_failed(&self) -> bool {
        *self != Self::Stored
    }

    /// Whether it may be stored when it is delivered again.
    pub(super) fn is_for_now(&self) -> bool {
        matches!(self, Self::Later { .. })
    }

    /// Whether it can never be stored.
    pub(super) fn is_poisoned(&self) -> bool {
        matches!(self, Self::Never { .. })
    }

    /// The bounded code of its failure.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Stored => "",
            Self::Later { code, .. } | Self::Never { code, .. } => code,
        }
    }

    /// Why it failed.
    pub(super) fn detail(&self) -> &str {
        match self {
            Self::Stored => "",
            Self::Later { detail, .. } | Self::Never { detail, .. } => detail,
        }
    }

    fn result(&self) -> RecordResult {
        match self {
            Self::Stored => RecordResult::Stored,
            Self::Later { .. } => RecordResult::Retried,
            Self::Never { .. } => RecordResult::Poisoned,
        }
    }
}

/// How many records met with each result.
pub(super) fn counts(fates: &[RecordOutcome]) -> BTreeMap<RecordResult, u64> {
    let mut counts = BTreeMap::new();
    for fate in fates {
        *counts.entry(fate.result()).or_default() += 1;
    }
    counts
}
