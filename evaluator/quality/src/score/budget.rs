//! Recall at a fixed rate of false alarms, at the lowest threshold within that budget.
//!
//! Detectors with different scores and thresholds are comparable only at the same rate of false alarms. The threshold is
//! chosen in hindsight, one for all series: an upper bound, not a promise.

use rayon::prelude::*;

use super::event::EventTally;
use super::ratio;
use crate::record::BudgetScore;

/// Budgets in false runs per series and day: one in ten days, two a week, one a day.
pub const BUDGETS: [f64; 3] = [0.1, 0.3, 1.0];

/// Ratio of the numbers of samples above two consecutive thresholds; at least one sample more.
const PASSED_RATIO: f64 = 1.15;

/// Scores of all budgets; `scores` holds the score of each scored row, `tally_at` counts the alarms above a threshold.
pub fn score(mut scores: Vec<f64>, tally_at: impl Fn(f64) -> EventTally) -> Vec<BudgetScore> {
    // A score of 0 means that the row was not judged.
    scores.retain(|score| *score > 0.0);
    scores.par_sort_unstable_by(|a, b| b.total_cmp(a));
    let mut left: &[f64] = &BUDGETS;
    let mut best = (None, tally_at(f64::MAX));
    let mut done = Vec::with_capacity(BUDGETS.len());
    for threshold in thresholds(&scores) {
        let tally = tally_at(threshold);
        let rate = tally.false_alarms_per_series_day().unwrap_or(f64::INFINITY);
        // Dense alarms merge to few runs, so the rate may fall again: the first excess ends a budget.
        while let Some((budget, rest)) = left.split_first().filter(|(budget, _)| rate > **budget) {
            done.push(of(*budget, &best));
            left = rest;
        }
        if left.is_empty() {
            return done;
        }
        best = (Some(threshold), tally);
    }
    done.extend(left.iter().map(|budget| of(*budget, &best)));
    done
}

/// Descending thresholds, each just below a score; `sorted` is descending.
fn thresholds(sorted: &[f64]) -> impl Iterator<Item = f64> {
    let mut n_passed = 0_usize;
    std::iter::from_fn(move || {
        n_passed = (n_passed + 1).max((n_passed as f64 * PASSED_RATIO) as usize);
        Some(sorted.get(n_passed - 1)?.next_down())
    })
}

impl BudgetScore {
    /// Share of caught anomalies; `None` without anomalies.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.caught as f64, self.n_events as f64)
    }
}

fn of(budget: f64, (threshold, tally): &(Option<f64>, EventTally)) -> BudgetScore {
    BudgetScore {
        budget,
        threshold: *threshold,
        n_events: tally.n_events(),
        caught: tally.caught(),
        by_kind: tally.kinds(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled::{LabeledRow, LabeledSeries};
    use crate::score::event;

    /// Ten days of an hourly series with anomalies at rows 50 and 150, and these scores.
    fn scored(high: &[(usize, f64)]) -> Vec<BudgetScore> {
        let row = |i: usize| LabeledRow {
            at_us: i as i64 * 3_600_000_000,
            value: 0.0,
            label: i == 50 || i == 150,
        };
        let series = LabeledSeries::from_rows("test".to_owned(), (0..240).map(row).collect());
        let mut scores = vec![0.0; 240];
        for (i, score) in high {
            scores[*i] = *score;
        }
        score(scores.clone(), |threshold| {
            let alarms: Vec<usize> = (0..240).filter(|i| scores[*i] > threshold).collect();
            event::count(&series, &(0..240), &alarms)
        })
    }

    #[test]
    fn a_larger_budget_allows_more_false_alarms_and_catches_more_anomalies() {
        // One false run above the first anomaly, three more above the second: 0.1 and 0.4 a day.
        let high = [(10, 9.0), (50, 8.0), (80, 7.0), (100, 6.0), (120, 5.0), (150, 4.0)];
        let caught: Vec<u64> = scored(&high).iter().map(|one| one.caught).collect();
        assert_eq!(caught, [1, 1, 2]);
    }

    #[test]
    fn a_detector_that_breaks_the_budget_at_once_catches_nothing() {
        let high: Vec<(usize, f64)> =
            [(50, 1.0)].into_iter().chain((0..5).map(|k| (k * 20 + 5, 9.0))).collect();
        let scores = scored(&high);
        assert_eq!((scores[0].caught, scores[0].threshold), (0, None));
        assert_eq!((scores[2].caught, scores[2].n_events), (1, 2));
    }

    #[test]
    fn a_silent_detector_keeps_every_budget_and_catches_nothing() {
        for score in scored(&[]) {
            assert_eq!((score.caught, score.n_events, score.threshold), (0, 2, None));
        }
    }

    #[test]
    fn each_threshold_is_exceeded_by_more_samples() {
        let scores: Vec<f64> = (0..1_000).rev().map(f64::from).collect();
        let passed: Vec<usize> = thresholds(&scores)
            .map(|threshold| scores.iter().filter(|score| **score > threshold).count())
            .collect();
        assert_eq!(passed[..3], [1, 2, 3]);
        assert!(passed.is_sorted() && passed.len() < 60, "{}", passed.len());
    }
}
