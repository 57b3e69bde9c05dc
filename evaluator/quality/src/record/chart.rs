//! Data of charts: excerpts of series, and scores at other thresholds.

use serde::{Deserialize, Serialize};

use super::benchmark::NabProfiles;
use super::score::{Confusion, Delay};

/// An excerpt of one series with the verdicts of a detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Scenario of the row.
    pub scenario: String,
    /// Detector of the row.
    pub detector: String,
    /// Name of the series.
    pub series: String,
    /// Usual interval of samples, in seconds.
    pub interval_s: f64,
    /// The samples, in the order of their arrival.
    pub points: Vec<TracePoint>,
    /// The labeled anomalies that touch the excerpt.
    pub events: Vec<TraceEvent>,
}

/// One sample of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TracePoint {
    /// Unix milliseconds.
    pub at_ms: i64,
    /// The value; `None` if the row has no number.
    pub value: Option<f64>,
    /// The expected value; `None` if the sample was not judged.
    pub expected: Option<f64>,
    /// Lower end of the band.
    pub low: Option<f64>,
    /// Upper end of the band.
    pub high: Option<f64>,
    /// The score.
    pub score: f64,
    /// True if the sample is labeled anomalous.
    pub label: bool,
    /// True if the verdict is an anomaly.
    pub alarm: bool,
}

/// A labeled anomaly of a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceEvent {
    /// The kind of anomaly.
    pub kind: String,
    /// Time of its first sample, Unix milliseconds.
    pub start_ms: i64,
    /// Time of its last sample, Unix milliseconds.
    pub end_ms: i64,
}

/// Scores of one row at other thresholds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// Scenario of the row.
    pub scenario: String,
    /// Detector of the row.
    pub detector: String,
    /// Scores by ascending threshold.
    pub points: Vec<SweepPoint>,
    /// Rates of single samples by descending threshold.
    #[serde(default)]
    pub curve: Vec<CurvePoint>,
}

/// Scores at one threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepPoint {
    /// The threshold divided by the detector's own.
    #[serde(default)]
    pub multiplier: f64,
    /// The threshold, exclusive.
    pub threshold: f64,
    /// Counts of single samples.
    #[serde(default)]
    pub point: Confusion,
    /// Event precision; `None` without an alarm.
    pub precision: Option<f64>,
    /// Event recall; `None` without an anomaly.
    pub recall: Option<f64>,
    /// Event F1.
    pub f1: Option<f64>,
    /// False runs per series and day; `None` for a duration of zero.
    pub false_alarms_per_series_day: Option<f64>,
    /// Delay of the caught anomalies; `None` if none was caught.
    #[serde(default)]
    pub delay: Option<Delay>,
    /// F1 of the 2018 KPI competition on the second halves; only on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kpi_f1: Option<f64>,
    /// Points of the Numenta benchmark; only for data in its layout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nab: Option<NabProfiles>,
}

/// Rates of single samples at one threshold: a point of the ROC and of the precision-recall curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// The threshold, inclusive.
    pub threshold: f64,
    /// Share of other samples with an alarm.
    pub false_positive_rate: f64,
    /// Share of anomalous samples with an alarm.
    pub recall: f64,
    /// Share of correct alarms.
    pub precision: f64,
}
