//! What a report holds: one record per command, a row per scenario and detector, with its traces and sweeps.
//!
//! A record is the only thing that passes between measuring and showing: every format (terminal,
//! Markdown, CSV, HTML) is rendered from it, so a committed record can be shown again without measuring.

use serde::{Deserialize, Serialize};

/// Everything that one command measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What the report is about, for a heading.
    pub title: String,
    /// The command line that makes this record again.
    pub command: String,
    /// The commit that was checked out, with `-dirty` when there were changes; none outside a repository.
    pub commit: Option<String>,
    /// The seed of everything random: generation, the random detector, the bootstrap.
    pub seed: u64,
    /// One row per scenario and detector; scenarios stay together, in the order in which they were asked for.
    pub rows: Vec<Row>,
    /// Pieces of single series, for charts.
    #[serde(default)]
    pub traces: Vec<Trace>,
    /// LabeledEvent scores as a function of the threshold, for charts.
    #[serde(default)]
    pub sweeps: Vec<Sweep>,
    /// What each scenario stands for.
    #[serde(default)]
    pub scenarios: Vec<ScenarioNote>,
}

/// What one detector did on one scenario (or data set).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the scenario or of the folder of data.
    pub scenario: String,
    /// The detector's text spec, or `silent` or `random`.
    pub detector: String,
    /// The threshold at which the row was counted.
    pub threshold: f64,
    /// How many series.
    pub n_series: usize,
    /// How many samples were scored, in all series together.
    pub n_samples: usize,
    /// How long the scored parts of all series are together, in days.
    pub series_days: f64,
    /// Samples counted one by one.
    pub point: Confusion,
    /// What follows from `point`.
    pub rates: Rates,
    /// Anomalies counted one by one.
    pub events: EventScore,
    /// False runs per series and day; none when no time passed.
    pub false_alarms_per_series_day: Option<f64>,
    /// Samples until the first alarm of a caught event, 1 for its very first sample; none when nothing was caught.
    pub delay_samples: Option<Delay>,
    /// Of the caught anomalies, how many were caught after how many samples, by rising delay.
    #[serde(default)]
    pub delays: Vec<DelayCount>,
    /// Recall by kind of anomaly, sorted by kind.
    pub by_kind: Vec<KindScore>,
    /// What would be caught for so many false alarms, by rising budget.
    #[serde(default)]
    pub budgets: Vec<BudgetScore>,
    /// The counts of each series, for intervals of a difference to another record.
    #[serde(default)]
    pub by_series: SeriesCounts,
    /// Threshold-free quality of the scores; none when the samples have only one class.
    pub ranking: Option<Ranking>,
    /// Bootstrap 95 % intervals over series; none when there are too few series.
    pub intervals: Option<Intervals>,
    /// The cold start, which the numbers above leave out; none when nothing is left out.
    pub first_day: Option<FirstDay>,
    /// Points by the rule of the Numenta benchmark; only for data in its layout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nab: Option<NabScore>,
    /// F1 by the rule of the 2018 KPI competition; only when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kpi: Option<KpiScore>,
    /// Time spent in the detector, in microseconds per sample; none when it was not measured.
    pub micros_per_sample: Option<f64>,
    /// The detector's memory of one series at its end, besides the window, in bytes; mean over series.
    pub bytes_per_series: f64,
}

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

/// What follows from a [`Confusion`]; each is none where it is not defined (a division by zero).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Share of the alarms that are right.
    pub precision: Option<f64>,
    /// Share of the anomalous samples that have an alarm.
    pub recall: Option<f64>,
    /// Harmonic mean of both.
    pub f1: Option<f64>,
    /// Share of the samples that are judged right; high for a detector that never speaks.
    pub accuracy: Option<f64>,
    /// Share of the other samples that have an alarm.
    pub false_positive_rate: Option<f64>,
    /// Matthews correlation coefficient, -1 to 1.
    pub mcc: Option<f64>,
}

