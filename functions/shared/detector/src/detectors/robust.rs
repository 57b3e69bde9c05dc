//! Robust z-score: distance from the median of a window, in median absolute deviations.
//!
//! - **Formula.** `z = |x - median| / (1.4826 MAD)`. If more than half of the values are equal, the MAD is 0 and 1.2533
//!   times the mean absolute deviation replaces it (Iglewicz and Hoaglin, "How to detect and handle outliers", 1993).
//! - **Cost.** Two selections over the window; no memory.
//! - **Limits.** Seasons; bimodal values, whose median is in neither mode.

use crate::detectors::zscore::deviation_from;
use crate::window::values;
use domain::{JudgedSample, Sample, Verdict, VerdictKind};

/// Ratio of standard deviation to median absolute deviation for normal values.
const MAD_TO_STDDEV: f64 = 1.482_602_218_505_602;

/// Ratio of standard deviation to mean absolute deviation for normal values: `sqrt(pi / 2)`.
const MEAN_AD_TO_STDDEV: f64 = 1.253_314_137_315_5;

/// Parameters of `robust:window=,threshold=,min=`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Robust {
    /// Length of the window, in samples.
    pub window: usize,
    /// Score above which a sample is an anomaly.
    pub threshold: f64,
    /// Samples required before judging.
    pub min: usize,
}

impl Robust {
    /// Judges `sample` against `before`, the earlier samples in time order.
    pub fn judge(&self, before: &[JudgedSample], sample: Sample) -> Verdict {
        let before = &before[before.len().saturating_sub(self.window)..];
        if before.len() < self.min {
            return Verdict::unjudged(VerdictKind::Learning);
        }
        let mut sorted: Vec<f64> = values(before).collect();
        let center = median(&mut sorted);
        let mut distances: Vec<f64> = sorted.iter().map(|value| (value - center).abs()).collect();
        let mad = median(&mut distances);
        let scale = if mad > 0.0 {
            mad * MAD_TO_STDDEV
        } else {
            distances.iter().sum::<f64>() / distances.len() as f64 * MEAN_AD_TO_STDDEV
        };
        deviation_from(center, scale, self.threshold, sample)
    }
}

/// Median of at least one value; reorders the values.
fn median(values: &mut [f64]) -> f64 {
    let half = values.len() / 2;
    let is_even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    if !is_even {
        return *upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    lower.midpoint(*upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(before: &[f64], value: f64) -> Verdict {
        let judged = |(i, value): (usize, &f64)| {
            let sample = Sample::new(i as i64, *value).unwrap();
            JudgedSample::new(sample, VerdictKind::Normal, 0.0, false)
        };
        let window: Vec<JudgedSample> = before.iter().enumerate().map(judged).collect();
        let robust = Robust { window: 50, threshold: 3.5, min: 3 };
        robust.judge(&window, Sample::new(1_000, value).unwrap())
    }

    #[test]
    fn median_equals_that_of_the_sorted_values() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&mut [7.0]), 7.0);
    }

    #[test]
    fn one_huge_value_in_the_window_does_not_hide_an_anomaly() {
        let before = [10.0, 11.0, 9.0, 10.0, 12.0, 8.0, 1e15];
        assert!(judge(&before, 30.0).is_anomaly());
        assert!(!judge(&before, 11.0).is_anomaly());
    }

    #[test]
    fn constant_window_is_not_judged() {
        assert_eq!(judge(&[2.0; 9], 9.0).kind, VerdictKind::Constant);
    }

    #[test]
    fn a_mostly_equal_window_is_judged_by_its_mean_deviation() {
        let verdict = judge(&[5.0, 5.0, 5.0, 5.0, 6.0], 6.0);
        assert!((verdict.score - 1.0 / (0.2 * MEAN_AD_TO_STDDEV)).abs() < 1e-6);
    }
}
