//! Learning primitives: the statistics that detectors and signals carry from sample to sample.
//!
//! Each is a small state with two operations: reading it never changes it, and `learn` takes the newest sample. Updates
//! are bounded, so that one absurd value cannot spoil the weeks that follow.

pub mod adaptive_threshold;
pub mod baseline;
pub mod bucket;
pub mod compact;
pub mod floor;
pub mod hour_pattern;
pub mod hysteresis;
pub mod interval;
pub mod marginal_threshold;
pub mod moments;
pub mod own_tail;
pub mod quantile;
pub mod reference;
pub mod resolution;
pub mod season;
pub mod season_gain;
pub mod suppression;
pub mod zone;

pub(crate) use adaptive_threshold::AdaptiveThreshold;
pub(crate) use baseline::Baseline;
pub(crate) use bucket::{SeasonBucket, WideBucket};
pub(crate) use hysteresis::Hysteresis;
pub(crate) use interval::SamplingInterval;
pub(crate) use marginal_threshold::MarginalThreshold;
pub(crate) use own_tail::{OwnTail, Rarity, RunTail};
pub(crate) use reference::Reference;
pub(crate) use resolution::Resolution;
pub(crate) use season_gain::SeasonGain;
pub(crate) use suppression::Suppression;
