//! The judged samples of a series, in time order, in a vector with little spare capacity.
//!
//! A map would take twice the memory: each series has at least 128 of them, most of which stay for hours.

use domain::JudgedSample;

/// Entries by which the capacity grows.
const GROWTH: usize = 8;

/// Judged samples in time order, one per time.
#[derive(Debug, Default)]
pub(crate) struct StoredWindow {
    judged: Vec<JudgedSample>,
}

impl StoredWindow {
    pub(crate) fn is_empty(&self) -> bool {
        self.judged.is_empty()
    }

    pub(crate) fn judged(&self) -> &[JudgedSample] {
        &self.judged
    }

    fn position(&self, at_us: i64) -> Result<usize, usize> {
        match self.judged.last() {
            // The usual case, without a search.
            Some(last) if last.sample.at_us() < at_us => Err(self.judged.len()),
            _ => self.judged.binary_search_by_key(&at_us, |judged| judged.sample.at_us()),
        }
    }

    /// The sample of that time.
    pub(crate) fn at(&self, at_us: i64) -> Option<&JudgedSample> {
        self.position(at_us).ok().map(|i| &self.judged[i])
    }

    /// The newest sample before a time.
    pub(crate) fn before(&self, at_us: i64) -> Option<&JudgedSample> {
        let (Ok(end) | Err(end)) = self.position(at_us);
        self.judged.get(end.checked_sub(1)?)
    }

    /// Inserts a sample, replacing one of the same time.
    pub(crate) fn insert(&mut self, judged: JudgedSample) {
        match self.position(judged.sample.at_us()) {
            Ok(i) => self.judged[i] = judged,
            Err(i) => {
                if self.judged.len() == self.judged.capacity() {
                    self.judged.reserve_exact(GROWTH);
                }
                self.judged.insert(i, judged);
            }
        }
    }

    /// Drops samples at or before `floor_us`, and the spare capacity after a long batch.
    pub(crate) fn trim(&mut self, floor_us: i64) {
        let n_old = self.judged.partition_point(|judged| judged.sample.at_us() <= floor_us);
        self.judged.drain(..n_old);
        if self.judged.capacity() > self.judged.len() + 2 * GROWTH {
            self.judged.shrink_to(self.judged.len() + GROWTH);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{Sample, VerdictKind};

    use super::*;

    fn judged(at_us: i64, value: f64) -> JudgedSample {
        let sample = Sample::new(at_us, value).unwrap();
        JudgedSample::new(sample, VerdictKind::Normal, 0.0, false)
    }

    #[test]
    fn samples_are_in_time_order_once_with_little_spare_capacity() {
        let mut window = StoredWindow::default();
        for at_us in (0..400).rev().step_by(2).chain(0..400) {
            window.insert(judged(at_us, 1.0));
        }
        window.insert(judged(300, 2.0));
        window.trim(271);
        let times: Vec<i64> = window.judged().iter().map(|judged| judged.sample.at_us()).collect();
        assert_eq!(times, (272..400).collect::<Vec<_>>());
        assert_eq!(window.at(300).map(|judged| judged.sample.value()), Some(2.0));
        assert_eq!((window.at(271), window.at(400)), (None, None));
        let before = |at_us| window.before(at_us).map(|judged| judged.sample.at_us());
        assert_eq!((before(272), before(273), before(900)), (None, Some(272), Some(399)));
        assert!(window.judged.capacity() <= 128 + 2 * GROWTH);
    }
}
