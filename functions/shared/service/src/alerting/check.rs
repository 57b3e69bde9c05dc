//! Checks the alerts of one series: reads what the store has of it, applies the policy, and saves the change.
//!
//! The change is saved before anything of it is delivered, so that a repeated delivery has the same identity.

use alert::{Alert, AlertChange, AlertMessage, AlertPolicy, SeriesAlerts, SeriesView};
use domain::{EpisodeRecord, Judgement, SeriesKey};
use sha2::{Digest, Sha256};
use store::{DueAlerts, PastRange, Requeue, SeriesState, StoredAlerts};
use tracing::warn;

use super::notifier::Notifier;
use super::rules::AlertRules;
use crate::error::ServiceError;
use crate::metrics::StoreOperation;
use crate::service::Service;

/// Episodes of a series that are read: more than can fire at once.
const EPISODES_MAX: usize = 16;

/// Anomalies of these episodes that are read.
const ANOMALIES_MAX: usize = 1_000;

/// A series whose alerts are being checked.
#[derive(Debug)]
pub(super) struct AlertCheck {
    pub(super) key: SeriesKey,
    pub(super) alerts: SeriesAlerts,
    place: i64,
    version: i64,
    policy: AlertPolicy,
    policy_name: String,
}

impl AlertCheck {
    /// Message for a receiver of one change of an alert.
    pub(super) fn message(
        &self,
        alert: &Alert,
        change: AlertChange,
        page_url: Option<&str>,
    ) -> AlertMessage {
        let series = self.key.series();
        let label = |name: &str| match name {
            "source" => series.source().to_owned(),
            "metric" => series.metric().to_owned(),
            name => series.labels().get(name).cloned().unwrap_or_default(),
        };
        let group = alert.group_by.iter().map(|name| (name.clone(), label(name))).collect();
        let mut earlier: Vec<_> = alert
            .changes
            .iter()
            .filter(|other| other.revision < change.revision && other.severity != change.severity)
            .map(|other| other.severity)
            .collect();
        earlier.dedup();
        AlertMessage {
            id: id_of(&self.key, alert.start_us),
            change,
            key: self.key.clone(),
            policy: self.policy_name.clone(),
            earlier_severities: earlier,
            start_us: alert.start_us,
            details: alert.details.clone(),
            group,
            page_url: page_url.map(|url| page_of(url, &self.key)),
        }
    }
}

/// Identity of an alert: that of its series and the start of its episode.
pub(super) fn id_of(key: &SeriesKey, start_us: i64) -> String {
    let digest = Sha256::digest(format!("{} {start_us}", key.to_text()));
    hex::encode(&digest[..16])
}

/// Link to the page of a series.
fn page_of(url: &str, key: &SeriesKey) -> String {
    let series = key.series();
    let mut parameters = vec![("source", series.source().to_owned())];
    parameters.push(("metric", series.metric().to_owned()));
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    // The name of a label is encoded by itself, as it may contain what separates it from its value.
    let labels = series.labels().iter();
    let labels = labels.map(|(name, value)| ("label", format!("{}={value}", encode(name))));
    parameters.extend(labels);
    let query: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    format!("{url}#series?{}", query.join("&"))
}

/// Stored past of a series.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// In time order.
    pub(super) episodes: Vec<EpisodeRecord>,
    /// In time order.
    pub(super) anomalies: Vec<Judgement>,
    /// Times of the samples in the window, in order.
    pub(super) sample_times_us: Vec<i64>,
}

impl Service {
    /// Checks a series; `None` if another notifier has saved its alerts meanwhile.
    pub(super) async fn check_alerts(
        &self,
        due: DueAlerts,
        notifier: &Notifier,
        now_us: i64,
    ) -> Result<Option<AlertCheck>, ServiceError> {
        let DueAlerts { key, place } = due;
        let stored = self.measure(StoreOperation::Read, self.store().alerts(&key)).await?;
        let state = self.measure(StoreOperation::Read, self.store().read(&key)).await?;
        let mut alerts = read_alerts(&key, &stored);
        let before = alerts.clone();
        let (policy, policy_name) = policy_for(notifier.rules(), &key, state.as_ref());
        match state.filter(|state| !state.has_no_sample()) {
            None => alerts.end(now_us),
            Some(state) => {
                let past = self.past_of(&key, &state, 0, EPISODES_MAX).await?;
                let view = SeriesView {
                    now_us,
                    receivers: &notifier.rules().receivers_of(key.tenant()),
                    sample_times_us: &past.sample_times_us,
                    episodes: &past.episodes,
                    anomalies: &past.anomalies,
                };
                alerts.advance(&policy, &view);
            }
        }
        let check = AlertCheck { key, alerts, place, version: stored.version, policy, policy_name };
        if check.alerts == before {
            return Ok(Some(check));
        }
        let check = self.save_check(check, None).await?;
        if let Some(check) = &check {
            self.totals().count_alert_changes(&before, &check.alerts);
        }
        Ok(check)
    }

