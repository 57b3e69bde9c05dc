//! What time it is for each shard, by the answers of its server.
//!
//! A sample without a time is stamped by the clock of the store, so that processes agree; one that is judged before it
//! is appended needs that time beforehand. What was told, and the time that passed since, is never ahead of the clock
//! that told it, and never before what it stamped.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

/// Nothing was told.
const UNKNOWN: i64 = i64::MIN;

/// The clocks of the shards.
#[derive(Debug)]
pub(super) struct Clocks {
    start: Instant,
    /// What is added to the microseconds since `start`.
    ahead_us: Vec<AtomicI64>,
}

impl Clocks {
    pub(super) fn new(n_shards: u16) -> Self {
        let ahead_us = (0..n_shards).map(|_| AtomicI64::new(UNKNOWN)).collect();
        Self { start: Instant::now(), ahead_us }
    }

    /// Notes what a shard told just now.
    pub(super) fn heard(&self, shard: u16, now_us: i64) {
        if let Some(ahead_us) = self.ahead_us.get(usize::from(shard)) {
            ahead_us.store(now_us - self.elapsed_us(), Ordering::Relaxed);
        }
    }

    /// The time of a shard; none while it told nothing.
    pub(super) fn now_us(&self, shard: u16) -> Option<i64> {
        let ahead_us = self.ahead_us.get(usize::from(shard))?.load(Ordering::Relaxed);
        (ahead_us != UNKNOWN).then(|| ahead_us + self.elapsed_us())
    }

    fn elapsed_us(&self) -> i64 {
        self.start.elapsed().as_micros() as i64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_goes_on_from_what_was_told_last() {
        let clocks = Clocks::new(2);
        assert_eq!(clocks.now_us(1), None);
        clocks.heard(1, 5_000_000);
        tokio::time::advance(Duration::from_micros(70)).await;
        assert_eq!((clocks.now_us(0), clocks.now_us(1)), (None, Some(5_000_070)));
        // A server that took over may be behind.
        clocks.heard(1, 4_000_000);
        assert_eq!(clocks.now_us(1), Some(4_000_000));
        assert_eq!(clocks.now_us(2), None);
    }
}
