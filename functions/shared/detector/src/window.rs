//! Window: the last judged samples of a series, in time order.
//!
//! A window stores more samples than a detector reads, so that late samples can be inserted and a replayed request is
//! recognized. The floor is the newest time that was trimmed; older samples are rejected.

use domain::JudgedSample;

/// Least length of a window; Redis stores a sorted set of up to 128 short members in its compact encoding.
pub const STORED_LEN_MIN: usize = 128;

/// The last judged samples of a series: at most `len_max`, in time order, one per time.
#[derive(Debug, Clone)]
pub struct Window {
    // The window is `entries[start..]`. Trimmed entries are removed an eighth of the window at a time, so that an insertion
    // rarely moves the others.
    entries: Vec<JudgedSample>,
    start: usize,
    len_max: usize,
    floor_us: Option<i64>,
}

impl Window {
    /// Empty window of at most `len_max` samples.
    pub fn new(len_max: usize) -> Self {
        Self { entries: Vec::new(), start: 0, len_max, floor_us: None }
    }

    /// Window from stored `entries`, in any order, and the newest time ever trimmed.
    pub fn restore(len_max: usize, mut entries: Vec<JudgedSample>, floor_us: Option<i64>) -> Self {
        entries.sort_by_key(|judged| judged.sample.at_us());
        entries.dedup_by_key(|judged| judged.sample.at_us());
        let mut window = Self { entries, start: 0, len_max, floor_us };
        window.trim();
        window
    }

    /// Judged samples, in time order.
    pub fn judged(&self) -> &[JudgedSample] {
        self.entries.get(self.start..).unwrap_or_default()
    }

    /// The newest samples before `at_us`, at most `len`, in time order.
    pub fn before(&self, at_us: i64, len: usize) -> &[JudgedSample] {
        let judged = self.judged();
        let end = match judged.last() {
            // The common case needs no search: the sample is newer than all.
            Some(last) if last.sample.at_us() < at_us => judged.len(),
            _ => judged.partition_point(|entry| entry.sample.at_us() < at_us),
        };
        &judged[end.saturating_sub(len)..end]
    }

    /// The judged sample at exactly `at_us`.
    pub fn at(&self, at_us: i64) -> Option<&JudgedSample> {
        let judged = self.judged();
        judged.binary_search_by_key(&at_us, |entry| entry.sample.at_us()).ok().map(|i| &judged[i])
    }

    /// Newest time ever trimmed: a sample at or below is too old.
    pub fn floor_us(&self) -> Option<i64> {
        self.floor_us
    }

    /// Inserts a judged sample by its time, and trims the oldest beyond the length of the window.
    ///
    /// Returns false, without a change, at the time of another sample, or at or below the floor.
    pub fn insert(&mut self, judged: JudgedSample) -> bool {
        let at_us = judged.sample.at_us();
        if self.floor_us.is_some_and(|floor_us| at_us <= floor_us) {
            return false;
        }
        match self.judged().binary_search_by_key(&at_us, |entry| entry.sample.at_us()) {
            Ok(_) => return false,
            Err(i) => {
                if self.entries.len() == self.entries.capacity() {
                    let room = (self.len_max + self.slack()).saturating_sub(self.entries.len());
                    self.entries.reserve_exact(room.min(self.entries.len()).max(8));
                }
                self.entries.insert(self.start + i, judged);
            }
        }
        self.trim();
        true
    }

    /// Drops the samples up to `at_us`; the floor stays.
    pub(crate) fn drop_until(&mut self, at_us: i64) {
        let n_old = self.judged().partition_point(|entry| entry.sample.at_us() <= at_us);
        self.start += n_old;
        self.trim();
    }

    fn trim(&mut self) {
        let len = self.entries.len() - self.start;
        if len > self.len_max {
            self.start += len - self.len_max;
            self.floor_us = self.floor_us.max(Some(self.entries[self.start - 1].sample.at_us()));
        }
        if self.start >= self.slack() {
            self.entries.drain(..self.start);
            self.start = 0;
        }
    }

    /// Number of trimmed entries that are removed together.
    fn slack(&self) -> usize {
        (self.len_max / 8).max(1)
    }

    /// Size of the allocation, in bytes.
    pub fn n_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<JudgedSample>()
    }
}

/// Floor of a window whose memory was lost, given its samples in time order.
///
/// A window of at least [`STORED_LEN_MIN`] samples may have been trimmed, just below its oldest sample at the latest. The
/// length of the present detector does not matter: a detector with a shorter window may have trimmed it before.
pub fn floor_without_memory(judged: &[JudgedSample]) -> Option<i64> {
    let oldest = judged.first().filter(|_| judged.len() >= STORED_LEN_MIN)?;
    Some(oldest.sample.at_us() - 1).filter(|floor_us| *floor_us >= 0)
}

/// Values of judged samples, in time order.
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
        JudgedSample::new(sample, VerdictKind::Normal, 0.0, false)
    }

    fn times(window: &Window) -> Vec<i64> {
        window.judged().iter().map(|entry| entry.sample.at_us()).collect()
    }

    #[test]
    fn equal_times_are_inserted_once() {
        let mut window = Window::new(3);
        assert!(window.insert(judged(1)));
        assert!(!window.insert(judged(1)));
        assert_eq!(times(&window), [1]);
    }

    #[test]
    fn trimmed_times_are_rejected() {
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
    fn before_returns_only_older_samples() {
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
        fn the_window_does_not_depend_on_the_order_of_arrival(
            times_us in prop::collection::btree_set(0i64..500, 1..100),
            len_max in 1usize..40,
            seed in any::<u64>(),
        ) {
            let mut shuffled: Vec<i64> = times_us.iter().copied().collect();
            shuffled.sort_by_key(|at_us| (*at_us as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let mut window = Window::new(len_max);
            for at_us in &shuffled {
                window.insert(judged(*at_us));
            }
            let newest: Vec<i64> = times_us.iter().rev().take(len_max).rev().copied().collect();
            prop_assert_eq!(times(&window), newest);
        }
    }
}
