//! Limits of the stored state of one series; the Lua scripts receive them as arguments.

pub use detector::window::STORED_LEN_MIN;

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

/// Most episodes stored for one series: as many as one commit can bring.
pub const EPISODES_KEPT_MAX: usize = 512;
