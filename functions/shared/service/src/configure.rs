//! Use case: puts, reads and removes the configuration of one series.

use detector::SeriesConfig;
use domain::{SampleKind, Series, SeriesKey, Tenant};
use tracing::info;

use crate::answers::{ConfigAnswer, MaintenanceAnswer, SeriesName};
use crate::config_request::ConfigRequest;
use crate::error::ServiceError;
use crate::feedback::ConfigUpdate;
use crate::metrics::StoreOperation;
use crate::service::Service;

impl Service {
    /// Reads the configuration of a series; the deployment's if it has none.
    pub async fn series_config(
        &self,
        tenant: &Tenant,
        series: Series,
    ) -> Result<ConfigAnswer, ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        let state = self.measure(StoreOperation::Read, self.store().read(&key)).await?;
        let stored = state.ok_or(ServiceError::NotFound)?.config;
        let (config, revision) =
            stored.map_or_else(Default::default, |stored| (stored.config, stored.revision));
        Ok(self.config_answer(&key, &config, revision))
    }

    /// Replaces the configuration of a series, which need not have samples yet.
    ///
    /// Applies to every sample judged after the answer, in any process.
    pub async fn configure(
        &self,
        tenant: &Tenant,
        series: Series,
        request: ConfigRequest,
    ) -> Result<ConfigAnswer, ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        let config =
            request.config(&self.deployed_for(&key).detector, (tenant, self.alert_rules()))?;
        let (config, revision) = self
            .change_config(&key, |before| {
                // Feedback stays, whatever is configured.
                ConfigUpdate::Put(config.clone().with_feedback(before.feedback().clone()))
            })
            .await?;
        info!(series = ?key.series(), revision, "series configured");
        Ok(self.config_answer(&key, &config, revision))
    }

    /// Removes the configuration of a series, if any; the deployment's applies then.
    pub async fn unconfigure(&self, tenant: &Tenant, series: Series) -> Result<(), ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        let (_, revision) = self
            .change_config(&key, |before| {
                if before.feedback().given().is_empty() {
                    return ConfigUpdate::Remove;
                }
                let feedback = before.feedback().clone();
                ConfigUpdate::Put(SeriesConfig::default().with_feedback(feedback))
            })
            .await?;
        if revision != 0 {
            info!(series = ?key.series(), "series configuration removed");
            return Ok(());
        }
        let state = self.measure(StoreOperation::Read, self.store().read(&key)).await?;
        if state.is_some() { Ok(()) } else { Err(ServiceError::NotFound) }
    }

    fn config_answer(&self, key: &SeriesKey, config: &SeriesConfig, revision: i64) -> ConfigAnswer {
        ConfigAnswer {
            series: SeriesName::from(key.series()),
            configured: revision != 0
                && (config.has_settings() || config.feedback().given().is_empty()),
            detector: config.detector.unwrap_or(self.deployed_for(key).detector).to_string(),
            own_detector: config.detector.is_some(),
            kind: config.kind.map(SampleKind::as_str),
            alerts: config.alert_policy().map(ToString::to_string),
            maintenance: MaintenanceAnswer::of(config),
            revision,
        }
    }
}
