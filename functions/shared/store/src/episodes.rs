//! Queries of the past of a series, and the queue of episodes for the history.

use domain::SeriesKey;

/// Time after the last sweep with a history for which a store still queues episodes for it: 7 days, in seconds.
pub const HISTORY_TTL_S: u64 = 7 * 86_400;

/// A page of the past of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastRange {
    /// Earliest start, in Unix microseconds.
    pub since_us: i64,
    /// End of the range, exclusive, in Unix microseconds; `None` for no end.
    pub before_us: Option<i64>,
    /// Most items.
    pub limit: usize,
}

/// A series with episodes that the history does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsavedEpisodes {
    /// The series.
    pub key: SeriesKey,
    /// The history holds every notable change up to this version.
    pub saved_version: i64,
}
