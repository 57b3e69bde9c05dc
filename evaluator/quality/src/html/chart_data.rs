//! The numbers that the charts are drawn from, as JSON inside the page.
//!
//! Traces are written by column and with the digits that a chart can show: twenty thousand samples
//! stay near one megabyte.

use serde::Serialize;

use page::embed;

use crate::html::detectors::{DetectorRole, Detectors};
use crate::record::{self, DelayCount, Record, Row, Sweep, SweepPoint, Trace, TracePoint};

/// Significant digits of a number in a chart, which is about a thousand pixels wide.
const DIGITS: usize = 6;

/// Most digits of a sample in a chart; a double has hardly more.
const DIGITS_MAX: usize = 15;

/// Digits of a sample below the first in which it differs from its neighbors.
const DIGITS_BELOW_SPREAD: f64 = 4.0;

#[derive(Debug, Serialize)]
struct Data {
    /// The scenario that charts open with, and the trace.
    opening: (String, usize),
    detectors: Vec<NamedDetector>,
    sweeps: Vec<Curve>,
    curves: Vec<SampleCurve>,
    delays: Vec<Delays>,
    traces: Vec<Columns>,
}

#[derive(Debug, Serialize)]
struct NamedDetector {
    name: String,
    color: &'static str,
}

/// One detector's curve; `shipped` is what its row counted.
#[derive(Debug, Serialize)]
struct Curve {
    scenario: String,
    detector: usize,
    points: Vec<CurvePoint>,
    shipped: Option<CurvePoint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct CurvePoint {
    threshold: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    f1: Option<f64>,
    rate: Option<f64>,
}

/// Samples at every threshold; `shipped` is what the detector's row counted.
#[derive(Debug, Serialize)]
struct SampleCurve {
    scenario: String,
    detector: usize,
    points: Vec<SamplePoint>,
    shipped: Option<SamplePoint>,
}

#[derive(Debug, Serialize)]
struct SamplePoint {
    threshold: Option<f64>,
    fpr: Option<f64>,
    recall: Option<f64>,
    precision: Option<f64>,
}

/// How many anomalies a detector caught after how many samples.
#[derive(Debug, Serialize)]
struct Delays {
    scenario: String,
    detector: usize,
    n_events: u64,
    counts: Vec<DelayCount>,
}

/// A trace in time order, one array per column.
#[derive(Debug, Serialize)]
struct Columns {
    scenario: String,
    detector: usize,
    series: String,
    interval_ms: f64,
    /// Significant digits of its numbers.
    digits: usize,
    start_ms: i64,
    /// Each time minus the one before; 0 for the first.
    steps_ms: Vec<i64>,
    values: Vec<Option<f64>>,
    expected: Vec<Option<f64>>,
    lows: Vec<Option<f64>>,
    highs: Vec<Option<f64>>,
    scores: Vec<Option<f64>>,
    /// Indices of alarms on samples that are labelled anomalous.
    alarms_right: Vec<usize>,
    /// Indices of the other alarms.
    alarms_false: Vec<usize>,
    events: Vec<Event>,
}

#[derive(Debug, Serialize)]
struct Event {
    kind: String,
    start_ms: i64,
    end_ms: i64,
}

/// The data as JSON that may stand in a `script` element: no text in it can end the element or open a comment.
pub(crate) fn json(record: &Record, detectors: &Detectors<'_>) -> String {
    let traces: Vec<&Trace> =
        record.traces.iter().filter(|trace| !trace.points.is_empty()).collect();
    let data = Data {
        opening: opening(record, &traces, detectors),
        detectors: (0..detectors.all.len())
            .map(|i| NamedDetector { name: detectors.short_name(i), color: detectors.all[i].color })
            .collect(),
        sweeps: record.sweeps.iter().map(|sweep| curve(sweep, record, detectors)).collect(),
        curves: record
            .sweeps
            .iter()
            .filter(|sweep| !sweep.curve.is_empty())
            .map(|sweep| sample_curve(sweep, record, detectors))
            .collect(),
        delays: record
            .rows
            .iter()
            .filter(|row| !row.delays.is_empty())
            .map(|row| delays(row, detectors))
            .collect(),
        traces: traces.into_iter().map(|trace| columns(trace, detectors)).collect(),
    };
    embed(&data)
}

/// The first scenario with the most kinds of anomaly, and in it the default detector's trace.
fn opening(record: &Record, traces: &[&Trace], detectors: &Detectors<'_>) -> (String, usize) {
    let kinds_max = record.rows.iter().map(|row| row.by_kind.len()).max();
    let row = record.rows.iter().find(|row| Some(row.by_kind.len()) == kinds_max);
    let scenario = row.map(|row| row.scenario.clone()).unwrap_or_default();
    let default = detectors.of_role(DetectorRole::Default).map(|named| named.spec);
    let of_default = |trace: &&Trace| Some(trace.detector.as_str()) == default;
    let of_scenario = |trace: &&Trace| trace.scenario == scenario;
    let trace = traces
        .iter()
        .position(|trace| of_scenario(trace) && of_default(trace))
        .or_else(|| traces.iter().position(of_default))
        .unwrap_or_default();
    (scenario, trace)
}

fn curve(sweep: &Sweep, record: &Record, detectors: &Detectors<'_>) -> Curve {
    Curve {
        scenario: sweep.scenario.clone(),
        detector: detectors.index(&sweep.detector),
        points: sweep.points.iter().map(curve_point).collect(),
        shipped: row_of(sweep, record).map(shipped_point),
    }
}

fn row_of<'a>(sweep: &Sweep, record: &'a Record) -> Option<&'a Row> {
    let is_its = |row: &&Row| row.scenario == sweep.scenario && row.detector == sweep.detector;
    record.rows.iter().find(is_its)
}

