//! The time axis that all generated series share.

use anyhow::ensure;

/// Seconds of a day.
pub(super) const DAY_S: f64 = 86_400.0;

/// Time of the first sample in Unix seconds: midnight UTC.
pub(super) const START_S: i64 = 1_699_920_000;

/// Maximum rows of a generated series: two years of minutes.
pub(super) const ROWS_MAX: usize = 1_051_200;

/// Number of rows of a series of `days`.
pub(super) fn n_rows(days: f64, interval_s: u32) -> usize {
    (days * DAY_S / f64::from(interval_s)) as usize
}

/// Checks duration and interval of a series.
pub(super) fn check(days: f64, interval_s: u32) -> anyhow::Result<()> {
    ensure!(interval_s > 0, "`interval_s` is 0: expected at least one second");
    ensure!(
        days > 0.0 && days.is_finite() && (1..=ROWS_MAX).contains(&n_rows(days, interval_s)),
        "`days` is {days}: expected a duration of 1 to {ROWS_MAX} samples"
    );
    Ok(())
}