/// Counts of anomalies and of alarm runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct EventScore {
    /// Anomalies in the scored part.
    pub n_events: u64,
    /// Those with an alarm in them.
    pub caught: u64,
    /// Those with an alarm within their first 7 samples.
    pub caught_early: u64,
    /// Alarm runs outside every anomaly.
    pub false_runs: u64,
    /// caught / (caught + false runs).
    pub precision: Option<f64>,
    /// caught / anomalies.
    pub recall: Option<f64>,
    /// Harmonic mean of both; 0 when there are anomalies and none is caught.
    pub f1: Option<f64>,
}

/// Percentiles of the delay of the caught anomalies, in samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// Half are as fast.
    pub median: f64,
    /// Nine of ten are as fast.
    pub p90: f64,
    /// Nineteen of twenty are as fast.
    pub p95: f64,
}

/// How many anomalies were caught after so many samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32)", into = "(u32, u32)")]
pub struct DelayCount {
    /// The delay in samples, 1 for the very first sample.
    pub delay: u32,
    /// How many anomalies.
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

/// What is caught with at most so many false alarms: the threshold is picked in hindsight, on the very series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetScore {
    /// The most false runs per series and day.
    pub budget: f64,
    /// The lowest threshold within the budget; none when a silent detector only is.
    pub threshold: Option<f64>,
    /// How many anomalies there are.
    pub n_events: u64,
    /// How many were caught.
    pub caught: u64,
    /// How many of each kind, sorted by kind.
    pub by_kind: Vec<KindScore>,
}

/// Counts of anomalies and false runs by series, one column each; empty in records of earlier versions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SeriesCounts {
    /// How many anomalies.
    pub n_events: Vec<u64>,
    /// How many of them were caught.
    pub caught: Vec<u64>,
    /// False runs.
    pub false_runs: Vec<u64>,
    /// How long the scored part is, in days.
    pub days: Vec<f64>,
}

/// How many anomalies of a kind were caught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KindScore {
    /// The kind, `anomaly` where the labels do not say.
    pub kind: String,
    /// How many there are.
    pub n_events: u64,
    /// How many were caught.
    pub caught: u64,
    /// Median delay of the caught ones, in samples; none when none was.
    pub delay_median: Option<f64>,
}

/// How well the scores rank anomalous samples above others, at every threshold together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Area under the precision-recall curve (average precision), all series pooled.
    pub pr_auc: f64,
    /// The same, computed per series that has both classes, then averaged.
    pub pr_auc_mean: f64,
    /// Area under the receiver operating characteristic, all series pooled.
    pub roc_auc: f64,
    /// Volume under the precision-recall surface, computed per series that has both classes, then averaged.
    #[serde(default)]
    pub vus_pr: Option<f64>,
}

/// Bootstrap 95 % intervals, lower and upper end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Of the event F1.
    pub event_f1: [f64; 2],
    /// Of the event recall.
    pub recall: [f64; 2],
    /// Of the event precision.
    pub precision: [f64; 2],
    /// Of the false runs per series and day.
    pub false_alarms_per_series_day: [f64; 2],
    /// Of the event F1 minus that of the report's reference detector on the same resampled series; none for itself.
    pub event_f1_gain: Option<[f64; 2]>,
}

/// The unscored beginning of each series, counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FirstDay {
    /// How long the beginnings are together, in days.
    pub series_days: f64,
    /// Their samples.
    pub point: Confusion,
    /// What follows from `point`.
    pub rates: Rates,
    /// Their anomalies.
    pub events: EventScore,
    /// False runs per series and day; none when no time passed.
    pub false_alarms_per_series_day: Option<f64>,
}

/// Normalized points of the Numenta benchmark: 0 is a silent detector, 100 a perfect one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NabScore {
    /// At the threshold that is best for each profile, one threshold for all files.
    pub optimized: NabProfiles,
    /// Each half of the files at the threshold that is best for the other half.
    pub two_fold: NabProfiles,
    /// At the detector's own threshold.
    pub shipped: NabProfiles,
    /// The thresholds of `optimized`.
    pub thresholds: NabProfiles,
}

/// One number per profile of the Numenta benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NabProfiles {
    /// Weights 1, 1, 0.11.
    pub standard: f64,
    /// False alarms cost twice as much.
    pub reward_low_fp_rate: f64,
    /// Missed windows cost twice as much.
    pub reward_low_fn_rate: f64,
}

