//! The record of a command: all numbers that a report shows.
//!
//! Every format (terminal, Markdown, CSV, HTML) is rendered from it, so a stored record can be shown in another format
//! without measuring again.

mod benchmark;
mod chart;
mod score;

use serde::{Deserialize, Serialize};

pub use self::benchmark::{EasyTsadScore, HalvesScore, KpiScore, NabProfiles, NabScore};
pub use self::chart::{CurvePoint, Sweep, SweepPoint, Trace, TraceEvent, TracePoint};
pub use self::score::{
    BudgetScore, Confusion, Delay, DelayCount, EventScore, FirstDay, Intervals, KindScore, Ranking,
    Rates, SeriesCounts,
};

/// Everything that one command measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Heading of the report.
    pub title: String,
    /// The command line that produces this record.
    pub command: String,
    /// The commit that was checked out, with `-dirty` after changes; `None` outside a repository.
    pub commit: Option<String>,
    /// Seed of generation, of the random detector and of the bootstrap.
    pub seed: u64,
    /// One row per scenario and detector, grouped by scenario.
    pub rows: Vec<Row>,
    /// Excerpts of series, for charts.
    #[serde(default)]
    pub traces: Vec<Trace>,
    /// Scores at other thresholds, for charts.
    #[serde(default)]
    pub sweeps: Vec<Sweep>,
    /// The analysis of each scenario.
    #[serde(default)]
    pub scenarios: Vec<ScenarioNote>,
}

/// The scores of one detector on one scenario or data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the scenario or of the data set.
    pub scenario: String,
    /// Text spec of the detector, or `silent` or `random`.
    pub detector: String,
    /// The detector's own threshold, at which the row was counted.
    pub threshold: f64,
    /// Number of series.
    pub n_series: usize,
    /// Number of scored samples, over all series.
    pub n_samples: usize,
    /// Number of rows that were judged, cold start included.
    #[serde(default)]
    pub n_judged: usize,
    /// Number of other rows: the detector was learning, or the row is not a sample; never counted as right.
    #[serde(default)]
    pub n_unjudged: usize,
    /// Duration of the scored parts, over all series, in days.
    pub series_days: f64,
    /// Counts of single samples.
    pub point: Confusion,
    /// Rates of `point`.
    pub rates: Rates,
    /// Counts of anomalies and alarm runs.
    pub events: EventScore,
    /// False runs per series and day; `None` for a duration of zero.
    pub false_alarms_per_series_day: Option<f64>,
    /// Samples until the first alarm of a caught anomaly, from 1; `None` if none was caught.
    pub delay_samples: Option<Delay>,
    /// Number of caught anomalies by delay, ascending.
    #[serde(default)]
    pub delays: Vec<DelayCount>,
    /// Recall by kind of anomaly, sorted by kind.
    pub by_kind: Vec<KindScore>,
    /// Recall at fixed rates of false alarms, ascending.
    #[serde(default)]
    pub budgets: Vec<BudgetScore>,
    /// Counts of each series, from which intervals of differences are computed.
    #[serde(default)]
    pub by_series: SeriesCounts,
    /// Quality of the scores at all thresholds; `None` if all samples have one label.
    pub ranking: Option<Ranking>,
    /// Bootstrap 95 % intervals over series; `None` for too few series.
    pub intervals: Option<Intervals>,
    /// Scores of the cold start, which all other numbers leave out; `None` if nothing is left out.
    pub first_day: Option<FirstDay>,
    /// Points of the Numenta benchmark; only for data in its layout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nab: Option<NabScore>,
    /// F1 of the 2018 KPI competition; only on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kpi: Option<KpiScore>,
    /// F1 by the protocol of EasyTSAD; only on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub easytsad: Option<EasyTsadScore>,
    /// Detector time in microseconds per sample; `None` if not measured.
    pub micros_per_sample: Option<f64>,
    /// Size of the memory at the end of a series, without the window, in bytes; mean over series.
    pub bytes_per_series: f64,
}

/// The analysis of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioNote {
    /// Name of the scenario.
    pub name: String,
    /// One sentence.
    pub analysis: String,
}
