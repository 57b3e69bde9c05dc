//! The maps of the embedded store, behind one lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{Judgement, SeriesKey, Tenant};

use super::window::Window;
use crate::rate_limit::TokenBucket;
use crate::{Instance, SERIES_MAX_DEFAULT, SERIES_TTL_S, StoredConfig, StoredEpisode};

/// Series in the memory of this process.
#[derive(Debug)]
pub struct EmbeddedStore {
    pub(super) clock: fn() -> i64,
    pub(super) series_max: u64,
    // A `std::sync::Mutex` and not a Tokio one: no step waits for anything while it holds the lock.
    pub(super) state: Mutex<EmbeddedState>,
}

#[derive(Debug, Default)]
pub(super) struct EmbeddedState {
    pub(super) series: HashMap<SeriesKey, SeriesEntry>,
    pub(super) by_receipt: BTreeSet<(i64, SeriesKey)>,
    // How many of them each tenant has.
    pub(super) n_series: HashMap<Tenant, u64>,
    pub(super) buckets: HashMap<Tenant, TokenBucket>,
    // Beside the series and not in them: they expire, and need not be there yet.
    pub(super) configs: HashMap<SeriesKey, StoredConfig>,
    // Those that may have fallen silent, by when to look, and the same by series.
    pub(super) silence_checks: BTreeSet<(i64, SeriesKey)>,
    pub(super) silence_check_of: HashMap<SeriesKey, i64>,
    // Up to which version history holds the news of those of which it does not hold all.
    pub(super) unsaved_episodes: BTreeMap<SeriesKey, i64>,
    // Those of whose configuration history does not hold the last word, with its revision.
    pub(super) unsaved_configs: BTreeMap<SeriesKey, i64>,
    pub(super) are_configs_complete: bool,
    pub(super) is_history_enabled: bool,
    pub(super) totals: BTreeMap<String, u64>,
    // With the end of its lease, in microseconds.
    pub(super) instances: BTreeMap<String, (i64, Instance)>,
    pub(super) detectors: BTreeMap<u32, String>,
}

#[derive(Debug, Default)]
pub(super) struct SeriesEntry {
    pub(super) received_us: i64,
    // Since when some sample waits; it means something only while one does.
    pub(super) waits_since_us: i64,
    pub(super) inbox: BTreeMap<i64, f64>,
    pub(super) window: Window,
    pub(super) anomalies: BTreeMap<i64, Judgement>,
    pub(super) episodes: BTreeMap<i64, StoredEpisode>,
    pub(super) memory: Option<StoredMemory>,
    pub(super) score: Option<f64>,
}

/// A memory with the fields that the steps look at.
#[derive(Debug)]
pub(super) struct StoredMemory {
    pub(super) version: i64,
    pub(super) floor_us: Option<i64>,
    pub(super) cursor_us: i64,
    pub(super) bytes: Vec<u8>,
}

impl EmbeddedStore {
    /// An empty store that reads the time, in microseconds since the Unix epoch, from `clock`.
    pub fn new(clock: fn() -> i64) -> Self {
        Self { clock, series_max: SERIES_MAX_DEFAULT, state: Mutex::default() }
    }

    /// The same, with at most so many series of a tenant.
    #[must_use]
    pub fn with_series_max(self, series_max: u64) -> Self {
        Self { series_max, ..self }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, EmbeddedState> {
        // Every step leaves the maps whole at each point where it could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EmbeddedState {
    pub(super) fn count(&mut self, name: &str, label: &str, n: u64) {
        if n > 0 {
            let field = if label.is_empty() { name.to_owned() } else { format!("{name} {label}") };
            *self.totals.entry(field).or_default() += n;
        }
    }

    pub(super) fn receive(&mut self, key: &SeriesKey, now_us: i64) {
        let entry = self.series.entry(key.clone()).or_default();
        let before = (std::mem::replace(&mut entry.received_us, now_us), key.clone());
        // The key that is there goes on, and not that of the latest request beside it.
        let key = if let Some((_, key)) = self.by_receipt.take(&before) {
            key
        } else {
            *self.n_series.entry(key.tenant().clone()).or_default() += 1;
            self.own(key)
        };
        self.by_receipt.insert((now_us, key));
    }

    /// The key of a series as the store has it: clones share their texts, and equal ones do not.
    pub(super) fn own(&self, key: &SeriesKey) -> SeriesKey {
        self.series.get_key_value(key).map_or(key, |(own, _)| own).clone()
    }

    /// Drops series that received nothing for as long as series are kept.
    pub(super) fn expire(&mut self, now_us: i64) {
        let oldest_us = now_us - (SERIES_TTL_S as i64) * 1_000_000;
        while self.by_receipt.first().is_some_and(|(received_us, _)| *received_us < oldest_us) {
            if let Some((_, expired)) = self.by_receipt.pop_first() {
                self.series.remove(&expired);
                self.remove_silence_check(&expired);
                self.count_less(expired.tenant());
            }
        }
    }

    pub(super) fn n_series(&self, tenant: &Tenant) -> u64 {
        self.n_series.get(tenant).copied().unwrap_or_default()
    }

    pub(super) fn count_less(&mut self, tenant: &Tenant) {
        if let Some(n_series) = self.n_series.get_mut(tenant) {
            *n_series -= 1;
        }
    }

    pub(super) fn of_tenant<'a>(
        &'a self,
        tenant: &'a Tenant,
    ) -> impl Iterator<Item = (&'a SeriesKey, &'a SeriesEntry)> {
        self.series.iter().filter(move |(key, _)| key.tenant() == tenant)
    }
}
