//! Measuring: every contender judges every series, and each scoring rule counts what it said.
//!
//! Nothing is chosen here: series, contenders and rules come from the command, numbers go into a record.

pub mod sweep;
mod trace;

use std::ops::Range;
use std::time::Duration;

use domain::VerdictKind;
use rayon::prelude::*;

use crate::contender::{Contender, ROLLING_ZSCORE, SeriesVerdicts};
use crate::labeled::LabeledSeries;
use crate::record::{Confusion, FirstDay, KpiScore, NabScore, Record, Row, Sweep, Trace};
use crate::score::event::EventTally;
use crate::score::ranking::{Ranked, rank};
use crate::score::{bootstrap, budget, confusion, event, kpi, nab};
use crate::stopwatch;

/// What to measure on.
#[derive(Debug, Clone, Copy)]
pub struct MeasurePlan<'a> {
    /// Name of the rows.
    pub scenario: &'a str,
    /// The series; not empty.
    pub series: &'a [LabeledSeries],
    /// Seed of the random baseline and the bootstrap.
    pub seed: u64,
    /// Further rules that apply to the data.
    pub rule: ScoringRule,
    /// What else to keep.
    pub extras: RecordExtras,
}

/// A rule that counts besides the usual ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoringRule {
    /// None.
    Usual,
    /// That of the Numenta benchmark.
    Nab,
    /// That of the 2018 KPI competition.
    Kpi,
}

/// What a record keeps besides its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordExtras {
    /// Traces and sweeps, which only charts need.
    pub charts: bool,
    /// The time per sample, which no two runs share.
    pub timing: bool,
}

/// What was measured on one scenario, by contender.
#[derive(Debug, Default)]
pub struct MeasuredScenario {
    /// The rows, in the order of the contenders.
    pub rows: Vec<Row>,
    /// LabeledEvent scores at other thresholds; none for baselines.
    pub sweeps: Vec<Sweep>,
    /// A piece of a series; none for baselines.
    pub traces: Vec<Trace>,
}

/// Lets contenders judge all series of a plan, in parallel; `progress` is told of each series judged.
pub fn judge(
    plan: &MeasurePlan<'_>,
    contenders: &[Contender],
    progress: impl Fn() + Sync,
) -> Vec<Vec<ScoredSeries>> {
    contenders.par_iter().map(|contender| judge_all(plan, contender, &progress)).collect()
}

/// Counts what each contender said of each series, in parallel.
pub fn measure(
    plan: &MeasurePlan<'_>,
    contenders: &[Contender],
    judged: &[Vec<ScoredSeries>],
) -> MeasuredScenario {
    let reference = contenders
        .iter()
        .position(|contender| contender.to_string() == ROLLING_ZSCORE)
        .map(|i| (i, tallies(&judged[i])));
    let one = |(i, contender): (usize, &Contender)| {
        let series = &judged[i];
        let mut row = row(plan, contender, series);
        let other =
            reference.as_ref().filter(|(at, _)| *at != i).map(|(_, tallies)| tallies.as_slice());
        row.intervals = bootstrap::intervals(&tallies(series), other, plan.seed);
        let has_charts = plan.extras.charts && !contender.is_baseline();
        let sweep =
            has_charts.then(|| sweep::sweep(plan, contender, series, &sweep::multipliers()));
        let trace = if has_charts { trace::trace(plan, contender) } else { None };
        (row, sweep, trace)
    };
    let mut measured = MeasuredScenario::default();
    let parts: Vec<_> = contenders.par_iter().enumerate().map(one).collect();
    for (row, sweep, trace) in parts {
        measured.rows.push(row);
        measured.sweeps.extend(sweep);
        measured.traces.extend(trace);
    }
    measured
}

impl MeasuredScenario {
    /// Appends to a record.
    pub fn add_to(self, record: &mut Record) {
        record.rows.extend(self.rows);
        record.sweeps.extend(self.sweeps);
        record.traces.extend(self.traces);
    }
}

/// What was said of one series, counted.
#[derive(Debug)]
pub struct ScoredSeries {
    /// What was said of each row.
    pub verdicts: SeriesVerdicts,
    elapsed: Duration,
    scored: Counted,
    cold: Counted,
}

