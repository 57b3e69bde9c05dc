//! Judging: the verdicts of a contender on each series, counted by the two usual rules.

use std::ops::Range;
use std::time::Duration;

use domain::VerdictKind;
use rayon::prelude::*;

use super::plan::MeasurePlan;
use crate::contender::{Contender, SeriesVerdicts};
use crate::labeled::LabeledSeries;
use crate::record::Confusion;
use crate::score::event::EventTally;
use crate::score::{confusion, event};
use crate::stopwatch;

/// The verdicts on one series, with their counts.
#[derive(Debug)]
pub struct ScoredSeries {
    /// The verdict on each row.
    pub verdicts: SeriesVerdicts,
    pub(super) elapsed: Duration,
    pub(super) scored: RangeCounts,
    pub(super) cold: RangeCounts,
}

/// Counts of a range of rows.
#[derive(Debug)]
pub(super) struct RangeCounts {
    pub(super) point: Confusion,
    pub(super) events: EventTally,
}

/// Lets each contender judge all series of a plan, in parallel; calls `progress` after each series.
pub fn judge(
    plan: &MeasurePlan<'_>,
    contenders: &[Contender],
    progress: impl Fn() + Sync,
) -> Vec<Vec<ScoredSeries>> {
    contenders.par_iter().map(|contender| judge_all(plan, contender, &progress)).collect()
}

fn judge_all(
    plan: &MeasurePlan<'_>,
    contender: &Contender,
    progress: &(impl Fn() + Sync),
) -> Vec<ScoredSeries> {
    let judge = |(stream, series): (usize, &LabeledSeries)| {
        let (verdicts, elapsed) =
            stopwatch::timed(|| contender.judge(series, plan.seed, stream as u64));
        let scored = counted(series, series.scored(), &verdicts);
        let cold = counted(series, series.cold(), &verdicts);
        progress();
        ScoredSeries { verdicts, elapsed, scored, cold }
    };
    plan.series.par_iter().enumerate().map(judge).collect()
}

fn counted(series: &LabeledSeries, rows: Range<usize>, verdicts: &SeriesVerdicts) -> RangeCounts {
    let is_alarm = |i: usize| verdicts.rows[i].kind == VerdictKind::Anomaly;
    let alarms: Vec<usize> = rows.clone().filter(|i| is_alarm(*i)).collect();
    let judged = |i: usize| verdicts.is_judged(series, i).then(|| is_alarm(i));
    RangeCounts {
        events: event::count(series, &rows, &alarms),
        point: confusion::count(series, rows, judged),
    }
}

/// The event counts of each series.
pub(super) fn tallies(judged: &[ScoredSeries]) -> Vec<EventTally> {
    judged.iter().map(|series| series.scored.events.clone()).collect()
}
