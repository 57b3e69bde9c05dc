//! A value that stands still: how long, against how long it ever did and how likely that is.
//!
//! `score = min((run + 1) / (longest + 1) / 2, run ln(1 / p) / 40)` with `run` repetitions of one value, `longest`
//! the longest run seen (it fades, by half in 1,400 runs) and `p` the share of samples that repeat the one before. A
//! run speaks when it is twice as long as any, and had a chance below e^-40 were repetitions independent:
//! integers near 50 repeat themselves, an idle service stays at zero for nights. Constants were chosen on synthetic
//! traffic and Microsoft's cloud-monitoring series. Cost: one logarithm, while a value repeats. Memory: 32 bytes.
//! Fails: on series whose idle times grow.

use crate::layout::{Reader, Writer};
use domain::Sample;

/// How much longer than the longest run, as a factor.
const LONGER: f64 = 2.0;

/// How unlikely, as a natural logarithm.
const UNLIKELY: f64 = 40.0;

/// Repetitions that are looked at.
const RUN_MIN: f64 = 3.0;

/// What is left of the longest run at the end of each later one.
const FADE: f64 = 0.9995;

/// The longest run of a series of which nothing is known.
const LONGEST_START: f64 = 2.0;

/// Weight of the newest sample in the share of repetitions.
const SHARE_RATE: f64 = 0.0005;

/// Share of repetitions where none is known, and the least that counts.
const SHARE_START: f64 = 0.01;
const SHARE_MIN: f64 = 1e-4;

/// Share of the life of a series that it may stand still: beyond it, it is idle, not frozen.
const IDLE_SHARE: f64 = 0.5;

/// Samples before it speaks.
const JUDGED_AFTER: u64 = 100;

/// What the signal remembers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FlatState {
    last: f64,
    run: f64,
    longest: f64,
    share: f64,
}

impl Default for FlatState {
    fn default() -> Self {
        Self { last: 0.0, run: 0.0, longest: LONGEST_START, share: SHARE_START }
    }
}

impl FlatState {
    /// Length of its layout, in bytes.
    pub(crate) const LEN: usize = 32;

    pub(crate) fn write(&self, out: &mut Writer) {
        out.f64(self.last);
        out.f64(self.run);
        out.f64(self.longest);
        out.f64(self.share);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            last: from.finite()?,
            run: from.not_negative()?,
            longest: from.not_negative()?,
            share: from.not_negative().filter(|share| *share <= 1.0)?,
        })
    }

    /// The score of `sample` after `n` others, in thresholds.
    pub(crate) fn judge(&self, sample: Sample, n: u64) -> f64 {
        let run = self.run + 1.0;
        let is_idle = run > IDLE_SHARE * n as f64;
        if sample.value() != self.last || run < RUN_MIN || is_idle || n <= JUDGED_AFTER {
            return 0.0;
        }
        let longer = (run + 1.0) / (self.longest + 1.0) / LONGER;
        longer.min(run * -self.share.max(SHARE_MIN).ln() / UNLIKELY)
    }

    /// Remembers `sample`, the newest of its series, after `n` others.
    pub(crate) fn learn(&mut self, sample: Sample, n: u64) {
        let repeats = sample.value() == self.last;
        if repeats {
            self.run += 1.0;
        } else {
            self.longest = (self.longest * FADE).max(self.run);
            self.run = 0.0;
        }
        let rate = SHARE_RATE.max(1.0 / (n + 100) as f64);
        self.share += rate * (f64::from(u8::from(repeats)) - self.share);
        self.last = sample.value();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Index of the first alarm when the values of `value` arrive one a minute.
    fn first_alarm(value: impl Fn(u64) -> f64) -> Option<u64> {
        let mut state = FlatState::default();
        (0..4_000).find(|n| {
            let sample = Sample::new(*n as i64 * 60_000_000, value(*n)).unwrap();
            let score = state.judge(sample, *n);
            state.learn(sample, *n);
            score > 1.0
        })
    }

    #[test]
    fn a_frozen_value_is_noticed_within_minutes() {
        let frozen = first_alarm(|n| if n < 3_000 { n as f64 * 0.7 } else { 2_100.0 });
        assert!(frozen.is_some_and(|n| (3_003..3_012).contains(&n)), "{frozen:?}");
    }

    #[test]
    fn an_idle_service_may_stay_at_zero() {
        assert_eq!(first_alarm(|n| f64::from(u8::from(n % 200 == 0))), None);
        assert_eq!(first_alarm(|_| 0.0), None);
    }
}
