//! Scoring rules, one per file: they count verdicts against labels; `METHODOLOGY.md` explains them.
//!
//! All are pure functions from rows and scores to counts, independent of detectors.

pub mod bootstrap;
pub mod budget;
pub mod confusion;
pub mod easytsad;
pub mod event;
pub mod halves;
pub mod kpi;
pub mod nab;
pub mod ranking;
pub mod volume;

/// Score and label of each scored row of one series, in time order.
pub type LabeledScores = Vec<(f64, bool)>;

/// Harmonic mean of precision and recall from counts; `None` if all counts are 0.
pub(crate) fn f1(hits: f64, false_alarms: f64, misses: f64) -> Option<f64> {
    ratio(2.0 * hits, 2.0 * hits + false_alarms + misses)
}

/// A quotient; `None` if the denominator is 0.
pub(crate) fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}
