//! Inputs of the scoring rules: scores and labels in the form that each rule takes.

use domain::VerdictKind;
use rayon::prelude::*;

use super::judge::ScoredSeries;
use super::plan::MeasurePlan;
use crate::labeled::LabeledSeries;
use crate::score::LabeledScores;
use crate::score::event::{self, EventTally};
use crate::score::nab::NabBoard;

/// Score and label of each scored row, by series.
pub(super) fn labeled_scores(
    plan: &MeasurePlan<'_>,
    judged: &[ScoredSeries],
) -> Vec<LabeledScores> {
    let of_series = |(labeled, judged): (&LabeledSeries, &ScoredSeries)| {
        labeled.scored().map(|i| (judged.verdicts.rows[i].score, labeled.rows[i].label)).collect()
    };
    plan.series.par_iter().zip(judged).map(of_series).collect()
}

/// The scores of all scored rows.
pub(super) fn scored_scores(plan: &MeasurePlan<'_>, judged: &[ScoredSeries]) -> Vec<f64> {
    let of_series = |(labeled, judged): (&LabeledSeries, &ScoredSeries)| {
        judged.verdicts.rows[labeled.scored()].iter().map(|verdict| verdict.score).collect()
    };
    plan.series.par_iter().zip(judged).map(of_series).collect::<Vec<Vec<f64>>>().concat()
}

/// Each series with the scores of all its rows.
pub(super) fn all_scores<'a>(
    plan: &MeasurePlan<'a>,
    judged: &[ScoredSeries],
) -> Vec<(&'a LabeledSeries, Vec<f64>)> {
    let scores =
        |judged: &ScoredSeries| judged.verdicts.rows.iter().map(|verdict| verdict.score).collect();
    plan.series.iter().zip(judged).map(|(labeled, judged)| (labeled, scores(judged))).collect()
}

/// 1 for each row of each series that is an anomaly, 0 for the others.
pub(super) fn all_alarms<'a>(
    plan: &MeasurePlan<'a>,
    judged: &[ScoredSeries],
) -> Vec<(&'a LabeledSeries, Vec<f64>)> {
    let alarms = |judged: &ScoredSeries| {
        let rows = judged.verdicts.rows.iter();
        rows.map(|verdict| f64::from(u8::from(verdict.kind == VerdictKind::Anomaly))).collect()
    };
    plan.series.iter().zip(judged).map(|(labeled, judged)| (labeled, alarms(judged))).collect()
}

/// The scored rows of the benchmark files whose number satisfies `is_in`.
pub(super) fn board(
    plan: &MeasurePlan<'_>,
    judged: &[ScoredSeries],
    is_in: impl Fn(usize) -> bool,
) -> NabBoard {
    let mut board = NabBoard::default();
    let files = plan.series.iter().zip(judged).enumerate();
    for (_, (labeled, judged)) in files.filter(|(i, _)| is_in(*i)) {
        let rows = judged.verdicts.rows.iter();
        board.add(labeled, rows.map(|row| (row.score, row.kind == VerdictKind::Anomaly)));
    }
    board
}

/// Event counts of all series if every score above the threshold is an alarm.
pub(super) fn tally_at(
    series: &[LabeledSeries],
    judged: &[ScoredSeries],
    threshold: f64,
) -> EventTally {
    let of_series = |(labeled, judged): (&LabeledSeries, &ScoredSeries)| {
        let rows = labeled.scored();
        let alarms: Vec<usize> =
            rows.clone().filter(|i| judged.verdicts.rows[*i].score > threshold).collect();
        event::count(labeled, &rows, &alarms)
    };
    // Count in parallel, and add in the order of the series: floating-point sums depend on the order.
    let each: Vec<EventTally> = series.par_iter().zip(judged).map(of_series).collect();
    let mut sum = EventTally::default();
    for tally in &each {
        sum += tally;
    }
    sum
}
