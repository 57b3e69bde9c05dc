//! Signals of the composite detector: each has one score, and one threshold of its own.
//!
//! A score is a share of the signal's threshold: above 1 it is an alarm. Every header states the formula, the data that
//! the constants were chosen on, the cost, and the cases in which the signal fails.

pub mod deviation;
pub mod flat;
pub mod gap;
pub mod novelty;
pub mod shift;
pub mod step;
pub mod variance;
