//! All measurements on one scenario: rows, sweeps and traces of every contender.

use rayon::prelude::*;

use super::judge::{ScoredSeries, tallies};
use super::plan::MeasurePlan;
use super::{row, sweep, trace};
use crate::contender::{Contender, ROLLING_ZSCORE};
use crate::record::{Record, Row, Sweep, Trace};
use crate::score::bootstrap;

/// Measurements on one scenario, by contender.
#[derive(Debug, Default)]
pub struct MeasuredScenario {
    /// The rows, in the order of the contenders.
    pub rows: Vec<Row>,
    /// Scores at other thresholds; empty for baselines.
    pub sweeps: Vec<Sweep>,
    /// An excerpt of a series; empty for baselines.
    pub traces: Vec<Trace>,
}

/// Counts the verdicts of each contender, in parallel.
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
        let mut row = row::row(plan, contender, series);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{RecordExtras, ScoringRule, judge};
    use crate::record::Confusion;
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
    fn the_rolling_zscore_gets_its_published_test_exactly_right() {
        for seed in [0, 1, 2] {
            let row = &measured("regular_spikes", 1, seed).rows[0];
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
    fn a_silent_detector_catches_nothing_and_a_random_one_ranks_at_chance() {
        let measured = measured("mixed", 4, 0);
        let row = |name: &str| measured.rows.iter().find(|row| row.detector == name).unwrap();
        assert_eq!((row("silent").events.caught, row("silent").events.false_runs), (0, 0));
        assert_eq!(row("silent").ranking.unwrap().roc_auc, 0.5);
        assert!((row("random").ranking.unwrap().roc_auc - 0.5).abs() < 0.02);
        assert!(row("random").false_alarms_per_series_day.unwrap() > 5.0);
    }

    #[test]
    fn a_sweep_at_the_own_threshold_equals_the_row() {
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