fn sample_curve(sweep: &Sweep, record: &Record, detectors: &Detectors<'_>) -> SampleCurve {
    let rounded = |value: f64| rounded(value, DIGITS);
    let point = |point: &record::CurvePoint| SamplePoint {
        threshold: rounded(point.threshold),
        fpr: rounded(point.false_positive_rate),
        recall: rounded(point.recall),
        precision: rounded(point.precision),
    };
    let shipped = |row: &Row| SamplePoint {
        threshold: rounded(row.threshold),
        fpr: row.rates.false_positive_rate.and_then(rounded),
        recall: row.rates.recall.and_then(rounded),
        precision: row.rates.precision.and_then(rounded),
    };
    SampleCurve {
        scenario: sweep.scenario.clone(),
        detector: detectors.index(&sweep.detector),
        points: sweep.curve.iter().map(point).collect(),
        shipped: row_of(sweep, record).map(shipped),
    }
}

fn delays(row: &Row, detectors: &Detectors<'_>) -> Delays {
    Delays {
        scenario: row.scenario.clone(),
        detector: detectors.index(&row.detector),
        n_events: row.events.n_events,
        counts: row.delays.clone(),
    }
}

fn curve_point(point: &SweepPoint) -> CurvePoint {
    CurvePoint {
        threshold: rounded(point.threshold, DIGITS),
        precision: point.precision.and_then(|value| rounded(value, DIGITS)),
        recall: point.recall.and_then(|value| rounded(value, DIGITS)),
        f1: point.f1.and_then(|value| rounded(value, DIGITS)),
        rate: point.false_alarms_per_series_day.and_then(|value| rounded(value, DIGITS)),
    }
}

fn shipped_point(row: &Row) -> CurvePoint {
    CurvePoint {
        threshold: rounded(row.threshold, DIGITS),
        precision: row.events.precision.and_then(|value| rounded(value, DIGITS)),
        recall: row.events.recall.and_then(|value| rounded(value, DIGITS)),
        f1: row.events.f1.and_then(|value| rounded(value, DIGITS)),
        rate: row.false_alarms_per_series_day.and_then(|value| rounded(value, DIGITS)),
    }
}

fn columns(trace: &Trace, detectors: &Detectors<'_>) -> Columns {
    let mut points: Vec<&TracePoint> = trace.points.iter().collect();
    // Samples may have arrived out of order; a chart has one time axis.
    points.sort_by_key(|point| point.at_ms);
    let start_ms = points.first().map_or(0, |point| point.at_ms);
    let befores = std::iter::once(start_ms).chain(points.iter().map(|point| point.at_ms));
    let alarms = |label: bool| {
        let wanted = points.iter().enumerate().filter(|(_, p)| p.alarm && p.label == label);
        wanted.map(|(i, _)| i).collect()
    };
    let digits = digits(points.iter().filter_map(|point| point.value).collect());
    let column = |read: fn(&TracePoint) -> Option<f64>| {
        points.iter().map(|point| read(point).and_then(|value| rounded(value, digits))).collect()
    };
    Columns {
        scenario: trace.scenario.clone(),
        detector: detectors.index(&trace.detector),
        series: trace.series.clone(),
        interval_ms: 1000.0 * trace.interval_s,
        digits,
        start_ms,
        steps_ms: points.iter().zip(befores).map(|(point, before)| point.at_ms - before).collect(),
        values: column(|point| point.value),
        expected: column(|point| point.expected),
        lows: column(|point| point.low),
        highs: column(|point| point.high),
        scores: column(|point| Some(point.score)),
        alarms_right: alarms(true),
        alarms_false: alarms(false),
        events: trace
            .events
            .iter()
            .map(|event| Event {
                kind: event.kind.clone(),
                start_ms: event.start_ms,
                end_ms: event.end_ms,
            })
            .collect(),
    }
}

/// The digits that tell samples apart: more than usual where they differ little from each other.
fn digits(mut values: Vec<f64>) -> usize {
    values.sort_by(f64::total_cmp);
    let Some(middle) = values.get(values.len() / 2).copied() else {
        return DIGITS;
    };
    let mut distances: Vec<f64> = values
        .iter()
        .map(|value| (value - middle).abs())
        .filter(|distance| *distance > 0.0)
        .collect();
    distances.sort_by(f64::total_cmp);
    // Equal values have no distance; what counts is how far the others usually are.
    let Some(spread) = distances.get(distances.len() / 2) else {
        return DIGITS;
    };
    let digits = (middle.abs() / spread).log10().ceil() + DIGITS_BELOW_SPREAD;
    (digits.max(0.0) as usize).clamp(DIGITS, DIGITS_MAX)
}

/// A number with that many significant digits; none when it is not finite.
fn rounded(value: f64, digits: usize) -> Option<f64> {
    let text = format!("{value:.precision$e}", precision = digits - 1);
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_infinities_none() {
        assert_eq!(rounded(1_234.567_89, 6), Some(1_234.57));
        assert_eq!(rounded(1e15, 6), Some(1e15));
        assert_eq!(rounded(-0.000_123_456_789, 6), Some(-0.000_123_457));
        assert_eq!(rounded(f64::INFINITY, 6), None);
        assert_eq!(rounded(f64::NAN, 6), None);
    }

    #[test]
    fn samples_that_differ_little_keep_more_digits() {
        let around = |base: f64| digits((0..5).map(|i| base + f64::from(i)).collect());
        assert_eq!(around(100.0), 6);
        assert_eq!(around(1e9), 13);
        assert_eq!(digits(vec![5.0, 5.0, 1e15, 5.0]), 6);
        assert_eq!(digits(vec![5.0; 3]), 6);
        assert_eq!(digits(Vec::new()), 6);
    }
}
