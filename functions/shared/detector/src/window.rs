//! The last judged samples of a series, in time order.
//!
//! A window keeps more samples than a detector reads, so that late samples find their place and a
//! replayed request is recognized. What it dropped for good is marked by its floor.

use domain::JudgedSample;

/// Samples a window keeps at least; a sorted set of up to 128 short members has Redis' compact encoding.
pub const WINDOW_KEPT_MIN: usize = 128;

/// The last judged samples of a series, at most `kept` of them, in time order, one per time.
#[derive(Debug, Clone)]
pub struct Window {
    // The window is `entries[start..]`: the front is dropped an eighth at a time, so that a push is a push, and a series
    // that a process keeps takes little more than its window.
    entries: Vec<JudgedSample>,
    start: usize,
    kept: usize,
    floor_us: Option<i64>,
}

impl Window {
    /// An empty window that keeps `kept` samples.
    pub fn new(kept: usize) -> Self {
        Self { entries: Vec::new(), start: 0, kept, floor_us: None }
    }

    /// A window with what a store kept of it: `entries` in any order, and the newest time ever trimmed.
    pub fn restore(kept: usize, mut entries: Vec<JudgedSample>, floor_us: Option<i64>) -> Self {
        entries.sort_by_key(|judged| judged.sample.at_us());
        entries.dedup_by_key(|judged| judged.sample.at_us());
        let mut window = Self { entries, start: 0, kept, floor_us };
        window.trim();
        window
    }

    /// The judged samples, in time order.
    pub fn judged(&self) -> &[JudgedSample] {
        self.entries.get(self.start..).unwrap_or_default()
    }

    /// The samples before `at_us`, the newest `len` of them at most, in time order.
    pub fn before(&self, at_us: i64, len: usize) -> &[JudgedSample] {
        let judged = self.judged();
        let end = match judged.last() {
            // The usual case, without a search: the sample is newer than all.
            Some(last) if last.sample.at_us() < at_us => judged.len(),
            _ => judged.partition_point(|entry| entry.sample.at_us() < at_us),
        };
        &judged[end.saturating_sub(len)..end]
    }

    /// The judged sample at exactly that time.
    pub fn at(&self, at_us: i64) -> Option<&JudgedSample> {
        let judged = self.judged();
        judged.binary_search_by_key(&at_us, |entry| entry.sample.at_us()).ok().map(|i| &judged[i])
    }

    /// The newest time ever trimmed: what is at or below it is too old to be kept.
    pub fn floor_us(&self) -> Option<i64> {
        self.floor_us
    }

    /// Puts a judged sample in its place and trims the oldest past the length kept.
    ///
    /// Answers whether it was put: at the time of another sample, or at or below the floor, it is not.
    pub fn insert(&mut self, judged: JudgedSample) -> bool {
        let at_us = judged.sample.at_us();
        if self.floor_us.is_some_and(|floor_us| at_us <= floor_us) {
            return false;
        }
        match self.judged().binary_search_by_key(&at_us, |entry| entry.sample.at_us()) {
            Ok(_) => return false,
            Err(i) => {
                if self.entries.len() == self.entries.capacity() {
                    let room = (self.kept + self.slack()).saturating_sub(self.entries.len());
                    self.entries.reserve_exact(room.min(self.entries.len()).max(8));
                }
                self.entries.insert(self.start + i, judged);
            }
        }
        self.trim();
        true
    }

    fn trim(&mut self) {
        let len = self.entries.len() - self.start;
        if len > self.kept {
            self.start += len - self.kept;
            self.floor_us = self.floor_us.max(Some(self.entries[self.start - 1].sample.at_us()));
        }
        if self.start >= self.slack() {
            self.entries.drain(..self.start);
            self.start = 0;
        }
    }

    /// Samples that are kept beyond the window, until they are dropped together.
    fn slack(&self) -> usize {
        (self.kept / 8).max(1)
    }

    /// Bytes that its samples take.
    pub fn n_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<JudgedSample>()
    }
}

/// The values of judged samples, in time order.
pub fn values(judged: &[JudgedSample]) -> impl Iterator<Item = f64> + Clone + '_ {
    judged.iter().map(|entry| entry.sample.value())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use domain::{Sample, VerdictKind};

    fn judged(at_us: i64) -> JudgedSample {
        let sample = Sample::new(at_us, at_us as f64).unwrap();
        JudgedSample { sample, kind: VerdictKind::Normal, score: 0.0, late: false }
    }

    fn times(window: &Window) -> Vec<i64> {
        window.judged().iter().map(|entry| entry.sample.at_us()).collect()
    }

    #[test]
    fn equal_times_are_put_once() {
        let mut window = Window::new(3);
        assert!(window.insert(judged(1)));
        assert!(!window.insert(judged(1)));
        assert_eq!(times(&window), [1]);
    }

    #[test]
    fn what_was_trimmed_never_comes_back() {
        let mut window = Window::new(2);
        for at_us in [5, 6, 7] {
            window.insert(judged(at_us));
        }
        assert_eq!(window.floor_us(), Some(5));
        assert!(!window.insert(judged(5)));
        assert!(!window.insert(judged(4)));
        assert_eq!(times(&window), [6, 7]);
    }

    #[test]
    fn before_an_old_time_only_older_samples_are_read() {
        let mut window = Window::new(10);
        for at_us in 1..=6 {
            window.insert(judged(at_us));
        }
        let before: Vec<i64> =
            window.before(4, 2).iter().map(|entry| entry.sample.at_us()).collect();
        assert_eq!(before, [2, 3]);
        assert!(window.before(1, 2).is_empty());
    }

    proptest! {
        #[test]
        fn the_samples_kept_do_not_depend_on_the_order_of_arrival(
            times_us in prop::collection::btree_set(0i64..500, 1..100),
            kept in 1usize..40,
            seed in any::<u64>(),
        ) {
            let mut shuffled: Vec<i64> = times_us.iter().copied().collect();
            shuffled.sort_by_key(|at_us| (*at_us as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let mut window = Window::new(kept);
            for at_us in &shuffled {
                window.insert(judged(*at_us));
            }
            let newest: Vec<i64> = times_us.iter().rev().take(kept).rev().copied().collect();
            prop_assert_eq!(times(&window), newest);
        }
    }
}
