//! Names of the keys in Redis.
//!
//! Every name begins with the hash tag of its shard, so that the keys of a shard share a slot of a cluster.

use domain::SeriesKey;

use crate::StoreError;

/// Hash of the number of shards and the detector of each generation.
pub(super) const DEPLOYED_KEY: &str = "tm:{0}:deployed";

/// Sorted set of processes by the end of their lease.
pub(super) const LEASES_KEY: &str = "tm:{0}:leases";

/// Hash of the reports of processes.
pub(super) const INSTANCES_KEY: &str = "tm:{0}:instances";

/// Lease of the process that notifies.
pub(super) const NOTIFIER_KEY: &str = "tm:{0}:notifier";

/// Keys of one series and of its shard.
pub(super) struct SeriesKeys {
    pub(super) shard: u16,
    series: String,
    tenant: String,
}

impl SeriesKeys {
    pub(super) fn new(key: &SeriesKey, shard: u16) -> Self {
        let series = format!("tm:{{{shard}}}:{}", key.path());
        Self { shard, series, tenant: key.tenant().part().to_owned() }
    }

    /// Inbox, window, anomalies and memory.
    pub(super) fn samples(&self) -> [String; 4] {
        ["inbox", "window", "anomalies", "memory"].map(|kind| format!("{}:{kind}", self.series))
    }

    /// Configuration; the only key of a series that does not expire.
    pub(super) fn config(&self) -> String {
        format!("{}:config", self.series)
    }

    /// Episodes, by start.
    pub(super) fn episodes(&self) -> String {
        format!("{}:episodes", self.series)
    }

    /// Alerts, in the text of the notifier.
    pub(super) fn alerts(&self) -> String {
        format!("{}:alerts", self.series)
    }

    pub(super) fn series_index(&self) -> String {
        series_index(self.shard, &self.tenant)
    }

    pub(super) fn anomalous_index(&self) -> String {
        anomalous_index(self.shard, &self.tenant)
    }

    pub(super) fn single_samples(&self) -> String {
        single_samples(self.shard, &self.tenant)
    }

    pub(super) fn alerting(&self) -> String {
        alerting(self.shard, &self.tenant)
    }

    pub(super) fn configured(&self) -> String {
        configured(self.shard, &self.tenant)
    }
}

/// Series of a tenant by time of receipt.
pub(super) fn series_index(shard: u16, tenant: &str) -> String {
    format!("tm:{{{shard}}}:series/{tenant}")
}

/// Series of a tenant by decayed score.
pub(super) fn anomalous_index(shard: u16, tenant: &str) -> String {
    format!("tm:{{{shard}}}:anomalous/{tenant}")
}

/// Series with a non-empty inbox, by the time since when it waits.
pub(super) fn pending_index(shard: u16) -> String {
    format!("tm:{{{shard}}}:pending")
}

/// Series of all tenants by the time of their expiry, in Unix seconds.
pub(super) fn expiries(shard: u16) -> String {
    format!("tm:{{{shard}}}:expiries")
}

/// Series of a tenant that received one sample and no more, by the time of its receipt.
pub(super) fn single_samples(shard: u16, tenant: &str) -> String {
    format!("tm:{{{shard}}}:single_samples/{tenant}")
}

/// Set of the series of a tenant that have a configuration.
pub(super) fn configured(shard: u16, tenant: &str) -> String {
    format!("tm:{{{shard}}}:configured/{tenant}")
}

/// Series by the time of their next silence check.
pub(super) fn silence_checks(shard: u16) -> String {
    format!("tm:{{{shard}}}:silence_checks")
}

/// Series by the time of the next check of their alerts; by their negative version after a change of their episodes.
///
/// Exists while a notifier is in use: commits then add to it.
pub(super) fn alert_checks(shard: u16) -> String {
    format!("tm:{{{shard}}}:alert_checks")
}

/// Series of a tenant that have alerts, by the time of their last change, in Unix seconds.
pub(super) fn alerting(shard: u16, tenant: &str) -> String {
    format!("tm:{{{shard}}}:alerting/{tenant}")
}

/// Series with episodes that the history does not hold, by the version up to which it does.
pub(super) fn unsaved_episodes(shard: u16) -> String {
    format!("tm:{{{shard}}}:unsaved_episodes")
}

/// Exists while a history is in use: commits then add to the unsaved episodes.
pub(super) fn history_enabled(shard: u16) -> String {
    format!("tm:{{{shard}}}:history_enabled")
}

/// Series with a configuration that the backup does not hold, by its revision.
pub(super) fn unsaved_configs(shard: u16) -> String {
    format!("tm:{{{shard}}}:unsaved_configs")
}

/// Exists while the shard has every configuration of the backup.
pub(super) fn configs_complete(shard: u16) -> String {
    format!("tm:{{{shard}}}:configs_complete")
}

/// Hash of the counters that processes share.
pub(super) fn totals(shard: u16) -> String {
    format!("tm:{{{shard}}}:totals")
}

/// Token bucket of a tenant.
pub(super) fn bucket(shard: u16, tenant: &str) -> String {
    format!("tm:{{{shard}}}:bucket/{tenant}")
}

/// Member by which a series is named in the indexes of a shard, which all tenants share.
pub(super) fn index_member(key: &SeriesKey) -> String {
    key.to_text()
}

/// Reads back what [`index_member`] wrote.
pub(super) fn key_of_member(member: &str) -> Result<SeriesKey, StoreError> {
    Ok(SeriesKey::from_text(member)?)
}
