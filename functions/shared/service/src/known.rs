//! Judges of the series that this process wrote lately: hints, held against the store's version before they count.
//!
//! Bounded in bytes and not in series, since memories differ in size; what was not used for longest goes first. Series
//! come in turns, each once a minute: where they are more than fit, each would drive out the one that comes next, and
//! none would be found. So where room must be made, few newcomers are let in, and most of those that are held stay, after
//! the bimodal insertion of Qureshi et al., "Adaptive insertion policies for high performance caching", ISCA 2007.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use detector::Judge;
use domain::SeriesKey;

/// Bytes of a held judge besides its memory and window: its key, its configuration, its place, and what fields take that
/// are not packed.
const OVERHEAD: usize = 1_536;

/// One of so many newcomers for which room must be made is let in.
const NEWCOMERS: u64 = 32;

/// The judge of a series as it was stored last.
#[derive(Debug)]
pub(crate) struct Held {
    /// Its memory is written, of which the next one is told as a difference, when it is wanted: a microsecond, and half as
    /// many bytes held.
    pub(crate) judge: Judge,
    /// The version that it was stored as.
    pub(crate) version: i64,
    /// The revision of the configuration that it judges under; 0 for none.
    pub(crate) revision: i64,
    /// When a receipt was last noted in the index, in microseconds.
    pub(crate) noted_us: i64,
    /// Whether it was held before, and so keeps its place.
    pub(crate) has_place: bool,
}

impl Held {
    fn n_bytes(&self) -> usize {
        // What is read of a memory takes as much as its bytes, since tables are packed as they are there.
        self.judge.memory_len() + self.judge.window().n_bytes() + OVERHEAD
    }
}

/// Judges of series, at most so many bytes of them.
#[derive(Debug)]
pub(crate) struct Known {
    bytes_max: usize,
    // A `std::sync::Mutex` and not a Tokio one: it is never held over a wait.
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    /// With its number in the order of use, and its bytes.
    held: HashMap<SeriesKey, (u64, usize, Held)>,
    in_order: BTreeMap<u64, SeriesKey>,
    n_bytes: usize,
    n_used: u64,
    n_newcomers: u64,
}

impl Known {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, places: Mutex::default() }
    }

    /// Whether nothing is ever held, and so nothing is to be judged ahead.
    pub(crate) fn is_off(&self) -> bool {
        self.bytes_max == 0
    }

    /// Takes the judge of a series: whoever judges puts back what was stored.
    pub(crate) fn take(&self, key: &SeriesKey) -> Option<Held> {
        self.places().take(key)
    }

    /// Keeps the judge of a series as it is stored now; that of one which was not known, if there is room or it is its turn.
    pub(crate) fn put(&self, key: &SeriesKey, held: Held) {
        let n_bytes = held.n_bytes();
        if n_bytes > self.bytes_max {
            return;
        }
        let mut places = self.places();
        places.take(key);
        if !held.has_place && places.n_bytes + n_bytes > self.bytes_max {
            places.n_newcomers += 1;
            if !places.n_newcomers.is_multiple_of(NEWCOMERS) {
                return;
            }
        }
        while places.n_bytes + n_bytes > self.bytes_max {
            let Some((_, oldest)) = places.in_order.pop_first() else { break };
            places.take(&oldest);
        }
        places.n_used += 1;
        let n_used = places.n_used;
        places.n_bytes += n_bytes;
        places.in_order.insert(n_used, key.clone());
        places.held.insert(key.clone(), (n_used, n_bytes, Held { has_place: true, ..held }));
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn take(&mut self, key: &SeriesKey) -> Option<Held> {
        let (n_used, n_bytes, held) = self.held.remove(key)?;
        self.in_order.remove(&n_used);
        self.n_bytes -= n_bytes;
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use detector::Detector;
    use domain::Series;
    use domain::Tenant;

    use super::*;

    fn key(i: usize) -> SeriesKey {
        let series = Series::new("s", format!("m{i}"), BTreeMap::new()).unwrap();
        SeriesKey::new(Tenant::default(), series)
    }

    fn held(version: i64) -> Held {
        let judge = Judge::new(Detector::default());
        Held { judge, version, revision: 0, noted_us: 0, has_place: false }
    }

    #[test]
    fn what_is_held_stays_within_its_bound_however_many_series_there_are() {
        let known = Known::new(1 << 20);
        for i in 0..2_000 {
            known.put(&key(i), held(i as i64));
            let places = known.places();
            let n_bytes: usize = places.held.values().map(|(_, _, held)| held.n_bytes()).sum();
            assert!(n_bytes == places.n_bytes && n_bytes <= 1 << 20, "{n_bytes}");
            assert_eq!(places.held.len(), places.in_order.len());
        }
        let held = known.places().held.keys().next().cloned().unwrap();
        assert!(known.take(&held).is_some());
        assert!(known.take(&held).is_none(), "a judge has one place at a time");
    }

    /// Writes a series as a round does; answers whether it was held.
    fn write(known: &Known, i: usize) -> bool {
        let found = known.take(&key(i));
        let was_held = found.is_some();
        known.put(&key(i), found.unwrap_or_else(|| held(1)));
        was_held
    }

    #[test]
    fn of_series_in_turns_as_many_are_found_as_fit() {
        let known = Known::new(1 << 20);
        for i in 0..1_000 {
            write(&known, i);
        }
        let n_fit = known.places().held.len();
        assert!(n_fit < 300, "{n_fit}");
        for _ in 0..5 {
            let n_found = (0..1_000).filter(|i| write(&known, *i)).count();
            assert!(n_found > n_fit * 3 / 4, "{n_found} of {n_fit}");
        }
    }

    #[test]
    fn series_that_come_no_more_make_room_in_the_end() {
        let known = Known::new(1 << 20);
        for i in 0..1_000 {
            write(&known, i);
        }
        let are_all_found = |_| (2_000..2_050).filter(|i| write(&known, *i)).count() == 50;
        assert!((0..300).any(are_all_found));
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
        assert!(known.is_off());
        known.put(&key(0), held(1));
        assert!(known.take(&key(0)).is_none());
    }
}