/// What a threshold fitted on the first halves of the series is worth on the second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KpiScore {
    /// F1 by the rule of the 2018 KPI competition, with one threshold for all series.
    pub f1_one_threshold: f64,
    /// That threshold.
    pub threshold: f64,
    /// The same F1 with one threshold per series.
    pub f1_threshold_per_series: f64,
    /// The same F1 at the detector's own threshold.
    pub f1_shipped: f64,
    /// Anomalies counted one by one.
    pub halves: HalvesScore,
}

/// LabeledEvent scores on the second halves, with one threshold for all series: that with the best event F1 on the first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HalvesScore {
    /// The threshold, inclusive.
    pub threshold: f64,
    /// The event scores.
    pub events: EventScore,
    /// False runs per series and day; none when no time passed.
    pub false_alarms_per_series_day: Option<f64>,
    /// Area under the event precision over event recall, at every threshold together; the first halves play no part.
    pub event_pr_auc: f64,
}

/// A piece of one series as a detector saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The row's scenario.
    pub scenario: String,
    /// The row's detector.
    pub detector: String,
    /// Name of the series.
    pub series: String,
    /// The usual distance of two samples, in seconds.
    pub interval_s: f64,
    /// The samples, in the order in which they arrived.
    pub points: Vec<TracePoint>,
    /// The labelled anomalies that touch the piece.
    pub events: Vec<TraceEvent>,
}

/// One sample of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TracePoint {
    /// Unix milliseconds.
    pub at_ms: i64,
    /// The value; none when the row held no number.
    pub value: Option<f64>,
    /// What the detector expected; none when it did not judge.
    pub expected: Option<f64>,
    /// Lower end of its band.
    pub low: Option<f64>,
    /// Upper end of its band.
    pub high: Option<f64>,
    /// The score.
    pub score: f64,
    /// Whether it is labelled anomalous.
    pub label: bool,
    /// Whether the detector called it anomalous.
    pub alarm: bool,
}

/// A labelled anomaly of a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceEvent {
    /// Its kind.
    pub kind: String,
    /// Time of its first sample, Unix milliseconds.
    pub start_ms: i64,
    /// Time of its last sample, Unix milliseconds.
    pub end_ms: i64,
}

/// LabeledEvent scores of one row at other thresholds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// The row's scenario.
    pub scenario: String,
    /// The row's detector.
    pub detector: String,
    /// By rising threshold.
    pub points: Vec<SweepPoint>,
    /// Samples counted at falling thresholds, from the first score to the last.
    #[serde(default)]
    pub curve: Vec<CurvePoint>,
}

/// What one threshold gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepPoint {
    /// The threshold over the detector's own.
    #[serde(default)]
    pub multiplier: f64,
    /// An alarm is a score above it.
    pub threshold: f64,
    /// Samples counted one by one.
    #[serde(default)]
    pub point: Confusion,
    /// LabeledEvent precision; none when there is no alarm.
    pub precision: Option<f64>,
    /// LabeledEvent recall; none when there is no event.
    pub recall: Option<f64>,
    /// LabeledEvent F1.
    pub f1: Option<f64>,
    /// False runs per series and day; none when no time passed.
    pub false_alarms_per_series_day: Option<f64>,
    /// Delay of the caught anomalies, in samples; none when nothing was caught.
    #[serde(default)]
    pub delay: Option<Delay>,
    /// F1 on the second halves by the rule of the 2018 KPI competition; only when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kpi_f1: Option<f64>,
    /// Points by the rule of the Numenta benchmark; only for data in its layout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nab: Option<NabProfiles>,
}

/// Samples at one threshold: a place on the receiver operating characteristic and on the precision-recall curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Scores of at least this pass.
    pub threshold: f64,
    /// Share of the other samples that pass.
    pub false_positive_rate: f64,
    /// Share of the anomalous samples that pass.
    pub recall: f64,
    /// Share of those that pass that are anomalous.
    pub precision: f64,
}

/// What a scenario stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioNote {
    /// Its name.
    pub name: String,
    /// One sentence.
    pub analysis: String,
}
