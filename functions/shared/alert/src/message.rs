//! Message of an alert to a receiver, and the port that delivers it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use domain::SeriesKey;
use domain::verdict::short;
use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;

use crate::{AlertChange, AlertDetails, AlertPhase, Severity};

/// An alert after one change, for a receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertMessage {
    /// Identity of the alert: the same for all its changes and all their repetitions.
    pub id: String,
    /// The change.
    pub change: AlertChange,
    /// The series.
    pub key: SeriesKey,
    /// Name of the policy, for people.
    pub policy: String,
    /// Other severities that the alert had before.
    pub earlier_severities: Vec<Severity>,
    /// Start of the episode, in Unix microseconds.
    pub start_us: i64,
    /// Facts about the episode.
    pub details: AlertDetails,
    /// Labels by which the alert may be grouped, with their values; a missing label is empty.
    pub group: BTreeMap<String, String>,
    /// Link to the page of the series, if the deployment has one.
    pub page_url: Option<String>,
}

impl AlertMessage {
    /// One line for people: the series, its value, and the expected one.
    pub fn summary(&self) -> String {
        let series = self.key.series();
        let name = format!("{} of {}", series.metric(), series.source());
        match (self.change.phase, self.details.value, self.details.expected) {
            (AlertPhase::Resolved, ..) => format!("{name} is normal again"),
            (_, Some(value), Some(expected)) => {
                format!("{name} is {}, expected {}", short(value), short(expected))
            }
            _ => format!("{name}: {}", self.details.reason),
        }
    }

    /// Identity of the message: the same for each repetition, so that a receiver can drop it.
    pub fn delivery_id(&self) -> String {
        format!("{}.{}", self.id, self.change.revision)
    }

    /// The message in JSON, in the form of Standard Webhooks: type, time and data.
    pub fn body(&self) -> Value {
        let Self { change, details, key, .. } = self;
        let is_resolved = change.phase == AlertPhase::Resolved;
        let series = key.series();
        json!({
            "type": format!("alert.{}", change.phase.as_str()),
            "timestamp": rfc3339(change.at_us),
            "data": {
                "id": self.id,
                "revision": change.revision,
                "phase": change.phase.as_str(),
                "severity": change.severity.as_str(),
                "summary": self.summary(),
                "tenant": key.tenant().as_str(),
                "source": series.source(),
                "metric": series.metric(),
                "labels": series.labels(),
                "group": self.group,
                "policy": self.policy,
                "starts_at": rfc3339(self.start_us),
                "ends_at": is_resolved.then(|| rfc3339(details.end_us)),
                "samples": details.n_samples,
                "signal": details.signal,
                "value": details.value,
                "expected": details.expected,
                "low": details.low,
                "high": details.high,
                "score": details.score,
                "reason": details.reason,
                "url": self.page_url,
            },
        })
    }
}

/// A time in RFC 3339; the start of 1970 for one that has no year of four digits.
pub fn rfc3339(at_us: i64) -> String {
    Timestamp::from_microsecond(at_us).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// Receiver of alerts.
#[async_trait]
pub trait Receiver: Debug + Send + Sync {
    /// Name in policies and metrics.
    fn name(&self) -> &str;

    /// True if it must be reminded of firing alerts, and of those just resolved.
    fn forgets(&self) -> bool {
        false
    }

    /// Sends messages of different alerts; returns the results in their order.
    async fn send(&self, messages: &[AlertMessage], now_us: i64) -> Vec<Result<(), ReceiverError>>;
}

/// Reasons why a receiver did not take a message.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ReceiverError {
    /// The receiver did not answer, or not with success; a later try may succeed.
    #[error("{reason}")]
    Failed {
        /// The error or the answer.
        reason: String,
        /// Time after which the receiver wants the next try.
        retry_after: Option<Duration>,
    },
    /// The receiver wants no further message.
    #[error("the receiver wants no further message: {reason}")]
    Gone {
        /// The answer.
        reason: String,
    },
}
