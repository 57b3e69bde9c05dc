//! Defines an episode: an anomaly of one series from opening to closing.
//!
//! An episode is a run of anomalous samples with at most short pauses, a silence, or one followed by the other. Series and
//! start time identify it; each change produces a new record.

use crate::{Judgement, Signal};

/// State of an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpisodePhase {
    /// The newest sample is anomalous.
    Open,
    /// The next sample is overdue.
    Silent,
    /// The episode has ended.
    Over,
}

impl EpisodePhase {
    /// All phases.
    pub const ALL: [Self; 3] = [Self::Open, Self::Silent, Self::Over];

    /// Name in answers and in stored members.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Silent => "silent",
            Self::Over => "over",
        }
    }

    /// Inverse of [`EpisodePhase::as_str`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }
}

/// An episode after its latest change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpisodeRecord {
    /// Time of the first anomalous sample, or of the last sample before a silence, in microseconds.
    pub start_us: i64,
    /// Time of the last anomalous sample so far, or of the first sample after a silence, in microseconds.
    pub end_us: i64,
    /// Number of anomalous samples so far; 0 for a silence alone.
    pub n_samples: u64,
    /// Current phase.
    pub phase: EpisodePhase,
    /// Anomalous sample with the highest score; `None` for a silence alone.
    pub peak: Option<Judgement>,
}

impl EpisodeRecord {
    /// Signal of the peak; [`Signal::Gap`] if there is no peak.
    pub fn signal(&self) -> Signal {
        let expectation = self.peak.and_then(|peak| peak.verdict.expectation);
        expectation.map_or(Signal::Gap, |expectation| expectation.signal)
    }

    /// The same episode, ended at its last known sample.
    #[must_use]
    pub fn over(self) -> Self {
        Self { phase: EpisodePhase::Over, ..self }
    }
}