/// A range of rows, counted by the two usual rules.
#[derive(Debug)]
struct Counted {
    point: Confusion,
    events: EventTally,
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

fn counted(series: &LabeledSeries, rows: Range<usize>, verdicts: &SeriesVerdicts) -> Counted {
    let is_alarm = |i: usize| verdicts.rows[i].kind == VerdictKind::Anomaly;
    let alarms: Vec<usize> = rows.clone().filter(|i| is_alarm(*i)).collect();
    Counted {
        events: event::count(series, &rows, &alarms),
        point: confusion::count(series, rows, is_alarm),
    }
}

fn tallies(judged: &[ScoredSeries]) -> Vec<EventTally> {
    judged.iter().map(|series| series.scored.events.clone()).collect()
}

fn row(plan: &MeasurePlan<'_>, contender: &Contender, judged: &[ScoredSeries]) -> Row {
    let (point, events) = sum(judged.iter().map(|series| &series.scored));
    let n_judged: usize = plan.series.iter().map(|series| series.rows.len()).sum();
    let micros: f64 = judged.iter().map(|series| series.elapsed.as_secs_f64() * 1e6).sum();
    let memory_len: usize = judged.iter().map(|series| series.verdicts.memory_len).sum();
    Row {
        scenario: plan.scenario.to_owned(),
        detector: contender.to_string(),
        threshold: contender.threshold(),
        n_series: plan.series.len(),
        n_samples: plan.series.iter().map(|series| series.scored().len()).sum(),
        series_days: events.days,
        point,
        rates: point.rates(),
        events: events.score(),
        false_alarms_per_series_day: events.false_alarms_per_series_day(),
        delay_samples: events.delay(),
        delays: events.delays(),
        by_kind: events.kinds(),
        budgets: budget::score(scored_scores(plan, judged), |threshold| {
            sweep::tally_at(plan.series, judged, threshold)
        }),
        by_series: event::by_series(&tallies(judged)),
        ranking: rank(&ranked(plan, judged)),
        intervals: None,
        first_day: first_day(judged),
        nab: nab_score(plan, judged),
        kpi: kpi_score(plan, contender, judged),
        micros_per_sample: (plan.extras.timing && contender.runs_here())
            .then(|| micros / n_judged.max(1) as f64),
        bytes_per_series: memory_len as f64 / judged.len().max(1) as f64,
    }
}

fn sum<'a>(parts: impl Iterator<Item = &'a Counted>) -> (Confusion, EventTally) {
    let (mut point, mut events) = (Confusion::default(), EventTally::default());
    for part in parts {
        point += part.point;
        events += &part.events;
    }
    (point, events)
}

fn first_day(judged: &[ScoredSeries]) -> Option<FirstDay> {
    let (point, events) = sum(judged.iter().map(|series| &series.cold));
    (point != Confusion::default()).then(|| FirstDay {
        series_days: events.days,
        point,
        rates: point.rates(),
        events: events.score(),
        false_alarms_per_series_day: events.false_alarms_per_series_day(),
    })
}

fn ranked(plan: &MeasurePlan<'_>, judged: &[ScoredSeries]) -> Vec<Ranked> {
    let of_series = |(labeled, judged): (&LabeledSeries, &ScoredSeries)| {
        labeled.scored().map(|i| (judged.verdicts.rows[i].score, labeled.rows[i].label)).collect()
    };
    plan.series.par_iter().zip(judged).map(of_series).collect()
}

/// The scores of all scored rows.
fn scored_scores(plan: &MeasurePlan<'_>, judged: &[ScoredSeries]) -> Vec<f64> {
    let of_series = |(labeled, judged): (&LabeledSeries, &ScoredSeries)| {
        judged.verdicts.rows[labeled.scored()].iter().map(|verdict| verdict.score).collect()
    };
    plan.series.par_iter().zip(judged).map(of_series).collect::<Vec<Vec<f64>>>().concat()
}

