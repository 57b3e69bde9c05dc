//! The z-score: distance from the mean of a window in units of its standard deviation.
//!
//! `z = |x - mean| / stddev` over the last `window` samples. With `self=included` the sample judged is one of
//! them, which is the rule this project descends from (window 50, threshold 2): kept exactly, for parity, never
//! as a default. It is bounded there by `sqrt(n - 1)`, so one spike hides the next.
//! Cost: two passes over the window. Memory: none. Fails: on seasons, on a window that holds an outlier.

use crate::moments::Moments;
use crate::window::values;
use domain::{Expectation, JudgedSample, Sample, Signal, Verdict, VerdictKind};

/// Parameters of `zscore:window=,threshold=,min=,self=`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zscore {
    /// Samples the mean and deviation are of.
    pub window: usize,
    /// An anomaly has a score above it.
    pub threshold: f64,
    /// Samples wanted before anything is judged.
    pub min: usize,
    /// Whether the sample judged belongs to its own window.
    pub own: Own,
}

/// Whether the sample judged belongs to its own window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// The window ends with the sample judged.
    Included,
    /// The window ends before it.
    Excluded,
}

impl Zscore {
    /// Judges `sample` against `before`, the samples before it in time order.
    pub fn judge(&self, before: &[JudgedSample], sample: Sample) -> Verdict {
        let n_own = usize::from(self.own == Own::Included);
        let before = &before[before.len().saturating_sub(self.window - n_own)..];
        if before.len() < self.min {
            return Verdict::unjudged(VerdictKind::Learning);
        }
        let own = std::iter::once(sample.value()).take(n_own);
        let Some(moments) = Moments::of(values(before).chain(own)) else {
            return Verdict::unjudged(VerdictKind::Learning);
        };
        deviation_from(moments.mean, moments.stddev, self.threshold, sample)
    }
}

/// The verdict on a sample by its distance from a center in units of a scale; a scale of 0 judges nothing.
pub(crate) fn deviation_from(center: f64, scale: f64, threshold: f64, sample: Sample) -> Verdict {
    if scale == 0.0 {
        return Verdict::unjudged(VerdictKind::Constant);
    }
    let score = (sample.value() - center).abs() / scale;
    let reach = threshold * scale;
    let band = Expectation {
        signal: Signal::Deviation,
        value: center,
        low: center - reach,
        high: center + reach,
    };
    Verdict::scored(score, threshold, band)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(values: &[f64]) -> Vec<JudgedSample> {
        let judged = |(i, value): (usize, &f64)| JudgedSample {
            sample: Sample::new(i as i64, *value).unwrap(),
            kind: VerdictKind::Normal,
            score: 0.0,
            late: false,
        };
        values.iter().enumerate().map(judged).collect()
    }

    fn zscore(own: Own) -> Zscore {
        Zscore { window: 5, threshold: 2.0, min: 3, own }
    }

    fn judge(own: Own, before: &[f64], value: f64) -> Verdict {
        zscore(own).judge(&window(before), Sample::new(1_000, value).unwrap())
    }

    #[test]
    fn too_few_samples_are_not_judged() {
        assert_eq!(judge(Own::Excluded, &[1.0, 2.0], 9.0).kind, VerdictKind::Learning);
    }

    #[test]
    fn constant_window_is_not_judged() {
        assert_eq!(judge(Own::Excluded, &[2.0; 5], 9.0).kind, VerdictKind::Constant);
    }

    #[test]
    fn score_is_the_distance_in_deviations() {
        let verdict = judge(Own::Excluded, &[1.0, 2.0, 3.0, 4.0, 5.0], 8.0);
        assert!((verdict.score - 5.0 / 2_f64.sqrt()).abs() < 1e-6);
        assert!(verdict.is_anomaly());
        let band = verdict.expectation.unwrap();
        assert_eq!(band.value, 3.0);
        assert!((band.high - (3.0 + 2.0 * 2_f64.sqrt())).abs() < 1e-12);
    }

    #[test]
    fn with_itself_included_a_sample_hides_in_its_own_deviation() {
        // The window is then {2, 3, 4, 5, 80}: no score of five values can exceed sqrt(5 - 1) = 2.
        let verdict = judge(Own::Included, &[1.0, 2.0, 3.0, 4.0, 5.0], 80.0);
        assert!(verdict.score < 2.0 && verdict.score > 1.9);
        assert!(!verdict.is_anomaly());
    }
}
