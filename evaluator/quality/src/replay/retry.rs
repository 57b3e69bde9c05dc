//! Retries: which requests are sent again, and after which delay.
//!
//! A retry is safe: series and time identify a sample, so a stored sample becomes a duplicate.

use std::time::Duration;

/// Attempts for one batch; with the delays below they bridge an outage of about half a minute.
pub(super) const ATTEMPTS_MAX: u32 = 10;

/// Delay before the second attempt; doubles with each further attempt.
const WAIT_FIRST: Duration = Duration::from_millis(100);

/// Maximum delay, also for a longer `Retry-After`.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Reaction to the status of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryStep {
    /// The body has the result of each sample.
    Done,
    /// The deployment is overloaded or its store is unavailable: retry later.
    Again,
    /// A retry would be refused again.
    Stop,
}

/// The reaction to a status.
pub(super) fn step(status: u16) -> RetryStep {
    match status {
        200 | 422 => RetryStep::Done,
        429 | 502..=504 => RetryStep::Again,
        _ => RetryStep::Stop,
    }
}

/// True if a retry may succeed.
pub(crate) fn is_worth_repeating(status: u16) -> bool {
    step(status) == RetryStep::Again
}

/// Delay after `n_failed` failed attempts, at least 1; `retry_after` of the deployment takes precedence.
pub(crate) fn wait(n_failed: u32, retry_after: Option<Duration>) -> Duration {
    let doubled = WAIT_FIRST.saturating_mul(2_u32.saturating_pow(n_failed.saturating_sub(1)));
    retry_after.unwrap_or(doubled).min(WAIT_MAX)
}

/// The seconds of a `Retry-After` header; dates are not supported, since no deployment sends them.
pub(super) fn retry_after(header: Option<&str>) -> Option<Duration> {
    header?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let waits: Vec<u128> = [1, 2, 3, 40].iter().map(|n| wait(*n, None).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 10_000]);
    }

    #[test]
    fn retry_after_is_followed_within_the_bound() {
        assert_eq!(wait(5, retry_after(Some(" 2 "))), Duration::from_secs(2));
        assert_eq!(wait(1, retry_after(Some("0"))), Duration::ZERO);
        assert_eq!(wait(1, retry_after(Some("86400"))), WAIT_MAX);
        assert_eq!(retry_after(Some("Fri, 20 Nov 2026 10:00:00 GMT")), None);
        assert_eq!(retry_after(None), None);
    }

    #[test]
    fn only_requests_that_may_succeed_are_retried() {
        for (status, wanted) in [
            (200, RetryStep::Done),
            (422, RetryStep::Done),
            (429, RetryStep::Again),
            (503, RetryStep::Again),
            (504, RetryStep::Again),
            (400, RetryStep::Stop),
            (401, RetryStep::Stop),
            (404, RetryStep::Stop),
            (413, RetryStep::Stop),
            (500, RetryStep::Stop),
        ] {
            assert_eq!(step(status), wanted, "{status}");
        }
    }
}
