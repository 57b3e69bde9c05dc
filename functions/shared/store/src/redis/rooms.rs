//! Whether a tenant may have one more series.
//!
//! The script knows whether a series is new; how many the tenant has is spread over the shards. So a new series, and
//! only that, is counted for: far below the bound by what was counted within the last second, near it by counting
//! anew for each, one at a time. Far below it a series that is not known to exist need not be refused first: it counts
//! as new until all are counted again. Processes that make series in the same second may pass the bound by what they make
//! in it, and a tenant at its bound costs one count a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::Instant;

/// How long a count is believed.
const BELIEVED: Duration = Duration::from_secs(1);

/// Least and most series below the bound at which each new one is counted for anew.
const NEAR: std::ops::RangeInclusive<u64> = 100..=1_000;

/// What is known of each tenant.
#[derive(Debug)]
pub(super) struct Rooms {
    series_max: u64,
    // A `std::sync::Mutex` and not a Tokio one: it is never held over a wait.
    of_tenants: Mutex<HashMap<String, Arc<AsyncMutex<Known>>>>,
}

/// How many series a tenant has, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    n_series: u64,
    counted: Option<Instant>,
}

/// The turn of a new series of a tenant: while it is held no other of that tenant is made near the bound.
// A Tokio mutex, since it is held while the store is asked: that is what it is for.
pub(super) struct Turn {
    known: OwnedMutexGuard<Known>,
    series_max: u64,
}

impl Rooms {
    pub(super) fn new(series_max: u64) -> Self {
        Self { series_max, of_tenants: Mutex::default() }
    }

    /// Waits for the turn of a tenant.
    pub(super) async fn turn(&self, tenant: &str) -> Turn {
        let known = {
            let mut of_tenants = self.of_tenants.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(of_tenants.entry(tenant.to_owned()).or_default())
        };
        Turn { known: known.lock_owned().await, series_max: self.series_max }
    }

    /// The turn of a tenant of which something is known, unless it is another's.
    pub(super) fn turn_at_once(&self, tenant: &str) -> Option<Turn> {
        let of_tenants = self.of_tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let known = Arc::clone(of_tenants.get(tenant)?).try_lock_owned().ok()?;
        Some(Turn { known, series_max: self.series_max })
    }
}

impl Turn {
    /// Whether a new series is known to have room, or to have none; none where that must be counted.
    pub(super) fn has_room(&self) -> Option<bool> {
        self.known.counted.filter(|at| at.elapsed() < BELIEVED)?;
        let near = (self.series_max / 10).clamp(*NEAR.start(), *NEAR.end());
        let n_series = self.known.n_series;
        if n_series + near < self.series_max {
            Some(true)
        } else {
            (n_series >= self.series_max).then_some(false)
        }
    }

    /// Notes how many series there are; answers whether there is room for one more.
    pub(super) fn counted(&mut self, n_series: u64) -> bool {
        *self.known = Known { n_series, counted: Some(Instant::now()) };
        n_series < self.series_max
    }

    /// Notes that one more is being made, or may be.
    pub(super) fn add(&mut self) {
        self.known.n_series += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_count_is_believed_for_a_second_and_not_near_the_bound() {
        let rooms = Rooms::new(1_000);
        let mut turn = rooms.turn("t").await;
        assert_eq!(turn.has_room(), None);
        assert!(turn.counted(898));
        assert_eq!(turn.has_room(), Some(true));
        turn.add();
        turn.add();
        assert_eq!(turn.has_room(), None);
        assert!(turn.counted(999));
        assert_eq!(turn.has_room(), None);
        assert!(!turn.counted(1_000));
        assert_eq!(turn.has_room(), Some(false));
        tokio::time::advance(BELIEVED).await;
        assert_eq!(turn.has_room(), None);
        // Another tenant waits for nobody.
        assert_eq!(rooms.turn("u").await.has_room(), None);
    }
}