    /// Saves the alerts after deliveries, and when to check them next.
    pub(super) async fn finish_check(
        &self,
        check: AlertCheck,
        notifier: &Notifier,
        now_us: i64,
    ) -> Result<(), ServiceError> {
        let receiver = |name: &str| notifier.receiver(name);
        let to_us = check.alerts.next_check_us(&check.policy, receiver, now_us);
        let requeue = Requeue { from: check.place, to_us };
        self.save_check(check, Some(requeue)).await.map(drop)
    }

    async fn save_check(
        &self,
        check: AlertCheck,
        requeue: Option<Requeue>,
    ) -> Result<Option<AlertCheck>, ServiceError> {
        let text = if check.alerts.is_empty() {
            String::new()
        } else {
            serde_json::to_string(&check.alerts).unwrap_or_default()
        };
        let next = if text.is_empty() { 0 } else { check.version + 1 };
        let stored = StoredAlerts { version: check.version, text };
        let save = self.store().save_alerts(&check.key, &stored, requeue);
        let is_saved = self.measure(StoreOperation::Commit, save).await?;
        Ok(is_saved.then_some(AlertCheck { version: next, ..check }))
    }

    /// Newest episodes of a series since a time, with their anomalies.
    pub(super) async fn past_of(
        &self,
        key: &SeriesKey,
        state: &SeriesState,
        since_us: i64,
        limit: usize,
    ) -> Result<Past, ServiceError> {
        let range = PastRange { since_us, before_us: None, limit };
        let episodes = self.store().episodes(key, range);
        let episodes = self.measure(StoreOperation::Read, episodes).await?;
        let episodes: Vec<EpisodeRecord> =
            episodes.iter().rev().map(|episode| episode.record).collect();
        let sample_times_us = state.window.iter().map(|judged| judged.sample.at_us()).collect();
        let Some(first) = episodes.first() else {
            return Ok(Past { sample_times_us, ..Past::default() });
        };
        let anomalies = self.store().anomalies(key, first.start_us, ANOMALIES_MAX);
        let mut anomalies = self.measure(StoreOperation::Read, anomalies).await?;
        anomalies.reverse();
        Ok(Past { episodes, anomalies, sample_times_us })
    }
}

/// Reads stored alerts; those that this version cannot read are started again.
pub(super) fn read_alerts(key: &SeriesKey, stored: &StoredAlerts) -> SeriesAlerts {
    if stored.text.is_empty() {
        return SeriesAlerts::default();
    }
    serde_json::from_str(&stored.text).unwrap_or_else(|error| {
        warn!(series = ?key.series(), %error, "stored alerts are not read");
        SeriesAlerts::default()
    })
}

/// Policy of a series: its own, or that of the deployment.
pub(super) fn policy_for(
    rules: &AlertRules,
    key: &SeriesKey,
    state: Option<&SeriesState>,
) -> (AlertPolicy, String) {
    let config = state.and_then(|state| state.config.as_ref()).map(|stored| &stored.config);
    if let Some(policy) = config.and_then(|config| config.alert_policy()) {
        return (policy.clone(), "series".to_owned());
    }
    let (name, policy) = rules.policy_of(key);
    (policy, name.to_owned())
}

#[cfg(test)]
mod tests {
    use domain::{Series, Tenant};

    use super::*;

    #[test]
    fn a_link_names_the_series_and_an_identity_its_episode() {
        let labels = [("a=b", "1"), ("region", "eu west")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let series = Series::new("checkout", "rps", labels).unwrap();
        let key = SeriesKey::new(Tenant::new("t"), series);
        // As the page reads it, and the routes do: one parameter for each label.
        let expected = "https://e.org/ui#series?source=checkout&metric=rps&label=a%253Db%3D1&label=region%3Deu%20west";
        assert_eq!(page_of("https://e.org/ui", &key), expected);
        assert_eq!(id_of(&key, 5), id_of(&key.clone(), 5));
        assert_ne!(id_of(&key, 5), id_of(&key, 6));
        assert_eq!(id_of(&key, 5).len(), 32);
    }
}
