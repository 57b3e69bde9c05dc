//! F1 by the protocol of EasyTSAD, under which many detectors are published.
//!
//! One F1 for each series, on its second half, as a mean over the series with anomalies there. The threshold is the best
//! one of each series, in hindsight; beside it stands one fitted on the first half, since no deployment has hindsight.
//!
//! - Point-adjusted F1: an anomaly counts with all its rows if any of them reaches the threshold.
//! - Event F1 (`EventF1PA`, logarithmic with base 3): an anomaly of `L` rows weighs `floor(log3(L + 3))`; each other row at
//!   or above the threshold is one false alarm.

use super::kpi::{KpiHalf, best_threshold};
use super::{f1, ratio};
use crate::labeled::LabeledSeries;
use crate::record::EasyTsadScore;

/// Base of the logarithm of an anomaly's length.
const BASE: f64 = 3.0;

/// Weight of an anomaly, by its number of rows.
type Weight = fn(usize) -> f64;

/// Mean F1 over the series, from the score of each row; `shipped` is the detector's own threshold, exclusive. `None` if no
/// second half has an anomaly.
pub fn score(series: &[(&LabeledSeries, Vec<f64>)], shipped: f64) -> Option<EasyTsadScore> {
    let both = |weight: Weight| -> Vec<[f64; 2]> {
        series
            .iter()
            .filter_map(|(labeled, scores)| of_series(labeled, scores, shipped, weight))
            .collect()
    };
    let point = both(|len| len as f64);
    let event = both(event_weight);
    let mean = |scores: &[[f64; 2]], i: usize| {
        ratio(scores.iter().map(|both| both[i]).sum(), scores.len() as f64)
    };
    Some(EasyTsadScore {
        n_series: point.len(),
        point_f1_best: mean(&point, 0)?,
        event_f1_best: mean(&event, 0)?,
        point_f1_fitted: mean(&point, 1)?,
        event_f1_fitted: mean(&event, 1)?,
    })
}

/// F1 on the second half at its best threshold, and at that of the first half; `None` without an anomaly there.
fn of_series(
    labeled: &LabeledSeries,
    scores: &[f64],
    shipped: f64,
    weight: Weight,
) -> Option<[f64; 2]> {
    let middle = labeled.rows.len() / 2;
    let [first, second] = [0..middle, middle..labeled.rows.len()].map(|rows| {
        let anomalies = labeled.events_in(&rows).map(|(_, event)| {
            let highest = scores[event.clone()].iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (highest, weight(event.len()))
        });
        let others = rows.clone().filter(|i| !labeled.rows[*i].label).map(|i| scores[i]);
        KpiHalf::of(anomalies.collect(), others.collect())
    });
    let at = |threshold: f64| {
        let [found, false_points, missed] = second.counts(|score| score >= threshold);
        f1(found, false_points, missed)
    };
    // Without an anomaly in the first half, use the detector's own threshold.
    let fitted = best_threshold(&[&first]).unwrap_or(shipped.next_up());
    Some([at(best_threshold(&[&second])?)?, at(fitted)?])
}

/// `floor(log3(len + 3))`.
fn event_weight(len: usize) -> f64 {
    // Powers of 3 are exact in this loop, and their logarithms are not.
    let mut weight = 0.0;
    let mut power = BASE;
    while power <= len as f64 + BASE {
        weight += 1.0;
        power *= BASE;
    }
    weight
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled::LabeledRow;

    /// A series whose second half has anomalies at 24..27 and 33..34, with a score for each row.
    fn series(first_half: &[usize]) -> LabeledSeries {
        let is_anomaly = |i: usize| (24..27).contains(&i) || i == 33 || first_half.contains(&i);
        let row =
            |i: usize| LabeledRow { at_us: i as i64 * 1_000_000, value: 1.0, label: is_anomaly(i) };
        LabeledSeries::from_rows("test".to_owned(), (0..40).map(row).collect())
    }

    #[test]
    fn an_event_weighs_the_logarithm_of_its_length() {
        let weights = [1, 5, 6, 23, 24, 77, 78].map(event_weight);
        assert_eq!(weights, [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0]);
    }

    #[test]
    fn the_best_threshold_of_each_series_is_chosen() {
        let labeled = series(&[]);
        let mut scores = vec![0.1; 40];
        // The long anomaly is found at 3, the short one only below two false alarms.
        for (i, score) in [(25, 3.0), (33, 1.0), (21, 2.0), (38, 2.0)] {
            scores[i] = score;
        }
        let found = score(&[(&labeled, scores)], 2.5).unwrap();
        // Points: 3 found of 4 and none false, or 4 of 4 and two false.
        assert_eq!((found.n_series, found.point_f1_best), (1, 6.0 / 7.0));
        // Events: one found of two (2/3), or both and two false (2/3).
        assert_eq!(found.event_f1_best, 2.0 / 3.0);
        assert_eq!(
            found.event_f1_fitted,
            2.0 / 3.0,
            "the detector's own threshold finds the first"
        );
    }

    #[test]
    fn a_fitted_threshold_comes_from_the_first_half() {
        let labeled = series(&[5]);
        let mut scores = vec![0.1; 40];
        for (i, score) in [(5, 9.0), (25, 3.0), (33, 3.0)] {
            scores[i] = score;
        }
        let found = score(&[(&labeled, scores)], 2.5).unwrap();
        assert_eq!((found.event_f1_best, found.event_f1_fitted), (1.0, 0.0));
    }

    #[test]
    fn series_without_anomalies_in_the_second_half_are_left_out() {
        let row = |i: i64| LabeledRow { at_us: i, value: 1.0, label: i == 3 };
        let labeled = LabeledSeries::from_rows("test".to_owned(), (0..40).map(row).collect());
        assert_eq!(score(&[(&labeled, vec![0.0; 40])], 1.0), None);
    }
}
