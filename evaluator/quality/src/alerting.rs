//! Counts the alerts that a policy would have made of a history.

use alert::{AlertPolicy, past_alerts};
use detector::{Detector, EpisodeChanges, Judge};

use crate::labeled::LabeledSeries;

const WEEK_US: f64 = 7.0 * 86_400e6;

/// Episodes of a series, and the alerts that a policy would have made of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlertCounts {
    /// Length of the history, in weeks.
    pub weeks: f64,
    /// Episodes.
    pub n_episodes: usize,
    /// Alerts.
    pub n_alerts: usize,
}

/// Judges a series after its cold start, and applies a policy to its episodes.
pub fn count_alerts(
    detector: Detector,
    policy: &AlertPolicy,
    series: &LabeledSeries,
) -> AlertCounts {
    let mut judge = Judge::new(detector);
    let (mut anomalies, mut times_us) = (Vec::new(), Vec::new());
    let samples: Vec<_> =
        series.rows.iter().enumerate().filter_map(|(i, row)| Some((i, row.sample()?))).collect();
    let mut changes = EpisodeChanges::since(judge.memory());
    for (i, sample) in &samples {
        let judgement = judge.judge(*sample);
        if *i < series.n_cold {
            changes = EpisodeChanges::since(judge.memory());
            continue;
        }
        changes.record(judge.memory());
        times_us.push(sample.at_us());
        if judgement.verdict.is_anomaly() {
            anomalies.push(judgement);
        }
    }
    let episodes = changes.records();
    let length_us = match (times_us.first(), times_us.last()) {
        (Some(first), Some(last)) => (last - first) as f64,
        _ => 0.0,
    };
    AlertCounts {
        weeks: length_us / WEEK_US,
        n_episodes: episodes.len(),
        n_alerts: past_alerts(policy, episodes, &anomalies, &times_us).len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled::LabeledRow;

    #[test]
    fn a_policy_makes_fewer_alerts_than_there_are_episodes() {
        // Two weeks by the minute, with a spike of three samples up each day and a single one down.
        let rows = (0..14 * 1_440_i64).map(|minute| {
            let value = match minute % 1_440 {
                700..=702 => 900.0,
                1_100 => 5.0,
                _ => 100.0 + (minute * 7 % 11) as f64,
            };
            LabeledRow { at_us: minute * 60_000_000, value, label: false }
        });
        let series = LabeledSeries::from_rows("a".to_owned(), rows.collect());
        let detector = "zscore:window=50,threshold=5".parse().unwrap();
        let alerts = |policy: &str| {
            let counts = count_alerts(detector, &policy.parse().unwrap(), &series);
            assert!((1.8..2.0).contains(&counts.weeks), "{counts:?}");
            (counts.n_episodes, counts.n_alerts)
        };
        let (n_episodes, n_alerts) = alerts("");
        assert_eq!(n_episodes, n_alerts);
        assert!((20..=28).contains(&n_alerts), "{n_alerts}");
        for policy in ["direction=above", "direction=below", "maintenance=11:00-13:00"] {
            let (_, fewer) = alerts(policy);
            assert!((10..=14).contains(&fewer), "{policy}: {fewer}");
        }
        assert_eq!((alerts("off").1, alerts("samples=4/5").1), (0, 0));
    }
}
