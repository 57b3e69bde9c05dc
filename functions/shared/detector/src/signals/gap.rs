//! Gap: a sample that comes late after the one before.
//!
//! - **Formula.** `score = pause / max(2.5 * usual, 1 s)`, where `usual` is the larger of the interval of
//!   [`crate::learning::interval`] and the pause that one sample in a hundred exceeds. Late and repeated times have a
//!   negative or zero pause and are never alarms.
//! - **Why.** Lost samples and random arrival times are usual for some series: a tail that falls geometrically reaches
//!   2.5 times its hundredth about once in a hundred thousand samples.
//! - **Cost.** A logarithm and an exponential; 4 bytes.
//! - **Limits.** A pause each night is reported each morning, unless one sample in a hundred ends such a pause. A series
//!   that stops permanently has no next sample to judge: the sweep finds it (see [`crate::silence`]).

use crate::bytes::{ByteReader, ByteWriter};
use crate::learning::{SamplingInterval, quantile};
use domain::Sample;

/// Pause that is an alarm, in usual intervals.
pub(crate) const INTERVALS_MIN: f64 = 2.5;
/// Least pause that is an alarm, in microseconds: a sender that batches writes bursts with short pauses between.
const PAUSE_US_MIN: f64 = 1e6;
/// Share of the pauses beyond the usual one.
const USUAL_SHARE: f64 = 0.01;
/// Excess of a pause that is jitter, as a logarithm.
const JITTER: f32 = 0.1;
/// Largest usual pause, as a logarithm: longer than all time that a sample can have.
const LN_US_MAX: f32 = 44.0;
/// Samples before judging.
const JUDGED_AFTER: u64 = 20;

/// Score of `sample`, in thresholds.
pub(crate) fn judge(interval: &SamplingInterval, pause: UsualPause, sample: Sample) -> f64 {
    let pause_us = interval.pause_us(sample).max(0.0);
    pause_us_min(interval, pause).map_or(0.0, |pause_us_min| pause_us / pause_us_min)
}

/// Shortest pause that is an alarm, in microseconds; `None` while the interval is unknown.
pub(crate) fn pause_us_min(interval: &SamplingInterval, pause: UsualPause) -> Option<f64> {
    let is_known = interval.n_samples() > JUDGED_AFTER && interval.interval_us() > 0.0;
    is_known
        .then(|| (INTERVALS_MIN * interval.interval_us().max(pause.high_us())).max(PAUSE_US_MIN))
}

/// Pause that one sample in a hundred exceeds, as a quantile of its logarithm.
///
/// Equal to the interval if samples come regularly, and larger if they come in bunches, at random, or are lost at times.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct UsualPause {
    ln_us: f32,
}

impl UsualPause {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 4;

    pub(crate) fn write(self, out: &mut ByteWriter) {
        out.f32(self.ln_us);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self { ln_us: from.finite_f32().filter(|ln_us| (0.0..=LN_US_MAX).contains(ln_us))? })
    }

    fn high_us(self) -> f64 {
        f64::from(self.ln_us).exp()
    }

    /// Learns the pause before the newest sample, after `n` others.
    pub(crate) fn learn(&mut self, pause_us: f64, n: u64) {
        let ln_us = pause_us.max(1.0).ln() as f32;
        if n <= 1 {
            self.ln_us = ln_us;
            return;
        }
        let step = quantile::step(ln_us > self.ln_us + JITTER, USUAL_SHARE, n);
        self.ln_us = (self.ln_us + step).clamp(0.0, LN_US_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(minute: i64) -> Sample {
        Sample::new(minute * 60_000_000, 1.0).unwrap()
    }

    fn learned() -> SamplingInterval {
        let mut interval = SamplingInterval::default();
        (0..100).for_each(|minute| interval.learn(sample(minute)));
        interval
    }

    fn judged(sample: Sample) -> f64 {
        judge(&learned(), UsualPause::default(), sample)
    }

    #[test]
    fn lost_samples_and_random_arrivals_raise_the_shortest_gap() {
        let shortest = |pause_min: fn(u64) -> f64| {
            let mut usual = UsualPause::default();
            (0..5_000).for_each(|n| usual.learn(60e6 * pause_min(n), n));
            pause_us_min(&learned(), usual).unwrap() / 60e6
        };
        assert!((2.4..2.8).contains(&shortest(|_| 1.0)));
        let lost = shortest(|n| if n % 20 == 0 { 2.0 } else { 1.0 });
        assert!((4.0..6.5).contains(&lost), "{lost}");
        let random = shortest(|n| -(1.0 - ((n * 7919) % 1009) as f64 / 1009.0).ln());
        assert!((9.0..16.0).contains(&random), "{random}");
    }

    #[test]
    fn three_intervals_without_a_sample_are_an_alarm_and_one_is_none() {
        assert!(judged(sample(103)) > 1.0);
        assert!(judged(sample(101)) < 1.0);
    }

    #[test]
    fn a_moment_between_two_bursts_is_no_gap() {
        let mut interval = SamplingInterval::default();
        let at = |at_us| Sample::new(at_us, 1.0).unwrap();
        (0..100).for_each(|i| interval.learn(at(i / 10 * 300 + i % 10)));
        assert!(judge(&interval, UsualPause::default(), at(9 * 300 + 9 + 100_000)) < 1.0);
        assert!(judge(&interval, UsualPause::default(), at(9 * 300 + 9 + 1_100_000)) > 1.0);
    }

    #[test]
    fn late_and_repeated_times_are_no_gaps() {
        assert_eq!(judged(sample(99)), 0.0);
        assert_eq!(judged(sample(3)), 0.0);
    }

    #[test]
    fn a_gap_of_a_day_does_not_hide_a_later_one() {
        let mut interval = learned();
        interval.learn(sample(1_540));
        assert!(judge(&interval, UsualPause::default(), sample(1_544)) > 1.0);
    }
}
