//! Alerts of one series: how a policy and the stored episodes change them.

use domain::{EpisodePhase, EpisodeRecord, Judgement};
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, AlertDetails, AlertPhase};
use crate::qualify::qualifies;
use crate::{AlertChange, AlertPolicy};

const SECOND_US: i64 = 1_000_000;

/// Age from which an episode that is over makes no alert: an hour, in microseconds. A history that is sent at once does not
/// page anybody.
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

/// What is known of a series at one check.
#[derive(Debug, Clone, Copy)]
pub struct SeriesView<'a> {
    /// Present time, in Unix microseconds.
    pub now_us: i64,
    /// Names of all receivers of the deployment.
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
    /// Applies the policy to what is known now.
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
        self.drop_ended(view.now_us);
    }

    /// Resolves all alerts of a series that does not exist any more.
    pub fn end(&mut self, now_us: i64) {
        for position in 0..self.alerts.len() {
            self.resolve(position, &AlertPolicy::default(), now_us);
        }
        self.alerts.retain(|alert| alert.phase != AlertPhase::Pending);
        self.drop_ended(now_us);
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
                let is_cooling = self.cooling_until_us.is_some_and(|until_us| now_us < until_us);
                if is_met && !is_cooling {
                    alert.details = details;
                    alert.receivers = if policy.receivers.is_empty() {
                        view.receivers.to_vec()
                    } else {
                        policy.receivers.clone()
                    };
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

    fn drop_ended(&mut self, now_us: i64) {
        self.cooling_until_us = self.cooling_until_us.filter(|until_us| now_us < *until_us);
        self.alerts.retain(|alert| {
            let age_us = alert.changed_us().map_or(0, |changed_us| now_us - changed_us);
            let is_old = alert.phase == AlertPhase::Resolved && age_us > KEPT_US;
            !(is_old && alert.is_delivered())
        });
        let n_over = self.alerts.len().saturating_sub(ALERTS_MAX);
        let mut n_dropped = 0;
        self.alerts.retain(|alert| {
            let is_dropped =
                n_dropped < n_over && alert.phase == AlertPhase::Resolved && alert.is_delivered();
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
    /// `forgets` is true for the name of a receiver that must be reminded of what it was sent.
    pub fn next_check_us(
        &self,
        policy: &AlertPolicy,
        forgets: impl Fn(&str) -> bool,
        now_us: i64,
    ) -> Option<i64> {
        let of_alert = |alert: &Alert| -> Option<i64> {
            let of_life = match alert.phase {
                // A silence makes no further change until it is long enough.
                AlertPhase::Pending => {
                    let met_us = alert.start_us + policy.min_duration_s as i64 * SECOND_US;
                    Some(self.cooling_until_us.unwrap_or(met_us).max(now_us + CHECK_US))
                }
                AlertPhase::Firing if alert.over_since_us.is_some() => Some(now_us + CHECK_US),
                AlertPhase::Firing => Some(now_us + REPEAT_US),
                AlertPhase::Resolved => {
                    alert.changed_us().map(|changed_us| changed_us + KEPT_US + 1)
                }
            };
            let of_deliveries = alert
                .receivers
                .iter()
                .filter_map(|name| alert.next_delivery_us(name, forgets(name)));
            of_life.into_iter().chain(of_deliveries).min()
        };
        let next_us = self.alerts.iter().filter_map(of_alert).chain(self.cooling_until_us).min();
        next_us.map(|next_us| next_us.max(now_us + SECOND_US))
    }
}

impl Alert {
    /// Change to deliver to a receiver now: one that it has not heard of, or a repetition for one that forgets.
    pub fn due(&self, receiver: &str, forgets: bool, now_us: i64) -> Option<AlertChange> {
        let at_us = self.next_delivery_us(receiver, forgets).filter(|at_us| *at_us <= now_us);
        at_us.and_then(|_| self.undelivered(receiver).or(self.changes.last()).copied())
    }

    fn next_delivery_us(&self, receiver: &str, forgets: bool) -> Option<i64> {
        let delivery = self.deliveries.get(receiver).copied().unwrap_or_default();
        let repeated_us = delivery.sent_us + REPEAT_US;
        if let Some(change) = self.undelivered(receiver) {
            // One that was told a moment ago that the alert fires may not have told anybody yet.
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

/// True for an episode that was over before anybody could have been told.
fn is_past(episode: &EpisodeRecord, now_us: i64) -> bool {
    episode.phase == EpisodePhase::Over && now_us - episode.end_us > EPISODE_AGE_MAX_US
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qualify::tests::{MINUTE_US, anomaly, episode};

    /// A series whose alerts follow from episodes and anomalies, with a clock in minutes.
    struct Series {
        policy: AlertPolicy,
        alerts: SeriesAlerts,
        sample_times_us: Vec<i64>,
    }

    impl Series {
        fn new(policy: &str) -> Self {
            let (policy, alerts) = (policy.parse().unwrap(), SeriesAlerts::default());
            Self { policy, alerts, sample_times_us: Vec::new() }
        }

        /// Checks at `minute`; returns the phases of the alerts with their revisions.
        fn check(
            &mut self,
            minute: i64,
            episodes: &[EpisodeRecord],
            anomalies: &[i64],
        ) -> Vec<(AlertPhase, u32)> {
            let anomalies: Vec<Judgement> =
                anomalies.iter().map(|minute| anomaly(*minute, 200.0)).collect();
            let view = SeriesView {
                now_us: minute * MINUTE_US,
                receivers: &["ops".to_owned()],
                sample_times_us: &self.sample_times_us,
                episodes,
                anomalies: &anomalies,
            };
            self.alerts.advance(&self.policy, &view);
            let stored: SeriesAlerts =
                serde_json::from_str(&serde_json::to_string(&self.alerts).unwrap()).unwrap();
            assert_eq!(stored, self.alerts);
            self.alerts.alerts.iter().map(|alert| (alert.phase, alert.revision())).collect()
        }

        fn next_check(&self, now: i64) -> Option<i64> {
            let now_us = now * MINUTE_US;
            let next_us = self.alerts.next_check_us(&self.policy, |name| name == "ops", now_us);
            next_us.map(|next_us| (next_us - now_us) / SECOND_US)
        }
    }

    fn open(start: i64, end: i64) -> [EpisodeRecord; 1] {
        [episode(start, end, EpisodePhase::Open)]
    }

    fn over(start: i64, end: i64) -> [EpisodeRecord; 1] {
        [episode(start, end, EpisodePhase::Over)]
    }

    #[test]
    fn an_alert_fires_while_its_episode_lasts_and_is_resolved_a_while_after_it() {
        let mut series = Series::new("samples=2/2,keep_firing=5m");
        series.sample_times_us = (0..13).map(|minute| minute * MINUTE_US).collect();
        assert_eq!(series.check(10, &open(10, 10), &[10]), [(AlertPhase::Pending, 0)]);
        assert_eq!(series.check(11, &open(10, 11), &[10, 11]), [(AlertPhase::Firing, 1)]);
        assert_eq!(series.check(12, &open(10, 12), &[10, 11, 12]), [(AlertPhase::Firing, 1)]);
        assert_eq!(series.check(13, &over(10, 12), &[10, 11, 12]), [(AlertPhase::Firing, 1)]);
        // A further anomaly joins the episode: one alert.
        assert_eq!(series.check(15, &open(10, 15), &[10, 15]), [(AlertPhase::Firing, 1)]);
        assert_eq!(series.check(16, &over(10, 15), &[10, 15]), [(AlertPhase::Firing, 1)]);
        assert_eq!(series.check(20, &over(10, 15), &[10, 15]), [(AlertPhase::Firing, 1)]);
        assert_eq!(series.check(21, &over(10, 15), &[10, 15]), [(AlertPhase::Resolved, 2)]);
        assert_eq!(series.check(22, &over(10, 15), &[10, 15]), [(AlertPhase::Resolved, 2)]);
    }

    #[test]
    fn samples_after_the_episode_resolve_it_as_time_does() {
        let mut series = Series::new("keep_firing=5m");
        assert_eq!(series.check(30, &over(10, 12), &[10]), [(AlertPhase::Firing, 1)]);
        series.sample_times_us = vec![10 * MINUTE_US, 17 * MINUTE_US];
        assert_eq!(series.check(30, &over(10, 12), &[10]), [(AlertPhase::Resolved, 2)]);
    }

    #[test]
    fn a_resolved_alert_fires_again_by_a_new_anomaly_only_and_not_in_the_cool_down() {
        let mut series = Series::new("keep_firing=0s,cool_down=10m");
        assert_eq!(series.check(10, &open(10, 10), &[10]), [(AlertPhase::Firing, 1)]);
        assert_eq!(series.check(11, &over(10, 10), &[10]), [(AlertPhase::Resolved, 2)]);
        assert_eq!(series.check(15, &open(10, 15), &[10, 15]), [(AlertPhase::Resolved, 2)]);
        assert_eq!(series.check(22, &open(10, 22), &[10, 15, 22]), [(AlertPhase::Firing, 3)]);
    }

    #[test]
    fn the_cool_down_holds_back_other_episodes_that_do_not_outlast_it() {
        let mut series = Series::new("keep_firing=0s,cool_down=30m");
        series.check(10, &open(10, 10), &[10]);
        series.check(11, &over(10, 10), &[10]);
        let [first] = over(10, 10);
        let held_back = series.check(30, &[first, open(30, 30)[0]], &[10, 30]);
        assert_eq!(held_back, [(AlertPhase::Resolved, 2), (AlertPhase::Pending, 0)]);
        let lasting = series.check(42, &[first, open(30, 42)[0]], &[10, 30, 42]);
        assert_eq!(lasting[1], (AlertPhase::Firing, 1));
        let mut short = Series::new("keep_firing=0s,cool_down=30m");
        short.check(10, &open(10, 10), &[10]);
        short.check(11, &over(10, 10), &[10]);
        let over_in_time = short.check(32, &[first, over(30, 31)[0]], &[10, 30]);
        assert_eq!(over_in_time, [(AlertPhase::Resolved, 2)]);
    }

    #[test]
    fn an_episode_that_nobody_saw_while_it_lasted_still_fires_unless_it_is_old() {
        let mut series = Series::new("");
        assert_eq!(series.check(60, &over(10, 12), &[10]), [(AlertPhase::Firing, 1)]);
        let mut series = Series::new("");
        assert_eq!(series.check(90, &over(10, 12), &[10]), []);
    }

    #[test]
    fn severity_rises_with_the_duration_as_a_change() {
        let mut series = Series::new("severity=info,critical_after=20m");
        series.check(10, &open(10, 10), &[10]);
        assert_eq!(series.alerts.alerts[0].severity, crate::Severity::Info);
        assert_eq!(series.check(31, &open(10, 31), &[10]), [(AlertPhase::Firing, 2)]);
        assert_eq!(series.alerts.alerts[0].severity, crate::Severity::Critical);
    }

    #[test]
    fn a_series_or_episode_that_is_gone_resolves_its_alert() {
        let mut series = Series::new("");
        series.check(10, &open(10, 10), &[10]);
        assert_eq!(series.check(11, &[], &[]), [(AlertPhase::Resolved, 2)]);
        let mut series = Series::new("");
        series.check(10, &open(10, 10), &[10]);
        series.alerts.end(11 * MINUTE_US);
        assert_eq!(series.alerts.alerts[0].phase, AlertPhase::Resolved);
        assert!(!series.alerts.is_empty());
    }

    #[test]
    fn a_policy_that_is_switched_off_resolves_what_fires() {
        let mut series = Series::new("");
        series.check(10, &open(10, 10), &[10]);
        series.policy = "off".parse().unwrap();
        assert_eq!(series.check(11, &open(10, 11), &[10]), [(AlertPhase::Resolved, 2)]);
    }

    #[test]
    fn changes_reach_a_receiver_in_order_and_firing_alerts_are_repeated_to_one_that_forgets() {
        let mut series = Series::new("keep_firing=0s");
        series.check(10, &open(10, 10), &[10]);
        series.check(11, &over(10, 10), &[10]);
        let now_us = 11 * MINUTE_US;
        let alert = &mut series.alerts.alerts[0];
        let firing = alert.due("ops", true, now_us).unwrap();
        assert_eq!((firing.revision, firing.phase), (1, AlertPhase::Firing));
        alert.deliveries.entry("ops".to_owned()).or_default().delivered(&firing, now_us);
        // It has a minute to tell somebody before it hears of the end.
        assert_eq!(alert.due("ops", true, now_us), None);
        assert_eq!(alert.due("ops", false, now_us).unwrap().revision, 2);
        let later_us = now_us + REPEAT_US;
        let resolved = alert.due("ops", true, later_us).unwrap();
        assert_eq!((resolved.revision, resolved.phase), (2, AlertPhase::Resolved));
        alert.deliveries.entry("ops".to_owned()).or_default().delivered(&resolved, later_us);
        assert_eq!(alert.due("ops", false, later_us + REPEAT_US), None);
        assert_eq!(alert.due("ops", true, later_us + REPEAT_US), Some(resolved));
        assert!(alert.is_delivered());
    }

    #[test]
    fn alerts_are_checked_soon_while_they_may_change_and_late_when_they_are_over() {
        let mut series = Series::new("");
        series.check(10, &open(10, 10), &[10]);
        let deliver = |series: &mut Series, minute: i64| {
            let alert = &mut series.alerts.alerts[0];
            let change = *alert.changes.last().unwrap();
            let delivery = alert.deliveries.entry("ops".to_owned()).or_default();
            delivery.delivered(&change, minute * MINUTE_US);
        };
        deliver(&mut series, 10);
        assert_eq!(series.next_check(10), Some(60));
        series.check(11, &over(10, 10), &[10]);
        assert_eq!(series.next_check(11), Some(1), "repeated a minute after it was sent");
        deliver(&mut series, 11);
        assert_eq!(series.next_check(11), Some(5));
        series.check(17, &over(10, 10), &[10]);
        deliver(&mut series, 17);
        assert_eq!(series.next_check(17), Some(60));
        deliver(&mut series, 23);
        assert_eq!(series.next_check(23), Some((KEPT_US - 6 * MINUTE_US) / SECOND_US));
        assert_eq!(series.check(17 + 7 * 60 + 1, &over(10, 10), &[10]), []);
        assert!(series.alerts.is_empty());
    }
}
