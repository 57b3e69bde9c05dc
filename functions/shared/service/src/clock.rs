//! Reads the wall clock. All other code takes time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the current time in Unix microseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the only clock of the service; inner code takes time as an argument"
)]
pub fn now_us() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}
