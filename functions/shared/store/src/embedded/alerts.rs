//! Alerts in the memory of the process.

use std::time::Duration;

use async_trait::async_trait;
use domain::{SeriesKey, Tenant};

use super::store::EmbeddedStore;
use crate::{AlertStore, DueAlerts, Requeue, StoreError, StoredAlerts};

#[async_trait]
impl AlertStore for EmbeddedStore {
    async fn lease_notifier(&self, holder: &str, lease: Duration) -> Result<bool, StoreError> {
        let now_us = (self.clock)();
        let mut state = self.lock();
        let is_of_other = |(other, until_us): &(String, i64)| other != holder && *until_us > now_us;
        if state.notifier.as_ref().is_some_and(is_of_other) {
            return Ok(false);
        }
        state.notifier = Some((holder.to_owned(), now_us + lease.as_micros() as i64));
        Ok(true)
    }

    async fn release_notifier(&self, holder: &str) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.notifier = state.notifier.take().filter(|(other, _)| other != holder);
        Ok(())
    }

    async fn due_alerts(&self, now_us: i64, limit: usize) -> Result<Vec<DueAlerts>, StoreError> {
        let mut state = self.lock();
        state.are_alerts_enabled = true;
        let due = state.alert_checks.iter().filter(|(_, place)| **place <= now_us);
        let due = due.map(|(key, place)| DueAlerts { key: key.clone(), place: *place });
        let (mut changed, mut timed): (Vec<_>, Vec<_>) = due.partition(|due| due.place < 0);
        for (part, n_max) in [(&mut changed, limit - limit / 4), (&mut timed, limit / 4)] {
            part.sort_by_key(|due| due.place);
            part.truncate(n_max);
        }
        changed.append(&mut timed);
        Ok(changed)
    }

    async fn alerts(&self, key: &SeriesKey) -> Result<StoredAlerts, StoreError> {
        Ok(self.lock().alerts.get(key).cloned().unwrap_or_default())
    }

    async fn save_alerts(
        &self,
        key: &SeriesKey,
        alerts: &StoredAlerts,
        requeue: Option<Requeue>,
    ) -> Result<bool, StoreError> {
        let mut state = self.lock();
        let version = state.alerts.get(key).map_or(0, |stored| stored.version);
        if version != alerts.version {
            return Ok(false);
        }
        if alerts.text.is_empty() {
            state.alerts.remove(key);
        } else {
            let stored = StoredAlerts { version: version + 1, text: alerts.text.clone() };
            state.alerts.insert(key.clone(), stored);
        }
        if let Some(Requeue { from, to_us }) = requeue
            && state.alert_checks.get(key) == Some(&from)
        {
            match to_us {
                Some(to_us) => _ = state.alert_checks.insert(key.clone(), to_us),
                None => _ = state.alert_checks.remove(key),
            }
        }
        Ok(true)
    }

    async fn alerting_series(
        &self,
        tenant: &Tenant,
        limit: usize,
    ) -> Result<Vec<SeriesKey>, StoreError> {
        let state = self.lock();
        let of_tenant = state.alerts.keys().filter(|key| key.tenant() == tenant);
        Ok(of_tenant.take(limit).cloned().collect())
    }
}
