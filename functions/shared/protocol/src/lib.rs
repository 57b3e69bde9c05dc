//! The protocol of append, judge and commit on the stored state of one series, as pure functions.
//!
//! 1. An append classifies each sample: fresh, duplicate, conflict, too old or full. Fresh samples join the inbox.
//! 2. A writer judges the inbox in time order.
//! 3. A commit is a compare-and-set on version and configuration: it moves judged samples from the inbox to the window,
//!    records anomalies and episodes, changes the memory and trims.
//!
//! A writer that has the current version cached judges first, and sends both steps as one: an optimistic commit.
//!
//! Architecture invariant: nothing here does I/O or reads a clock. The embedded store is a map of [`StoredSeries`]; the
//! Lua scripts of the Redis store do the same to the keys of a series, and a differential test compares both after
//! every step of generated histories.

pub mod admission;
pub mod limits;
pub mod totals;

pub mod decayed_score;
pub mod member;

mod episodes;
mod memory_header;
mod memory_patch;
mod stored_config;
mod stored_window;

mod append;
mod commit;
mod series_state;
mod stored_series;

pub use append::{
    Append, AppendOutcome, ClassifiedSamples, NewSample, OnRefusal, OptimisticCommit,
    ReceiptUpdate, SampleClass,
};
pub use commit::{Commit, CommitOutcome};
pub use episodes::{EpisodeUpdate, StoredEpisode};
pub(crate) use memory_header::MemoryHeader;
pub use memory_patch::MemoryPatch;
pub use series_state::SeriesState;
pub use stored_config::StoredConfig;
#[cfg(feature = "testbed")]
pub use stored_series::SeriesPart;
pub use stored_series::StoredSeries;
