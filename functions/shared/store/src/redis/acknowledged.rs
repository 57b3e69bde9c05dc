//! Detects that a Redis lost what it acknowledged: its count of accepted samples never decreases otherwise.
//!
//! Each script that accepts samples returns the count of its shard. A Redis that restarts without the tail of its log, or
//! a replica that takes over behind its master, returns less than it did.

use std::sync::{Mutex, PoisonError};

use crate::DataLoss;

/// Time and count of a reply.
#[derive(Debug, Clone, Copy, Default)]
struct CountReply {
    at_us: i64,
    n_accepted: u64,
}

/// The highest counts of accepted samples by shard, and the losses seen since they were last taken.
#[derive(Debug)]
pub(super) struct AcknowledgedCounts {
    // A `std::sync::Mutex`: it is never locked across an await.
    state: Mutex<CountState>,
}

#[derive(Debug)]
struct CountState {
    by_shard: Vec<CountReply>,
    loss: DataLoss,
}

impl AcknowledgedCounts {
    pub(super) fn new(n_shards: u16) -> Self {
        let by_shard = vec![CountReply::default(); usize::from(n_shards)];
        Self { state: Mutex::new(CountState { by_shard, loss: DataLoss::default() }) }
    }

    /// Compares the count of a reply with the highest one.
    ///
    /// Replies of concurrent calls are seen in any order, so a lower count is a loss only at a later time of the server.
    pub(super) fn observe(&self, shard: u16, at_us: i64, n_accepted: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let CountState { by_shard, loss } = &mut *state;
        let Some(last) = by_shard.get_mut(usize::from(shard)) else { return };
        if n_accepted < last.n_accepted {
            if at_us <= last.at_us {
                return;
            }
            loss.n_shards += 1;
            loss.n_samples_min += last.n_accepted - n_accepted;
        }
        *last = CountReply { at_us, n_accepted };
    }

    /// Takes the losses seen since the last call.
    pub(super) fn take_loss(&self) -> DataLoss {
        std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_count_at_a_later_time_is_a_loss() {
        let counts = AcknowledgedCounts::new(2);
        for (at_us, n_accepted) in [(10, 100), (12, 120), (11, 110), (12, 119)] {
            counts.observe(1, at_us, n_accepted);
        }
        assert_eq!(counts.take_loss(), DataLoss::default(), "replies out of order");
        counts.observe(1, 13, 90);
        counts.observe(0, 1, 5);
        counts.observe(9, 1, 5);
        assert_eq!(counts.take_loss(), DataLoss { n_shards: 1, n_samples_min: 30 });
        counts.observe(1, 14, 91);
        assert_eq!(counts.take_loss(), DataLoss::default(), "reported once");
    }
}
