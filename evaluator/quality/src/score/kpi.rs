//! F1 by the rule of the 2018 KPI competition (AIOps challenge).
//!
//! An anomaly with an alarm near its start counts as found with all its points, otherwise as missed with all its
//! points; every other alarm is a false point. The threshold is fitted on the first halves of the series and scored on
//! the second, since a threshold fitted on the scored rows overestimates.

use super::{f1, halves};
use crate::labeled::LabeledSeries;
use crate::record::KpiScore;

/// Maximum delay of a found anomaly, in samples after its first, by the rule of the competition.
pub const DELAY_MAX: usize = 7;

/// Scores of half a series, in the form of the rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KpiHalf {
    /// Highest score near the start and number of points, for each anomaly.
    anomalies: Vec<(f64, f64)>,
    /// Scores of all other points.
    others: Vec<f64>,
}

/// F1 from the score of each row; `shipped` is the detector's own threshold, exclusive.
pub fn score(series: &[(&LabeledSeries, Vec<f64>)], shipped: f64) -> Option<KpiScore> {
    let both: Vec<(KpiHalf, KpiHalf)> =
        series.iter().map(|(labeled, scores)| split(labeled, scores)).collect();
    let first: Vec<&KpiHalf> = both.iter().map(|(first, _)| first).collect();
    let threshold = best_threshold(&first)?;
    let at = |threshold_of: &dyn Fn(&KpiHalf) -> f64| {
        total_f1(both.iter().map(|(first, second)| {
            let threshold = threshold_of(first);
            second.counts(|score| score >= threshold)
        }))
    };
    Some(KpiScore {
        f1_one_threshold: at(&|_| threshold)?,
        threshold,
        // Without an anomaly in the first half, use the threshold of all series.
        f1_threshold_per_series: at(&|first| best_threshold(&[first]).unwrap_or(threshold))?,
        halves: halves::score(series)?,
        f1_shipped: total_f1(
            both.iter().map(|(_, second)| second.counts(|score| score > shipped)),
        )?,
    })
}

/// The F1 on the second halves at one threshold, exclusive; `None` without anomalies.
pub fn f1_above(series: &[(&LabeledSeries, Vec<f64>)], threshold: f64) -> Option<f64> {
    let counts = |(labeled, scores): &(&LabeledSeries, Vec<f64>)| {
        split(labeled, scores).1.counts(|score| score > threshold)
    };
    total_f1(series.iter().map(counts))
}

fn split(labeled: &LabeledSeries, scores: &[f64]) -> (KpiHalf, KpiHalf) {
    let middle = labeled.rows.len() / 2;
    (
        KpiHalf::new(labeled, scores, 0, middle),
        KpiHalf::new(labeled, scores, middle, labeled.rows.len()),
    )
}

impl KpiHalf {
    /// Highest score and weight of each anomaly, and the scores of all other rows.
    pub(super) fn of(anomalies: Vec<(f64, f64)>, others: Vec<f64>) -> Self {
        Self { anomalies, others }
    }

    fn new(labeled: &LabeledSeries, scores: &[f64], start: usize, end: usize) -> Self {
        let rows = start..end;
        let anomalies = labeled
            .events_in(&rows)
            .map(|(_, event)| {
                let near = event.start..event.end.min(event.start + DELAY_MAX + 1);
                let highest = scores[near].iter().copied().fold(f64::NEG_INFINITY, f64::max);
                (highest, event.len() as f64)
            })
            .collect();
        let others = rows.filter(|i| !labeled.rows[*i].label).map(|i| scores[i]).collect();
        Self { anomalies, others }
    }

    /// Numbers of found, false and missed points.
    pub(super) fn counts(&self, is_alarm: impl Fn(f64) -> bool) -> [f64; 3] {
        let found: f64 =
            self.anomalies.iter().filter(|(score, _)| is_alarm(*score)).map(|(_, n)| n).sum();
        let all: f64 = self.anomalies.iter().map(|(_, n)| n).sum();
        let false_points = self.others.iter().filter(|score| is_alarm(**score)).count() as f64;
        [found, false_points, all - found]
    }
}

