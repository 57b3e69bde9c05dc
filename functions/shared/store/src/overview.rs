//! What is told of many series at once, for those who watch a deployment.
//!
//! All of it is read in a round trip or two, whatever the number of series, and nothing is judged.

use async_trait::async_trait;

use crate::StoreError;
use domain::{SeriesKey, Tenant};

/// Most series of one shard that are looked at to count those of a tenant that wait.
pub const PENDING_COUNTED_MAX: usize = 256;

/// How much a store holds, of all tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Levels {
    /// Series that received a sample within the time that series are kept.
    pub n_series: u64,
    /// Series with samples that wait to be judged.
    pub n_pending: u64,
    /// How long the one that waits longest has waited, in microseconds; 0 where none waits.
    pub oldest_pending_us: i64,
}

/// How many series a tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// That received a sample within the time that series are kept.
    pub n_series: u64,
    /// Of which some anomaly is kept, or was until the series expired.
    pub n_anomalous: u64,
    /// With samples that wait to be judged; past [`PENDING_COUNTED_MAX`] of a shard some are not seen.
    pub n_pending: u64,
}

/// The least that is to be known of a series to tell how it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Glance {
    /// The bytes of its memory, where it has one.
    pub memory: Option<Vec<u8>>,
    /// Anomalies that are kept of it.
    pub n_anomalies: u64,
}

/// Looks at many series at once.
#[async_trait]
pub trait Overview {
    /// How much the store holds.
    async fn levels(&self) -> Result<Levels, StoreError>;

    /// How many series a tenant has.
    async fn count(&self, tenant: &Tenant) -> Result<Counts, StoreError>;

    /// Series of a tenant that received a sample last, the last one first, at most `limit`.
    async fn recent(&self, tenant: &Tenant, limit: usize) -> Result<Vec<SeriesKey>, StoreError>;

    /// A glance at each of some series, in their order.
    async fn glances(&self, keys: &[SeriesKey]) -> Result<Vec<Glance>, StoreError>;
}
