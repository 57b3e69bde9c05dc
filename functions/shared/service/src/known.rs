//! Judges of the series that this process wrote lately: hints, held against the store's version before they count.
//!
//! Bounded in bytes and not in series, since memories differ in size. Two halves: what is put goes into the young one,
//! which becomes the old one when it is full, and the old one is dropped. So what was used within the last half of the
//! bound stays, without a list to keep in order.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use detector::{Judge, Judged};
use store::SeriesKey;

/// Bytes of a held judge besides its memory and window: its key, its configuration and its place.
const OVERHEAD: usize = 512;

/// The judge of a series as it was stored last.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) judge: Judge,
    /// The version that it was stored as.
    pub(crate) version: i64,
    /// The revision of the configuration that it judges under; 0 for none.
    pub(crate) revision: i64,
    /// When a receipt was last noted in the index, in microseconds.
    pub(crate) noted_us: i64,
}

impl Held {
    fn n_bytes(&self) -> usize {
        // A window drops its front in bulk, and so may hold twice as many.
        let window = 2 * self.judge.window().judged().len() * size_of::<Judged>();
        self.judge.memory_len() + window + OVERHEAD
    }
}

/// Judges of series, at most so many bytes of them.
#[derive(Debug)]
pub(crate) struct Known {
    bytes_max: usize,
    // A `std::sync::Mutex` and not a Tokio one: it is never held over a wait.
    halves: Mutex<Halves>,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<SeriesKey, Held>,
    n_bytes_young: usize,
    old: HashMap<SeriesKey, Held>,
}

impl Known {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, halves: Mutex::default() }
    }

    /// Takes the judge of a series: whoever judges puts back what was stored.
    pub(crate) fn take(&self, key: &SeriesKey) -> Option<Held> {
        let mut halves = self.halves();
        let Some(held) = halves.young.remove(key) else { return halves.old.remove(key) };
        halves.n_bytes_young -= held.n_bytes();
        Some(held)
    }

    /// Keeps the judge of a series as it is stored now.
    pub(crate) fn put(&self, key: &SeriesKey, held: Held) {
        let n_bytes = held.n_bytes();
        if n_bytes > self.bytes_max / 2 {
            return;
        }
        let mut halves = self.halves();
        let mut dropped = HashMap::new();
        if halves.n_bytes_young + n_bytes > self.bytes_max / 2 {
            let young = std::mem::take(&mut halves.young);
            dropped = std::mem::replace(&mut halves.old, young);
            halves.n_bytes_young = 0;
        }
        halves.n_bytes_young += n_bytes;
        halves.young.insert(key.clone(), held);
        drop(halves);
        // Hundreds of judges, for which nobody should wait with the lock held.
        drop(dropped);
    }

    fn halves(&self) -> MutexGuard<'_, Halves> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use detector::{Detector, Series};
    use store::Tenant;

    use super::*;

    fn key(i: usize) -> SeriesKey {
        let series = Series::new("s", format!("m{i}"), BTreeMap::new()).unwrap();
        SeriesKey::new(Tenant::default(), series)
    }

    fn held(version: i64) -> Held {
        Held { judge: Judge::new(Detector::default()), version, revision: 0, noted_us: 0 }
    }

    #[test]
    fn what_is_held_stays_within_its_bound_however_many_series_there_are() {
        let known = Known::new(1 << 20);
        for i in 0..2_000 {
            known.put(&key(i), held(i as i64));
            let halves = known.halves();
            let both = halves.young.values().chain(halves.old.values());
            assert!(both.map(Held::n_bytes).sum::<usize>() <= 1 << 20);
        }
        assert!(known.take(&key(0)).is_none());
        assert_eq!(known.take(&key(1_999)).unwrap().version, 1_999);
        assert!(known.take(&key(1_999)).is_none(), "a judge has one place at a time");
    }

    #[test]
    fn a_series_that_is_written_again_and_again_is_held() {
        let known = Known::new(1 << 20);
        known.put(&key(0), held(1));
        for i in 1..2_000 {
            known.put(&key(i), held(1));
            if i % 20 == 0 {
                let mut held = known.take(&key(0)).unwrap();
                held.version += 1;
                known.put(&key(0), held);
            }
        }
        assert_eq!(known.take(&key(0)).unwrap().version, 100);
    }

    #[test]
    fn without_room_nothing_is_held() {
        let known = Known::new(0);
        known.put(&key(0), held(1));
        assert!(known.take(&key(0)).is_none());
    }
}
