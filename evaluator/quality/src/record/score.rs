//! Counts and rates of a row.

use serde::{Deserialize, Serialize};

/// Counts of samples by label and verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Anomalous samples with an alarm.
    pub tp: u64,
    /// Other samples without an alarm.
    pub tn: u64,
    /// Other samples with an alarm.
    pub fp: u64,
    /// Anomalous samples without an alarm.
    #[serde(rename = "fn")]
    pub fn_: u64,
}

/// Rates of a [`Confusion`]; a rate with a zero denominator is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Share of correct alarms.
    pub precision: Option<f64>,
    /// Share of anomalous samples with an alarm.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// Share of correctly judged samples; high for a detector that never alarms.
    pub accuracy: Option<f64>,
    /// Share of other samples with an alarm.
    pub false_positive_rate: Option<f64>,
    /// Matthews correlation coefficient, -1 to 1.
    pub mcc: Option<f64>,
}

/// Counts of anomalies and of alarm runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct EventScore {
    /// Anomalies in the scored part.
    pub n_events: u64,
    /// Anomalies that contain an alarm.
    pub caught: u64,
    /// Anomalies with an alarm within their first 7 samples.
    pub caught_early: u64,
    /// Alarm runs outside every anomaly.
    pub false_runs: u64,
    /// caught / (caught + false runs).
    pub precision: Option<f64>,
    /// caught / anomalies.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall; 0 if no anomaly is caught.
    pub f1: Option<f64>,
}

/// Percentiles of the delay of caught anomalies, in samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// 50 % are at most this.
    pub median: f64,
    /// 90 % are at most this.
    pub p90: f64,
    /// 95 % are at most this.
    pub p95: f64,
}

/// Number of anomalies that were caught with a delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32)", into = "(u32, u32)")]
pub struct DelayCount {
    /// Delay in samples; 1 is the first sample of the anomaly.
    pub delay: u32,
    /// Number of anomalies.
    pub n: u32,
}

impl From<(u32, u32)> for DelayCount {
    fn from((delay, n): (u32, u32)) -> Self {
        Self { delay, n }
    }
}

impl From<DelayCount> for (u32, u32) {
    fn from(count: DelayCount) -> Self {
        (count.delay, count.n)
    }
}

/// Recall at a fixed rate of false alarms; the threshold is chosen in hindsight, on the same series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetScore {
    /// Maximum false runs per series and day.
    pub budget: f64,
    /// Lowest threshold within the budget; `None` if every threshold exceeds it.
    pub threshold: Option<f64>,
    /// Number of anomalies.
    pub n_events: u64,
    /// Number of caught anomalies.
    pub caught: u64,
    /// Counts by kind, sorted by kind.
    pub by_kind: Vec<KindScore>,
}

/// Counts by series, one column each; empty in records of earlier versions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SeriesCounts {
    /// Anomalies.
    pub n_events: Vec<u64>,
    /// Caught anomalies.
    pub caught: Vec<u64>,
    /// False runs.
    pub false_runs: Vec<u64>,
    /// Duration of the scored part, in days.
    pub days: Vec<f64>,
}

/// Counts of one kind of anomaly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KindScore {
    /// The kind; `anomaly` if the labels have none.
    pub kind: String,
    /// Number of anomalies.
    pub n_events: u64,
    /// Number of caught anomalies.
    pub caught: u64,
    /// Median delay of the caught ones, in samples; `None` if none was caught.
    pub delay_median: Option<f64>,
}

/// Separation of anomalous samples from others by their scores, over all thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Area under the precision-recall curve (average precision), all series pooled.
    pub pr_auc: f64,
    /// The same area by series with both labels, averaged.
    pub pr_auc_mean: f64,
    /// Area under the receiver operating characteristic, all series pooled.
    pub roc_auc: f64,
    /// Volume under the precision-recall surface by series with both labels, averaged.
    #[serde(default)]
    pub vus_pr: Option<f64>,
}

/// Bootstrap 95 % intervals: lower and upper end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Interval of the event F1.
    pub event_f1: [f64; 2],
    /// Interval of the event recall.
    pub recall: [f64; 2],
    /// Interval of the event precision.
    pub precision: [f64; 2],
    /// Interval of the false runs per series and day.
    pub false_alarms_per_series_day: [f64; 2],
    /// Interval of the event F1 minus that of the reference detector on the same resampled series; `None` for the
    /// reference itself.
    pub event_f1_gain: Option<[f64; 2]>,
}

/// Scores of the cold start of each series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FirstDay {
    /// Duration over all series, in days.
    pub series_days: f64,
    /// Counts of single samples.
    pub point: Confusion,
    /// Rates of `point`.
    pub rates: Rates,
    /// Counts of anomalies and alarm runs.
    pub events: EventScore,
    /// False runs per series and day; `None` for a duration of zero.
    pub false_alarms_per_series_day: Option<f64>,
}
