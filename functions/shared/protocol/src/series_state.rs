//! A series as a writer reads it.

use domain::{JudgedSample, Sample};

use crate::StoredConfig;

/// A series as it is stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesState {
    /// Version for the compare-and-set of a commit; 0 without a memory.
    pub version: i64,
    /// Memory, window and configuration are omitted, because the caller has this version cached.
    pub is_cached: bool,
    /// The bytes of the memory, as of `version`.
    pub memory: Option<Vec<u8>>,
    /// The last judged samples, in time order.
    pub window: Vec<JudgedSample>,
    /// Samples that wait to be judged, the oldest [`crate::limits::INBOX_READ_MAX`], in time order.
    pub inbox: Vec<Sample>,
    /// The configuration of the series, if it has one.
    pub config: Option<StoredConfig>,
}

impl SeriesState {
    /// Returns true if the series has no sample; it may have a configuration.
    pub fn has_no_sample(&self) -> bool {
        self.memory.is_none() && self.window.is_empty() && self.inbox.is_empty()
    }

    /// Revision of its configuration; 0 without one.
    pub fn revision(&self) -> i64 {
        self.config.as_ref().map_or(0, |config| config.revision)
    }
}
