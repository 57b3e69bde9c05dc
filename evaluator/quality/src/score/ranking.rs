//! Threshold-free quality of scores: do anomalous rows score above others?
//!
//! No threshold is chosen, so a bad one cannot hide good scores. For the same reason no number here describes the
//! behavior of the detector at its own threshold.

use rayon::prelude::*;

use super::{LabeledScores, volume};
use crate::record::{CurvePoint, Ranking};

/// Minimum distance of two points of a curve, or the ratio of their numbers of samples.
const CURVE_STEP: f64 = 0.02;
const CURVE_RATIO: f64 = 1.25;

/// Resolution of a share in a curve: no chart is a million pixels wide.
const CURVE_DIGIT: f64 = 1e-6;

/// Areas under both curves; `None` if all rows have one label.
pub fn rank(series: &[LabeledScores]) -> Option<Ranking> {
    let pooled: LabeledScores = series.concat();
    let (pr_auc, roc_auc) = areas(pooled)?;
    let each: Vec<f64> = series
        .par_iter()
        .filter_map(|ranked| areas(ranked.clone()))
        .map(|(pr_auc, _)| pr_auc)
        .collect();
    let pr_auc_mean = each.iter().sum::<f64>() / each.len().max(1) as f64;
    Some(Ranking { pr_auc, pr_auc_mean, roc_auc, vus_pr: volume::mean_volume(series) })
}

/// The receiver operating characteristic and the precision-recall curve of all series pooled, thinned to the resolution
/// of a chart; empty if all rows have one label.
pub fn curve(series: &[LabeledScores]) -> Vec<CurvePoint> {
    let mut ranked: LabeledScores = series.concat();
    ranked.par_sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let n_positive = ranked.iter().filter(|(_, label)| *label).count() as f64;
    let n_negative = ranked.len() as f64 - n_positive;
    if n_positive == 0.0 || n_negative == 0.0 {
        return Vec::new();
    }
    let mut points: Vec<CurvePoint> = Vec::new();
    let (mut tp, mut fp, mut n_last) = (0.0, 0.0, 0.0);
    for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
        let hits = tied.iter().filter(|(_, label)| *label).count() as f64;
        tp += hits;
        fp += tied.len() as f64 - hits;
        let point = CurvePoint {
            threshold: tied[0].0,
            false_positive_rate: rounded(fp / n_negative),
            recall: rounded(tp / n_positive),
            precision: rounded(tp / (tp + fp)),
        };
        let is_far = points.last().is_none_or(|last| {
            (point.false_positive_rate - last.false_positive_rate).abs() >= CURVE_STEP
                || (point.recall - last.recall).abs() >= CURVE_STEP
        });
        if is_far || tp + fp >= CURVE_RATIO * n_last || tp + fp == ranked.len() as f64 {
            n_last = tp + fp;
            points.push(point);
        }
    }
    points
}

fn rounded(share: f64) -> f64 {
    (share / CURVE_DIGIT).round() / (1.0 / CURVE_DIGIT).round()
}

/// Average precision and area under the receiver operating characteristic, by sorting once.
fn areas(mut ranked: LabeledScores) -> Option<(f64, f64)> {
    // Sort in parallel: the list may hold all rows of all series. Equal scores count together, in any order.
    ranked.par_sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let n_positive = ranked.iter().filter(|(_, label)| *label).count() as f64;
    let n_negative = ranked.len() as f64 - n_positive;
    if n_positive == 0.0 || n_negative == 0.0 {
        return None;
    }
    let (mut tp, mut fp, mut pr_area, mut roc_area) = (0.0, 0.0, 0.0, 0.0);
    // Equal scores exceed a threshold together.
    for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
        let hits = tied.iter().filter(|(_, label)| *label).count() as f64;
        let misses = tied.len() as f64 - hits;
        roc_area += misses * (tp + hits / 2.0);
        tp += hits;
        fp += misses;
        pr_area += hits * tp / (tp + fp);
    }
    Some((pr_area / n_positive, roc_area / (n_positive * n_negative)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_of_a_table_of_cases() {
        let perfect = vec![(0.9, true), (0.8, true), (0.2, false), (0.1, false)];
        assert_eq!(areas(perfect), Some((1.0, 1.0)));
        let reversed = vec![(0.1, true), (0.9, false)];
        assert_eq!(areas(reversed), Some((0.5, 0.0)));
        let mixed = vec![(4.0, true), (3.0, false), (2.0, true), (1.0, false)];
        let (pr, roc) = areas(mixed).unwrap();
        assert!((pr - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(roc, 0.75);
    }

    #[test]
    fn a_curve_is_thinned_and_ends_where_every_sample_passes() {
        let ranked: LabeledScores = (0..100_000).map(|i| (f64::from(i), i % 7 == 0)).collect();
        let curve = curve(&[ranked]);
        assert!((50..250).contains(&curve.len()), "{}", curve.len());
        let last = curve.last().unwrap();
        assert_eq!((last.recall, last.false_positive_rate), (1.0, 1.0));
        assert!(curve.is_sorted_by(|a, b| a.recall <= b.recall && a.threshold > b.threshold));
    }

    #[test]
    fn equal_scores_rank_at_chance() {
        let tied = vec![(1.0, true), (1.0, false), (1.0, false), (1.0, false)];
        assert_eq!(areas(tied), Some((0.25, 0.5)));
    }

    #[test]
    fn rows_with_one_label_have_no_area() {
        assert_eq!(rank(&[vec![(1.0, false)]]), None);
        assert_eq!(rank(&[]), None);
    }
}
