//! What one series wants otherwise than its deployment: putting, reading and removing it.

use detector::SeriesConfig;
use domain::Series;
use domain::{SeriesKey, Tenant};
use tracing::info;

use crate::answers::{ConfigAnswer, MaintenanceAnswer, SeriesName};
use crate::config_request::ConfigRequest;
use crate::error::ServiceError;
use crate::service::Service;
use crate::store_metrics::StoreOperation;

impl Service {
    /// The configuration of a series; that of the deployment where it has none.
    pub async fn series_config(
        &self,
        tenant: &Tenant,
        series: Series,
    ) -> Result<ConfigAnswer, ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        let state = self
            .totals()
            .measure(StoreOperation::Read, self.store().read(&key))
            .await?
            .ok_or(ServiceError::NotFound)?;
        let Some(stored) = &state.config else {
            return Ok(self.config_answer(&key, &SeriesConfig::default(), 0));
        };
        Ok(self.config_answer(&key, &stored.config, stored.revision))
    }

    /// Replaces the configuration of a series, which need not have a sample yet.
    ///
    /// It counts for every sample that is judged after the answer, whoever judges it.
    pub async fn configure(
        &self,
        tenant: &Tenant,
        series: Series,
        request: ConfigRequest,
    ) -> Result<ConfigAnswer, ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        let config = request.config(&self.deployed().detector)?;
        let revision = self
            .totals()
            .measure(StoreOperation::Commit, self.store().put_config(&key, &config))
            .await?;
        info!(series = ?key.series(), revision, "series configured");
        Ok(self.config_answer(&key, &config, revision))
    }

    /// Removes the configuration of a series, which then follows its deployment; fine where there is none.
    pub async fn unconfigure(&self, tenant: &Tenant, series: Series) -> Result<(), ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        if self.totals().measure(StoreOperation::Commit, self.store().remove_config(&key)).await? {
            info!(series = ?key.series(), "series follows its deployment again");
            return Ok(());
        }
        let is_known =
            self.totals().measure(StoreOperation::Read, self.store().read(&key)).await?.is_some();
        if is_known { Ok(()) } else { Err(ServiceError::NotFound) }
    }

    fn config_answer(&self, key: &SeriesKey, config: &SeriesConfig, revision: i64) -> ConfigAnswer {
        ConfigAnswer {
            series: SeriesName::from(key.series()),
            configured: revision != 0,
            detector: config.detector.unwrap_or(self.deployed().detector).to_string(),
            own_detector: config.detector.is_some(),
            maintenance: MaintenanceAnswer::of(config),
            revision,
        }
    }
}
