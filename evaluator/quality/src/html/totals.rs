//! Totals over all scenarios, one row per detector.
//!
//! Counts are added before rates are computed, so that a long scenario weighs more than a short one. Values that cannot
//! be added (delays, intervals, rankings) are left out.

use super::detectors::Detectors;
use crate::record::{EventScore, Record, Row, SeriesCounts};
use crate::score::{f1, ratio};

/// Scenario name of the totals.
pub(crate) const ALL_SCENARIOS: &str = "All scenarios together";

/// One row per detector, in the order of the detectors.
pub(crate) fn rows(record: &Record, detectors: &Detectors<'_>) -> Vec<Row> {
    detectors.all.iter().filter_map(|named| row(record, named.spec)).collect()
}

/// The total of one detector; `None` without a row.
pub(crate) fn row(record: &Record, spec: &str) -> Option<Row> {
    let mut rows = record.rows.iter().filter(|row| row.detector == spec);
    let first = rows.next()?;
    let mut sum = Row {
        scenario: ALL_SCENARIOS.to_owned(),
        detector: spec.to_owned(),
        delay_samples: None,
        delays: Vec::new(),
        by_kind: Vec::new(),
        budgets: Vec::new(),
        by_series: SeriesCounts::default(),
        ranking: None,
        intervals: None,
        first_day: None,
        nab: None,
        kpi: None,
        easytsad: None,
        micros_per_sample: None,
        ..first.clone()
    };
    for row in rows {
        add(&mut sum, row);
    }
    let EventScore { n_events, caught, false_runs, .. } = sum.events;
    sum.events.precision = ratio(caught as f64, (caught + false_runs) as f64);
    sum.events.recall = ratio(caught as f64, n_events as f64);
    sum.events.f1 = f1(caught as f64, false_runs as f64, (n_events - caught) as f64);
    sum.rates = sum.point.rates();
    sum.false_alarms_per_series_day = ratio(false_runs as f64, sum.series_days);
    Some(sum)
}

fn add(sum: &mut Row, row: &Row) {
    sum.point += row.point;
    sum.events.n_events += row.events.n_events;
    sum.events.caught += row.events.caught;
    sum.events.caught_early += row.events.caught_early;
    sum.events.false_runs += row.events.false_runs;
    sum.n_series += row.n_series;
    sum.n_samples += row.n_samples;
    sum.n_judged += row.n_judged;
    sum.n_unjudged += row.n_unjudged;
    sum.series_days += row.series_days;
}
