//! State of the embedded store as a whole.

use std::collections::BTreeMap;

use async_trait::async_trait;
use detector::DeployedDetector;

use super::store::{EmbeddedSeries, EmbeddedStore};
use crate::status::check_detector;
use crate::{SERIES_TTL_S, StoreError, StoreGauges, StoreMemory, StoreStatus};

impl EmbeddedStore {
    /// Time after which a series must have received a sample to count, in Unix microseconds.
    pub(super) fn oldest_us(&self) -> i64 {
        (self.clock)() - SERIES_TTL_S as i64 * 1_000_000
    }
}

#[async_trait]
impl StoreStatus for EmbeddedStore {
    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn check_deployment(&self, deployed: &DeployedDetector) -> Result<(), StoreError> {
        let detector = deployed.detector.to_string();
        let mut state = self.lock();
        let first =
            state.detectors.entry(deployed.generation).or_insert_with(|| detector.clone()).clone();
        check_detector(deployed, &first)
    }

    async fn gauges(&self) -> Result<StoreGauges, StoreError> {
        let (now_us, oldest_us) = ((self.clock)(), self.oldest_us());
        let state = self.lock();
        let is_active = |series: &&EmbeddedSeries| series.received_us >= oldest_us;
        let waiting = state.series.values().filter(|series| series.stored.n_waiting() > 0);
        let waits_us = waiting.map(|series| (now_us - series.waiting_since_us).max(0));
        let (n_pending, oldest_pending_us) =
            waits_us.fold((0, 0), |(n, oldest_us), us| (n + 1, us.max(oldest_us)));
        let n_series = state.series.values().filter(is_active).count() as u64;
        let max_bytes = self.limits.memory_bytes;
        Ok(StoreGauges {
            n_series,
            n_pending,
            oldest_pending_us,
            n_series_max: self.series_limits().of_all,
            memory: StoreMemory { used_bytes: None, max_bytes },
        })
    }

    async fn totals(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        Ok(self.lock().totals.clone())
    }

    async fn add_totals(&self, totals: &BTreeMap<String, u64>) -> Result<(), StoreError> {
        let mut state = self.lock();
        for (field, n) in totals {
            *state.totals.entry(field.clone()).or_default() += n;
        }
        Ok(())
    }
}
