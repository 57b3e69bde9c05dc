//! Sampling interval: usual time between two samples of a series.
//!
//! - **Formula.** `interval += rate * (min(pause, 3 * interval) - interval)`, with `rate` falling from 1 to 1/50. A pause
//!   counts as at most three intervals, so an outage does not look like a slower series.
//! - **Cost.** A few operations; 24 bytes.
//! - **Limits.** After a tenfold change of the interval, a hundred samples pass until the estimate has followed.

use crate::bytes::{ByteReader, ByteWriter};
use domain::Sample;

/// Weight of the newest pause, after an even average of the first fifty.
const RATE: f64 = 0.02;
/// Largest pause that is learned, in intervals.
const PAUSE_MAX: f64 = 3.0;
/// Number of first pauses without that bound: the estimate is not reliable yet.
const UNBOUNDED: u64 = 20;

/// Running estimate of the time between two samples.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct SamplingInterval {
    n_samples: u64,
    last_us: u64,
    interval_us: f64,
}

impl SamplingInterval {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 24;

    /// Number of samples learned.
    pub(crate) fn n_samples(&self) -> u64 {
        self.n_samples
    }

    /// Time of the newest learned sample, in microseconds.
    pub(crate) fn last_us(&self) -> i64 {
        self.last_us as i64
    }

    /// Estimated interval, in microseconds; 0 before the second sample.
    pub(crate) fn interval_us(&self) -> f64 {
        self.interval_us
    }

    /// Time from the newest learned sample to `sample`, in microseconds; 0 for the first.
    pub(crate) fn pause_us(&self, sample: Sample) -> f64 {
        if self.n_samples == 0 { 0.0 } else { (sample.at_us() as f64) - (self.last_us as f64) }
    }

    /// Learns the time of `sample`, the newest of its series.
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

    pub(crate) fn write(&self, out: &mut ByteWriter) {
        out.u64(self.n_samples);
        out.u64(self.last_us);
        out.f64(self.interval_us);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
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

    fn learned(times_s: impl IntoIterator<Item = i64>) -> SamplingInterval {
        let mut interval = SamplingInterval::default();
        for at_s in times_s {
            interval.learn(Sample::new(at_s * 1_000_000, 1.0).unwrap());
        }
        interval
    }

    #[test]
    fn intervals_from_a_second_to_an_hour_are_exact_after_two_samples() {
        for interval_s in [1, 10, 60, 300, 3_600] {
            for n in [2, 10, 100] {
                let interval = learned((0..n).map(|i| 1_700_000_000 + i * interval_s));
                assert!((interval.interval_us() - interval_s as f64 * 1e6).abs() < 1.0);
            }
        }
    }

    #[test]
    fn a_gap_of_a_week_does_not_change_the_interval() {
        let times = (0..1_000).map(|i| if i < 500 { i * 60 } else { i * 60 + 7 * 86_400 });
        assert!(learned(times).interval_us() < 1.1 * 60e6);
    }

    #[test]
    fn a_slower_interval_is_learned_within_a_hundred_samples() {
        let interval = learned((0..500).chain((1..100).map(|i| 500 + i * 10)));
        assert!(interval.interval_us() > 8e6, "{}", interval.interval_us());
    }
}