fn nab_score(plan: &MeasurePlan<'_>, judged: &[ScoredSeries]) -> Option<NabScore> {
    // Every other file: neighbors are of one kind.
    let half = |odd| board(plan, judged, |i| i % 2 == odd);
    (plan.rule == ScoringRule::Nab).then(|| board(plan, judged, |_| true).score([half(0), half(1)]))
}

/// Every scored row of the files of a benchmark that `is_in` wants by their number.
fn board(
    plan: &MeasurePlan<'_>,
    judged: &[ScoredSeries],
    is_in: impl Fn(usize) -> bool,
) -> nab::NabBoard {
    let mut board = nab::NabBoard::default();
    let files = plan.series.iter().zip(judged).enumerate();
    for (_, (labeled, series)) in files.filter(|(i, _)| is_in(*i)) {
        board.add(
            labeled,
            series
                .verdicts
                .rows
                .iter()
                .map(|verdict| (verdict.score, verdict.kind == VerdictKind::Anomaly)),
        );
    }
    board
}

fn kpi_score(
    plan: &MeasurePlan<'_>,
    contender: &Contender,
    judged: &[ScoredSeries],
) -> Option<KpiScore> {
    if plan.rule != ScoringRule::Kpi {
        return None;
    }
    kpi::score(&with_scores(plan, judged), contender.threshold())
}

/// Each series with the scores of all its rows.
fn with_scores<'a>(
    plan: &MeasurePlan<'a>,
    judged: &[ScoredSeries],
) -> Vec<(&'a LabeledSeries, Vec<f64>)> {
    let scores =
        |judged: &ScoredSeries| judged.verdicts.rows.iter().map(|verdict| verdict.score).collect();
    plan.series.iter().zip(judged).map(|(labeled, judged)| (labeled, scores(judged))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn measured(name: &str, n_series: usize, seed: u64) -> MeasuredScenario {
        let mut scenario = Scenario::find(name).unwrap();
        scenario.n_series = n_series;
        let series = scenario.generate(seed);
        let extras = RecordExtras { charts: true, timing: false };
        let plan =
            MeasurePlan { scenario: name, series: &series, seed, rule: ScoringRule::Usual, extras };
        let contenders = Contender::defaults().unwrap();
        measure(&plan, &contenders, &judge(&plan, &contenders, || {}))
    }

    #[test]
    fn the_ancestors_rule_gets_its_own_test_exactly_right() {
        for seed in [0, 1, 2] {
            let row = &measured("ancestor", 1, seed).rows[0];
            assert_eq!(row.detector, ROLLING_ZSCORE);
            assert_eq!(row.point, Confusion { tp: 180, tn: 1620, fp: 0, fn_: 0 }, "seed {seed}");
        }
    }

    #[test]
    fn measuring_twice_gives_the_same_record() {
        let (first, second) = (measured("mixed", 4, 5), measured("mixed", 4, 5));
        assert_eq!(first.rows, second.rows);
        assert_eq!(first.sweeps, second.sweeps);
        assert_eq!(first.traces, second.traces);
    }

    #[test]
    fn a_silent_detector_scores_nothing_and_a_random_one_next_to_nothing() {
        let measured = measured("mixed", 4, 0);
        let row = |name: &str| measured.rows.iter().find(|row| row.detector == name).unwrap();
        assert_eq!((row("silent").events.caught, row("silent").events.false_runs), (0, 0));
        assert_eq!(row("silent").ranking.unwrap().roc_auc, 0.5);
        assert!((row("random").ranking.unwrap().roc_auc - 0.5).abs() < 0.02);
        assert!(row("random").false_alarms_per_series_day.unwrap() > 5.0);
    }

    #[test]
    fn a_sweep_at_the_own_threshold_is_the_row() {
        let measured = measured("mixed", 4, 0);
        for sweep in &measured.sweeps {
            let row = measured.rows.iter().find(|row| row.detector == sweep.detector).unwrap();
            let point = sweep.points.iter().find(|point| point.threshold == row.threshold).unwrap();
            assert_eq!(
                (point.precision, point.recall, point.f1),
                (row.events.precision, row.events.recall, row.events.f1)
            );
        }
    }
}
