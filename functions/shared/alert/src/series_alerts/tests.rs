//! Tests of the life of an alert.

use super::*;
use crate::qualify::tests::{MINUTE_US, anomaly, episode};

/// A series whose alerts follow from episodes and anomalies, with a clock in minutes.
struct CheckedSeries {
    policy: AlertPolicy,
    alerts: SeriesAlerts,
    sample_times_us: Vec<i64>,
}

impl CheckedSeries {
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
        let next_us =
            self.alerts.next_check_us(&self.policy, |name| Some((name == "ops", 0)), now_us);
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
    let mut series = CheckedSeries::new("samples=2/2,keep_firing=5m");
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
    let mut series = CheckedSeries::new("keep_firing=5m");
    assert_eq!(series.check(30, &over(10, 12), &[10]), [(AlertPhase::Firing, 1)]);
    series.sample_times_us = vec![10 * MINUTE_US, 17 * MINUTE_US];
    assert_eq!(series.check(30, &over(10, 12), &[10]), [(AlertPhase::Resolved, 2)]);
}

#[test]
fn a_resolved_alert_fires_again_by_a_new_anomaly_only_and_not_in_the_cool_down() {
    let mut series = CheckedSeries::new("keep_firing=0s,cool_down=10m");
    assert_eq!(series.check(10, &open(10, 10), &[10]), [(AlertPhase::Firing, 1)]);
    assert_eq!(series.check(11, &over(10, 10), &[10]), [(AlertPhase::Resolved, 2)]);
    assert_eq!(series.check(15, &open(10, 15), &[10, 15]), [(AlertPhase::Resolved, 2)]);
    assert_eq!(series.check(22, &open(10, 22), &[10, 15, 22]), [(AlertPhase::Firing, 3)]);
}

#[test]
fn the_cool_down_holds_back_other_episodes_that_do_not_outlast_it() {
    let mut series = CheckedSeries::new("keep_firing=0s,cool_down=30m");
    series.check(10, &open(10, 10), &[10]);
    series.check(11, &over(10, 10), &[10]);
    let [first] = over(10, 10);
    let held_back = series.check(30, &[first, open(30, 30)[0]], &[10, 30]);
    assert_eq!(held_back, [(AlertPhase::Resolved, 2), (AlertPhase::Pending, 0)]);
    let lasting = series.check(42, &[first, open(30, 42)[0]], &[10, 30, 42]);
    assert_eq!(lasting[1], (AlertPhase::Firing, 1));
    let mut short = CheckedSeries::new("keep_firing=0s,cool_down=30m");
    short.check(10, &open(10, 10), &[10]);
    short.check(11, &over(10, 10), &[10]);
    let over_in_time = short.check(32, &[first, over(30, 31)[0]], &[10, 30]);
    assert_eq!(over_in_time, [(AlertPhase::Resolved, 2)]);
}

#[test]
fn an_episode_that_is_checked_after_its_end_still_fires_unless_it_is_old() {
    let mut series = CheckedSeries::new("");
    assert_eq!(series.check(60, &over(10, 12), &[10]), [(AlertPhase::Firing, 1)]);
    let mut series = CheckedSeries::new("");
    assert_eq!(series.check(90, &over(10, 12), &[10]), []);
}

#[test]
fn severity_rises_with_the_duration_as_a_change() {
    let mut series = CheckedSeries::new("severity=info,critical_after=20m");
    series.check(10, &open(10, 10), &[10]);
    assert_eq!(series.alerts.alerts[0].severity, crate::Severity::Info);
    assert_eq!(series.check(31, &open(10, 31), &[10]), [(AlertPhase::Firing, 2)]);
    assert_eq!(series.alerts.alerts[0].severity, crate::Severity::Critical);
}

