//! Looking at many series of the embedded store at once.

use async_trait::async_trait;

use super::{EmbeddedStore, Entry};
use crate::instances::{INSTANCE_LEASE_S, INSTANCES_MAX};
use crate::{Counts, Glance, Instance, Instances, Levels, Overview, SERIES_TTL_S, StoreError};
use domain::{SeriesKey, Tenant};

impl EmbeddedStore {
    /// Before this a receipt is too long ago for a series to be kept.
    fn oldest_us(&self) -> i64 {
        (self.clock)() - SERIES_TTL_S as i64 * 1_000_000
    }
}

#[async_trait]
impl Overview for EmbeddedStore {
    async fn levels(&self) -> Result<Levels, StoreError> {
        let (now_us, oldest_us) = ((self.clock)(), self.oldest_us());
        let inner = self.lock();
        let kept = |entry: &&Entry| entry.received_us >= oldest_us;
        let waiting = inner.series.values().filter(|entry| !entry.inbox.is_empty());
        let waits_us = waiting.map(|entry| (now_us - entry.waits_since_us).max(0));
        let (n_pending, oldest_pending_us) =
            waits_us.fold((0, 0), |(n, oldest_us), us| (n + 1, us.max(oldest_us)));
        let n_series = inner.series.values().filter(kept).count() as u64;
        Ok(Levels { n_series, n_pending, oldest_pending_us })
    }

    async fn count(&self, tenant: &Tenant) -> Result<Counts, StoreError> {
        let oldest_us = self.oldest_us();
        let inner = self.lock();
        let mut counts = Counts::default();
        for (_, entry) in inner.of_tenant(tenant) {
            counts.n_series += u64::from(entry.received_us >= oldest_us);
            counts.n_anomalous += u64::from(!entry.anomalies.is_empty());
            counts.n_pending += u64::from(!entry.inbox.is_empty());
        }
        Ok(counts)
    }

    async fn recent(&self, tenant: &Tenant, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        let inner = self.lock();
        let last = inner.by_receipt.iter().rev().filter(|(_, key)| key.tenant() == tenant);
        Ok(last.take(limit).map(|(_, key)| key.clone()).collect())
    }

    async fn glances(&self, keys: &[SeriesKey]) -> Result<Vec<Glance>, StoreError> {
        let inner = self.lock();
        let glance = |entry: &Entry| Glance {
            memory: entry.memory.as_ref().map(|memory| memory.bytes.clone()),
            n_anomalies: entry.anomalies.len() as u64,
        };
        Ok(keys.iter().map(|key| inner.series.get(key).map(glance).unwrap_or_default()).collect())
    }
}

#[async_trait]
impl Instances for EmbeddedStore {
    async fn report(&self, instance: &Instance) -> Result<(), StoreError> {
        let now_us = (self.clock)();
        let end_us = now_us + INSTANCE_LEASE_S as i64 * 1_000_000;
        let mut inner = self.lock();
        inner.instances.retain(|_, (end_us, _)| *end_us > now_us);
        let field = instance.field();
        if inner.instances.len() < INSTANCES_MAX || inner.instances.contains_key(&field) {
            inner.instances.insert(field, (end_us, instance.clone()));
        }
        Ok(())
    }

    async fn withdraw(&self, instance: &Instance) -> Result<(), StoreError> {
        self.lock().instances.remove(&instance.field());
        Ok(())
    }

    async fn instances(&self) -> Result<Vec<Instance>, StoreError> {
        let now_us = (self.clock)();
        let inner = self.lock();
        let live = inner.instances.values().filter(|(end_us, _)| *end_us > now_us);
        Ok(live.map(|(_, instance)| instance.clone()).collect())
    }
}
