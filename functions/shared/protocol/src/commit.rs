//! A commit: judged samples of a series, and the outcome.

use domain::Judgement;

use crate::{EpisodeUpdate, MemoryPatch, SeriesState};

/// Judged samples of a series; stored if neither version nor configuration changed since they were read.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The version that was judged on.
    pub version: i64,
    /// Revision of the configuration that was judged under; 0 for none.
    pub revision: i64,
    /// The new memory, or its difference from the one judged on; the store sets the version in it.
    pub memory: MemoryPatch,
    /// The newest judged time, in Unix microseconds.
    pub cursor_us: i64,
    /// The newest time ever trimmed from the window, in Unix microseconds.
    pub floor_us: Option<i64>,
    /// The judged samples, which leave the inbox.
    pub judgements: Vec<Judgement>,
    /// Changes of episodes and of silence.
    pub episode_update: EpisodeUpdate,
}

/// Outcome of a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum CommitOutcome {
    /// Stored.
    Committed {
        /// The version of the series now.
        version: i64,
    },
    /// Another writer committed, or the configuration changed; nothing was stored, and this is the series now.
    Conflict(SeriesState),
}