#[test]
fn a_removed_series_or_episode_resolves_its_alert() {
    let mut series = CheckedSeries::new("");
    series.check(10, &open(10, 10), &[10]);
    assert_eq!(series.check(11, &[], &[]), [(AlertPhase::Resolved, 2)]);
    let mut series = CheckedSeries::new("");
    series.check(10, &open(10, 10), &[10]);
    series.alerts.end(11 * MINUTE_US);
    assert_eq!(series.alerts.alerts[0].phase, AlertPhase::Resolved);
    assert!(!series.alerts.is_empty());
}

#[test]
fn a_policy_that_is_switched_off_resolves_what_fires() {
    let mut series = CheckedSeries::new("");
    series.check(10, &open(10, 10), &[10]);
    series.policy = "off".parse().unwrap();
    assert_eq!(series.check(11, &open(10, 11), &[10]), [(AlertPhase::Resolved, 2)]);
}

#[test]
fn changes_reach_a_receiver_in_order_and_firing_alerts_are_repeated_to_one_that_forgets() {
    let mut series = CheckedSeries::new("keep_firing=0s");
    series.check(10, &open(10, 10), &[10]);
    series.check(11, &over(10, 10), &[10]);
    let now_us = 11 * MINUTE_US;
    let alert = &mut series.alerts.alerts[0];
    let firing = alert.due("ops", true, now_us).unwrap();
    assert_eq!((firing.revision, firing.phase), (1, AlertPhase::Firing));
    alert.deliveries.entry("ops".to_owned()).or_default().delivered(&firing, now_us);
    // The receiver has a minute to pass it on before it gets the end.
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
    let mut series = CheckedSeries::new("");
    series.check(10, &open(10, 10), &[10]);
    let deliver = |series: &mut CheckedSeries, minute: i64| {
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

#[test]
fn what_a_cool_down_held_back_does_not_fire_at_its_end() {
    let mut series = CheckedSeries::new("keep_firing=0s,cool_down=30m");
    series.check(10, &open(10, 10), &[10]);
    series.check(11, &over(10, 10), &[10]);
    let both = [over(10, 10)[0], over(30, 31)[0]];
    for minute in [32, 41, 42, 60, 89] {
        let alerts = series.check(minute, &both, &[10, 30]);
        assert_eq!(alerts, [(AlertPhase::Resolved, 2)], "{minute}");
    }
}

#[test]
fn more_alerts_than_are_kept_do_not_fire_again_while_their_episodes_are_read() {
    let mut series = CheckedSeries::new("keep_firing=0s");
    let episodes: Vec<EpisodeRecord> =
        (0..12).map(|i| episode(10 + 3 * i, 11 + 3 * i, EpisodePhase::Over)).collect();
    let anomalies: Vec<i64> = (0..12).map(|i| 10 + 3 * i).collect();
    series.check(47, &episodes, &anomalies);
    for minute in 48..52 {
        for alert in &mut series.alerts.alerts {
            let change = *alert.changes.last().unwrap();
            let delivery = alert.deliveries.entry("ops".to_owned()).or_default();
            delivery.delivered(&change, minute * MINUTE_US);
        }
        let alerts = series.check(minute, &episodes, &anomalies);
        assert_eq!(alerts, [(AlertPhase::Resolved, 2); 12], "{minute}");
    }
}

#[test]
fn a_receiver_that_this_process_does_not_have_or_that_is_paused_causes_no_check() {
    let mut series = CheckedSeries::new("");
    series.check(10, &open(10, 10), &[10]);
    let next_s = |not_before_us: Option<i64>| {
        let receiver = |_: &str| not_before_us.map(|not_before_us| (true, not_before_us));
        let now_us = 10 * MINUTE_US;
        let next_us = series.alerts.next_check_us(&series.policy, receiver, now_us).unwrap();
        (next_us - now_us) / SECOND_US
    };
    assert_eq!(next_s(Some(0)), 1);
    assert_eq!(next_s(None), 60);
    assert_eq!(next_s(Some(10 * MINUTE_US + 20 * SECOND_US)), 20);
}
