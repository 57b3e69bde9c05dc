//! The time axis that all generated series share.

/// Time of the first sample in Unix seconds: midnight UTC.
pub(super) const START_S: i64 = 1_699_920_000;

/// Maximum rows of a generated series: two years of minutes.
pub(super) const ROWS_MAX: usize = 1_051_200;
