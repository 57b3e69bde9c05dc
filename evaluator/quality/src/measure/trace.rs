//! The excerpt of a series for a chart: the part with the most anomalies.

use std::ops::Range;

use domain::Verdict;

use super::plan::MeasurePlan;
use crate::contender::Contender;
use crate::labeled::{LabeledRow, LabeledSeries};
use crate::record::{Trace, TraceEvent, TracePoint};

/// Maximum rows of a trace: a day of minutes, about the width of a screen in pixels.
const ROWS_MAX: usize = 1_440;

/// Rows shown before the first anomaly of a trace.
const LEAD: usize = 60;

/// Significant digits of a number: more are invisible in a chart and would double the size of a record.
const DIGITS: usize = 6;

/// The part of the first series with the most anomalies; `None` without series.
pub(super) fn trace(plan: &MeasurePlan<'_>, contender: &Contender) -> Option<Trace> {
    let series = plan.series.first()?;
    let rows = busiest(series);
    let verdicts = contender.verdicts(series, &rows);
    let points = series.rows[rows.clone()]
        .iter()
        .zip(&verdicts)
        .map(|(row, verdict)| point(row, verdict))
        .collect();
    let time = |i: usize| series.rows[i].at_us / 1_000;
    let event = |(kind, cut): (&str, Range<usize>)| TraceEvent {
        kind: kind.to_owned(),
        start_ms: time(cut.start),
        end_ms: time(cut.end - 1),
    };
    Some(Trace {
        scenario: plan.scenario.to_owned(),
        detector: contender.to_string(),
        series: series.name.clone(),
        interval_s: series.interval_us as f64 / 1e6,
        points,
        events: series.events_in(&rows).map(event).collect(),
    })
}

/// At most [`ROWS_MAX`] scored rows with the most starts of anomalies; the first such range.
fn busiest(series: &LabeledSeries) -> Range<usize> {
    let scored = series.scored();
    let starts: Vec<usize> = series.events_in(&scored).map(|(_, event)| event.start).collect();
    let n_from = |first: usize| {
        starts.iter().filter(|start| (first..first + ROWS_MAX - LEAD).contains(start)).count()
    };
    let best =
        starts.iter().copied().max_by_key(|first| (n_from(*first), std::cmp::Reverse(*first)));
    let latest = scored.end.saturating_sub(ROWS_MAX).max(scored.start);
    let start =
        best.map_or(scored.start, |first| first.saturating_sub(LEAD).clamp(scored.start, latest));
    start..scored.end.min(start + ROWS_MAX)
}

fn point(row: &LabeledRow, verdict: &Verdict) -> TracePoint {
    let expectation = verdict.expectation;
    TracePoint {
        at_ms: row.at_us / 1_000,
        value: rounded(row.value),
        expected: expectation.and_then(|expectation| rounded(expectation.value)),
        low: expectation.and_then(|expectation| rounded(expectation.low)),
        high: expectation.and_then(|expectation| rounded(expectation.high)),
        score: rounded(verdict.score).unwrap_or_default(),
        label: row.label,
        alarm: verdict.is_anomaly(),
    }
}

/// The number with [`DIGITS`] digits; `None` if it is not finite, which JSON cannot represent.
fn rounded(number: f64) -> Option<f64> {
    format!("{number:.*e}", DIGITS - 1).parse().ok().filter(|rounded: &f64| rounded.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(n: usize, starts: &[usize]) -> LabeledSeries {
        let row =
            |i| LabeledRow { at_us: i as i64 * 60_000_000, value: 1.0, label: starts.contains(&i) };
        LabeledSeries::from_rows("test".to_owned(), (0..n).map(row).collect())
    }

    #[test]
    fn the_part_with_the_most_anomalies_is_shown() {
        let cases: [(usize, &[usize], Range<usize>); 4] = [
            (20_000, &[2_000, 8_000, 8_500, 9_000, 15_000], 7_940..9_380),
            (20_000, &[], 1_440..2_880),
            (20_000, &[19_990], 18_560..20_000),
            (100, &[50], 15..100),
        ];
        for (n, starts, rows) in cases {
            assert_eq!(busiest(&series(n, starts)), rows, "{starts:?}");
        }
    }

    #[test]
    fn numbers_keep_six_digits() {
        assert_eq!(rounded(123.456_789), Some(123.457));
        assert_eq!(rounded(1e15), Some(1e15));
        assert_eq!(rounded(f64::NAN), None);
    }
}
