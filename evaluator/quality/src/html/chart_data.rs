//! The data of the charts, as JSON inside the page.
//!
//! Traces are stored by column, with the digits that a chart can show: twenty thousand samples take about a megabyte.

use page::embed;
use serde::Serialize;

use super::detectors::{DetectorRole, Detectors};
use crate::record::{Record, Row, Sweep, Trace, TraceEvent, TracePoint};

/// Significant digits of a number in a chart, which is about a thousand pixels wide.
const DIGITS: usize = 6;

/// Maximum digits of a sample in a chart, about the precision of `f64`.
const DIGITS_MAX: usize = 15;

/// Digits of a sample below the first in which it differs from its neighbors.
const DIGITS_BELOW_SPREAD: f64 = 4.0;

/// The embedded data.
#[derive(Debug, Serialize)]
struct ChartData<'a> {
    /// Scenario and trace that are shown first.
    opening: (String, usize),
    detectors: Vec<NamedColor>,
    curves: Vec<DetectorCurve<'a>>,
    traces: Vec<TraceColumns<'a>>,
}

/// Name and color of a detector.
#[derive(Debug, Serialize)]
struct NamedColor {
    name: String,
    color: &'static str,
}

/// The curve of one detector in one panel.
#[derive(Debug, Serialize)]
struct DetectorCurve<'a> {
    panel: &'static str,
    scenario: &'a str,
    detector: usize,
    x: Vec<f64>,
    y: Vec<f64>,
    /// Threshold of each point; empty for delays.
    thresholds: Vec<f64>,
    /// The point at the detector's own threshold.
    shipped: Option<[f64; 2]>,
}

/// A trace in time order, one array per column.
#[derive(Debug, Serialize)]
struct TraceColumns<'a> {
    scenario: &'a str,
    detector: usize,
    series: &'a str,
    interval_ms: f64,
    /// Significant digits of its numbers.
    digits: usize,
    start_ms: i64,
    /// Each time minus the previous one; 0 for the first.
    steps_ms: Vec<i64>,
    values: Vec<Option<f64>>,
    expected: Vec<Option<f64>>,
    lows: Vec<Option<f64>>,
    highs: Vec<Option<f64>>,
    scores: Vec<Option<f64>>,
    /// Indexes of alarms on samples that are labeled anomalous.
    alarms_right: Vec<usize>,
    /// Indexes of the other alarms.
    alarms_false: Vec<usize>,
    events: &'a [TraceEvent],
}

/// The data as JSON for a `script` element.
pub(super) fn json(record: &Record, detectors: &Detectors<'_>) -> String {
    let traces: Vec<&Trace> =
        record.traces.iter().filter(|trace| !trace.points.is_empty()).collect();
    let sweeps = record.sweeps.iter().flat_map(|sweep| sweep_curves(sweep, record, detectors));
    let delays = record.rows.iter().filter_map(|row| delay_curve(row, record, detectors));
    embed(&ChartData {
        opening: opening(record, &traces, detectors),
        detectors: (0..detectors.all.len())
            .map(|i| NamedColor { name: detectors.short_name(i), color: detectors.all[i].color })
            .collect(),
        curves: sweeps.chain(delays).collect(),
        traces: traces.into_iter().map(|trace| columns(trace, detectors)).collect(),
    })
}

/// The first scenario with the most kinds of anomaly, and in it the trace of the default detector.
fn opening(record: &Record, traces: &[&Trace], detectors: &Detectors<'_>) -> (String, usize) {
    let kinds_max = record.rows.iter().map(|row| row.by_kind.len()).max();
    let row = record.rows.iter().find(|row| Some(row.by_kind.len()) == kinds_max);
    let scenario = row.map(|row| row.scenario.clone()).unwrap_or_default();
    let default = detectors.of_role(DetectorRole::Default).map(|named| named.spec);
    let of_default = |trace: &&Trace| Some(trace.detector.as_str()) == default;
    let trace = traces
        .iter()
        .position(|trace| trace.scenario == scenario && of_default(trace))
        .or_else(|| traces.iter().position(of_default))
        .unwrap_or_default();
    (scenario, trace)
}

/// The four curves of a sweep: recall and precision over false alarms, ROC, and precision over recall.
fn sweep_curves<'a>(
    sweep: &'a Sweep,
    record: &Record,
    detectors: &Detectors<'_>,
) -> Vec<DetectorCurve<'a>> {
    let row = record
        .rows
        .iter()
        .find(|row| row.scenario == sweep.scenario && row.detector == sweep.detector);
    let curve = |panel, points: Vec<(f64, Option<f64>, Option<f64>)>, shipped: ShippedPoint| {
        let mut curve = DetectorCurve {
            panel,
            scenario: &sweep.scenario,
            detector: detectors.index(&sweep.detector),
            x: Vec::new(),
            y: Vec::new(),
            thresholds: Vec::new(),
            shipped: row.and_then(shipped).map(|point| point.map(|value| rounded(value, DIGITS))),
        };
        for (threshold, x, y) in points {
            if let (Some(x), Some(y)) = (x, y) {
                curve.x.push(rounded(x, DIGITS));
                curve.y.push(rounded(y, DIGITS));
                curve.thresholds.push(rounded(threshold, DIGITS));
            }
        }
        curve
    };
    let events = |y: fn(&crate::record::SweepPoint) -> Option<f64>| {
        let of = |p: &crate::record::SweepPoint| (p.threshold, p.false_alarms_per_series_day, y(p));
        sweep.points.iter().map(of).collect()
    };
    let samples = |xy: fn(&crate::record::CurvePoint) -> [f64; 2]| {
        let of = |p: &crate::record::CurvePoint| {
            let [x, y] = xy(p);
            (p.threshold, Some(x), Some(y))
        };
        sweep.curve.iter().map(of).collect()
    };
    let all = vec![
        curve("sweep-recall", events(|point| point.recall), |row| {
            Some([row.false_alarms_per_series_day?, row.events.recall?])
        }),
        curve("sweep-precision", events(|point| point.precision), |row| {
            Some([row.false_alarms_per_series_day?, row.events.precision?])
        }),
        curve("curve-roc", samples(|point| [point.false_positive_rate, point.recall]), |row| {
            Some([row.rates.false_positive_rate?, row.rates.recall?])
        }),
        curve("curve-pr", samples(|point| [point.recall, point.precision]), |row| {
            Some([row.rates.recall?, row.rates.precision?])
        }),
    ];
    all.into_iter().filter(|curve| !curve.x.is_empty()).collect()
}

