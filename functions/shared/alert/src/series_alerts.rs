//! Alerts of one series: how a policy and the stored episodes change them.

#[cfg(test)]
mod tests;

use domain::{EpisodePhase, EpisodeRecord, Judgement};
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, AlertDetails, AlertPhase, DELIVERY_US_MAX};
use crate::qualify::qualifies;
use crate::{AlertChange, AlertPolicy};

const SECOND_US: i64 = 1_000_000;

/// Age from which an episode that is over makes no alert: an hour, in microseconds. A history that is sent at once alerts
/// no one.
const EPISODE_AGE_MAX_US: i64 = 3_600 * SECOND_US;

/// Time for which a resolved alert is kept: its episode may continue for six hours, in microseconds.
const KEPT_US: i64 = 7 * 3_600 * SECOND_US;

/// Most alerts kept of a series.
const ALERTS_MAX: usize = 8;

/// Period at which an alert is checked whose episode is over, in microseconds.
const CHECK_US: i64 = 5 * SECOND_US;

/// Period at which a firing alert is repeated to receivers that forget it: a minute, in microseconds.
const REPEAT_US: i64 = 60 * SECOND_US;

/// Time for which a resolved alert is repeated to them: five minutes, in microseconds.
const REPEAT_RESOLVED_US: i64 = 300 * SECOND_US;

/// Stored facts about a series at one check.
#[derive(Debug, Clone, Copy)]
pub struct SeriesView<'a> {
    /// Present time, in Unix microseconds.
    pub now_us: i64,
    /// Names of the receivers that may get its alerts.
    pub receivers: &'a [String],
    /// Times of the samples in the window, in order, in Unix microseconds.
    pub sample_times_us: &'a [i64],
    /// Newest episodes, in time order.
    pub episodes: &'a [EpisodeRecord],
    /// Anomalies of these episodes, in time order.
    pub anomalies: &'a [Judgement],
}

/// Alerts of a series, as they are stored.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SeriesAlerts {
    /// Alerts in time order.
    pub alerts: Vec<Alert>,
    /// Time until which no other alert fires, in Unix microseconds.
    cooling_until_us: Option<i64>,
}

impl SeriesAlerts {
    /// Applies the policy to the stored facts.
    pub fn advance(&mut self, policy: &AlertPolicy, view: &SeriesView<'_>) {
        for episode in view.episodes {
            let known = self.alerts.iter().position(|alert| alert.start_us == episode.start_us);
            let position = match known {
                Some(position) => position,
                None if policy.is_off || is_past(episode, view.now_us) => continue,
                None => {
                    self.alerts.push(Alert::pending(episode));
                    self.alerts.len() - 1
                }
            };
            self.step(position, episode, policy, view);
        }
        let is_stored =
            |alert: &Alert| view.episodes.iter().any(|other| other.start_us == alert.start_us);
        for position in 0..self.alerts.len() {
            if !is_stored(&self.alerts[position]) {
                self.resolve(position, policy, view.now_us);
            }
        }
        let lasts = |alert: &Alert| {
            let of_alert = |episode: &&EpisodeRecord| episode.start_us == alert.start_us;
            let episode = view.episodes.iter().find(of_alert);
            episode.is_some_and(|episode| episode.phase != EpisodePhase::Over)
        };
        let is_on = !policy.is_off;
        self.alerts.retain(|alert| alert.phase != AlertPhase::Pending || (is_on && lasts(alert)));
        let first_read_us = view.episodes.first().map_or(i64::MAX, |episode| episode.start_us);
        self.drop_ended(view.now_us, first_read_us);
    }

    /// Resolves all alerts of a series that does not exist any more.
    pub fn end(&mut self, now_us: i64) {
        for position in 0..self.alerts.len() {
            self.resolve(position, &AlertPolicy::default(), now_us);
        }
        self.alerts.retain(|alert| alert.phase != AlertPhase::Pending);
        self.drop_ended(now_us, i64::MAX);
    }

    fn step(
        &mut self,
        position: usize,
        episode: &EpisodeRecord,
        policy: &AlertPolicy,
        view: &SeriesView<'_>,
    ) {
        let now_us = view.now_us;
        let alert = &mut self.alerts[position];
        let is_over = episode.phase == EpisodePhase::Over;
        let duration_us = episode.end_us - episode.start_us;
        let details = AlertDetails::of(episode);
        let severity = policy.severity_of(details.score, duration_us);
        match alert.phase {
            AlertPhase::Firing => {
                alert.details = details;
                if severity > alert.severity {
                    alert.change(AlertPhase::Firing, severity, now_us);
                }
                let newest_us = view.sample_times_us.last().copied().unwrap_or(i64::MIN);
                let keep_us = policy.keep_firing_s as i64 * SECOND_US;
                alert.over_since_us = is_over.then(|| alert.over_since_us.unwrap_or(now_us));
                let is_ended = alert.over_since_us.is_some_and(|over_us| {
                    now_us - over_us >= keep_us
                        || newest_us.saturating_sub(episode.end_us) >= keep_us
                });
                if is_ended || policy.is_off {
                    self.resolve(position, policy, now_us);
                }
            }
            AlertPhase::Pending | AlertPhase::Resolved => {
                // A resolved alert fires again by the anomalies since.
                let after_us = match alert.phase {
                    AlertPhase::Resolved => alert.details.end_us,
                    _ => i64::MIN,
                };
                let past = (view.anomalies, view.sample_times_us);
                let is_met = qualifies(policy, episode, after_us, past, now_us).is_some();
                let is_in_cool_down = self.cooling_until_us.is_some_and(|until_us| {
                    now_us < until_us || (is_over && episode.end_us < until_us)
                });
                if is_met && !is_in_cool_down && !is_past(episode, now_us) {
                    alert.details = details;
                    let is_named = |name: &&String| {
                        policy.receivers.is_empty() || policy.receivers.contains(name)
                    };
                    alert.receivers = view.receivers.iter().filter(is_named).cloned().collect();
                    alert.group_by.clone_from(&policy.group_by);
                    alert.over_since_us = None;
                    alert.change(AlertPhase::Firing, severity, now_us);
                } else if alert.phase == AlertPhase::Pending {
                    alert.details = details;
                }
            }
        }
    }

