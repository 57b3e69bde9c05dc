//! Flat: a value that stays the same longer than it ever did, and longer than chance explains.
//!
//! - **Formula.** `score = min((run + 1) / (longest + 1) / 1.5, run * ln(1 / p) / 14)`, where `run` is the number of
//!   repetitions of one value, `longest` the longest run seen (halved within 7,000 runs), and `p` the share of samples
//!   that repeat the one before. An alarm needs a run half as long again as any before, with a chance below `e^-14` if
//!   repetitions were independent: integers near 50 repeat by chance, an idle service stays at zero for nights. Zeros have
//!   a longest run and a share of their own: a count of 8 a minute repeats often, and is never zero. Of zeros the first of
//!   the run counts, too: two are an alarm where there were none.
//! - **Constants.** Chosen on synthetic traffic and on Microsoft's cloud-monitoring series.
//! - **Cost.** One logarithm while a value repeats; 40 bytes.
//! - **Limits.** Series whose idle times grow.

use crate::bytes::{ByteReader, ByteWriter};
use domain::Sample;

/// Factor by which a run must exceed the longest one before.
const LONGER: f64 = 1.5;
/// Required improbability of a run, as a natural logarithm.
const UNLIKELY: f64 = 14.0;
/// Shortest run that is judged.
const RUN_MIN: f64 = 3.0;
/// The same for zeros: two of them.
const ZERO_RUN_MIN: f64 = 1.0;
/// Decay of the longest run at the end of each later one.
const LONGEST_DECAY: f64 = 0.9999;
/// Initial longest run.
const LONGEST_START: f64 = 2.0;
/// Weight of the newest sample in the share of repetitions.
const SHARE_RATE: f64 = 0.0005;
/// Initial share of repetitions, and the least that counts.
const SHARE_START: f64 = 0.01;
const SHARE_MIN: f64 = 1e-4;
/// Share of all samples beyond which a run means an idle series, not a frozen one.
const IDLE_SHARE: f64 = 0.5;
/// Samples before judging.
const JUDGED_AFTER: u64 = 100;

/// Memory of the flat signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FlatState {
    last: f64,
    run: f64,
    longest: f64,
    share: f64,
    // Of runs of zeros, and of zeros among all samples.
    longest_zero: f32,
    zero_share: f32,
}

impl Default for FlatState {
    fn default() -> Self {
        Self {
            last: 0.0,
            run: 0.0,
            longest: LONGEST_START,
            share: SHARE_START,
            longest_zero: 0.0,
            zero_share: SHARE_START as f32,
        }
    }
}

impl FlatState {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 40;

    pub(crate) fn write(&self, out: &mut ByteWriter) {
        out.f64s(&[self.last, self.run, self.longest, self.share]);
        out.f32(self.longest_zero);
        out.f32(self.zero_share);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self {
            last: from.finite()?,
            run: from.not_negative()?,
            longest: from.not_negative()?,
            share: from.not_negative().filter(|share| *share <= 1.0)?,
            longest_zero: from.finite_f32().filter(|run| *run >= 0.0)?,
            zero_share: from.finite_f32().filter(|share| (0.0..=1.0).contains(share))?,
        })
    }

    /// Score of `sample` after `n` others, in thresholds.
    pub(crate) fn judge(&self, sample: Sample, n: u64) -> f64 {
        let run = self.run + 1.0;
        let is_idle = run > IDLE_SHARE * n as f64;
        let is_zero = self.last == 0.0;
        let run_min = if is_zero { ZERO_RUN_MIN } else { RUN_MIN };
        if sample.value() != self.last || run < run_min || is_idle || n <= JUDGED_AFTER {
            return 0.0;
        }
        // The share of zeros is that of all samples, so the first of a run counts, too.
        let (longest, share, n_unlikely) = if is_zero {
            (f64::from(self.longest_zero), f64::from(self.zero_share), run + 1.0)
        } else {
            (self.longest, self.share, run)
        };
        let longer = (run + 1.0) / (longest + 1.0) / LONGER;
        longer.min(n_unlikely * -share.max(SHARE_MIN).ln() / UNLIKELY)
    }

    /// Learns `sample`, the newest of its series, after `n` others.
    pub(crate) fn learn(&mut self, sample: Sample, n: u64) {
        let repeats = sample.value() == self.last;
        if repeats {
            self.run += 1.0;
        } else {
            if self.last == 0.0 {
                let longest = f64::from(self.longest_zero) * LONGEST_DECAY;
                self.longest_zero = longest.max(self.run) as f32;
            } else {
                self.longest = (self.longest * LONGEST_DECAY).max(self.run);
            }
            self.run = 0.0;
        }
        let rate = SHARE_RATE.max(1.0 / (n + 100) as f64);
        self.share += rate * (f64::from(u8::from(repeats)) - self.share);
        let is_zero = f64::from(u8::from(sample.value() == 0.0));
        self.zero_share += (rate * (is_zero - f64::from(self.zero_share))) as f32;
        self.last = sample.value();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Index of the first alarm on `value`, one sample a minute.
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
    fn a_frozen_value_is_an_alarm_within_minutes() {
        let frozen = first_alarm(|n| if n < 3_000 { n as f64 * 0.7 } else { 2_100.0 });
        assert!(frozen.is_some_and(|n| (3_003..3_012).contains(&n)), "{frozen:?}");
    }

    #[test]
    fn zeros_where_there_were_none_are_an_alarm_earlier_than_a_value_that_repeats_often() {
        let small = |n: u64| if n % 13 < 6 { 8.0 } else { (n * 7919 % 5) as f64 + 1.0 };
        let alarm = |stuck: f64| first_alarm(|n| if n < 3_000 { small(n) } else { stuck });
        assert!(alarm(0.0).is_some_and(|n| (3_001..3_003).contains(&n)), "{:?}", alarm(0.0));
        assert!(alarm(8.0).is_some_and(|n| n > 3_006), "{:?}", alarm(8.0));
    }

    #[test]
    fn an_idle_service_at_zero_is_no_alarm() {
        assert_eq!(first_alarm(|n| f64::from(u8::from(n % 200 == 0))), None);
        assert_eq!(first_alarm(|_| 0.0), None);
    }
}