/// Finds the point of a curve at the detector's own threshold.
type ShippedPoint = fn(&Row) -> Option<[f64; 2]>;

/// Share of anomalies that are caught within each delay, as a step curve; `None` if none is caught.
fn delay_curve<'a>(
    row: &'a Row,
    record: &Record,
    detectors: &Detectors<'_>,
) -> Option<DetectorCurve<'a>> {
    let of_scenario = record.rows.iter().filter(|other| other.scenario == row.scenario);
    let last =
        of_scenario.filter_map(|other| other.delays.last()).map(|count| count.delay).max()?;
    row.delays.first()?;
    let (mut x, mut y, mut caught) = (Vec::new(), Vec::new(), 0);
    for count in &row.delays {
        let share =
            |caught: u32| rounded(f64::from(caught) / row.events.n_events.max(1) as f64, DIGITS);
        x.extend([f64::from(count.delay); 2]);
        y.extend([share(caught), share(caught + count.n)]);
        caught += count.n;
    }
    x.push(f64::from(last));
    y.push(y[y.len() - 1]);
    Some(DetectorCurve {
        panel: "curve-delay",
        scenario: &row.scenario,
        detector: detectors.index(&row.detector),
        x,
        y,
        thresholds: Vec::new(),
        shipped: None,
    })
}

fn columns<'a>(trace: &'a Trace, detectors: &Detectors<'_>) -> TraceColumns<'a> {
    let mut points: Vec<&TracePoint> = trace.points.iter().collect();
    // Samples may have arrived out of order; a chart has one time axis.
    points.sort_by_key(|point| point.at_ms);
    let start_ms = points.first().map_or(0, |point| point.at_ms);
    let previous = std::iter::once(start_ms).chain(points.iter().map(|point| point.at_ms));
    let alarms = |label: bool| {
        let matching = points.iter().enumerate().filter(|(_, p)| p.alarm && p.label == label);
        matching.map(|(i, _)| i).collect()
    };
    let digits = digits(points.iter().filter_map(|point| point.value).collect());
    let column = |read: fn(&TracePoint) -> Option<f64>| {
        points.iter().map(|point| read(point).map(|value| rounded(value, digits))).collect()
    };
    TraceColumns {
        scenario: &trace.scenario,
        detector: detectors.index(&trace.detector),
        series: &trace.series,
        interval_ms: 1000.0 * trace.interval_s,
        digits,
        start_ms,
        steps_ms: points.iter().zip(previous).map(|(point, at_ms)| point.at_ms - at_ms).collect(),
        values: column(|point| point.value),
        expected: column(|point| point.expected),
        lows: column(|point| point.low),
        highs: column(|point| point.high),
        scores: column(|point| Some(point.score)),
        alarms_right: alarms(true),
        alarms_false: alarms(false),
        events: &trace.events,
    }
}

/// Digits that distinguish samples: more than usual if they differ little from each other.
fn digits(mut values: Vec<f64>) -> usize {
    values.sort_by(f64::total_cmp);
    let Some(middle) = values.get(values.len() / 2).copied() else {
        return DIGITS;
    };
    let distances = values.iter().map(|value| (value - middle).abs());
    let mut distances: Vec<f64> = distances.filter(|distance| *distance > 0.0).collect();
    distances.sort_by(f64::total_cmp);
    let Some(spread) = distances.get(distances.len() / 2) else {
        return DIGITS;
    };
    let digits = (middle.abs() / spread).log10().ceil() + DIGITS_BELOW_SPREAD;
    (digits.max(0.0) as usize).clamp(DIGITS, DIGITS_MAX)
}

/// The number with that many significant digits; JSON writes a number that is not finite as null.
fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.precision$e}", precision = digits - 1).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_infinities_become_null() {
        assert_eq!(rounded(1_234.567_89, 6), 1_234.57);
        assert_eq!(rounded(1e15, 6), 1e15);
        assert_eq!(rounded(-0.000_123_456_789, 6), -0.000_123_457);
        assert_eq!(serde_json::to_string(&rounded(f64::INFINITY, 6)).unwrap(), "null");
        assert_eq!(serde_json::to_string(&rounded(f64::NAN, 6)).unwrap(), "null");
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
