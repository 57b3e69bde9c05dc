//! Answers about many series at once: pages of them, their numbers, and the least that describes each.
//!
//! Each is read in a round trip or two, whatever the number of series, and judges nothing.

use detector::DeployedDetector;
use domain::SeriesKey;

use crate::StoreError;

/// Series of a shard's pending index that are read to count those of one tenant.
pub const PENDING_COUNTED_MAX: usize = 256;

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Cursor of the next page; `None` at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Cuts a page of at most `limit` items from those that were read: one more than `limit` shows that another page
    /// follows, from the cursor of the last item of this one.
    pub(crate) fn cut(mut items: Vec<T>, limit: usize, cursor: impl FnOnce(&T) -> String) -> Self {
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(cursor);
        Self { items, next }
    }

    /// The same page of other items.
    pub(crate) fn map<U>(self, item: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(item).collect(), next: self.next }
    }
}

/// A series in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedSeries {
    /// The series.
    pub key: SeriesKey,
    /// When it last received a sample, in Unix microseconds.
    pub received_us: i64,
}

/// Size of the store, over all tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreGauges {
    /// Series that received a sample within [`crate::SERIES_TTL_S`].
    pub n_series: u64,
    /// Series with samples that wait to be judged.
    pub n_pending: u64,
    /// Longest wait of such a series, in microseconds; 0 if none waits.
    pub oldest_pending_us: i64,
    /// Most series of all tenants; `None` if the memory of the store is not known.
    pub n_series_max: Option<u64>,
    /// Memory of the store.
    pub memory: StoreMemory,
}

/// Memory of the servers of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreMemory {
    /// Bytes in use, if the servers report it.
    pub used_bytes: Option<u64>,
    /// Bytes that they may use, as reported or configured.
    pub max_bytes: Option<u64>,
}

/// Series of one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TenantCounts {
    /// Series that received a sample within [`crate::SERIES_TTL_S`].
    pub n_series: u64,
    /// Series with a stored anomaly, including those that expired lately.
    pub n_anomalous: u64,
    /// Series with samples that wait to be judged; past [`PENDING_COUNTED_MAX`] of a shard some are not counted.
    pub n_pending: u64,
}

/// Memory and anomalies of a series, without its window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesSummary {
    /// The bytes of its memory, if it has one.
    pub memory: Option<Vec<u8>>,
    /// Number of stored anomalies.
    pub n_anomalies: u64,
}

/// Acknowledged samples that a store no longer has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DataLoss {
    /// Shards with fewer accepted samples than before.
    pub n_shards: u64,
    /// Samples that they lost, at least: samples accepted since hide as many.
    pub n_samples_min: u64,
}

/// Circuits of this process to the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CircuitCounts {
    /// Open ones, whose calls fail at once.
    pub n_open: usize,
    /// All of them.
    pub n: usize,
}

/// Compares the detector of a deployment with the first one of its generation.
pub(crate) fn check_detector(deployed: &DeployedDetector, first: &str) -> Result<(), StoreError> {
    let (detector, generation) = (deployed.detector.to_string(), deployed.generation);
    if first == detector {
        return Ok(());
    }
    Err(StoreError::DetectorMismatch { stored: first.to_owned(), deployed: detector, generation })
}

/// Cursor after a page of the worst series: decayed score and name of the last one.
pub(crate) fn score_cursor(score: f64, name: &str) -> String {
    format!("{score}:{name}")
}

/// Reads back what [`score_cursor`] wrote.
pub(crate) fn parse_score_cursor(text: &str) -> Result<(f64, String), StoreError> {
    let parsed = text.split_once(':').and_then(|(score, name)| {
        let score: f64 = score.parse().ok()?;
        score.is_finite().then(|| (score, name.to_owned()))
    });
    parsed.ok_or(StoreError::CursorInvalid)
}
