//! Answer that explains one sample.

use detector::{SignalScore, SilencingValue, UsualValue};
use serde::Serialize;

use super::feedback::FeedbackAnswer;
use super::milliseconds::{milliseconds, optional_milliseconds};
use super::parts::{LearningAnswer, SeriesName};
use super::sample::SampleAnswer;

/// Explanation of one stored sample, in numbers and in sentences.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExplainAnswer {
    /// Name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// The sample with what is stored of its verdict.
    pub sample: SampleAnswer,
    /// True if expected value, band and signal of the verdict are stored exactly; otherwise the signal is not, and the band
    /// is rounded.
    pub verdict_stored: bool,
    /// Spec of the detector that judges the series.
    pub detector: String,
    /// Signals with score and threshold: all of them for the newest sample, by the state now; for an older one that of
    /// its verdict, if it is stored.
    pub signals: Vec<SignalAnswer>,
    /// Usual value at this time of the day or week, as learned up to now; null without a season, or while it is unknown.
    pub season: Option<UsualAnswer>,
    /// Median of the stored samples before it that the detector reads; of `ewma` its mean.
    pub recent: Option<UsualAnswer>,
    /// Learning progress of the series.
    pub learning: LearningAnswer,
    /// Samples judged since the detector memory was created.
    pub judged_count: u64,
    /// False alarms of the series that the detector accepts a day; null if its threshold is a score.
    pub false_alarms_per_day: Option<f64>,
    /// Parameter that would have silenced the anomaly; null for any other verdict, and for an anomaly that only
    /// continues.
    pub silence: Option<SilenceAnswer>,
    /// Series of the same source that were anomalous at the same time, at most 20, of the 100 with the most recent
    /// anomalies.
    pub similar: Vec<SimilarSeries>,
    /// Feedback of people whose times include that of the sample.
    pub feedback: Vec<FeedbackAnswer>,
    /// Last change of the configuration of the series, feedback included.
    pub config: ConfigChange,
    /// The explanation in sentences, the most important first.
    pub sentences: Vec<String>,
}

/// One signal of a detector.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignalAnswer {
    /// Name.
    pub signal: &'static str,
    /// Score, before repeats of an alarm are suppressed.
    pub score: f64,
    /// Score above which it alarms.
    pub threshold: f64,
    /// Factor by which it has raised its threshold on this series, since it alarmed too often; 1 if it has not.
    pub adaptive_factor: f64,
    /// Factor of its threshold by feedback, at the time of the sample; 1 without any.
    pub feedback_factor: f64,
}

impl From<&SignalScore> for SignalAnswer {
    fn from(score: &SignalScore) -> Self {
        let SignalScore { signal, score, threshold, adaptive_factor, feedback_factor } = *score;
        Self { signal: signal.as_str(), score, threshold, adaptive_factor, feedback_factor }
    }
}

/// A usual value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsualAnswer {
    /// Value.
    pub value: f64,
    /// Standard deviation.
    pub deviation: f64,
}

impl From<UsualValue> for UsualAnswer {
    fn from(usual: UsualValue) -> Self {
        Self { value: usual.value, deviation: usual.deviation }
    }
}

/// Parameter that silences an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SilenceAnswer {
    /// Parameter of the detector: `false_alarms_per_day` or `threshold`.
    pub parameter: &'static str,
    /// Its value now.
    pub now: f64,
    /// Value at which the sample would have been no anomaly; null if no valid one is.
    pub needed: Option<f64>,
}

impl From<SilencingValue> for SilenceAnswer {
    fn from(silencing: SilencingValue) -> Self {
        let SilencingValue { parameter, now, needed } = silencing;
        Self { parameter, now, needed }
    }
}

/// A series that was anomalous at the same time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SimilarSeries {
    /// Name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// Start of its episode in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub start: i64,
    /// End of its episode in Unix milliseconds, so far.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub end: i64,
    /// State of its episode.
    pub state: &'static str,
}

/// Last change of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigChange {
    /// Revision; 0 if the series has no configuration.
    pub revision: i64,
    /// Time of the change in Unix milliseconds; null if the series has no configuration.
    #[serde(serialize_with = "optional_milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f64>, minimum = 0))]
    pub changed: Option<i64>,
    /// True if the detector is configured for this series instead of the deployment.
    pub own_detector: bool,
}
