//! Limit of series per tenant, and of all tenants.
//!
//! The append script knows whether a series is new; how many there are is spread over the shards. So series are counted
//! only for a new one: far below the limit by a count of the last second, near it by counting again for each, one at a
//! time. Far below it, a series that is possibly new is admitted at once, and counts as new until the next count. The
//! limit is approximate: concurrent processes may exceed it by what they create within a second, up to the limits of the
//! shards, which the script checks. A tenant at its limit costs one count per second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::Instant;

/// Validity of a count.
const COUNT_TTL: Duration = Duration::from_secs(1);

/// Bounds of the distance to the limit within which each new series is counted for.
const NEAR: std::ops::RangeInclusive<u64> = 100..=1_000;

/// Room for series, by tenant.
#[derive(Debug)]
pub(super) struct CardinalityLimit {
    count_ttl: Duration,
    // A `std::sync::Mutex`: it is never locked across an await.
    counts: Mutex<HashMap<String, Arc<AsyncMutex<LastCount>>>>,
}

/// Room for series of a tenant by the last count, less those admitted since.
#[derive(Debug, Default)]
struct LastCount {
    room: u64,
    /// Room below which each new series is counted for.
    near: u64,
    at: Option<Instant>,
}

/// Exclusive access to the count of a tenant: near the limit, no other series of the tenant is admitted meanwhile.
// A Tokio mutex: it stays locked while the store is asked.
pub(super) struct SeriesCount {
    last: OwnedMutexGuard<LastCount>,
    ttl: Duration,
}

impl Default for CardinalityLimit {
    fn default() -> Self {
        Self { count_ttl: COUNT_TTL, counts: Mutex::default() }
    }
}

impl CardinalityLimit {
    /// Counts for each new series.
    #[cfg(feature = "testbed")]
    pub(super) fn always_counted() -> Self {
        Self { count_ttl: Duration::ZERO, ..Self::default() }
    }

    /// Waits for the count of a tenant.
    pub(super) async fn count(&self, tenant: &str) -> SeriesCount {
        let last = {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(counts.entry(tenant.to_owned()).or_default())
        };
        SeriesCount { last: last.lock_owned().await, ttl: self.count_ttl }
    }

    /// The count of a tenant, if there is one and no other task uses it.
    pub(super) fn try_count(&self, tenant: &str) -> Option<SeriesCount> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let last = Arc::clone(counts.get(tenant)?).try_lock_owned().ok()?;
        Some(SeriesCount { last, ttl: self.count_ttl })
    }
}

impl SeriesCount {
    /// Returns true if there is room for a new series; `None` if the series must be counted first.
    pub(super) fn has_room(&self) -> Option<bool> {
        self.last.at.filter(|at| at.elapsed() < self.ttl)?;
        if self.last.room > self.last.near {
            Some(true)
        } else {
            (self.last.room == 0).then_some(false)
        }
    }

    /// Stores the room by a new count, of a tenant with at most `series_max`; returns whether there is any.
    pub(super) fn set(&mut self, room: u64, series_max: u64) -> bool {
        let near = (series_max / 10).clamp(*NEAR.start(), *NEAR.end());
        *self.last = LastCount { room, near, at: Some(Instant::now()) };
        room > 0
    }

    /// Counts a series that was admitted.
    pub(super) fn add(&mut self) {
        self.last.room = self.last.room.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_count_is_valid_for_a_second_and_not_near_the_limit() {
        let limit = CardinalityLimit::default();
        let mut count = limit.count("t").await;
        assert_eq!(count.has_room(), None);
        assert!(count.set(102, 1_000));
        assert_eq!(count.has_room(), Some(true));
        count.add();
        count.add();
        assert_eq!(count.has_room(), None);
        assert!(count.set(1, 1_000));
        assert_eq!(count.has_room(), None);
        assert!(!count.set(0, 1_000));
        assert_eq!(count.has_room(), Some(false));
        tokio::time::advance(COUNT_TTL).await;
        assert_eq!(count.has_room(), None);
        // Another tenant does not wait for it.
        assert_eq!(limit.count("u").await.has_room(), None);
    }
}
