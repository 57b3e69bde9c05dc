//! One alert: an episode that met a policy, and the deliveries to each receiver.

use std::collections::BTreeMap;

use domain::{EpisodePhase, EpisodeRecord, Expectation};
use serde::{Deserialize, Serialize};

use crate::Severity;

/// Most changes kept of an alert: more only if it changes faster than a receiver answers.
const CHANGES_MAX: usize = 16;

/// First delay after a failed delivery: a second, in microseconds.
const RETRY_US: i64 = 1_000_000;

/// Longest delay after failed deliveries: five minutes, in microseconds.
const RETRY_US_MAX: i64 = 300_000_000;

/// Longest delay of a repetition: a minute, in microseconds, so that the receiver does not forget the alert for longer.
const REPEATED_RETRY_US_MAX: i64 = 60_000_000;

/// Time after a change in which its delivery is tried: a day, in microseconds.
pub(crate) const DELIVERY_US_MAX: i64 = 86_400_000_000;

/// State of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertPhase {
    /// The episode lasts, but does not meet the policy yet.
    Pending,
    /// The episode met the policy.
    Firing,
    /// The episode has ended.
    Resolved,
}

impl AlertPhase {
    /// Name in messages and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// A change of an alert that is sent to receivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertChange {
    /// Number of the change, from 1.
    pub revision: u32,
    /// Firing or resolved.
    pub phase: AlertPhase,
    /// Severity after the change.
    pub severity: Severity,
    /// Time of the change, in Unix microseconds.
    pub at_us: i64,
}

/// Facts about the episode, for messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertDetails {
    /// Time of the last anomaly, in Unix microseconds.
    pub end_us: i64,
    /// Number of anomalies; 0 for a silence alone.
    pub n_samples: u64,
    /// Signal of the anomaly with the highest score.
    pub signal: String,
    /// Value of this anomaly; `None` for a silence.
    pub value: Option<f64>,
    /// Its time, in Unix microseconds.
    pub at_us: Option<i64>,
    /// Its score.
    pub score: f64,
    /// Value that was expected.
    pub expected: Option<f64>,
    /// Lower end of the band of usual values.
    pub low: Option<f64>,
    /// Upper end of the band of usual values.
    pub high: Option<f64>,
    /// The reason in one sentence.
    pub reason: String,
}

impl AlertDetails {
    /// Details of an episode as it is now.
    pub fn of(episode: &EpisodeRecord) -> Self {
        let expectation = episode.peak.and_then(|peak| peak.verdict.expectation);
        let part = |part: fn(Expectation) -> f64| expectation.map(part);
        Self {
            end_us: episode.end_us,
            n_samples: episode.n_samples,
            signal: episode.signal().as_str().to_owned(),
            value: episode.peak.map(|peak| peak.judged_value().unwrap_or(peak.sample.value())),
            at_us: episode.peak.map(|peak| peak.sample.at_us()),
            score: episode.peak.map_or(0.0, |peak| peak.verdict.score),
            expected: part(|expectation| expectation.value),
            low: part(|expectation| expectation.low),
            high: part(|expectation| expectation.high),
            reason: reason(episode),
        }
    }
}

fn reason(episode: &EpisodeRecord) -> String {
    match (episode.phase, episode.peak) {
        (EpisodePhase::Silent, _) => "no sample arrives any more".to_owned(),
        (_, Some(peak)) => peak.reason(),
        (_, None) => "no sample arrived for longer than usual".to_owned(),
    }
}

/// Progress of the deliveries of an alert to one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AlertDelivery {
    /// Last change that was delivered, or given up.
    pub revision: u32,
    /// Time of the last success, in Unix microseconds.
    pub sent_us: i64,
    /// Failures since then.
    pub n_failures: u32,
    /// Time of the next try, in Unix microseconds.
    pub next_us: i64,
    /// Changes that were given up.
    pub n_given_up: u32,
}

impl AlertDelivery {
    /// Records the delivery of a change.
    pub fn delivered(&mut self, change: &AlertChange, now_us: i64) {
        *self = Self {
            revision: self.revision.max(change.revision),
            sent_us: now_us,
            n_given_up: self.n_given_up,
            ..Self::default()
        };
    }

    /// Records a failure; gives the change up if it is a day old, or can never be delivered. Returns whether it did.
    pub fn failed(
        &mut self,
        change: &AlertChange,
        now_us: i64,
        retry_after_us: Option<i64>,
        is_final: bool,
    ) -> bool {
        // A repetition is tried again as long as the alert fires.
        let is_repetition = change.revision <= self.revision;
        if !is_repetition && (is_final || now_us - change.at_us > DELIVERY_US_MAX) {
            let n_given_up = self.n_given_up + 1;
            *self = Self { revision: change.revision, n_given_up, ..*self };
            return true;
        }
        self.n_failures += 1;
        let delay_us = RETRY_US << (self.n_failures - 1).min(20);
        let delay_us_max = if is_repetition { REPEATED_RETRY_US_MAX } else { RETRY_US_MAX };
        self.next_us = now_us + delay_us.min(delay_us_max).max(retry_after_us.unwrap_or_default());
        false
    }
}

