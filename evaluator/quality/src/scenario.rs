//! Scenarios: descriptions of the series to generate, as data, each with a sentence of analysis.
//!
//! The definitions in `scenarios/*.toml` are compiled in; other files of the same form are read by path.

mod anomaly;
mod catalogue;
mod family;
mod noise;
mod steady;
mod time_axis;
mod traffic;

pub use self::anomaly::AnomalyKind;
pub use self::catalogue::{SAMPLES_MAX, SERIES_MAX, Scenario, SeriesShape};
pub use self::family::{Family, FamilyKind};
pub use self::noise::Noise;
pub use self::steady::Steady;
pub use self::traffic::{Poison, Traffic};
