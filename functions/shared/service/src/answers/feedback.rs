//! Answers about feedback.

use detector::{Feedback, SeriesConfig};
use domain::SeriesKey;
use serde::Serialize;

use super::milliseconds::milliseconds;
use super::parts::SeriesName;

/// Feedback of one or several series.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FeedbackPage {
    /// Feedback, series by series, oldest first.
    pub feedback: Vec<FeedbackAnswer>,
    /// Cursor of the next page; null at the end.
    pub next: Option<String>,
}

impl FeedbackPage {
    /// Adds the feedback in the configuration of a series.
    pub(crate) fn extend(&mut self, key: &SeriesKey, config: Option<&SeriesConfig>) {
        let given = config.map(|config| config.feedback().given()).unwrap_or_default();
        self.feedback.extend(given.iter().map(|feedback| FeedbackAnswer::of(key, feedback)));
    }
}

/// Feedback of a person about a time of one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FeedbackAnswer {
    /// Name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// First time that it is about, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub start: i64,
    /// Last time that it is about, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub end: i64,
    /// `false_alarm`, `right` or `missed`.
    pub verdict: &'static str,
    /// Signals whose thresholds it moves.
    pub signals: Vec<&'static str>,
    /// Time at which it was given, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub given: i64,
}

impl FeedbackAnswer {
    /// Describes the feedback of a series.
    pub(crate) fn of(key: &SeriesKey, feedback: &Feedback) -> Self {
        Self {
            series: SeriesName::from(key.series()),
            start: feedback.start_us,
            end: feedback.end_us,
            verdict: feedback.verdict.as_str(),
            signals: feedback.signals.iter().map(domain::Signal::as_str).collect(),
            given: feedback.given_us,
        }
    }
}
