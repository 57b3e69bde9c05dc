//! Measures detection quality: labelled series in, counts and reports out.
//!
//! Read in this order: a `scenario` generates, or `read` reads, `labeled` series; a `contender` judges them;
//! `score` counts; `measure` joins these into a `record`; `report` shows it. `tune` chooses a
//! detector for a history. `load` measures not verdicts but how many a second. `command` is the command line.
//! Architecture invariant: it runs the very detector crate that production runs, and judges nothing itself.

pub mod labeled;
pub mod read;
pub mod scenario;

pub mod contender;
pub mod measure;
pub mod score;

pub mod record;
pub mod report;

pub mod cli;
pub mod command;

pub mod capacity;
pub mod flame;
pub mod html;
pub mod load;
pub mod replay;
pub mod tune;

mod provenance;
mod stopwatch;
