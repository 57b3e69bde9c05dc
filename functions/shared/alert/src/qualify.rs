//! Decides whether the anomalies of an episode meet a policy, and counts the alerts of the past.

use domain::{EpisodePhase, EpisodeRecord, Judgement, Signal};

use crate::AlertPolicy;

const SECOND_US: i64 = 1_000_000;

/// Time at which an episode met the policy by its anomalies after `after_us`, in Unix microseconds; `None` if it does not.
///
/// `anomalies` are those of the series in time order, `sample_times_us` the times of its window. Of anomalies before the
/// window, only the number counts, since the samples between them are not known any more.
pub fn qualifies(
    policy: &AlertPolicy,
    episode: &EpisodeRecord,
    after_us: i64,
    (anomalies, sample_times_us): (&[Judgement], &[i64]),
    now_us: i64,
) -> Option<i64> {
    if policy.is_off {
        return None;
    }
    let of_episode = |at_us: i64| (episode.start_us..=episode.end_us).contains(&at_us);
    let counting: Vec<i64> = anomalies
        .iter()
        .filter(|anomaly| of_episode(anomaly.sample.at_us()) && anomaly.sample.at_us() > after_us)
        .filter(|anomaly| policy.counts(anomaly))
        .map(|anomaly| anomaly.sample.at_us())
        .collect();
    let duration_us = policy.min_duration_s as i64 * SECOND_US;
    let met_us = counting.iter().enumerate().find_map(|(i, at_us)| {
        let is_long_enough = at_us - counting[0] >= duration_us;
        let earliest_us = earliest_of(policy.samples.1, *at_us, sample_times_us);
        let n = counting[..=i].iter().rev().take_while(|at_us| **at_us >= earliest_us).count();
        (is_long_enough && n >= policy.samples.0 as usize).then_some(*at_us)
    });
    met_us.or_else(|| silence_qualifies(policy, episode, after_us, now_us))
}

/// Time of the first of the last `n` samples up to `at_us`.
fn earliest_of(n: u32, at_us: i64, sample_times_us: &[i64]) -> i64 {
    let n_until = sample_times_us.partition_point(|time_us| *time_us <= at_us);
    if n_until == 0 {
        return i64::MIN;
    }
    let first = n_until.checked_sub(n as usize);
    first.map_or(i64::MIN, |first| sample_times_us[first])
}

/// A silence has no samples of which M of N could count: only its signal, its time and its duration decide.
fn silence_qualifies(
    policy: &AlertPolicy,
    episode: &EpisodeRecord,
    after_us: i64,
    now_us: i64,
) -> Option<i64> {
    let end_us = match episode.phase {
        EpisodePhase::Silent => now_us,
        EpisodePhase::Over if episode.n_samples == 0 => episode.end_us,
        EpisodePhase::Open | EpisodePhase::Over => return None,
    };
    let is_long_enough = end_us - episode.start_us >= policy.min_duration_s as i64 * SECOND_US;
    let counts = policy.has_signal(Signal::Gap) && !policy.is_in_maintenance(end_us);
    (counts && is_long_enough && end_us > after_us).then_some(end_us)
}

/// Times at which the policy would have made alerts of past episodes, oldest first, in Unix microseconds.
///
/// `episodes` in time order.
pub fn past_alerts(
    policy: &AlertPolicy,
    episodes: &[EpisodeRecord],
    anomalies: &[Judgement],
    sample_times_us: &[i64],
) -> Vec<i64> {
    let mut alerts = Vec::new();
    let mut cooling_until_us = i64::MIN;
    for episode in episodes {
        let past = (anomalies, sample_times_us);
        let now_us = episode.end_us;
        let Some(at_us) = qualifies(policy, episode, i64::MIN, past, now_us) else { continue };
        if at_us < cooling_until_us {
            continue;
        }
        alerts.push(at_us);
        let quiet_s = policy.keep_firing_s + policy.cool_down_s;
        cooling_until_us = match policy.cool_down_s {
            0 => i64::MIN,
            _ => episode.end_us + quiet_s as i64 * SECOND_US,
        };
    }
    alerts
}

#[cfg(test)]
pub(crate) mod tests {
    use domain::{Expectation, Rate, Sample, Verdict, VerdictKind};

    use super::*;

    pub(crate) const MINUTE_US: i64 = 60 * SECOND_US;