/// An alert of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Start of its episode, in Unix microseconds; it identifies the alert within its series.
    pub start_us: i64,
    /// State.
    pub phase: AlertPhase,
    /// Severity.
    pub severity: Severity,
    /// The newest changes, oldest first.
    pub changes: Vec<AlertChange>,
    /// Since when the episode is over while the alert still fires, in Unix microseconds.
    pub(crate) over_since_us: Option<i64>,
    /// Facts about the episode.
    pub details: AlertDetails,
    /// Names of its receivers when it fired.
    pub receivers: Vec<String>,
    /// Labels by which it may be grouped.
    pub group_by: Vec<String>,
    /// Progress by receiver.
    pub deliveries: BTreeMap<String, AlertDelivery>,
}

impl Alert {
    /// A pending alert of an episode.
    pub(crate) fn pending(episode: &EpisodeRecord) -> Self {
        Self {
            start_us: episode.start_us,
            phase: AlertPhase::Pending,
            severity: Severity::default(),
            changes: Vec::new(),
            over_since_us: None,
            details: AlertDetails::of(episode),
            receivers: Vec::new(),
            group_by: Vec::new(),
            deliveries: BTreeMap::new(),
        }
    }

    /// Number of its last change; 0 while it is pending.
    pub fn revision(&self) -> u32 {
        self.changes.last().map_or(0, |change| change.revision)
    }

    /// Time of its last change, in Unix microseconds.
    pub fn changed_us(&self) -> Option<i64> {
        self.changes.last().map(|change| change.at_us)
    }

    pub(crate) fn change(&mut self, phase: AlertPhase, severity: Severity, at_us: i64) {
        let revision = self.revision() + 1;
        (self.phase, self.severity) = (phase, severity);
        self.changes.push(AlertChange { revision, phase, severity, at_us });
        if self.changes.len() > CHANGES_MAX {
            self.changes.remove(0);
        }
    }

    /// Oldest change that is not delivered to a receiver.
    pub fn undelivered(&self, receiver: &str) -> Option<&AlertChange> {
        let revision = self.deliveries.get(receiver).map_or(0, |delivery| delivery.revision);
        self.changes.iter().find(|change| change.revision > revision)
    }

    /// True if every change is delivered to every receiver.
    pub fn is_delivered(&self) -> bool {
        self.receivers.iter().all(|receiver| self.undelivered(receiver).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: i64 = 1_000_000;

    #[test]
    fn failures_wait_longer_each_time_and_end_after_a_day() {
        let change = AlertChange {
            revision: 1,
            phase: AlertPhase::Firing,
            severity: Severity::Warning,
            at_us: 0,
        };
        let mut delivery = AlertDelivery::default();
        let mut waits_s = Vec::new();
        let mut now_us = 0;
        while !delivery.failed(&change, now_us, None, false) {
            waits_s.push((delivery.next_us - now_us) / SECOND_US);
            now_us = delivery.next_us;
        }
        assert_eq!(waits_s[..5], [1, 2, 4, 8, 16]);
        assert_eq!(waits_s.last(), Some(&300));
        assert!((80_000..90_000).contains(&(now_us / SECOND_US)), "{now_us}");
        assert_eq!((delivery.revision, delivery.n_given_up), (1, 1));
    }

    #[test]
    fn a_receiver_may_ask_for_a_later_try_and_success_forgets_failures() {
        let change = AlertChange {
            revision: 3,
            phase: AlertPhase::Resolved,
            severity: Severity::Info,
            at_us: 0,
        };
        let mut delivery = AlertDelivery::default();
        assert!(!delivery.failed(&change, 0, Some(90 * SECOND_US), false));
        assert_eq!(delivery.next_us, 90 * SECOND_US);
        delivery.delivered(&change, 100 * SECOND_US);
        let sent =
            AlertDelivery { revision: 3, sent_us: 100 * SECOND_US, ..AlertDelivery::default() };
        assert_eq!(delivery, sent);
        let day_us = 2 * DELIVERY_US_MAX;
        assert!(!delivery.failed(&change, day_us, None, true), "a repetition is never given up");
        assert_eq!(delivery.next_us, day_us + SECOND_US);
        let next = AlertChange { revision: 4, ..change };
        assert!(delivery.failed(&next, 0, None, true), "never deliverable");
    }
}
