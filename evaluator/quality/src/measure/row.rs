//! One row of a record: the counts of a contender on all series, by every rule.

use super::inputs::{all_alarms, all_scores, board, labeled_scores, scored_scores, tally_at};
use super::judge::{RangeCounts, ScoredSeries, tallies};
use super::plan::{MeasurePlan, ScoringRule};
use crate::contender::Contender;
use crate::record::{Confusion, EasyTsadScore, FirstDay, KpiScore, NabScore, Row};
use crate::score::event::{self, EventTally};
use crate::score::{budget, easytsad, kpi, ranking};

pub(super) fn row(plan: &MeasurePlan<'_>, contender: &Contender, judged: &[ScoredSeries]) -> Row {
    let (point, events) = sum(judged.iter().map(|series| &series.scored));
    let n_rows: usize = plan.series.iter().map(|series| series.rows.len()).sum();
    let pairs = plan.series.iter().zip(judged);
    let n_judged: usize = pairs.map(|(series, judged)| judged.verdicts.n_judged(series)).sum();
    let micros: f64 = judged.iter().map(|series| series.elapsed.as_secs_f64() * 1e6).sum();
    let memory_len: usize = judged.iter().map(|series| series.verdicts.memory_len).sum();
    Row {
        scenario: plan.scenario.to_owned(),
        detector: contender.to_string(),
        threshold: contender.threshold(),
        n_series: plan.series.len(),
        n_samples: plan.series.iter().map(|series| series.scored().len()).sum(),
        n_judged,
        n_unjudged: n_rows - n_judged,
        series_days: events.days,
        point,
        rates: point.rates(),
        events: events.score(),
        false_alarms_per_series_day: events.false_alarms_per_series_day(),
        delay_samples: events.delay(),
        delays: events.delays(),
        by_kind: events.kinds(),
        budgets: budget::score(scored_scores(plan, judged), |threshold| {
            tally_at(plan.series, judged, threshold)
        }),
        by_series: event::by_series(&tallies(judged)),
        ranking: ranking::rank(&labeled_scores(plan, judged)),
        intervals: None,
        first_day: first_day(plan, judged),
        nab: nab_score(plan, judged),
        kpi: kpi_score(plan, contender, judged),
        easytsad: easytsad_score(plan, contender, judged),
        micros_per_sample: (plan.extras.timing && contender.runs_here())
            .then(|| micros / n_rows.max(1) as f64),
        bytes_per_series: memory_len as f64 / judged.len().max(1) as f64,
    }
}

fn sum<'a>(parts: impl Iterator<Item = &'a RangeCounts>) -> (Confusion, EventTally) {
    let (mut point, mut events) = (Confusion::default(), EventTally::default());
    for part in parts {
        point += part.point;
        events += &part.events;
    }
    (point, events)
}

fn first_day(plan: &MeasurePlan<'_>, judged: &[ScoredSeries]) -> Option<FirstDay> {
    let (point, events) = sum(judged.iter().map(|series| &series.cold));
    // Rows that were not judged are not in `point`.
    let has_cold_start = plan.series.iter().any(|series| !series.cold().is_empty());
    has_cold_start.then(|| events.first_day(point))
}

fn nab_score(plan: &MeasurePlan<'_>, judged: &[ScoredSeries]) -> Option<NabScore> {
    // Every other file: neighbors in the list are of one kind.
    let half = |odd| board(plan, judged, |i| i % 2 == odd);
    (plan.rule == ScoringRule::Nab).then(|| board(plan, judged, |_| true).score([half(0), half(1)]))
}

fn easytsad_score(
    plan: &MeasurePlan<'_>,
    contender: &Contender,
    judged: &[ScoredSeries],
) -> Option<EasyTsadScore> {
    if plan.rule != ScoringRule::EasyTsad {
        return None;
    }
    easytsad::score(&all_scores(plan, judged), contender.threshold())
}

fn kpi_score(
    plan: &MeasurePlan<'_>,
    contender: &Contender,
    judged: &[ScoredSeries],
) -> Option<KpiScore> {
    if plan.rule != ScoringRule::Kpi {
        return None;
    }
    let score = kpi::score(&all_scores(plan, judged), contender.threshold())?;
    // By the verdicts: an anomaly that only continues may have a score below the threshold.
    let f1_shipped = kpi::f1_above(&all_alarms(plan, judged), 0.0)?;
    Some(KpiScore { f1_shipped, ..score })
}
