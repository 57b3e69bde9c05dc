//! The one place that reads a clock: how long a detector took is the only number that is not reproducible.

use std::time::{Duration, Instant};

/// Runs `work` and answers its result and how long it took.
#[expect(
    clippy::disallowed_methods,
    reason = "measuring time is what this function is for; nothing is judged by it"
)]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}
