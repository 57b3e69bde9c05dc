//! Parts of an explanation: the score of a signal, and a usual value.
//!
//! Apart from [`crate::explanation`], since the states of detectors return them.

use domain::Signal;

/// Score of one signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignalScore {
    /// The signal.
    pub signal: Signal,
    /// Score before repeat suppression.
    pub score: f64,
    /// Score above which it alarms.
    pub threshold: f64,
    /// Factor by which the signal has raised its own threshold on this series; 1 if it has not.
    pub adaptive_factor: f64,
    /// Factor of its threshold by feedback of people; 1 without any.
    pub feedback_factor: f64,
}

/// Usual value, and its deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UsualValue {
    /// Value.
    pub value: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// Number of samples that it is of; `None` for an exponentially weighted one.
    pub n_samples: Option<usize>,
}
