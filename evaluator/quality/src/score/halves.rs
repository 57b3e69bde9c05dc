//! Event scores on the second halves of the series, at the threshold with the best event F1 on the first.
//!
//! The threshold is one for all series, and is not fitted on the rows that it is scored on.

use std::ops::Range;

use rayon::prelude::*;

use super::event::{self, EventTally};
use crate::labeled::LabeledSeries;
use crate::record::HalvesScore;

/// Maximum number of thresholds: fine enough for the best F1, few enough for millions of samples.
const THRESHOLDS_MAX: usize = 200;

/// Event scores from the score of each row; `None` if the first or the second halves have no anomaly.
pub fn score(series: &[(&LabeledSeries, Vec<f64>)]) -> Option<HalvesScore> {
    let fitted = tallies(series, first_half);
    let best =
        fitted.iter().max_by(|a, b| a.1.f1().unwrap_or(0.0).total_cmp(&b.1.f1().unwrap_or(0.0)))?;
    let (threshold, judged) = (best.0, tally_at(series, second_half, best.0));
    Some(HalvesScore {
        threshold,
        events: judged.score(),
        false_alarms_per_series_day: judged.false_alarms_per_series_day(),
        event_pr_auc: area(&tallies(series, second_half))?,
    })
}

fn first_half(labeled: &LabeledSeries) -> Range<usize> {
    0..labeled.rows.len() / 2
}

fn second_half(labeled: &LabeledSeries) -> Range<usize> {
    labeled.rows.len() / 2..labeled.rows.len()
}

type HalfRange = fn(&LabeledSeries) -> Range<usize>;

/// Counts at the thresholds that just catch an anomaly of the half, descending.
fn tallies(series: &[(&LabeledSeries, Vec<f64>)], half: HalfRange) -> Vec<(f64, EventTally)> {
    let mut highest: Vec<f64> = Vec::new();
    let mut n_events = 0;
    for (labeled, scores) in series {
        let rows = half(labeled);
        let of_event =
            |(_, event): (&str, Range<usize>)| scores[event].iter().copied().fold(0.0, f64::max);
        highest.extend(labeled.events_in(&rows).map(of_event));
        n_events += labeled.events_in(&rows).count();
    }
    // A score of 0 means that the row was not judged. A threshold above every score alarms never.
    highest.retain(|score| *score > 0.0);
    if n_events > 0 {
        highest.push(f64::MAX);
    }
    highest.sort_unstable_by(|a, b| b.total_cmp(a));
    highest.dedup();
    let step = highest.len().div_ceil(THRESHOLDS_MAX).max(1);
    let thresholds: Vec<f64> = highest.into_iter().step_by(step).collect();
    let rising: Vec<f64> = thresholds.iter().rev().copied().collect();
    let each: Vec<Vec<EventTally>> = series
        .par_iter()
        .map(|(labeled, scores)| {
            event::count_at(labeled, &half(labeled), &rising, |i, threshold| scores[i] >= threshold)
        })
        .collect();
    let mut sums = vec![EventTally::default(); rising.len()];
    for tallies in &each {
        for (sum, tally) in sums.iter_mut().zip(tallies) {
            *sum += tally;
        }
    }
    thresholds.into_iter().zip(sums.into_iter().rev()).collect()
}

fn tally_at(series: &[(&LabeledSeries, Vec<f64>)], half: HalfRange, threshold: f64) -> EventTally {
    let mut sum = EventTally::default();
    for (labeled, scores) in series {
        let rows = half(labeled);
        let alarms: Vec<usize> = rows.clone().filter(|i| scores[*i] >= threshold).collect();
        sum += &event::count(labeled, &rows, &alarms);
    }
    sum
}

/// Sum of precision times gained recall over descending thresholds; `None` without an anomaly.
fn area(tallies: &[(f64, EventTally)]) -> Option<f64> {
    let mut area = 0.0;
    let mut reached = 0.0;
    for (_, tally) in tallies {
        let score = tally.score();
        let recall = score.recall?;
        area += (recall - reached) * score.precision.unwrap_or(0.0);
        reached = recall;
    }
    (!tallies.is_empty()).then_some(area)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled::LabeledRow;

    /// Anomalies at 20..30 and 60..70 in the first half, 120..130 and 160..170 in the second.
    fn series() -> LabeledSeries {
        let row = |i: usize| LabeledRow {
            at_us: i as i64 * 60_000_000,
            value: 0.0,
            label: [20, 60, 120, 160].iter().any(|start| (*start..start + 10).contains(&i)),
        };
        LabeledSeries::from_rows("test".to_owned(), (0..200).map(row).collect())
    }

    fn scored(high: &[(usize, f64)]) -> Option<HalvesScore> {
        let labeled = series();
        let mut scores = vec![0.0; 200];
        for (i, score) in high {
            scores[*i] = *score;
        }
        score(&[(&labeled, scores)])
    }

    #[test]
    fn the_threshold_comes_from_the_first_half_and_the_score_from_the_second() {
        // At 5 the first half is perfect; at 3 it would have a false run.
        let score =
            scored(&[(20, 5.0), (60, 6.0), (45, 4.0), (120, 5.5), (160, 3.0), (140, 5.2)]).unwrap();
        assert_eq!(score.threshold, 5.0);
        assert_eq!(
            (score.events.caught, score.events.n_events, score.events.false_runs),
            (1, 2, 1)
        );
    }

    #[test]
    fn the_area_is_one_when_every_anomaly_stands_above_all_else() {
        let perfect = scored(&[(20, 5.0), (60, 5.0), (120, 9.0), (160, 3.0), (140, 1.0)]).unwrap();
        assert_eq!(perfect.event_pr_auc, 1.0);
        let half = scored(&[(20, 5.0), (60, 5.0), (120, 9.0), (160, 3.0), (140, 4.0)]).unwrap();
        assert!((half.event_pr_auc - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-12);
    }

    #[test]
    fn without_anomalies_there_is_no_score() {
        let mut unlabeled = series();
        unlabeled.events.clear();
        assert_eq!(score(&[(&unlabeled, vec![0.0; 200])]), None);
    }
}