/// The threshold, inclusive, with the highest F1 over all halves; `None` without anomalies.
///
/// Only scores of anomalies need a try: between two of them a higher threshold only removes false points.
pub fn best_threshold(halves: &[&KpiHalf]) -> Option<f64> {
    let mut anomalies: Vec<(f64, f64)> =
        halves.iter().flat_map(|half| half.anomalies.iter().copied()).collect();
    let mut others: Vec<f64> = halves.iter().flat_map(|half| half.others.iter().copied()).collect();
    anomalies.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    others.sort_unstable_by(|a, b| b.total_cmp(a));
    let n_points: f64 = anomalies.iter().map(|(_, n)| n).sum();
    let mut best: Option<(f64, f64)> = None;
    let mut found = 0.0;
    for tied in anomalies.chunk_by(|a, b| a.0 == b.0) {
        found += tied.iter().map(|(_, n)| n).sum::<f64>();
        let threshold = tied[0].0;
        if threshold <= 0.0 {
            // A score of 0 means that the row was not judged: no alarm at any threshold.
            break;
        }
        let false_points = others.partition_point(|score| *score >= threshold) as f64;
        let f1 = f1(found, false_points, n_points - found)?;
        if best.is_none_or(|(highest, _)| f1 > highest) {
            best = Some((f1, threshold));
        }
    }
    // A threshold above every score alarms never.
    (n_points > 0.0).then(|| best.map_or(f64::MAX, |(_, threshold)| threshold))
}

fn total_f1(counts: impl Iterator<Item = [f64; 3]>) -> Option<f64> {
    let [found, false_points, missed] =
        counts.fold([0.0; 3], |sum, one| [0, 1, 2].map(|i| sum[i] + one[i]));
    f1(found, false_points, missed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled::LabeledRow;

    fn series(n: usize, anomalies: &[std::ops::Range<usize>]) -> LabeledSeries {
        let is_anomalous = |i: usize| anomalies.iter().any(|anomaly| anomaly.contains(&i));
        let row =
            |i| LabeledRow { at_us: i as i64 * 60_000_000, value: 0.0, label: is_anomalous(i) };
        LabeledSeries::from_rows("test".to_owned(), (0..n).map(row).collect())
    }

    fn scores(n: usize, high: &[(usize, f64)]) -> Vec<f64> {
        let mut scores = vec![0.0; n];
        for (i, score) in high {
            scores[*i] = *score;
        }
        scores
    }

    #[test]
    fn an_anomaly_with_an_alarm_within_seven_samples_counts_with_all_its_points() {
        let labeled = series(100, std::slice::from_ref(&(20..40)));
        for (alarm, counts) in [
            (20, [20.0, 0.0, 0.0]),
            (27, [20.0, 0.0, 0.0]),
            (28, [0.0, 0.0, 20.0]),
            (41, [0.0, 1.0, 20.0]),
        ] {
            let half = KpiHalf::new(&labeled, &scores(100, &[(alarm, 1.0)]), 0, 100);
            assert_eq!(half.counts(|score| score >= 0.5), counts, "alarm at {alarm}");
        }
    }

    #[test]
    fn the_threshold_comes_from_the_first_half() {
        let labeled = series(200, &[20..30, 120..130]);
        // In the second half a lower threshold would be better; it must not be taken.
        let scores = scores(200, &[(20, 5.0), (50, 4.0), (51, 4.0), (120, 3.0)]);
        let score = score(&[(&labeled, scores)], 2.0).unwrap();
        assert_eq!((score.threshold, score.f1_one_threshold), (5.0, 0.0));
        assert_eq!(score.f1_shipped, 1.0);
    }

    #[test]
    fn the_threshold_is_best_over_all_series() {
        let labeled = series(100, &[10..20, 30..31]);
        let half = KpiHalf::new(
            &labeled,
            &scores(100, &[(10, 5.0), (30, 1.0), (60, 2.0), (70, 2.0), (80, 2.0)]),
            0,
            100,
        );
        assert_eq!(best_threshold(&[&half]), Some(5.0));
        let half = KpiHalf::new(&labeled, &scores(100, &[(10, 1.0), (30, 5.0), (60, 2.0)]), 0, 100);
        assert_eq!(best_threshold(&[&half]), Some(1.0));
    }

    #[test]
    fn a_score_of_zero_is_never_an_alarm() {
        let labeled = series(100, &[10..20, 60..70]);
        let silent = score(&[(&labeled, vec![0.0; 100])], 1.0).unwrap();
        assert_eq!((silent.f1_one_threshold, silent.f1_threshold_per_series), (0.0, 0.0));
        assert_eq!(silent.halves.events.caught, 0);
    }

    #[test]
    fn without_anomalies_there_is_no_score() {
        assert_eq!(score(&[(&series(10, &[]), vec![0.0; 10])], 1.0), None);
    }
}
