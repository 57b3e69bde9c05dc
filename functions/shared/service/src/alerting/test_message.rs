//! A message by which a person learns, before the first incident, whether a receiver gets alerts.

use std::collections::BTreeMap;

use alert::{AlertChange, AlertDetails, AlertMessage, AlertPhase, Receiver, Severity};
use domain::{Series, SeriesKey, Tenant};

use super::check::id_of;
use crate::clock::now_us;

/// Source and metric that distinguish it from an alert.
const SOURCE: &str = "tidemark";
const METRIC: &str = "test_message";

const REASON: &str = "this is a test of the receiver, sent by a person; no series is anomalous";

/// Sends a test message to a receiver, and its end; returns why the receiver did not take them.
///
/// One that forgets alerts gets no end: it would drop the message before it passes it on, and forgets it by itself.
pub async fn send_test_message(receiver: &dyn Receiver) -> Result<(), String> {
    let now_us = now_us();
    let mut phases = vec![AlertPhase::Firing];
    if !receiver.forgets() {
        phases.push(AlertPhase::Resolved);
    }
    for (revision, phase) in (1..).zip(phases) {
        let change = AlertChange { revision, phase, severity: Severity::Info, at_us: now_us };
        let results = receiver.send(&[message(change, now_us)], now_us).await;
        results.into_iter().collect::<Result<Vec<()>, _>>().map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn message(change: AlertChange, now_us: i64) -> AlertMessage {
    let labels = BTreeMap::from([("test".to_owned(), "true".to_owned())]);
    let series = Series::new(SOURCE, METRIC, labels).expect("short names are valid");
    let key = SeriesKey::new(Tenant::default(), series);
    AlertMessage {
        id: id_of(&key, now_us),
        change,
        key,
        policy: "test".to_owned(),
        earlier_severities: Vec::new(),
        start_us: now_us,
        details: AlertDetails {
            end_us: now_us,
            n_samples: 0,
            signal: "deviation".to_owned(),
            value: None,
            at_us: None,
            score: 0.0,
            expected: None,
            low: None,
            high: None,
            reason: REASON.to_owned(),
        },
        group: BTreeMap::new(),
        page_url: None,
    }
}
