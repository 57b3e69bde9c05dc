//! Configurations of series on their way to history, which holds a copy of each, and back from there.
//!
//! A store marks every configuration that is put or removed, in the same step, whether or not somebody keeps history:
//! they are few. A sweep brings there what is marked. A store that lost what it had does not say any more that all
//! configurations are here; a sweep then brings back those that are neither here nor marked.

use domain::SeriesKey;

/// How long a store says that all configurations are here: an hour, in seconds, after which one that it lost alone is
/// found.
pub const CONFIGS_COMPLETE_TTL_S: u64 = 3_600;

/// A series of which history does not hold the last word on its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsavedConfig {
    /// Which series.
    pub key: SeriesKey,
    /// The revision with which its configuration was put or removed.
    pub revision: i64,
}

/// How store and history differ in configurations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigBackupStatus {
    /// What history does not hold.
    pub unsaved: Vec<UnsavedConfig>,
    /// Whether the store holds all that history does, as far as it knows.
    pub is_complete: bool,
}
