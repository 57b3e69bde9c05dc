//! Estimates the time of each server as its last reply plus local elapsed time.
//!
//! The store stamps samples without a time by its own clock, so that processes agree; an optimistic commit needs that
//! time beforehand. The estimate is never ahead of the server, and never before a time that the server stamped.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

/// No reply yet.
const UNKNOWN: i64 = i64::MIN;

/// Clocks of the servers: of a single one, or of each shard of a cluster.
#[derive(Debug)]
pub(super) struct ServerClocks {
    start: Instant,
    /// Server time at `start`, in microseconds.
    offsets_us: Vec<AtomicI64>,
}

impl ServerClocks {
    pub(super) fn new(n_clocks: u16) -> Self {
        let offsets_us = (0..n_clocks).map(|_| AtomicI64::new(UNKNOWN)).collect();
        Self { start: Instant::now(), offsets_us }
    }

    /// Stores the time of a reply that just arrived.
    pub(super) fn set(&self, shard: u16, now_us: i64) {
        self.offset_us(shard).store(now_us - self.elapsed_us(), Ordering::Relaxed);
    }

    /// Estimated time of a shard; `None` before its first reply.
    pub(super) fn now_us(&self, shard: u16) -> Option<i64> {
        let offset_us = self.offset_us(shard).load(Ordering::Relaxed);
        (offset_us != UNKNOWN).then(|| offset_us + self.elapsed_us())
    }

    fn offset_us(&self, shard: u16) -> &AtomicI64 {
        &self.offsets_us[usize::from(shard) % self.offsets_us.len()]
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
    async fn a_clock_continues_from_the_last_reply() {
        let clocks = ServerClocks::new(2);
        assert_eq!(clocks.now_us(1), None);
        clocks.set(1, 5_000_000);
        tokio::time::advance(Duration::from_micros(70)).await;
        assert_eq!((clocks.now_us(0), clocks.now_us(1)), (None, Some(5_000_070)));
        // A server that took over may be behind.
        clocks.set(1, 4_000_000);
        assert_eq!(clocks.now_us(1), Some(4_000_000));
        let clock_of_all = ServerClocks::new(1);
        clock_of_all.set(7, 5_000_000);
        assert_eq!(clock_of_all.now_us(9), Some(5_000_000), "one server has all shards");
    }
}
