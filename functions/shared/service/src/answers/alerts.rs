//! Answers about alerts, and about those that a policy would have made.

use std::collections::BTreeMap;

use alert::{Alert, AlertDelivery};
use domain::Series;
use serde::Serialize;

use super::milliseconds::{milliseconds, optional_milliseconds};
use super::parts::SeriesName;

/// Alerts of a tenant.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlertsAnswer {
    /// True if the answering process has receivers. Another process may be the one that notifies.
    pub notifies: bool,
    /// Alerts: firing ones first, then the newest.
    pub alerts: Vec<AlertAnswer>,
    /// True if there are more series with alerts than an answer lists.
    pub truncated: bool,
}

/// An alert of one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlertAnswer {
    /// Identity of the alert, as its receivers get it.
    pub id: String,
    /// Name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// `pending` until the policy is met, `firing`, or `resolved`.
    pub phase: &'static str,
    /// `info`, `warning` or `critical`.
    pub severity: &'static str,
    /// Number of its last change; 0 while it is pending.
    pub revision: u32,
    /// Start of the episode, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub starts_at: i64,
    /// Time of its last change, in Unix milliseconds; null while it is pending.
    #[serde(serialize_with = "optional_milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f64>, minimum = 0))]
    pub changed_at: Option<i64>,
    /// Anomalous samples of the episode so far.
    pub samples: u64,
    /// Signal with the highest score.
    pub signal: String,
    /// Highest score.
    pub score: f64,
    /// Value with this score; null for a silence.
    pub value: Option<f64>,
    /// Value that was expected.
    pub expected: Option<f64>,
    /// The reason in one sentence.
    pub reason: String,
    /// Deliveries by receiver.
    pub deliveries: BTreeMap<String, DeliveryAnswer>,
}

/// Progress of the deliveries of an alert to one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryAnswer {
    /// Last change that the receiver took, or that was given up.
    pub revision: u32,
    /// Failures since the last success.
    pub failures: u32,
    /// Changes that were given up.
    pub given_up: u32,
}

impl AlertAnswer {
    /// Describes an alert.
    pub(crate) fn of(id: String, series: &Series, alert: &Alert) -> Self {
        let delivery = |receiver: &String| {
            let delivery = alert.deliveries.get(receiver).copied().unwrap_or_default();
            (receiver.clone(), DeliveryAnswer::from(&delivery))
        };
        Self {
            id,
            series: SeriesName::from(series),
            phase: alert.phase.as_str(),
            severity: alert.severity.as_str(),
            revision: alert.revision(),
            starts_at: alert.start_us,
            changed_at: alert.changed_us(),
            samples: alert.details.n_samples,
            signal: alert.details.signal.clone(),
            score: alert.details.score,
            value: alert.details.value,
            expected: alert.details.expected,
            reason: alert.details.reason.clone(),
            deliveries: alert.receivers.iter().map(delivery).collect(),
        }
    }
}

impl From<&AlertDelivery> for DeliveryAnswer {
    fn from(delivery: &AlertDelivery) -> Self {
        let AlertDelivery { revision, n_failures, n_given_up, .. } = *delivery;
        Self { revision, failures: n_failures, given_up: n_given_up }
    }
}

/// Number of alerts that a policy would have made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PreviewAnswer {
    /// The policy, as it is stored.
    pub policy: String,
    /// Days of the past.
    pub days: u32,
    /// Series whose past was read: those with anomalies, worst first.
    pub series_read: usize,
    /// True if there are more series with anomalies than a preview reads.
    pub truncated: bool,
    /// Episodes of these series in these days.
    pub episodes: usize,
    /// Alerts that the policy would have made of them.
    pub alerts: usize,
    /// The same, a week.
    pub alerts_per_week: f64,
    /// Series with the most alerts, at most 20.
    pub series: Vec<PreviewSeriesAnswer>,
}

/// Number of alerts of one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PreviewSeriesAnswer {
    /// Name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// Its episodes.
    pub episodes: usize,
    /// Alerts that the policy would have made.
    pub alerts: usize,
}
