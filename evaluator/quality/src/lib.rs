//! Measures detection quality: labeled series in, scores and reports out.
//!
//! Read in this order: a `scenario` generates, or `read` reads, `labeled` series; a `contender` judges them; `score`
//! counts; `measure` joins the counts into a `record`; `report` renders it, `html` as a page with charts. `tune`
//! recommends a detector for a history. `replay` sends a series to a deployment and scores its verdicts. `alerting` tries a policy
//! of alerts.
//! Architecture invariant: verdicts come from the detector crate that production runs; nothing here judges a sample.

pub mod labeled;
pub mod read;
pub mod scenario;

pub mod contender;
pub mod measure;
pub mod score;

pub mod record;
pub mod report;

pub mod alerting;
pub mod feedback_labels;
pub mod replay;
pub mod tune;

mod html;
mod stopwatch;
