//! Scores at other thresholds, from the same verdicts.

use rayon::prelude::*;

use super::inputs::{all_scores, board, labeled_scores};
use super::judge::ScoredSeries;
use super::plan::{MeasurePlan, ScoringRule};
use crate::contender::Contender;
use crate::labeled::LabeledSeries;
use crate::record::{Confusion, Sweep, SweepPoint};
use crate::score::event::{self, EventTally};
use crate::score::{confusion, kpi, ranking};

/// Thresholds per doubling: steps of 9 %.
const STEPS_PER_DOUBLING: i32 = 8;

/// From a quarter of the detector's own threshold to eight times it.
const STEPS: std::ops::RangeInclusive<i32> = -2 * STEPS_PER_DOUBLING..=3 * STEPS_PER_DOUBLING;

/// The usual thresholds, divided by the detector's own.
pub fn multipliers() -> Vec<f64> {
    STEPS.map(|step| (f64::from(step) / f64::from(STEPS_PER_DOUBLING)).exp2()).collect()
}

/// Counts at thresholds around the contender's own, in parallel.
pub fn sweep(
    plan: &MeasurePlan<'_>,
    contender: &Contender,
    judged: &[ScoredSeries],
    multipliers: &[f64],
) -> Sweep {
    let board = (plan.rule == ScoringRule::Nab).then(|| board(plan, judged, |_| true));
    let halves = (plan.rule == ScoringRule::Kpi).then(|| all_scores(plan, judged));
    let mut multipliers = multipliers.to_vec();
    multipliers.sort_by(f64::total_cmp);
    let thresholds: Vec<f64> =
        multipliers.iter().map(|multiplier| contender.threshold() * multiplier).collect();
    let tallies = tallies_at(plan.series, judged, &thresholds);
    let points = multipliers
        .par_iter()
        .zip(&thresholds)
        .zip(&tallies)
        .map(|((multiplier, threshold), tally)| {
            let threshold = *threshold;
            let score = tally.score();
            SweepPoint {
                multiplier: *multiplier,
                threshold,
                point: confusion_at(plan.series, judged, threshold),
                precision: score.precision,
                recall: score.recall,
                f1: score.f1,
                false_alarms_per_series_day: tally.false_alarms_per_series_day(),
                delay: tally.delay(),
                kpi_f1: halves.as_ref().and_then(|series| kpi::f1_above(series, threshold)),
                nab: board.as_ref().map(|board| board.points_above(threshold)),
            }
        })
        .collect();
    Sweep {
        scenario: plan.scenario.to_owned(),
        detector: contender.to_string(),
        points,
        curve: ranking::curve(&labeled_scores(plan, judged)),
    }
}

/// Event counts of all series at ascending thresholds.
fn tallies_at(
    series: &[LabeledSeries],
    judged: &[ScoredSeries],
    thresholds: &[f64],
) -> Vec<EventTally> {
    let of_series = |(labeled, judged): (&LabeledSeries, &ScoredSeries)| {
        let is_alarm = |i: usize, threshold: f64| judged.verdicts.rows[i].score > threshold;
        event::count_at(labeled, &labeled.scored(), thresholds, is_alarm)
    };
    let each: Vec<Vec<EventTally>> = series.par_iter().zip(judged).map(of_series).collect();
    let mut sums = vec![EventTally::default(); thresholds.len()];
    for tallies in &each {
        for (sum, tally) in sums.iter_mut().zip(tallies) {
            *sum += tally;
        }
    }
    sums
}

fn confusion_at(series: &[LabeledSeries], judged: &[ScoredSeries], threshold: f64) -> Confusion {
    let mut sum = Confusion::default();
    for (labeled, judged) in series.iter().zip(judged) {
        let verdicts = &judged.verdicts;
        let is_alarm =
            |i: usize| verdicts.is_judged(labeled, i).then(|| verdicts.rows[i].score > threshold);
        sum += confusion::count(labeled, labeled.scored(), is_alarm);
    }
    sum
}
