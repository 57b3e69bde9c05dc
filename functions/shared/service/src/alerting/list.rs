//! Use case: lists the alerts of a tenant.

use alert::AlertPhase;
use domain::Tenant;
use futures_util::stream::{self, StreamExt};

use super::check::{id_of, read_alerts};
use crate::answers::{AlertAnswer, AlertsAnswer};
use crate::error::ServiceError;
use crate::metrics::StoreOperation;
use crate::service::Service;

/// Series whose alerts are listed.
const SERIES_MAX: usize = 1_000;

/// Series read concurrently.
const CONCURRENCY: usize = 16;

impl Service {
    /// Alerts of a tenant that fire, may fire, or were resolved within hours, in this order; the newest first of each.
    ///
    /// At most a second old, since open pages ask again and again.
    pub async fn alerts(&self, tenant: &Tenant) -> Result<AlertsAnswer, ServiceError> {
        self.alert_lists().get(tenant.clone(), self.read_alerts(tenant)).await
    }

    async fn read_alerts(&self, tenant: &Tenant) -> Result<AlertsAnswer, ServiceError> {
        let keys = self.store().alerting_series(tenant, SERIES_MAX);
        let keys = self.measure(StoreOperation::List, keys).await?;
        let truncated = keys.len() == SERIES_MAX;
        let reads = keys.into_iter().map(|key| async move {
            let stored = self.store().alerts(&key);
            let stored = self.measure(StoreOperation::Read, stored).await?;
            let alerts = read_alerts(&key, &stored).alerts;
            let answers = alerts
                .iter()
                .map(|alert| AlertAnswer::of(id_of(&key, alert.start_us), key.series(), alert));
            Ok::<_, ServiceError>(answers.collect::<Vec<_>>())
        });
        let reads: Vec<Result<Vec<AlertAnswer>, ServiceError>> =
            stream::iter(reads).buffer_unordered(CONCURRENCY).collect().await;
        let mut alerts = Vec::new();
        for read in reads {
            alerts.extend(read?);
        }
        let phases = [AlertPhase::Firing, AlertPhase::Pending, AlertPhase::Resolved];
        let place =
            |alert: &AlertAnswer| phases.iter().position(|phase| phase.as_str() == alert.phase);
        alerts.sort_by(|a, b| {
            let by_phase = place(a).cmp(&place(b));
            by_phase.then(b.starts_at.cmp(&a.starts_at)).then_with(|| a.id.cmp(&b.id))
        });
        Ok(AlertsAnswer { notifies: self.notifier().is_some(), alerts, truncated })
    }
}
