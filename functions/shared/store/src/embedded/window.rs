//! The judged samples of a series, in time order, without room to spare.
//!
//! A map would take twice as much: there are 128 of them in each series, most of them there to stay for hours.

use domain::JudgedSample;

/// Places that are made at a time.
const PLACES: usize = 8;

/// JudgedSample samples in time order, one per time.
#[derive(Debug, Default)]
pub(super) struct Window {
    judged: Vec<JudgedSample>,
}

impl Window {
    pub(super) fn is_empty(&self) -> bool {
        self.judged.is_empty()
    }

    pub(super) fn judged(&self) -> &[JudgedSample] {
        &self.judged
    }

    fn place(&self, at_us: i64) -> Result<usize, usize> {
        match self.judged.last() {
            // The usual case, without a search.
            Some(last) if last.sample.at_us() < at_us => Err(self.judged.len()),
            _ => self.judged.binary_search_by_key(&at_us, |judged| judged.sample.at_us()),
        }
    }

    /// The sample of that time.
    pub(super) fn at(&self, at_us: i64) -> Option<&JudgedSample> {
        self.place(at_us).ok().map(|i| &self.judged[i])
    }

    /// Puts a sample in its place, or in that of one of the same time.
    pub(super) fn insert(&mut self, judged: JudgedSample) {
        match self.place(judged.sample.at_us()) {
            Ok(i) => self.judged[i] = judged,
            Err(i) => {
                if self.judged.len() == self.judged.capacity() {
                    self.judged.reserve_exact(PLACES);
                }
                self.judged.insert(i, judged);
            }
        }
    }

    /// Drops what is not newer than `floor_us`, and the room of a batch that was longer than most.
    pub(super) fn trim(&mut self, floor_us: i64) {
        let n_old = self.judged.partition_point(|judged| judged.sample.at_us() <= floor_us);
        self.judged.drain(..n_old);
        if self.judged.capacity() > self.judged.len() + 2 * PLACES {
            self.judged.shrink_to(self.judged.len() + PLACES);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{Sample, VerdictKind};

    use super::*;

    fn judged(at_us: i64, value: f64) -> JudgedSample {
        let sample = Sample::new(at_us, value).unwrap();
        JudgedSample { sample, kind: VerdictKind::Normal, score: 0.0, late: false }
    }

    #[test]
    fn samples_lie_in_time_order_once_and_take_little_more_than_themselves() {
        let mut window = Window::default();
        for at_us in (0..400).rev().step_by(2).chain(0..400) {
            window.insert(judged(at_us, 1.0));
        }
        window.insert(judged(300, 2.0));
        window.trim(271);
        let times: Vec<i64> = window.judged().iter().map(|it| it.sample.at_us()).collect();
        assert_eq!(times, (272..400).collect::<Vec<_>>());
        assert_eq!(window.at(300).map(|it| it.sample.value()), Some(2.0));
        assert_eq!((window.at(271), window.at(400)), (None, None));
        assert!(window.judged.capacity() <= 128 + 2 * PLACES);
    }
}