    pub(crate) fn anomaly(minute: i64, value: f64) -> Judgement {
        let expectation =
            Expectation { signal: Signal::Deviation, value: 100.0, low: 90.0, high: 110.0 };
        let verdict =
            Verdict { kind: VerdictKind::Anomaly, score: 2.0, expectation: Some(expectation) };
        let sample = Sample::new(minute * MINUTE_US, value).unwrap();
        Judgement { sample, rate: Rate::NotCounter, verdict, late: false }
    }

    pub(crate) fn episode(start: i64, end: i64, phase: EpisodePhase) -> EpisodeRecord {
        let peak = Some(anomaly(start, 200.0));
        let (start_us, end_us) = (start * MINUTE_US, end * MINUTE_US);
        EpisodeRecord { start_us, end_us, n_samples: 1, phase, peak }
    }

    fn qualifies_at(policy: &str, anomalies: &[Judgement]) -> Option<i64> {
        let times_us: Vec<i64> = (0..60).map(|minute| minute * MINUTE_US).collect();
        let episode = episode(10, 40, EpisodePhase::Open);
        let policy = policy.parse().unwrap();
        let at_us = qualifies(&policy, &episode, i64::MIN, (anomalies, &times_us), 50 * MINUTE_US);
        at_us.map(|at_us| at_us / MINUTE_US)
    }

    #[test]
    fn direction_and_least_change_decide_which_anomalies_count() {
        let anomalies = [anomaly(10, 125.0), anomaly(12, 160.0), anomaly(14, 30.0)];
        let cases = [
            ("", Some(10)),
            ("direction=above", Some(10)),
            ("direction=below", Some(14)),
            ("change=50%", Some(12)),
            ("change=50%,direction=below", Some(14)),
            ("min_change=65", Some(14)),
            ("min_change=80", None),
            ("signals=shift", None),
            ("signals=shift+deviation", Some(10)),
            ("off", None),
            ("maintenance=00:05-00:13", Some(14)),
            ("maintenance=00:05-00:13,direction=above", None),
        ];
        for (policy, expected) in cases {
            assert_eq!(qualifies_at(policy, &anomalies), expected, "{policy}");
        }
    }

    #[test]
    fn m_of_the_last_n_samples_must_count_and_last_for_the_duration() {
        let anomalies = [10, 14, 15, 17, 25].map(|minute| anomaly(minute, 200.0));
        let cases = [
            ("samples=2/2", Some(15)),
            ("samples=3/3", None),
            ("samples=3/4", Some(17)),
            ("samples=2/5", Some(14)),
            ("samples=2/4", Some(15)),
            ("duration=4m", Some(14)),
            ("duration=8m", Some(25)),
            ("duration=16m", None),
            ("samples=2/2,duration=6m", None),
        ];
        for (policy, expected) in cases {
            assert_eq!(qualifies_at(policy, &anomalies), expected, "{policy}");
        }
    }

    #[test]
    fn silence_counts_for_the_gap_signal_by_its_duration() {
        let silent =
            EpisodeRecord { n_samples: 0, peak: None, ..episode(10, 10, EpisodePhase::Silent) };
        let over = EpisodeRecord { phase: EpisodePhase::Over, end_us: 30 * MINUTE_US, ..silent };
        let cases = [
            ("", true, true),
            ("samples=3/5", true, true),
            ("signals=deviation", false, false),
            ("direction=above", true, true),
            ("duration=25m", true, false),
            ("maintenance=00:45-00:55", false, true),
        ];
        for (policy, silent_counts, over_counts) in cases {
            let policy: AlertPolicy = policy.parse().unwrap();
            let counts = |episode: &EpisodeRecord| {
                qualifies(&policy, episode, i64::MIN, (&[], &[]), 50 * MINUTE_US).is_some()
            };
            assert_eq!(counts(&silent), silent_counts, "{policy}");
            assert_eq!(counts(&over), over_counts, "{policy}");
        }
    }

    #[test]
    fn the_past_has_one_alert_an_episode_less_those_of_the_cool_down() {
        let spans = [(10, 12), (30, 31), (100, 101)];
        let episodes = spans.map(|(start, end)| episode(start, end, EpisodePhase::Over));
        let anomalies = spans.map(|(start, _)| anomaly(start, 200.0));
        let alerts =
            |policy: &str| past_alerts(&policy.parse().unwrap(), &episodes, &anomalies, &[]).len();
        assert_eq!((alerts(""), alerts("cool_down=30m"), alerts("direction=below")), (3, 2, 0));
    }
}
