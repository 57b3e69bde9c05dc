//! Writes samples: append, judge, commit, in batches per series, with optimistic concurrency instead of locks.

mod batcher;
mod judge_cache;
mod judging;
mod optimistic;
mod outcome_tracker;
mod round;
mod sample_outcome;
mod series_round;
mod waiting;

pub(crate) use batcher::WriteBatcher;
pub(crate) use judging::{judge_sample, restore_judge};
pub(crate) use sample_outcome::{SampleOutcome, StoredSample, WriteError};
