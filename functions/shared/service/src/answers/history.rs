//! Answers about past anomalies and episodes of a series.

use domain::EpisodeRecord;
use serde::Serialize;

use super::milliseconds::milliseconds;
use super::parts::SeriesName;
use super::sample::SampleAnswer;

/// Consecutive anomalies, or a silence.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EpisodeAnswer {
    /// Time of the first anomaly, or of the last sample before a silence, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub start: i64,
    /// Time of the last anomaly so far, or of the first sample after a silence, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub end: i64,
    /// `open` if the newest sample is anomalous, `silent` if samples are missing, else `over`.
    pub state: &'static str,
    /// Signal with the highest score.
    pub signal: &'static str,
    /// Anomalous samples so far; 0 for a pure silence.
    pub samples: u64,
    /// Sample with the highest score; null for a pure silence.
    pub peak: Option<SampleAnswer>,
}

impl From<&EpisodeRecord> for EpisodeAnswer {
    fn from(record: &EpisodeRecord) -> Self {
        Self {
            start: record.start_us,
            end: record.end_us,
            state: record.phase.as_str(),
            signal: record.signal().as_str(),
            samples: record.n_samples,
            peak: record.peak.as_ref().map(SampleAnswer::of),
        }
    }
}

/// One page of the anomalies of a series, newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AnomaliesPage {
    /// Name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// Anomalies of this page.
    pub anomalies: Vec<AnomalyAnswer>,
    /// Cursor of the next, older page; null at the end.
    pub next: Option<String>,
    /// True if the history did not answer, so older anomalies may be missing.
    pub incomplete: bool,
}

/// An anomaly in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AnomalyAnswer {
    /// Sample and verdict.
    #[serde(flatten)]
    pub sample: SampleAnswer,
    /// Its episode, if this is the peak and the other anomalies of the episode are no longer stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episode: Option<EpisodeSpan>,
}

/// Duration and size of an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EpisodeSpan {
    /// Start in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub start: i64,
    /// End in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub end: i64,
    /// Anomalous samples.
    pub samples: u64,
}

/// One page of the episodes of a series, newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EpisodesPage {
    /// Name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// Episodes of this page.
    pub episodes: Vec<EpisodeAnswer>,
    /// Cursor of the next, older page; null at the end.
    pub next: Option<String>,
    /// True if the history did not answer, so older episodes may be missing.
    pub incomplete: bool,
}
