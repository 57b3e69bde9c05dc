//! The seed, length and waiting of all tests.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Longest wait for an expected event; a loaded machine may take seconds.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// The seed of this run, which is printed.
pub(crate) fn seed(test: &str) -> u64 {
    let seed = number("CHAOS_SEED").unwrap_or(1);
    println!("{test}: CHAOS_SEED={seed} CHAOS_ROUNDS={}", rounds());
    seed
}

/// The length of a run, as a multiple of that of the ordinary tests.
pub(crate) fn rounds() -> u64 {
    number("CHAOS_ROUNDS").unwrap_or(1)
}

#[expect(clippy::disallowed_methods, reason = "a switch of these tests, not of the service")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Polls until there is a result.
pub(crate) async fn wait_for<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begin.elapsed() < WAIT_MAX, "timeout: waited until {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