    fn resolve(&mut self, position: usize, policy: &AlertPolicy, now_us: i64) {
        let alert = &mut self.alerts[position];
        if alert.phase != AlertPhase::Firing {
            return;
        }
        alert.change(AlertPhase::Resolved, alert.severity, now_us);
        if policy.cool_down_s > 0 {
            self.cooling_until_us = Some(now_us + policy.cool_down_s as i64 * SECOND_US);
        }
    }

    /// Drops what ended long ago, and the oldest if there are many; but none of an episode that is still read, which would
    /// fire again.
    fn drop_ended(&mut self, now_us: i64, first_read_us: i64) {
        // Stored as long as an episode of the cool-down could still fire.
        self.cooling_until_us =
            self.cooling_until_us.filter(|until_us| now_us < until_us + EPISODE_AGE_MAX_US);
        self.alerts.retain(|alert| {
            let age_us = alert.changed_us().map_or(0, |changed_us| now_us - changed_us);
            alert.phase != AlertPhase::Resolved || age_us <= alert.kept_us()
        });
        let n_over = self.alerts.len().saturating_sub(ALERTS_MAX);
        let mut n_dropped = 0;
        self.alerts.retain(|alert| {
            let is_dropped = n_dropped < n_over
                && alert.start_us < first_read_us
                && alert.phase == AlertPhase::Resolved
                && alert.is_delivered();
            n_dropped += usize::from(is_dropped);
            !is_dropped
        });
    }

    /// True if nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.cooling_until_us.is_none()
    }

    /// Time at which the series must be checked again, without a change of its episodes, in Unix microseconds.
    ///
    /// `receiver` returns whether a receiver needs repetitions, and the time before which it gets nothing; `None` for one
    /// that this process does not have.
    pub fn next_check_us(
        &self,
        policy: &AlertPolicy,
        receiver: impl Fn(&str) -> Option<(bool, i64)>,
        now_us: i64,
    ) -> Option<i64> {
        let of_alert = |alert: &Alert| -> Option<i64> {
            let of_life = match alert.phase {
                // A silence makes no further change until it is long enough.
                AlertPhase::Pending => {
                    let met_us = alert.start_us + policy.min_duration_s as i64 * SECOND_US;
                    let cooled_us = self.cooling_until_us.filter(|until_us| now_us < *until_us);
                    let next_us = cooled_us.unwrap_or(met_us);
                    let is_due = next_us <= now_us;
                    Some(if is_due { now_us + REPEAT_US } else { next_us.max(now_us + CHECK_US) })
                }
                AlertPhase::Firing if alert.over_since_us.is_some() => Some(now_us + CHECK_US),
                AlertPhase::Firing => Some(now_us + REPEAT_US),
                AlertPhase::Resolved => {
                    alert.changed_us().map(|changed_us| changed_us + alert.kept_us() + 1)
                }
            };
            let of_deliveries = alert.receivers.iter().filter_map(|name| {
                let (forgets, not_before_us) = receiver(name)?;
                Some(alert.next_delivery_us(name, forgets)?.max(not_before_us))
            });
            of_life.into_iter().chain(of_deliveries).min()
        };
        let of_cool_down = self.cooling_until_us.map(|until_us| {
            if now_us < until_us { until_us } else { until_us + EPISODE_AGE_MAX_US }
        });
        let next_us = self.alerts.iter().filter_map(of_alert).chain(of_cool_down).min();
        next_us.map(|next_us| next_us.max(now_us + SECOND_US))
    }
}

impl Alert {
    /// Time for which it is kept after its end: one that is not delivered as long as deliveries are tried.
    fn kept_us(&self) -> i64 {
        if self.is_delivered() { KEPT_US } else { DELIVERY_US_MAX + KEPT_US }
    }

    /// Change to deliver to a receiver now: one that is not delivered, or a repetition for a receiver that forgets.
    pub fn due(&self, receiver: &str, forgets: bool, now_us: i64) -> Option<AlertChange> {
        let at_us = self.next_delivery_us(receiver, forgets).filter(|at_us| *at_us <= now_us);
        at_us.and_then(|_| self.undelivered(receiver).or(self.changes.last()).copied())
    }

    fn next_delivery_us(&self, receiver: &str, forgets: bool) -> Option<i64> {
        let delivery = self.deliveries.get(receiver).copied().unwrap_or_default();
        let repeated_us = delivery.sent_us + REPEAT_US;
        if let Some(change) = self.undelivered(receiver) {
            // A receiver that got the start of the alert a moment ago may not have passed it on yet.
            let is_end = change.phase == AlertPhase::Resolved && delivery.sent_us > 0;
            let at_us = if forgets && is_end { repeated_us } else { change.at_us };
            return Some(at_us.max(delivery.next_us));
        }
        let last = self.changes.last().filter(|_| forgets)?;
        let is_repeated =
            last.phase == AlertPhase::Firing || repeated_us <= last.at_us + REPEAT_RESOLVED_US;
        is_repeated.then_some(repeated_us.max(delivery.next_us))
    }
}

/// True for an episode that ended too long ago for an alert.
fn is_past(episode: &EpisodeRecord, now_us: i64) -> bool {
    episode.phase == EpisodePhase::Over && now_us - episode.end_us > EPISODE_AGE_MAX_US
}
