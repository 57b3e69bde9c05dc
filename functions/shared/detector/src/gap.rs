//! A sample that comes late after the one before: the hole in the series is the anomaly.
//!
//! `score = pause / max(2.5 usual, 1 s)` with `usual` the interval of [`crate::pace`]. Late and repeated times are never
//! judged: only the newest sample of a series ends a pause, and it is positive. Cost: three operations. Memory: none of its
//! own. Fails: on series whose samples come at random, since a wait of 2.5 means is common there; a series that
//! never comes back is noticed only where somebody looks (see [`crate::presence`]).

use crate::pace::Pace;
use domain::Sample;

/// Intervals missing that are an anomaly, in usual intervals.
pub(crate) const MISSING: f64 = 2.5;

/// Least pause that is an anomaly, in microseconds: samples that come at once, and then a moment later again, are how a
/// sender batches, and no hole in what it measures.
const MISSING_US_MIN: f64 = 1e6;

/// Samples before it speaks.
const JUDGED_AFTER: u64 = 20;

/// The score of `sample`, in thresholds.
pub(crate) fn judge(pace: &Pace, sample: Sample) -> f64 {
    missing_us(pace).map_or(0.0, |missing_us| pace.pause_us(sample).max(0.0) / missing_us)
}

/// The pause from which it speaks, in microseconds; none where the pace is not known yet.
pub(crate) fn missing_us(pace: &Pace) -> Option<f64> {
    let is_known = pace.n_samples() > JUDGED_AFTER && pace.interval_us() > 0.0;
    is_known.then(|| (MISSING * pace.interval_us()).max(MISSING_US_MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(minute: i64) -> Sample {
        Sample::new(minute * 60_000_000, 1.0).unwrap()
    }

    fn learned() -> Pace {
        let mut pace = Pace::default();
        (0..100).for_each(|minute| pace.learn(sample(minute)));
        pace
    }

    #[test]
    fn a_hole_of_three_samples_is_an_anomaly_and_of_one_is_none() {
        assert!(judge(&learned(), sample(103)) > 1.0);
        assert!(judge(&learned(), sample(101)) < 1.0);
    }

    #[test]
    fn a_moment_between_two_bursts_is_no_hole() {
        let mut pace = Pace::default();
        let at = |at_us| Sample::new(at_us, 1.0).unwrap();
        (0..100).for_each(|i| pace.learn(at(i / 10 * 300 + i % 10)));
        assert!(judge(&pace, at(9 * 300 + 9 + 100_000)) < 1.0);
        assert!(judge(&pace, at(9 * 300 + 9 + 1_100_000)) > 1.0);
    }

    #[test]
    fn late_and_repeated_times_are_no_holes() {
        assert_eq!(judge(&learned(), sample(99)), 0.0);
        assert_eq!(judge(&learned(), sample(3)), 0.0);
    }

    #[test]
    fn a_hole_of_a_day_hides_no_later_one() {
        let mut pace = learned();
        pace.learn(sample(1_540));
        assert!(judge(&pace, sample(1_544)) > 1.0);
    }
}
