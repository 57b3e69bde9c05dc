//! What goes into a store and what comes out of it.

use domain::{JudgedSample, Judgement, Sample};

use crate::{Notes, Patch, StoredConfig};
use domain::SeriesKey;

/// A sample to append; without a time it gets the first free microsecond at or after its receipt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewSample {
    /// Microseconds since the Unix epoch, where the sender gave them.
    pub at_us: Option<i64>,
    /// The value, checked by [`domain::sample::check_value`].
    pub value: f64,
}

/// What became of one appended sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Class {
    /// In the inbox, at that time.
    Fresh {
        /// Its time, in microseconds.
        at_us: i64,
    },
    /// The same time and value are there already.
    Duplicate {
        /// Its time, in microseconds.
        at_us: i64,
        /// What was said of it; none while it waits to be judged.
        judgement: Option<Judgement>,
    },
    /// The same time is there with another value; this one was not kept.
    Conflict {
        /// The value that is there.
        stored: f64,
    },
    /// At or below the floor: what it was then is not known any more.
    TooOld,
    /// The series would be new, and the tenant has as many as it may have; this one was not kept.
    TooManySeries,
    /// The inbox is full of samples that wait to be judged; this one was not kept.
    Full,
}

/// A series as it is stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// By which writers compare and set; 0 when there is no memory.
    pub version: i64,
    /// Whether memory, window and configuration were left out, since the caller knows those of this version.
    pub is_known: bool,
    /// The bytes of the memory, as of `version`.
    pub memory: Option<Vec<u8>>,
    /// The last judged samples, in time order.
    pub window: Vec<JudgedSample>,
    /// Samples that wait to be judged, the oldest [`INBOX_READ_MAX`], in time order.
    pub inbox: Vec<Sample>,
    /// The configuration of the series, where it has one.
    pub config: Option<StoredConfig>,
}

impl State {
    /// Whether the series has no sample; it may have a configuration.
    pub fn has_no_sample(&self) -> bool {
        self.memory.is_none() && self.window.is_empty() && self.inbox.is_empty()
    }

    /// The revision of its configuration; 0 where it has none.
    pub fn revision(&self) -> i64 {
        self.config.as_ref().map_or(0, |it| it.revision)
    }
}

/// Samples of one series to append.
#[derive(Debug, Clone)]
pub struct Append {
    /// Which series.
    pub key: SeriesKey,
    /// Its samples, at most [`APPEND_MAX`].
    pub samples: Vec<NewSample>,
    /// The version of which the caller knows memory and window, and so is spared them; 0 knows none.
    pub known_version: i64,
    /// What the samples come to if the series is still as the caller knows it.
    pub ahead: Option<Ahead>,
}

impl Append {
    /// Whether its writer takes the series for one that there is.
    pub(crate) fn is_known(&self) -> bool {
        self.known_version != 0 || self.ahead.as_ref().is_some_and(|it| it.commit.version != 0)
    }
}

/// What the samples of an append come to, judged before they were appended.
#[derive(Debug, Clone)]
pub struct Ahead {
    /// Stored at once if version and configuration are still those judged on and nothing waits; otherwise it counts for
    /// nothing. Its judgements are those of the samples, one for each, in their order; one without a time has been given
    /// one by the clock of the store (see [`crate::SeriesStore::stamp_us`]).
    pub commit: Commit,
    /// Whether the time of receipt is worth a note in the index.
    pub receipt: Receipt,
}

/// What is noted of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// Its time joins the index of series, and moves their expiry.
    Noted,
    /// One shortly before was noted.
    Passed,
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// Samples were classed, and the fresh ones wait to be judged.
    Appended(Appended),
    /// All samples are fresh, and stored as they were judged ahead.
    Stored {
        /// The version of the series now.
        version: i64,
    },
}

/// What an append answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Appended {
    /// One for each sample, in the order they were given.
    pub classes: Vec<Class>,
    /// The series after it, when samples wait to be judged.
    pub state: Option<State>,
}

/// What a writer judged, to be stored if nobody else stored something since, and nobody changed the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The version that was judged on.
    pub version: i64,
    /// The revision of the configuration that was judged under; 0 for none.
    pub revision: i64,
    /// The memory after it, or what changed of that which was judged on; the store writes the new version into it.
    pub memory: Patch,
    /// The newest judged time, in microseconds.
    pub cursor_us: i64,
    /// The newest time ever trimmed from the window, in microseconds.
    pub floor_us: Option<i64>,
    /// The judged samples, which leave the inbox.
    pub judgements: Vec<Judgement>,
    /// What became of episodes, and of silence.
    pub notes: Notes,
}

/// What a commit answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Committed {
    /// Stored.
    Done {
        /// The version of the series now.
        version: i64,
    },
    /// Somebody else stored something since, or changed the configuration; nothing was changed, and this is the series now.
    Conflict(State),
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is listed.
    pub items: Vec<T>,
    /// Where the next page starts; none at the end.
    pub next: Option<String>,
}

/// A series in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Which series.
    pub key: SeriesKey,
    /// When it last received a sample, in microseconds.
    pub received_us: i64,
}

/// Most samples of one inbox that are read, and so judged, at a time.
pub const INBOX_READ_MAX: usize = 1_024;

/// Most samples that may wait in one inbox: eight rounds of judging; more means that nobody can judge.
pub const INBOX_LEN_MAX: usize = 8_192;

/// Most samples of a series in one append; longer batches loop in time order.
pub const APPEND_MAX: usize = 512;

/// Most anomalies kept of one series.
pub const ANOMALIES_KEPT_MAX: usize = 1_000;

/// Oldest anomaly kept, against the newest judged time of its own series: 35 days, in microseconds.
pub const ANOMALIES_AGE_MAX_US: i64 = 35 * 86_400_000_000;

/// How long a series without samples is kept, by time of receipt: 35 days, in seconds.
pub const SERIES_TTL_S: u64 = 35 * 86_400;

/// Most series of a tenant unless configured otherwise: about 1 GB of Redis.
pub const SERIES_MAX_DEFAULT: u64 = 100_000;

/// Time in which an anomaly's weight in the order of the worst falls by a factor e: 6 hours, in microseconds.
pub const HEAT_DECAY_US: f64 = 6.0 * 3_600.0 * 1e6;
