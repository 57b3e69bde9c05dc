//! Measures elapsed time; the only file that reads a clock, and the only numbers that are not reproducible.

use std::time::{Duration, Instant};

/// Runs `work` and returns its result and its duration.
#[expect(clippy::disallowed_methods, reason = "measures a duration; no verdict depends on it")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}
