//! The maps of the embedded store, behind one lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{SeriesKey, Tenant};
use protocol::admission::SeriesLimits;
use protocol::{StoredConfig, StoredSeries, totals};

use crate::rate_limit::TokenBucket;
use crate::{Instance, SERIES_TTL_S, SINGLE_SAMPLE_TTL_S, StoreLimits, StoredAlerts};

/// Series in the memory of this process.
#[derive(Debug)]
pub struct EmbeddedStore {
    pub(super) clock: fn() -> i64,
    pub(super) limits: StoreLimits,
    // A `std::sync::Mutex`: it is never locked across an await.
    state: Mutex<EmbeddedState>,
}

#[derive(Debug, Default)]
pub(super) struct EmbeddedState {
    pub(super) series: HashMap<SeriesKey, EmbeddedSeries>,
    /// Series by time of receipt.
    pub(super) by_receipt: BTreeSet<(i64, SeriesKey)>,
    /// Series that received one sample and no more, by its time of receipt.
    single_samples: BTreeSet<(i64, SeriesKey)>,
    n_series: HashMap<Tenant, u64>,
    pub(super) buckets: HashMap<Tenant, TokenBucket>,
    /// Apart from the series: configurations do not expire, and need no sample.
    pub(super) configs: HashMap<SeriesKey, StoredConfig>,
    /// Series by the time of their next silence check.
    pub(super) silence_checks: BTreeSet<(i64, SeriesKey)>,
    pub(super) silence_check_of: HashMap<SeriesKey, i64>,
    /// Series with episodes that the history does not hold, with the version up to which it does.
    pub(super) unsaved_episodes: BTreeMap<SeriesKey, i64>,
    /// Series with a configuration that the backup does not hold, with its revision.
    pub(super) unsaved_configs: BTreeMap<SeriesKey, i64>,
    pub(super) are_configs_complete: bool,
    pub(super) is_history_enabled: bool,
    pub(super) alerts: HashMap<SeriesKey, StoredAlerts>,
    /// Series by the next check of their alerts: its time, or their negative version after a change of their episodes.
    pub(super) alert_checks: BTreeMap<SeriesKey, i64>,
    pub(super) are_alerts_enabled: bool,
    /// Holder of the lease of the notifier, with its end.
    pub(super) notifier: Option<(String, i64)>,
    pub(super) totals: BTreeMap<String, u64>,
    /// Reports of processes, with the end of their lease.
    pub(super) instances: BTreeMap<String, (i64, Instance)>,
    /// Detectors by generation.
    pub(super) detectors: BTreeMap<u32, String>,
}

/// A stored series with its times of receipt, in Unix microseconds.
#[derive(Debug, Default)]
pub(super) struct EmbeddedSeries {
    /// 0 until the first receipt.
    pub(super) received_us: i64,
    /// Start of the present wait; without meaning while the inbox is empty.
    pub(super) waiting_since_us: i64,
    pub(super) stored: StoredSeries,
}

impl EmbeddedStore {
    /// An empty store that reads the time, in Unix microseconds, from `clock`.
    pub fn new(clock: fn() -> i64) -> Self {
        Self { clock, limits: StoreLimits::default(), state: Mutex::default() }
    }

    /// Limits what a tenant, and all tenants, may store.
    #[must_use]
    pub fn with_limits(self, limits: StoreLimits) -> Self {
        Self { limits, ..self }
    }

    pub(super) fn series_limits(&self) -> SeriesLimits {
        self.limits.series(self.limits.memory_bytes)
    }

    /// Loses a part of a series, as a Redis does by eviction.
    #[cfg(feature = "testbed")]
    pub fn lose(&self, key: &SeriesKey, part: protocol::SeriesPart) {
        if let Some(series) = self.lock().series.get_mut(key) {
            series.stored.lose(part);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, EmbeddedState> {
        // Each step leaves the maps consistent at every point where it could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EmbeddedState {
    pub(super) fn count(&mut self, counts: impl IntoIterator<Item = totals::Count>) {
        for (name, label, n) in counts.into_iter().filter(|count| count.2 > 0) {
            *self.totals.entry(totals::field(name, label)).or_default() += n;
        }
    }

    /// Updates the time of receipt of a series, which received `n_samples`.
    pub(super) fn receive(&mut self, key: &SeriesKey, n_samples: usize, now_us: i64) {
        let series = self.series.entry(key.clone()).or_default();
        let before = (std::mem::replace(&mut series.received_us, now_us), key.clone());
        let key = if let Some((_, key)) = self.by_receipt.take(&before) {
            self.single_samples.remove(&before);
            key
        } else {
            *self.n_series.entry(key.tenant().clone()).or_default() += 1;
            let key = self.shared_key(key);
            if n_samples == 1 {
                self.single_samples.insert((now_us, key.clone()));
            }
            key
        };
        self.by_receipt.insert((now_us, key));
    }

    /// A clone of the key in the map of series: clones share their text, equal keys do not.
    pub(super) fn shared_key(&self, key: &SeriesKey) -> SeriesKey {
        self.series.get_key_value(key).map_or(key, |(shared, _)| shared).clone()
    }

    /// Drops series without a receipt for [`SERIES_TTL_S`], and those with a single sample after
    /// [`SINGLE_SAMPLE_TTL_S`].
    pub(super) fn expire(&mut self, now_us: i64) {
        let oldest_us = |ttl_s: u64| now_us - ttl_s as i64 * 1_000_000;
        for (ttl_s, is_single) in [(SERIES_TTL_S, false), (SINGLE_SAMPLE_TTL_S, true)] {
            loop {
                let index = if is_single { &self.single_samples } else { &self.by_receipt };
                let Some(first) = index.first().filter(|(at_us, _)| *at_us < oldest_us(ttl_s))
                else {
                    break;
                };
                let (received_us, expired) = first.clone();
                self.series.remove(&expired);
                self.remove_silence_check(&expired);
                self.remove_receipt(&expired, received_us);
            }
        }
    }

    /// Removes a series from the indexes of receipts.
    pub(super) fn remove_receipt(&mut self, key: &SeriesKey, received_us: i64) {
        let receipt = (received_us, key.clone());
        self.single_samples.remove(&receipt);
        if self.by_receipt.remove(&receipt)
            && let Some(n_series) = self.n_series.get_mut(key.tenant())
        {
            *n_series -= 1;
        }
    }

    /// Returns true if the limits admit a new series of a tenant.
    pub(super) fn has_room(&self, tenant: &Tenant, limits: SeriesLimits) -> bool {
        limits.room(self.n_series(tenant), self.by_receipt.len() as u64) > 0
    }

    pub(super) fn n_series(&self, tenant: &Tenant) -> u64 {
        self.n_series.get(tenant).copied().unwrap_or_default()
    }

    pub(super) fn remove_silence_check(&mut self, key: &SeriesKey) {
        if let Some(at_us) = self.silence_check_of.remove(key) {
            self.silence_checks.remove(&(at_us, key.clone()));
        }
    }

    pub(super) fn of_tenant<'a>(
        &'a self,
        tenant: &'a Tenant,
    ) -> impl Iterator<Item = (&'a SeriesKey, &'a EmbeddedSeries)> {
        self.series.iter().filter(move |(key, _)| key.tenant() == tenant)
    }
}
