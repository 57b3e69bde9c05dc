//! Admission of new series: how many a tenant, and all tenants together, may store.
//!
//! A store that is full refuses every write of every tenant. So a new series is refused long before, by the number of
//! series that the store can hold once each has its whole window; known series continue.

/// Bytes of a series in Redis with a full window, an episode, an anomaly and its index entries, rounded up.
pub const SERIES_BYTES: u64 = 14_000;

/// Share of the memory of a store that series may fill, in percent: the rest is for configurations, buffers of clients
/// and of the append-only file, and fragmentation.
const SERIES_PERCENT: u64 = 75;

/// Share of its memory above which a store admits no new series and no new configuration, in percent.
const NEARLY_FULL_PERCENT: u64 = 90;

/// Deviation of the series of one shard from their mean that is admitted, in standard deviations: a hash distributes
/// them at random.
const SHARD_DEVIATIONS: f64 = 4.0;

/// Limits of the number of series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesLimits {
    /// Most series of one tenant.
    pub of_tenant: u64,
    /// Most series of all tenants; `None` if the memory of the store is not known.
    pub of_all: Option<u64>,
}

impl SeriesLimits {
    /// Limits of a store with `memory_bytes`, of which one tenant may use `tenant_percent`, and no tenant more than
    /// `tenant_max` series.
    pub fn new(tenant_max: u64, tenant_percent: u64, memory_bytes: Option<u64>) -> Self {
        let of_all = memory_bytes.map(|bytes| bytes / 100 * SERIES_PERCENT / SERIES_BYTES);
        let share = of_all.map_or(u64::MAX, |of_all| of_all * tenant_percent / 100);
        Self { of_tenant: tenant_max.min(share), of_all }
    }

    /// Number of series that a tenant may add.
    pub fn room(&self, n_of_tenant: u64, n_of_all: u64) -> u64 {
        let of_all = self.of_all.unwrap_or(u64::MAX);
        self.of_tenant.saturating_sub(n_of_tenant).min(of_all.saturating_sub(n_of_all))
    }

    /// Limits of one of `n_shards`: more than an equal part, so that a shard refuses no series while the store has room.
    ///
    /// A script can count one shard only. These limits bound what processes admit at the same time.
    #[must_use]
    pub fn of_shard(&self, n_shards: u16) -> Self {
        let part = |limit: u64| {
            if n_shards == 1 || limit == u64::MAX {
                return limit;
            }
            let mean = limit as f64 / f64::from(n_shards);
            limit.min((mean + SHARD_DEVIATIONS * mean.sqrt() + 1.0).ceil() as u64)
        };
        Self { of_tenant: part(self.of_tenant), of_all: self.of_all.map(part) }
    }
}

/// Returns true if a store with this memory must admit nothing new.
pub fn is_nearly_full(used_bytes: u64, memory_bytes: u64) -> bool {
    used_bytes > memory_bytes / 100 * NEARLY_FULL_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_store_limits_all_tenants_and_its_share_one() {
        let megabytes_400 = Some(400 << 20);
        let limits = SeriesLimits::new(100_000, 50, megabytes_400);
        assert_eq!(limits, SeriesLimits { of_tenant: 11_234, of_all: Some(22_469) });
        assert_eq!(SeriesLimits::new(10_000, 50, megabytes_400).of_tenant, 10_000);
        assert_eq!(SeriesLimits::new(7, 50, None), SeriesLimits { of_tenant: 7, of_all: None });
    }

    #[test]
    fn a_tenant_has_room_while_both_limits_have() {
        let limits = SeriesLimits { of_tenant: 10, of_all: Some(15) };
        assert_eq!((limits.room(3, 3), limits.room(3, 10), limits.room(3, 15)), (7, 5, 0));
        assert_eq!((limits.room(11, 11), limits.room(0, 16)), (0, 0));
        assert_eq!(SeriesLimits { of_all: None, ..limits }.room(3, 99), 7);
    }

    #[test]
    fn all_shards_together_hold_little_more_than_the_store() {
        let limits = SeriesLimits { of_tenant: 10_000, of_all: Some(22_469) };
        let of_shard = limits.of_shard(64);
        assert_eq!(of_shard, SeriesLimits { of_tenant: 208, of_all: Some(428) });
        const { assert!(64 * 428 * SERIES_BYTES < 400 << 20) };
        assert_eq!(limits.of_shard(1), limits);
    }
}
