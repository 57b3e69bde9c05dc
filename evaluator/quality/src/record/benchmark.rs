//! Scores by the rules of public benchmarks.

use serde::{Deserialize, Serialize};

use super::score::EventScore;

/// Normalized points of the Numenta benchmark: 0 for a detector that never alarms, 100 for a perfect one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NabScore {
    /// Points at the best threshold of each profile, one threshold for all files.
    pub optimized: NabProfiles,
    /// Points of each half of the files at the best threshold of the other half.
    pub two_fold: NabProfiles,
    /// Points at the detector's own threshold.
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

/// F1 on the second halves of the series, by the rule of the 2018 KPI competition.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KpiScore {
    /// F1 with one threshold for all series, fitted on the first halves.
    pub f1_one_threshold: f64,
    /// The threshold of `f1_one_threshold`.
    pub threshold: f64,
    /// F1 with one threshold per series, fitted on the first halves.
    pub f1_threshold_per_series: f64,
    /// F1 at the detector's own threshold.
    pub f1_shipped: f64,
    /// Event scores on the same halves.
    pub halves: HalvesScore,
}

/// Mean F1 over the series with anomalies in their second half, by the protocol of EasyTSAD.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EasyTsadScore {
    /// Number of these series.
    pub n_series: usize,
    /// Point-adjusted F1 at the best threshold of each series.
    pub point_f1_best: f64,
    /// Event F1 at the best threshold of each series.
    pub event_f1_best: f64,
    /// Point-adjusted F1 at the best threshold of each first half.
    pub point_f1_fitted: f64,
    /// Event F1 at the best threshold of each first half.
    pub event_f1_fitted: f64,
}

/// Event scores on the second halves, at the threshold with the best event F1 on the first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HalvesScore {
    /// The threshold, inclusive, one for all series.
    pub threshold: f64,
    /// The event scores.
    pub events: EventScore,
    /// False runs per series and day; `None` for a duration of zero.
    pub false_alarms_per_series_day: Option<f64>,
    /// Area under event precision over event recall on the second halves, over all thresholds.
    pub event_pr_auc: f64,
}
