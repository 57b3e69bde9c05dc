//! Types that travel with samples between a writer and a store, and the limits of what is stored.

use domain::{JudgedSample, Judgement, Sample, SeriesKey};

use crate::{EpisodeUpdate, MemoryPatch, StoredConfig};

/// A sample to append; without a time it is stamped with the first free microsecond at or after its receipt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewSample {
    /// Unix microseconds, if the sender gave a time.
    pub at_us: Option<i64>,
    /// The value, checked by [`domain::sample::check_value`].
    pub value: f64,
}

/// Samples of one series to append.
#[derive(Debug, Clone)]
pub struct Append {
    /// The series.
    pub key: SeriesKey,
    /// Its samples, at most [`APPEND_MAX`].
    pub samples: Vec<NewSample>,
    /// Version of the memory and window that the caller has cached, so that the reply may omit them; 0 for none.
    pub cached_version: i64,
    /// A commit of these samples, judged before the append.
    pub optimistic: Option<OptimisticCommit>,
}

impl Append {
    /// Whether the caller takes the series for an existing one.
    pub(crate) fn is_known(&self) -> bool {
        self.cached_version != 0
            || self.optimistic.as_ref().is_some_and(|optimistic| optimistic.commit.version != 0)
    }
}

/// A commit of samples that are not appended yet.
#[derive(Debug, Clone)]
pub struct OptimisticCommit {
    /// Stored with the append if version and configuration are those judged on and no sample waits; ignored otherwise.
    ///
    /// It has one judgement for each sample, in order. The caller stamps samples without a time by the clock of the
    /// store (see [`crate::SeriesWriter::store_time_us`]).
    pub commit: Commit,
    /// Whether to update the time of receipt.
    pub receipt: ReceiptUpdate,
}

/// Whether an append updates the time of receipt in the series index, and the expiry of the series.
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
    /// Samples that wait to be judged, the oldest [`INBOX_READ_MAX`], in time order.
    pub inbox: Vec<Sample>,
    /// The configuration of the series, if it has one.
    pub config: Option<StoredConfig>,
}

impl SeriesState {
    /// Whether the series has no sample; it may have a configuration.
    pub fn has_no_sample(&self) -> bool {
        self.memory.is_none() && self.window.is_empty() && self.inbox.is_empty()
    }

    /// Revision of its configuration; 0 without one.
    pub fn revision(&self) -> i64 {
        self.config.as_ref().map_or(0, |config| config.revision)
    }
}

/// Judged samples of a series; stored if no other writer committed and nobody changed the configuration since.
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

/// Most samples of an inbox that are read, and so judged, at a time.
pub const INBOX_READ_MAX: usize = 1_024;

/// Most samples that may wait in an inbox: eight rounds of judging; more means that no process can judge them.
pub const INBOX_LEN_MAX: usize = 8_192;

/// Most samples of a series in one append; longer batches are split in time order.
pub const APPEND_MAX: usize = 512;

/// Most anomalies stored for one series.
pub const ANOMALIES_KEPT_MAX: usize = 1_000;

/// Age of the oldest stored anomaly, against the newest judged time of its series: 35 days, in microseconds.
pub const ANOMALIES_AGE_MAX_US: i64 = 35 * 86_400_000_000;

/// Time after the last receipt after which a series expires: 35 days, in seconds.
pub const SERIES_TTL_S: u64 = 35 * 86_400;

/// Most series of a tenant unless configured otherwise: about 1 GB of Redis.
pub const SERIES_MAX_DEFAULT: u64 = 100_000;

/// Time in which the weight of an anomaly in the decayed score falls by a factor e: 6 hours, in microseconds.
pub const SCORE_DECAY_US: f64 = 6.0 * 3_600.0 * 1e6;
