//! Answers about series: one in detail, a summary, and lists.

use domain::JudgedSample;
use serde::Serialize;

use super::history::EpisodeAnswer;
use super::milliseconds::{milliseconds, optional_milliseconds};
use super::parts::{LearningAnswer, SeriesName};
use super::sample::SampleAnswer;

/// State of one series: its normal range, its anomalies, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AnalyzeAnswer {
    /// Name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// Spec of the detector that judges it.
    pub detector: String,
    /// True if the series has a configuration of its own.
    pub configured: bool,
    /// True if the detector is configured for this series instead of the deployment.
    pub own_detector: bool,
    /// Statistics of the samples that the detector reads.
    pub window: Option<WindowAnswer>,
    /// Newest sample with its verdict.
    pub last: Option<SampleAnswer>,
    /// Learning progress.
    pub learning: LearningAnswer,
    /// Samples accepted but not yet judged.
    pub pending: usize,
    /// Samples judged since the detector memory was created.
    pub judged_count: u64,
    /// Late samples among them.
    pub late_count: u64,
    /// Anomalies among them.
    pub anomaly_count: u64,
    /// Current episode; null if the newest sample is normal.
    pub episode: Option<EpisodeAnswer>,
    /// Time of the newest sample in Unix milliseconds if the series is silent.
    #[serde(serialize_with = "optional_milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f64>, minimum = 0))]
    pub silent_since: Option<i64>,
    /// Newest anomalies, newest first.
    pub anomalies: Vec<SampleAnswer>,
}

/// Newest samples of one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SamplesAnswer {
    /// Name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// Samples of the stored window in time order. Expected value and band are those of the verdict; of samples other than
    /// anomalies and the newest they are rounded, and the signal is not stored.
    pub samples: Vec<SampleAnswer>,
}

/// Statistics of a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WindowAnswer {
    /// Number of samples.
    pub count: usize,
    /// Mean.
    pub mean: f64,
    /// Population standard deviation.
    pub stddev: f64,
    /// Minimum.
    pub min: f64,
    /// Maximum.
    pub max: f64,
    /// Median, linearly interpolated.
    pub p50: f64,
    /// 95th percentile, linearly interpolated.
    pub p95: f64,
    /// Newest value.
    pub last: f64,
}

impl WindowAnswer {
    /// Computes the statistics of judged samples; `None` if there are none.
    pub fn of(window: &[JudgedSample]) -> Option<Self> {
        let moments = detector::Moments::of(detector::window::values(window))?;
        let mut sorted: Vec<f64> = detector::window::values(window).collect();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            count: moments.count,
            mean: moments.mean,
            stddev: moments.stddev,
            min: percentile(&sorted, 0.0),
            max: percentile(&sorted, 1.0),
            p50: percentile(&sorted, 0.5),
            p95: percentile(&sorted, 0.95),
            last: window.last()?.sample.value(),
        })
    }
}

/// Computes the quantile `share` in 0..=1 of at least one sorted value, linearly interpolated.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    low + (high - low) * rank.fract()
}

/// Counts over all series of a tenant, and a page of its most anomalous ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SummaryAnswer {
    /// Spec of the deployment's detector.
    pub detector: String,
    /// Stored series.
    pub series_count: u64,
    /// Series with stored anomalies.
    pub anomalous_count: u64,
    /// Series with samples not yet judged.
    pub pending_count: u64,
    /// Series by their decayed anomaly score, highest first.
    pub worst: Vec<WorstAnswer>,
    /// Cursor of the next page; null at the end.
    pub next: Option<String>,
}

/// One of the most anomalous series.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WorstAnswer {
    /// Name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// Anomalies since the detector memory was created.
    pub anomaly_count: u64,
    /// Newest sample with its verdict.
    pub last: Option<SampleAnswer>,
    /// Current episode; null if the newest sample is normal.
    pub episode: Option<EpisodeAnswer>,
}

/// One page of the series of a tenant.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeriesPage {
    /// Series of this page.
    pub series: Vec<SeriesAnswer>,
    /// Cursor of the next page; null at the end.
    pub next: Option<String>,
}

/// A series in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeriesAnswer {
    /// Name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// Receipt of its newest sample, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub received: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_interpolated() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(percentile(&sorted, 0.5), 2.5);
        assert_eq!(percentile(&sorted, 1.0), 4.0);
        assert_eq!(percentile(&[7.0], 0.95), 7.0);
    }
}
