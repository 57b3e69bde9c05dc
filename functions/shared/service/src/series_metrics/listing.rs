//! Keeps a listed series listed for a while.
//!
//! A series in one scrape and not in the next breaks its curve, and each new one costs Prometheus memory for hours.
//! The list is of one process: another exporter, or a restarted one, starts with the worst.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{SeriesKey, Tenant};
use tokio::time::Instant;

/// A series stays listed for at least this time.
const STAY: Duration = Duration::from_mins(10);

/// Most tenants whose lists are kept; a scrape of a further tenant discards the others.
const TENANTS_MAX: usize = 64;

/// The series listed for each tenant, and since when.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    tenants: Mutex<HashMap<Tenant, HashMap<SeriesKey, Instant>>>,
}

impl Listing {
    /// Returns at most `limit` of `candidates`, which are in order of importance, and of the series listed before.
    ///
    /// Those listed for less than [`STAY`] come first, then candidates.
    pub(crate) fn choose(
        &self,
        tenant: &Tenant,
        candidates: &[SeriesKey],
        limit: usize,
    ) -> Vec<SeriesKey> {
        let now = Instant::now();
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= TENANTS_MAX && !tenants.contains_key(tenant) {
            tenants.clear();
        }
        let listed = tenants.entry(tenant.clone()).or_default();
        let ranks: HashMap<&SeriesKey, usize> = candidates.iter().zip(0..).collect();
        let stays = |key: &SeriesKey| listed.get(key).is_some_and(|since| now - *since < STAY);
        let mut keys: Vec<SeriesKey> = listed.keys().filter(|key| stays(key)).cloned().collect();
        keys.sort_by_key(|key| ranks.get(key).copied().unwrap_or(usize::MAX));
        keys.extend(candidates.iter().filter(|key| !stays(key)).cloned());
        keys.truncate(limit);
        *listed =
            keys.iter().map(|key| (key.clone(), listed.get(key).copied().unwrap_or(now))).collect();
        keys
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::Series;

    use super::*;

    fn keys(metrics: &[&str]) -> Vec<SeriesKey> {
        let key = |metric: &&str| {
            let series = Series::new("s", *metric, BTreeMap::new()).unwrap();
            SeriesKey::new(Tenant::default(), series)
        };
        metrics.iter().map(key).collect()
    }

    fn choose(listing: &Listing, candidates: &[&str]) -> Vec<String> {
        let keys = listing.choose(&Tenant::default(), &keys(candidates), 2);
        let mut metrics: Vec<_> = keys.iter().map(|key| key.series().metric().to_owned()).collect();
        metrics.sort();
        metrics
    }

    #[tokio::test(start_paused = true)]
    async fn a_listed_series_stays_for_ten_minutes() {
        let listing = Listing::default();
        assert_eq!(choose(&listing, &["a", "b", "c"]), ["a", "b"]);
        tokio::time::advance(STAY / 2).await;
        assert_eq!(choose(&listing, &["c", "d"]), ["a", "b"]);
        tokio::time::advance(STAY / 2).await;
        assert_eq!(choose(&listing, &["c", "b"]), ["b", "c"]);
        // `b` has stayed listed; only `c` is new.
        tokio::time::advance(STAY / 2).await;
        assert_eq!(choose(&listing, &["d", "e"]), ["c", "d"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_free_goes_to_the_next_candidate() {
        let listing = Listing::default();
        assert_eq!(choose(&listing, &["a"]), ["a"]);
        assert_eq!(choose(&listing, &["b", "c"]), ["a", "b"]);
    }

    #[test]
    fn tenants_have_lists_of_their_own_and_these_are_bounded() {
        let listing = Listing::default();
        for i in 0..3 * TENANTS_MAX {
            let tenant = Tenant::new(format!("t{i}"));
            assert_eq!(listing.choose(&tenant, &keys(&["a", "b"]), 1), keys(&["a"]));
        }
        assert!(listing.tenants.lock().unwrap().len() <= TENANTS_MAX);
    }
}
