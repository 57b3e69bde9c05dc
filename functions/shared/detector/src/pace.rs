//! How often the samples of a series come.
//!
//! `interval += rate * (min(pause, 3 * interval) - interval)`, with the rate falling from 1 to 1/50: a hole counts as
//! three intervals at most, so that an outage does not pass for a slower series. Cost: nothing to speak of. Memory:
//! 24 bytes. Fails: a series that changes its interval tenfold is known by it only after a hundred samples.

use crate::layout::{Reader, Writer};
use domain::Sample;

/// Weight of the newest pause, once fifty have been averaged evenly.
const RATE: f64 = 0.02;

/// Largest pause that counts, in intervals.
const PAUSE_MAX: f64 = 3.0;

/// Pauses that are averaged without that bound: the first may be anything.
const UNBOUNDED: u64 = 20;

/// The usual time between two samples.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Pace {
    n_samples: u64,
    last_us: u64,
    interval_us: f64,
}

impl Pace {
    /// Length of its layout, in bytes.
    pub(crate) const LEN: usize = 24;

    /// Samples seen.
    pub(crate) fn n_samples(&self) -> u64 {
        self.n_samples
    }

    /// The usual interval in microseconds, 0 before the second sample.
    pub(crate) fn interval_us(&self) -> f64 {
        self.interval_us
    }

    /// Time from the newest sample to `sample` in microseconds, 0 for the first.
    pub(crate) fn pause_us(&self, sample: Sample) -> f64 {
        if self.n_samples == 0 { 0.0 } else { (sample.at_us() as f64) - (self.last_us as f64) }
    }

    /// Remembers the time of `sample`, the newest.
    pub(crate) fn learn(&mut self, sample: Sample) {
        if self.n_samples > 0 {
            let pause_us = self.pause_us(sample);
            let pause_us = if self.n_samples <= UNBOUNDED {
                pause_us
            } else {
                pause_us.min(PAUSE_MAX * self.interval_us)
            };
            let rate = RATE.max(1.0 / self.n_samples as f64);
            self.interval_us += rate * (pause_us - self.interval_us);
        }
        self.n_samples += 1;
        self.last_us = sample.at_us() as u64;
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u64(self.n_samples);
        out.u64(self.last_us);
        out.f64(self.interval_us);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            n_samples: from.count()?,
            last_us: from.count()?,
            interval_us: from.not_negative()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(times_s: impl IntoIterator<Item = i64>) -> Pace {
        let mut pace = Pace::default();
        for at_s in times_s {
            pace.learn(Sample::new(at_s * 1_000_000, 1.0).unwrap());
        }
        pace
    }

    #[test]
    fn intervals_from_a_second_to_an_hour_are_known_after_two_samples() {
        for interval_s in [1, 10, 60, 300, 3_600] {
            for n in [2, 10, 100] {
                let pace = learned((0..n).map(|i| 1_700_000_000 + i * interval_s));
                assert!((pace.interval_us() - interval_s as f64 * 1e6).abs() < 1.0);
            }
        }
    }

    #[test]
    fn a_hole_of_a_week_is_not_a_slower_series() {
        let times = (0..1_000).map(|i| if i < 500 { i * 60 } else { i * 60 + 7 * 86_400 });
        assert!(learned(times).interval_us() < 1.1 * 60e6);
    }

    #[test]
    fn a_slower_series_is_known_after_a_hundred_samples() {
        let pace = learned((0..500).chain((1..100).map(|i| 500 + i * 10)));
        assert!(pace.interval_us() > 8e6, "{}", pace.interval_us());
    }
}
