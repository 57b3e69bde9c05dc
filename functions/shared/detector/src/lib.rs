//! Judges one sample against the history of its series.
//!
//! Memory, window and sample go in, a verdict comes out. Architecture invariant: nothing here does I/O, reads a
//! clock or draws a random number; time is a field of a sample.
//!
//! ```
//! use detector::{Detector, Judge};
//! use domain::Sample;
//!
//! let detector: Detector = "zscore:window=50,threshold=3".parse()?;
//! let mut judge = Judge::new(detector);
//! for second in 0..60 {
//!     judge.judge(Sample::new(second * 1_000_000, 200.0 + (second % 5) as f64)?);
//! }
//! let judgement = judge.judge(Sample::new(60_000_000, 340.0)?);
//! assert!(judgement.verdict.is_anomaly());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod window;

pub mod moments;
pub mod mute;
pub mod pace;
pub mod season;
pub mod zone;

pub mod deviation;
pub mod flat;
pub mod gap;
pub mod hold;
pub mod novelty;
pub mod restraint;
pub mod seasonal;
pub mod shift;
pub mod variance;

pub mod signals;
pub mod tidemark;

pub mod ewma;
pub mod robust;
pub mod zscore;

pub mod spec;

pub mod series_config;

mod bucket;
mod layout;
pub mod memory;
pub mod presence;

pub mod episode;

mod succession;

pub mod judge;

pub use episode::EpisodeChanges;
pub use judge::{DeployedDetector, Judge, LearningProgress, MemoryOrigin, RestoreError};
pub use memory::{Counters, Episode, Memory};
pub use presence::{SilenceCheck, SilenceState};
pub use season::{Calendar, Season};
pub use series_config::{MaintenanceWindow, SeriesConfig, SeriesConfigError};
pub use signals::Signals;
pub use spec::{Detector, SpecError};
pub use window::Window;
pub use zone::{Zone, ZoneUnknown};
