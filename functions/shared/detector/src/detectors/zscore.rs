//! Z-score: distance from the mean of a window, in standard deviations.
//!
//! - **Formula.** `z = |x - mean| / stddev` over the last `window` samples. With `self=included`, the judged sample belongs
//!   to its own window: `zscore:window=50,threshold=2,self=included` is the common rolling z-score (window 50, 2 sigma),
//!   kept for comparison. There, `z` cannot exceed `sqrt(n - 1)`, and one spike hides the next.
//! - **Cost.** Two passes over the window; no memory.
//! - **Limits.** Seasons; a window that contains an outlier.

use crate::learning::moments::Moments;
use crate::window::values;
use domain::{Expectation, JudgedSample, Sample, Signal, Verdict, VerdictKind};

/// Parameters of `zscore:window=,threshold=,min=,self=`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zscore {
    /// Length of the window, in samples.
    pub window: usize,
    /// Score above which a sample is an anomaly.
    pub threshold: f64,
    /// Samples required before judging.
    pub min: usize,
    /// Last sample of the window.
    pub window_end: WindowEnd,
}

/// Last sample of the window, by the parameter `self`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowEnd {
    /// The judged sample (`self=included`).
    Judged,
    /// The sample before it (`self=excluded`).
    Previous,
}

impl Zscore {
    /// Judges `sample` against `before`, the earlier samples in time order.
    pub fn judge(&self, before: &[JudgedSample], sample: Sample) -> Verdict {
        let n_own = usize::from(self.window_end == WindowEnd::Judged);
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

/// Verdict by the distance from `center` in units of `scale`; [`VerdictKind::Constant`] if the scale is 0.
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
        let judged = |(i, value): (usize, &f64)| {
            let sample = Sample::new(i as i64, *value).unwrap();
            JudgedSample::new(sample, VerdictKind::Normal, 0.0, false)
        };
        values.iter().enumerate().map(judged).collect()
    }

    fn zscore(window_end: WindowEnd) -> Zscore {
        Zscore { window: 5, threshold: 2.0, min: 3, window_end }
    }

    fn judge(window_end: WindowEnd, before: &[f64], value: f64) -> Verdict {
        zscore(window_end).judge(&window(before), Sample::new(1_000, value).unwrap())
    }

    #[test]
    fn too_few_samples_are_not_judged() {
        assert_eq!(judge(WindowEnd::Previous, &[1.0, 2.0], 9.0).kind, VerdictKind::Learning);
    }

    #[test]
    fn constant_window_is_not_judged() {
        assert_eq!(judge(WindowEnd::Previous, &[2.0; 5], 9.0).kind, VerdictKind::Constant);
    }

    #[test]
    fn score_is_the_distance_in_deviations() {
        let verdict = judge(WindowEnd::Previous, &[1.0, 2.0, 3.0, 4.0, 5.0], 8.0);
        assert!((verdict.score - 5.0 / 2_f64.sqrt()).abs() < 1e-6);
        assert!(verdict.is_anomaly());
        let band = verdict.expectation.unwrap();
        assert_eq!(band.value, 3.0);
        assert!((band.high - (3.0 + 2.0 * 2_f64.sqrt())).abs() < 1e-12);
    }

    #[test]
    fn a_sample_in_its_own_window_is_hidden_by_its_deviation() {
        // The window is then {2, 3, 4, 5, 80}: no score of five values can exceed sqrt(5 - 1) = 2.
        let verdict = judge(WindowEnd::Judged, &[1.0, 2.0, 3.0, 4.0, 5.0], 80.0);
        assert!(verdict.score < 2.0 && verdict.score > 1.9);
        assert!(!verdict.is_anomaly());
    }
}
