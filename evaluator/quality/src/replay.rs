//! Sends a labeled series to a deployment and scores the verdicts of its answers.
//!
//! `score` measures a detector in this process; `replay` measures the whole system with the same code: transport,
//! store, replicas, late and repeated samples.

mod answer;
mod batch;
mod client;
mod deliver;
mod options;
mod outcome;
mod pace;
mod retry;
mod summary;
mod tally;

pub(crate) use self::answer::ProblemDocument;
pub(crate) use self::client::{authorized, endpoint, http_client, redirect};
pub use self::deliver::Answered;
pub use self::options::{ReplayOptions, metric_of, n_samples, send};
pub use self::outcome::ReplayOutcome;
pub use self::pace::SpeedUp;
pub(crate) use self::retry::{is_worth_repeating, wait};
pub use self::summary::ReplaySummary;
