//! Gap: a sample that comes late after the one before.
//!
//! - **Formula.** `score = pause / max(2.5 * interval, 1 s)`, with the interval of [`crate::learning::interval`]. Late and
//!   repeated times have a negative or zero pause and are never alarms.
//! - **Cost.** Three operations; no memory of its own.
//! - **Limits.** Series with random arrival times, where a wait of 2.5 means is common. A series that stops permanently has
//!   no next sample to judge: the sweep finds it (see [`crate::silence`]).

use crate::learning::SamplingInterval;
use domain::Sample;

/// Pause that is an alarm, in usual intervals.
pub(crate) const INTERVALS_MIN: f64 = 2.5;
/// Least pause that is an alarm, in microseconds: a sender that batches writes bursts with short pauses between.
const PAUSE_US_MIN: f64 = 1e6;
/// Samples before judging.
const JUDGED_AFTER: u64 = 20;

/// Score of `sample`, in thresholds.
pub(crate) fn judge(interval: &SamplingInterval, sample: Sample) -> f64 {
    let pause_us = interval.pause_us(sample).max(0.0);
    pause_us_min(interval).map_or(0.0, |pause_us_min| pause_us / pause_us_min)
}

/// Shortest pause that is an alarm, in microseconds; `None` while the interval is unknown.
pub(crate) fn pause_us_min(interval: &SamplingInterval) -> Option<f64> {
    let is_known = interval.n_samples() > JUDGED_AFTER && interval.interval_us() > 0.0;
    is_known.then(|| (INTERVALS_MIN * interval.interval_us()).max(PAUSE_US_MIN))
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

    #[test]
    fn three_intervals_without_a_sample_are_an_alarm_and_one_is_none() {
        assert!(judge(&learned(), sample(103)) > 1.0);
        assert!(judge(&learned(), sample(101)) < 1.0);
    }

    #[test]
    fn a_moment_between_two_bursts_is_no_gap() {
        let mut interval = SamplingInterval::default();
        let at = |at_us| Sample::new(at_us, 1.0).unwrap();
        (0..100).for_each(|i| interval.learn(at(i / 10 * 300 + i % 10)));
        assert!(judge(&interval, at(9 * 300 + 9 + 100_000)) < 1.0);
        assert!(judge(&interval, at(9 * 300 + 9 + 1_100_000)) > 1.0);
    }

    #[test]
    fn late_and_repeated_times_are_no_gaps() {
        assert_eq!(judge(&learned(), sample(99)), 0.0);
        assert_eq!(judge(&learned(), sample(3)), 0.0);
    }

    #[test]
    fn a_gap_of_a_day_does_not_hide_a_later_one() {
        let mut interval = learned();
        interval.learn(sample(1_540));
        assert!(judge(&interval, sample(1_544)) > 1.0);
    }
}
