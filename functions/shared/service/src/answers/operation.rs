//! Answers about sweeps and the configuration of a series.

use detector::SeriesConfig;
use serde::Serialize;

use super::milliseconds::milliseconds;
use super::parts::SeriesName;

/// Work done by one sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SweepAnswer {
    /// Series with samples not yet judged.
    pub series: usize,
    /// Series among them that were judged.
    pub judged: usize,
    /// Series among them that could not be judged.
    pub failed: usize,
    /// Series checked for silence because their next sample is overdue.
    pub checked: usize,
    /// Series among them that newly fell silent.
    pub silent: usize,
    /// Messages delivered to receivers of alerts.
    pub notified: usize,
    /// Episodes saved to the history.
    pub episodes_saved: usize,
    /// Series with episodes not yet saved because the history failed.
    pub unsaved: usize,
    /// Configuration changes, removals included, saved to the history.
    pub configs_saved: usize,
    /// Configuration changes not yet saved because the history failed.
    pub configs_unsaved: usize,
    /// Configurations that the store lost and the history restored.
    pub configs_restored: usize,
    /// True if a limit of the sweep was reached: sweep again.
    pub more: bool,
}

impl SweepAnswer {
    /// True if there was nothing to do.
    pub fn is_idle(&self) -> bool {
        *self == Self { checked: self.checked, ..Self::default() }
    }
}

/// Configuration of one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigAnswer {
    /// Name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// True if the series has a configuration; otherwise the deployment's applies.
    pub configured: bool,
    /// Spec of the detector: its own, or the deployment's.
    pub detector: String,
    /// True if the detector is configured for this series.
    pub own_detector: bool,
    /// Kind of all samples of the series, `gauge` or `counter`; absent if each sample has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// Policy of its alerts; null if it follows the deployment.
    pub alerts: Option<String>,
    /// Maintenance windows: anomalies inside them are not reported.
    pub maintenance: Vec<MaintenanceAnswer>,
    /// Increases with each change of the configuration; 0 if there is none.
    pub revision: i64,
}

/// A maintenance window.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MaintenanceAnswer {
    /// Start in Unix milliseconds, inclusive.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub from: i64,
    /// End in Unix milliseconds, exclusive.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub until: i64,
    /// Reason given by the user; may be empty.
    pub reason: String,
}

impl MaintenanceAnswer {
    /// Lists the maintenance windows of a configuration.
    pub fn of(config: &SeriesConfig) -> Vec<Self> {
        let windows = config.maintenance().iter().map(|window| Self {
            from: window.from_us(),
            until: window.until_us(),
            reason: window.reason().to_owned(),
        });
        windows.collect()
    }
}
