//! Caches the judges of recently written series. A cached judge is a hint: the store checks its version.
//!
//! The limit is in bytes, because memories differ in size. Series arrive in turns, for example once a minute, and an LRU
//! cache finds none of them if they exceed it; the policy of `quick_cache` is scan-resistant, so as many hit as fit.

use std::sync::{Arc, Mutex, PoisonError};

use detector::Judge;
use domain::SeriesKey;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// Bytes of a cached judge besides its memory and window: key, configuration, cache entry and unpacked fields.
const OVERHEAD: usize = 1_536;

/// Typical bytes of a cached judge, to estimate the number of entries.
const TYPICAL_BYTES: usize = 11_000;

/// Judge of a series in its last stored state.
#[derive(Debug)]
pub(super) struct CachedJudge {
    /// Its memory is re-encoded on demand, to diff the next version against: 1 us, and half the size of the cache.
    pub(super) judge: Judge,
    /// Stored version; 0 for a series that is not stored.
    pub(super) version: i64,
    /// Revision of the configuration that it judges under; 0 for none.
    pub(super) revision: i64,
    /// Last time of receipt written to the index, in microseconds.
    pub(super) receipt_us: i64,
}

impl CachedJudge {
    pub(super) fn new(judge: Judge, version: i64, revision: i64) -> Self {
        Self { judge, version, revision, receipt_us: 0 }
    }

    /// Returns the approximate size, in steps of 1 KiB so that it rarely changes.
    fn n_bytes(&self) -> u64 {
        // A decoded memory takes about as many bytes as an encoded one: its tables stay packed.
        let n_bytes = self.judge.memory_len() + self.judge.window_n_bytes() + OVERHEAD;
        n_bytes.next_multiple_of(1 << 10) as u64
    }
}

/// Entry of a series; its judge is absent while a round uses it.
#[derive(Debug, Clone)]
struct CacheEntry {
    n_bytes: u64,
    judge: Arc<Mutex<Option<CachedJudge>>>,
}

#[derive(Debug, Clone)]
struct EntryBytes;

impl Weighter<SeriesKey, CacheEntry> for EntryBytes {
    fn weight(&self, _: &SeriesKey, entry: &CacheEntry) -> u64 {
        entry.n_bytes
    }
}

/// Cache of judges, bounded in bytes.
#[derive(Debug)]
pub(super) struct JudgeCache {
    is_off: bool,
    entries: Cache<SeriesKey, CacheEntry, EntryBytes>,
}

impl JudgeCache {
    pub(super) fn new(bytes_max: usize) -> Self {
        let n_entries = bytes_max / TYPICAL_BYTES;
        // With fewer ghost keys, a new set of series that would fit may never get in.
        let options = OptionsBuilder::new()
            .estimated_items_capacity(n_entries)
            .weight_capacity(bytes_max as u64)
            .ghost_allocation(1.0)
            .build()
            .expect("both capacities are set");
        let entries = Cache::with_options(
            options,
            EntryBytes,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        );
        Self { is_off: bytes_max == 0, entries }
    }

    /// Returns whether the cache is disabled, and with it optimistic judging.
    pub(super) fn is_off(&self) -> bool {
        self.is_off
    }

    /// Takes the judge of a series out of its entry; [`JudgeCache::put`] returns it once its new state is stored.
    pub(super) fn take(&self, key: &SeriesKey) -> Option<CachedJudge> {
        let entry = self.entries.get(key)?;
        entry.judge.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Caches a judge in its stored state.
    pub(super) fn put(&self, key: &SeriesKey, cached: CachedJudge) {
        if self.is_off() {
            return;
        }
        let n_bytes = cached.n_bytes();
        // Inserting again would discard the history of use that eviction relies on.
        if let Some(entry) = self.entries.peek(key).filter(|entry| entry.n_bytes == n_bytes) {
            *entry.judge.lock().unwrap_or_else(PoisonError::into_inner) = Some(cached);
            return;
        }
        let judge = Arc::new(Mutex::new(Some(cached)));
        self.entries.insert(key.clone(), CacheEntry { n_bytes, judge });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use detector::Detector;
    use domain::{Series, Tenant};

    use super::*;

    fn key(i: usize) -> SeriesKey {
        let series = Series::new("s", format!("m{i}"), BTreeMap::new()).unwrap();
        SeriesKey::new(Tenant::default(), series)
    }

    fn cached(version: i64) -> CachedJudge {
        CachedJudge::new(Judge::new(Detector::default()), version, 0)
    }

    #[test]
    fn the_cache_stays_within_its_limit_of_bytes() {
        let cache = JudgeCache::new(1 << 20);
        for i in 0..2_000 {
            cache.put(&key(i), cached(i as i64));
            let n_bytes: u64 = cache.entries.iter().map(|(_, entry)| entry.n_bytes).sum();
            assert!(n_bytes <= 1 << 20, "{n_bytes}");
        }
        let key = cache.entries.iter().next().unwrap().0;
        assert!(cache.take(&key).is_some());
        assert!(cache.take(&key).is_none(), "a judge is taken once");
    }

    /// Writes a series as a round does; returns whether it was cached.
    fn write(cache: &JudgeCache, i: usize) -> bool {
        let found = cache.take(&key(i));
        let is_hit = found.is_some();
        cache.put(&key(i), found.unwrap_or_else(|| cached(1)));
        is_hit
    }

    #[test]
    fn of_series_in_turns_as_many_hit_as_fit() {
        let cache = JudgeCache::new(1 << 20);
        for i in 0..1_000 {
            write(&cache, i);
        }
        let n_fit = cache.entries.len();
        assert!(n_fit < 300, "{n_fit}");
        for _ in 0..5 {
            let n_found = (0..1_000).filter(|i| write(&cache, *i)).count();
            assert!(n_found > n_fit * 3 / 4, "{n_found} of {n_fit}");
        }
    }

    #[test]
    fn inactive_series_make_room_eventually() {
        let cache = JudgeCache::new(1 << 20);
        for i in 0..1_000 {
            write(&cache, i);
        }
        let n_found = |_| (2_000..2_050).filter(|i| write(&cache, *i)).count();
        let most = (0..100).map(n_found).max().unwrap();
        assert!(most >= 40, "{most} of 50");
    }

    #[test]
    fn a_frequently_written_series_stays_cached() {
        let cache = JudgeCache::new(1 << 20);
        cache.put(&key(0), cached(1));
        for i in 1..2_000 {
            cache.put(&key(i), cached(1));
            if i % 20 == 0 {
                let mut judge = cache.take(&key(0)).unwrap();
                judge.version += 1;
                cache.put(&key(0), judge);
            }
        }
        assert_eq!(cache.take(&key(0)).unwrap().version, 100);
    }

    #[test]
    fn a_cache_of_zero_bytes_is_off() {
        let cache = JudgeCache::new(0);
        assert!(cache.is_off());
        cache.put(&key(0), cached(1));
        assert!(cache.take(&key(0)).is_none());
    }
}
