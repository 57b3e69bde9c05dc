//! Judges one sample against the history of its series.
//!
//! Memory, window and sample in, verdict out. Architecture invariant: no I/O, no clock, no random numbers; time is a field
//! of a sample.
//!
//! Reading order: [`detectors`] and [`signals`] contain the formulas, built on the statistics of [`learning`]. [`spec`]
//! gives a detector its text, [`memory`] its bytes. [`judge`] applies it to a series.
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

pub mod counter;

mod bytes;
pub mod learning;

pub mod detectors;
mod signal_score;
mod signal_set;
pub mod signals;

mod detector;
pub mod feedback;
pub mod series_config;
pub mod spec;

mod detector_state;
pub mod memory;
pub mod silence;

mod episode_changes;
pub mod explanation;
pub mod judge;
mod migration;
mod open_episode;

pub use detector::{Detector, WINDOW_LEN_MAX, WINDOW_LEN_MIN};
pub use episode_changes::EpisodeChanges;
pub use explanation::{SampleExplanation, SilencingValue, is_continuation};
pub use feedback::{Feedback, FeedbackList, FeedbackVerdict, ThresholdFactors};
pub use judge::{Judge, LearningProgress};
pub use learning::moments::Moments;
pub use learning::season::{Calendar, Season};
pub use learning::zone::{Zone, ZoneUnknown};
pub use memory::{Counters, Memory};
pub use migration::{DeployedDetector, MemoryOrigin, RestoreError};
pub use open_episode::{OpenEpisode, rejoin_us};
pub use series_config::{MaintenanceWindow, SeriesConfig, SeriesConfigError};
pub use signal_score::{SignalScore, UsualValue};
pub use signal_set::{SignalSet, SignalUnknown};
pub use silence::{SilenceCheck, SilenceState};
pub use spec::SpecError;
pub use window::Window;
