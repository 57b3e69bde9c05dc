//! Defines the terms of the project as types: tenant, series, sample, verdict, episode.
//!
//! Every other crate uses these types. Architecture invariant: no I/O, no clock, no dependency on another crate of the
//! workspace.

pub mod episode;
pub mod sample;
pub mod series;
pub mod series_key;
pub mod verdict;

pub use episode::{EpisodePhase, EpisodeRecord};
pub use sample::{Sample, SampleError, SampleKind};
pub use series::{Series, SeriesError};
pub use series_key::{SHARDS_DEFAULT, SeriesKey, SeriesKeyError, Tenant};
pub use verdict::{Expectation, JudgedSample, Judgement, Rate, Signal, Verdict, VerdictKind};
