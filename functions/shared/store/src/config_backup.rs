//! Queue of configurations for their backup in the history, and their restoration.
//!
//! A store queues every change of a configuration in the same step, whether or not a history is in use: changes are
//! few. A sweep saves them. A store that lost its data is not complete any more; then a sweep restores the
//! configurations of the backup that are neither stored nor queued.

use domain::SeriesKey;

/// Time for which a store counts as complete after a restoration: an hour, in seconds, after which the loss of a single
/// configuration is detected.
pub const CONFIGS_COMPLETE_TTL_S: u64 = 3_600;

/// A configuration that changed since it was backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsavedConfig {
    /// The series.
    pub key: SeriesKey,
    /// Revision of the change, which may be a removal.
    pub revision: i64,
}

/// State of the backup of configurations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigBackupStatus {
    /// Changes that the backup does not hold.
    pub unsaved: Vec<UnsavedConfig>,
    /// True if the store has every configuration of the backup, as far as it knows.
    pub is_complete: bool,
}
