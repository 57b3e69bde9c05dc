//! Limits of series and configurations, of a tenant and of all tenants.

use protocol::admission::SeriesLimits;

/// Most series of a tenant unless configured otherwise: a third of a Redis of 400 MB.
pub const SERIES_MAX_DEFAULT: u64 = 10_000;

/// Share of a store that the series of one tenant may fill unless configured otherwise, in percent.
pub const TENANT_PERCENT_DEFAULT: u64 = 50;

/// Configured limits of a store. The memory that its servers report lowers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    /// Most series of a tenant, and most configurations of series.
    pub tenant_series_max: u64,
    /// Share of the store that one tenant may fill, in percent.
    pub tenant_percent: u64,
    /// Memory of the store in bytes, for servers that do not report theirs.
    pub memory_bytes: Option<u64>,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            tenant_series_max: SERIES_MAX_DEFAULT,
            tenant_percent: TENANT_PERCENT_DEFAULT,
            memory_bytes: None,
        }
    }
}

impl StoreLimits {
    /// Limits of series in a store with this memory.
    pub(crate) fn series(&self, memory_bytes: Option<u64>) -> SeriesLimits {
        SeriesLimits::new(self.tenant_series_max, self.tenant_percent, memory_bytes)
    }
}
