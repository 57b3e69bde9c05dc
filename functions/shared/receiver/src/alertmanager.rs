//! Posts alerts to all instances of an Alertmanager, by its API v2.
//!
//! Alertmanager forgets an alert whose end passes, so each message names an end ahead, and the notifier repeats it.

use std::collections::BTreeMap;

use alert::{AlertMessage, AlertPhase, Receiver, ReceiverError, Severity, rfc3339};
use async_trait::async_trait;
use futures_util::future::join_all;
use reqwest::{Client, Url};
use serde_json::{Value, json};
use tracing::warn;

use crate::client::{address, client, send};

/// Time until a firing alert ends by itself: five repetitions of a minute, in microseconds.
const ENDS_AFTER_US: i64 = 300_000_000;

/// Alerts of one request.
const ALERTS_MAX: usize = 64;

/// Most labels of a series that become labels of its alert.
const LABELS_MAX: usize = 32;

/// All instances of an Alertmanager.
#[derive(Debug)]
pub(crate) struct Alertmanager {
    name: String,
    urls: Vec<Url>,
    client: Client,
}

impl Alertmanager {
    pub(crate) fn new(name: String, urls: &[String]) -> Result<Self, String> {
        if urls.is_empty() {
            return Err("there is no address: expected that of each instance".to_owned());
        }
        let endpoint = |url: &String| {
            let mut url = address(url)?;
            url.set_path(&format!("{}/api/v2/alerts", url.path().trim_end_matches('/')));
            Ok(url)
        };
        let urls = urls.iter().map(endpoint).collect::<Result<_, String>>()?;
        Ok(Self { name, urls, client: client(None)? })
    }

    /// Posts to every instance; one that takes it is enough, as the others get the repetition.
    async fn post(&self, alerts: &[Value]) -> Result<(), ReceiverError> {
        let posts = self.urls.iter().map(|url| send(self.client.post(url.clone()).json(alerts)));
        let posted = join_all(posts).await;
        let is_taken = posted.iter().any(Result::is_ok);
        for (url, posted) in self.urls.iter().zip(&posted) {
            if let (Err(error), true) = (posted, is_taken) {
                let host = url.host_str().unwrap_or_default();
                warn!(receiver = self.name, host, %error, "an instance has not taken alerts");
            }
        }
        if is_taken { Ok(()) } else { posted.into_iter().next().unwrap_or(Ok(())) }
    }
}

#[async_trait]
impl Receiver for Alertmanager {
    fn name(&self) -> &str {
        &self.name
    }

    fn forgets(&self) -> bool {
        true
    }

    async fn send(&self, messages: &[AlertMessage], now_us: i64) -> Vec<Result<(), ReceiverError>> {
        let mut results = Vec::with_capacity(messages.len());
        for messages in messages.chunks(ALERTS_MAX) {
            let alerts: Vec<Value> =
                messages.iter().flat_map(|message| alerts_of(message, now_us)).collect();
            let result = self.post(&alerts).await;
            results.extend(messages.iter().map(|_| result.clone()));
        }
        results
    }
}

/// The alert, and the end of those with an earlier severity: a severity is a label, and so part of the identity.
fn alerts_of(message: &AlertMessage, now_us: i64) -> Vec<Value> {
    let change = &message.change;
    let is_firing = change.phase == AlertPhase::Firing;
    let ends_us = if is_firing { now_us + ENDS_AFTER_US } else { change.at_us };
    let current = alert_of(message, change.severity, ends_us);
    let earlier = message.earlier_severities.iter();
    let ended = earlier.map(|severity| alert_of(message, *severity, change.at_us));
    ended.chain([current]).collect()
}

fn alert_of(message: &AlertMessage, severity: Severity, ends_us: i64) -> Value {
    let details = &message.details;
    let number = |number: Option<f64>| number.map(|number| number.to_string());
    let annotations: BTreeMap<&str, String> = [
        ("summary", Some(message.summary())),
        ("description", Some(details.reason.clone())),
        ("value", number(details.value)),
        ("expected", number(details.expected)),
        ("low", number(details.low)),
        ("high", number(details.high)),
        ("score", number(Some(details.score))),
        ("signal", Some(details.signal.clone())),
        ("samples", Some(details.n_samples.to_string())),
        ("page", message.page_url.clone()),
    ]
    .into_iter()
    .filter_map(|(name, text)| Some((name, text?)))
    .collect();
    json!({
        "labels": labels_of(message, severity),
        "annotations": annotations,
        // A clock of a sender may be ahead, and an end before its start is refused.
        "startsAt": rfc3339(message.start_us.min(ends_us)),
        "endsAt": rfc3339(ends_us),
        "generatorURL": message.page_url.as_deref().unwrap_or_default(),
    })
}

/// Labels of the alert: the same for all its messages, and bounded. Those of the series come last, so that none replaces
/// another.
fn labels_of(message: &AlertMessage, severity: Severity) -> BTreeMap<String, String> {
    let series = message.key.series();
    let mut labels = BTreeMap::new();
    let own = [
        ("alertname", "TidemarkAnomaly"),
        ("severity", severity.as_str()),
        ("source", series.source()),
        ("metric", series.metric()),
        ("tenant", message.key.tenant().as_str()),
    ];
    for (name, value) in own {
        labels.insert(name.to_owned(), value.to_owned());
    }
    if !message.group.is_empty() {
        let group: Vec<String> =
            message.group.iter().map(|(name, value)| format!("{name}={value}")).collect();
        labels.insert("group".to_owned(), group.join(","));
    }
    for (name, value) in series.labels().iter().take(LABELS_MAX) {
        let name = label_name(name);
        let name = if labels.contains_key(&name) { format!("label_{name}") } else { name };
        labels.entry(name).or_insert_with(|| value.clone());
    }
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// A name that every Alertmanager takes: letters, digits and underscores, not beginning with a digit.
fn label_name(name: &str) -> String {
    let is_name_char = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name: String = name.chars().map(|c| if is_name_char(c) { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}
