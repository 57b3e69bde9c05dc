//! Defines the terms of the project as types: tenant, series, sample, verdict, episode.
//!
//! Every other crate uses these types. Architecture invariant: no I/O, no clock, no dependency on another crate of the
//! workspace.

pub mod episode;
pub mod judged_sample;
pub mod sample;
pub mod series;
pub mod series_key;
pub mod stored_band;
pub mod verdict;

pub use episode::{EpisodePhase, EpisodeRecord};
pub use judged_sample::JudgedSample;
pub use sample::{ObservationCount, Sample, SampleError, SampleKind};
pub use series::{Series, SeriesError};
pub use series_key::{SHARDS_DEFAULT, SeriesKey, SeriesKeyError, Tenant};
pub use stored_band::{ExpectedRange, StoredBand};
pub use verdict::{Expectation, Judgement, Rate, Signal, Verdict, VerdictKind};
