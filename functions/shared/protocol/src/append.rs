//! An append: samples for the inbox of a series, and the outcome of each.

use domain::{Judgement, SampleKind, SeriesKey};

use crate::{Commit, SeriesState};

/// A sample to append; without a time it is stamped with the first free microsecond at or after its receipt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewSample {
    /// Unix microseconds, if the sender gave a time.
    pub at_us: Option<i64>,
    /// The value, checked by [`SampleKind::check_value`].
    pub value: f64,
    /// Meaning of the value.
    pub kind: SampleKind,
}

impl NewSample {
    /// A sample of a gauge.
    pub const fn gauge(at_us: Option<i64>, value: f64) -> Self {
        Self { at_us, value, kind: SampleKind::Gauge }
    }
}

/// Samples of one series to append.
#[derive(Debug, Clone)]
pub struct Append {
    /// The series.
    pub key: SeriesKey,
    /// Its samples, at most [`crate::limits::APPEND_MAX`].
    pub samples: Vec<NewSample>,
    /// Version of the memory and window that the caller has cached, so that the reply may omit them; 0 for none.
    pub cached_version: i64,
    /// A commit of these samples, judged before the append.
    pub optimistic: Option<OptimisticCommit>,
}

impl Append {
    /// Returns true if the caller expects the series to exist.
    pub fn is_known(&self) -> bool {
        self.cached_version != 0
            || self.optimistic.as_ref().is_some_and(|optimistic| optimistic.commit.version != 0)
    }
}

/// A commit of samples that are not appended yet.
#[derive(Debug, Clone)]
pub struct OptimisticCommit {
    /// Stored with the append if version and configuration are those judged on and no sample waits; ignored otherwise.
    ///
    /// It has one judgement for each sample, in order and of the same kind. The caller stamps samples without a time by the clock of the
    /// store.
    pub commit: Commit,
    /// Update of the time of receipt.
    pub receipt: ReceiptUpdate,
    /// Effect on the samples if the commit is refused.
    pub on_refusal: OnRefusal,
}

/// Effect of an append whose optimistic commit is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRefusal {
    /// The samples join the inbox.
    Append,
    /// Nothing is stored, and the caller judges again on the returned state. Samples that another writer appended and
    /// did not commit yet are judged with these, so then they join the inbox.
    Return,
}

/// Update of the time of receipt in the series index, and of the expiry of the series, by an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptUpdate {
    /// Update it.
    Write,
    /// Leave it: it was updated shortly before.
    Skip,
}

/// Outcome of an append.
#[derive(Debug, Clone, PartialEq)]
pub enum AppendOutcome {
    /// Samples were classified; the fresh ones wait in the inbox.
    Classified(ClassifiedSamples),
    /// The optimistic commit was stored; every sample was fresh.
    Committed {
        /// The version of the series now.
        version: i64,
    },
    /// The optimistic commit was refused, and nothing was stored ([`OnRefusal::Return`]): the series now.
    Refused(SeriesState),
}

/// Appended samples, and the state of their series.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassifiedSamples {
    /// Class of each sample, in order.
    pub classes: Vec<SampleClass>,
    /// The series after the append, if samples wait to be judged.
    pub state: Option<SeriesState>,
}

/// Class of one appended sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SampleClass {
    /// Stored in the inbox.
    Fresh {
        /// Its time, in Unix microseconds.
        at_us: i64,
    },
    /// The same time and value are stored already.
    Duplicate {
        /// Its time, in Unix microseconds.
        at_us: i64,
        /// Its judgement; `None` while it waits in the inbox.
        judgement: Option<Judgement>,
    },
    /// Another value is stored at its time; it is not stored.
    Conflict {
        /// The stored value.
        stored: f64,
    },
    /// At or below the floor of the window, where a duplicate cannot be recognized; it is not stored.
    TooOld,
    /// The series would be new, and its tenant has reached the limit of series; it is not stored.
    TooManySeries,
    /// The inbox is full; it is not stored.
    Full,
}

impl SampleClass {
    /// The outcome, as the totals of samples name it; `None` for a refused sample: the client sends it again, and the
    /// writer counts it if it gives up.
    pub fn outcome(&self) -> Option<&'static str> {
        match self {
            Self::Fresh { .. } => Some("accepted"),
            Self::Duplicate { .. } => Some("duplicate"),
            Self::Conflict { .. } => Some("conflict"),
            Self::TooOld => Some("too_old"),
            Self::TooManySeries | Self::Full => None,
        }
    }
}
