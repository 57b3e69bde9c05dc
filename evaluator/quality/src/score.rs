//! The rules by which verdicts are counted against labels; each file is one rule, `METHODOLOGY.md` explains them.
//!
//! All of them are pure: rows and scores go in, counts come out. None knows a detector.

pub mod bootstrap;
pub mod budget;
pub mod confusion;
pub mod event;
pub mod halves;
pub mod kpi;
pub mod nab;
pub mod ranking;
pub mod volume;

/// Harmonic mean of precision and recall from counts: hits, false alarms, misses; none when all are 0.
pub(crate) fn f1(hits: f64, false_alarms: f64, misses: f64) -> Option<f64> {
    ratio(2.0 * hits, 2.0 * hits + false_alarms + misses)
}

/// A quotient; none when the denominator is 0.
pub(crate) fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}
