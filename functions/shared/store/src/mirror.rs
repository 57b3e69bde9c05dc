//! Configurations of series on their way to history, which holds a copy of each, and back from there.
//!
//! A store marks every configuration that is put or removed, in the same step, whether or not somebody keeps history:
//! they are few. A sweep brings there what is marked. A store that lost what it had does not say any more that all
//! configurations are here; a sweep then brings back those that are neither here nor marked.

use async_trait::async_trait;

use crate::{StoreError, StoredConfig};
use domain::SeriesKey;

/// How long a store says that all configurations are here: an hour, in seconds, after which one that it lost alone is
/// found.
pub const CONFIGS_HERE_TTL_S: u64 = 3_600;

/// A series of which history does not hold the last word on its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmirrored {
    /// Which series.
    pub key: SeriesKey,
    /// The revision with which its configuration was put or removed.
    pub revision: i64,
}

/// How store and history differ in configurations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mirroring {
    /// What history does not hold.
    pub unmirrored: Vec<Unmirrored>,
    /// Whether the store holds all that history does, as far as it knows.
    pub is_complete: bool,
}

/// What a store keeps for the mirror of its configurations.
#[async_trait]
pub trait Mirrored {
    /// How it differs from history, with at most `limit` series.
    async fn mirroring(&self, limit: usize) -> Result<Mirroring, StoreError>;

    /// History holds what `revision` did; a later word on the series keeps it marked.
    async fn mirrored(&self, key: &SeriesKey, revision: i64) -> Result<(), StoreError>;

    /// Takes a configuration back from history, as it was, where there is none and none was removed since; answers
    /// whether it did.
    async fn restore(&self, key: &SeriesKey, stored: &StoredConfig) -> Result<bool, StoreError>;

    /// All that history holds is here, for [`CONFIGS_HERE_TTL_S`] or until the store loses it.
    async fn complete(&self) -> Result<(), StoreError>;
}
