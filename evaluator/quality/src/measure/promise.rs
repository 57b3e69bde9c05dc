//! The promise of a budget: how many false alarms a day a detector makes on each series.
//!
//! A user sets one number. A mean over series can keep it while a quarter of the series breaks it, so the share of series
//! within the budget stands beside it.

use serde::Serialize;

use super::judge::{ScoredSeries, tallies};
use crate::score::event::{self, percentile};

/// False alarms a day on the series of a scenario, at one budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PromiseScore {
    /// False alarms for each series and day that the detector was asked for.
    pub budget: f64,
    /// Number of series with a duration.
    pub n_series: usize,
    /// Mean of the false alarms a day, over series.
    pub mean: Option<f64>,
    /// Half of the series have at most this many.
    pub median: Option<f64>,
    /// Nine tenths of the series have at most this many.
    pub p90: Option<f64>,
    /// Share of the series with at most the budget.
    pub share_within: Option<f64>,
}

/// Compares the false alarms of each series with the budget that its detector was given.
pub fn promise(judged: &[ScoredSeries], budget: f64) -> PromiseScore {
    let counts = event::by_series(&tallies(judged));
    let both = counts.false_runs.iter().zip(&counts.days);
    let rates: Vec<f64> =
        both.filter(|(_, days)| **days > 0.0).map(|(runs, days)| *runs as f64 / days).collect();
    of_rates(rates, budget)
}

fn of_rates(mut rates: Vec<f64>, budget: f64) -> PromiseScore {
    rates.sort_unstable_by(f64::total_cmp);
    let n = rates.len();
    let of_all = |sum: f64| (n > 0).then(|| sum / n as f64);
    PromiseScore {
        budget,
        n_series: n,
        mean: of_all(rates.iter().sum()),
        median: percentile(&rates, 0.5),
        p90: percentile(&rates, 0.9),
        share_within: of_all(rates.iter().filter(|rate| **rate <= budget).count() as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_within_the_budget_is_not_that_of_the_mean() {
        let rates = vec![0.0, 0.0, 0.1, 0.2, 0.0, 0.3, 0.0, 0.1, 5.0, 0.0];
        let score = of_rates(rates, 0.2);
        assert!((score.mean.unwrap() - 0.57).abs() < 1e-12);
        let parts = (score.n_series, score.median, score.p90, score.share_within);
        assert_eq!(parts, (10, Some(0.0), Some(0.3), Some(0.8)));
    }

    #[test]
    fn without_a_series_nothing_is_promised() {
        let score = of_rates(Vec::new(), 0.2);
        assert_eq!(
            (score.n_series, score.mean, score.median, score.share_within),
            (0, None, None, None)
        );
    }
}
