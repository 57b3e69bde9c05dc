//! Answers about samples: their outcomes and verdicts.

use std::collections::BTreeMap;

use domain::{JudgedSample, Judgement};
use intake::RejectedSample;
use serde::Serialize;

use super::milliseconds::milliseconds;
use super::parts::{LearningAnswer, SeriesName};

/// Answer to ingested samples: the outcome of each is counted once.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IngestAnswer {
    /// Samples newly stored by this request.
    pub accepted: usize,
    /// Accepted samples older than one that was judged before.
    pub late: usize,
    /// Samples that an earlier request stored.
    pub duplicates: usize,
    /// Samples older than everything stored of their series.
    pub too_old: usize,
    /// Positions in the request of the samples that are too old, for senders that count larger units than samples.
    #[serde(skip)]
    pub too_old_indexes: Vec<usize>,
    /// Samples that a rule of the deployment dropped, by the name of the rule; absent if there are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub not_selected: BTreeMap<String, usize>,
    /// Samples that were not stored, each with its reason.
    pub rejected: Vec<RejectedSample>,
    /// Verdicts, as selected by the request.
    pub verdicts: Vec<VerdictAnswer>,
    /// Verdicts left out because the response would exceed the size limit of its host.
    #[serde(skip_serializing_if = "is_zero")]
    pub verdicts_omitted: usize,
}

impl IngestAnswer {
    /// Number of samples read: the sum of all outcomes.
    pub fn n_read(&self) -> usize {
        let n_not_selected: usize = self.not_selected.values().sum();
        self.accepted + self.duplicates + self.too_old + n_not_selected + self.rejected.len()
    }

    /// True if the store failed for some samples; resending the whole request is safe.
    pub fn is_store_unavailable(&self) -> bool {
        self.rejected.iter().any(|rejection| rejection.code.is_retryable())
    }

    /// True if there were samples and all of them were rejected.
    pub fn is_all_rejected(&self) -> bool {
        !self.rejected.is_empty() && self.rejected.len() == self.n_read()
    }
}

/// Selects the verdicts in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerdictFilter {
    /// Anomalies only.
    #[default]
    Anomalies,
    /// All samples.
    All,
    /// No verdicts.
    None,
}

/// One sample of a named series with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerdictAnswer {
    /// Name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// Sample and verdict.
    #[serde(flatten)]
    pub sample: SampleAnswer,
    /// Learning progress after the sample; present if this request judged it `learning`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning: Option<LearningAnswer>,
}

/// One sample with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SampleAnswer {
    /// Time in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0))]
    pub timestamp: i64,
    /// Value; of a counter the total that was sent, of a mean the sum of all observations.
    pub value: f64,
    /// Increase a second since the sample before, of a counter: verdict, score, expected value and band are about it.
    /// Absent if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Mean of the observations since the sample before, if the value is the sum of all observations of a histogram:
    /// verdict, score, expected value and band are about it. Absent if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// `learning`, `constant`, `normal`, `anomaly` or `maintenance`; null if the verdict is no longer stored.
    pub verdict: Option<&'static str>,
    /// Signal with the highest score.
    pub signal: Option<&'static str>,
    /// Score of that signal.
    pub score: Option<f32>,
    /// Expected value.
    pub expected: Option<f64>,
    /// Lower and upper bound of the normal range.
    pub band: Option<[f64; 2]>,
    /// True if a newer sample was judged before.
    pub late: bool,
    /// Explanation in one sentence.
    pub reason: Option<String>,
}

impl SampleAnswer {
    /// Describes a judged sample.
    pub fn of(judgement: &Judgement) -> Self {
        let expectation = judgement.verdict.expectation;
        let value = judgement.sample.value();
        let is_scored = judgement.verdict.score != 0.0 || expectation.is_some();
        Self {
            timestamp: judgement.sample.at_us(),
            value,
            rate: judgement.rate.per_second(),
            mean: judgement.rate.mean(),
            verdict: Some(judgement.verdict.kind.as_str()),
            signal: expectation.map(|expectation| expectation.signal.as_str()),
            score: is_scored.then_some(judgement.verdict.score as f32),
            expected: expectation.map(|expectation| expectation.value),
            band: expectation.map(|expectation| [expectation.low, expectation.high]),
            late: judgement.late,
            reason: Some(judgement.reason()),
        }
    }

    /// Describes a judged sample of which a window stores the verdict, with a rounded band if it has one.
    pub(crate) fn of_window(judged: &JudgedSample, judgement: &Judgement) -> Self {
        let answer = Self::of(judgement);
        match (judged.range(judgement), judgement.judged_value()) {
            (Some(range), Some(value)) => Self {
                score: Some(judged.score),
                expected: Some(range.value),
                band: Some([range.low, range.high]),
                reason: Some(judgement.reason_in_range(value, range)),
                ..answer
            },
            _ => answer,
        }
    }

    /// Describes a judged sample whose verdict is no longer stored.
    pub fn without_verdict(at_us: i64, value: f64) -> Self {
        Self {
            timestamp: at_us,
            value,
            rate: None,
            mean: None,
            verdict: None,
            signal: None,
            score: None,
            expected: None,
            band: None,
            late: false,
            reason: None,
        }
    }
}

/// Verdicts on samples that came in a request body and were not stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BodyAnswer {
    /// Spec of the detector.
    pub detector: String,
    /// Samples judged.
    pub judged: usize,
    /// Anomalies among them.
    pub anomalies: usize,
    /// Samples that repeat time and value of an earlier sample.
    #[serde(skip_serializing_if = "is_zero")]
    pub duplicates: usize,
    /// Samples that could not be judged, each with its reason.
    pub rejected: Vec<RejectedSample>,
    /// One verdict per judged sample, series by series in time order.
    pub verdicts: Vec<VerdictAnswer>,
    /// Verdicts left out because the response would exceed the size limit of its host.
    #[serde(skip_serializing_if = "is_zero")]
    pub verdicts_omitted: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds_with_an_exact_fraction() {
        let text =
            |at_us| serde_json::to_string(&SampleAnswer::without_verdict(at_us, 1.0)).unwrap();
        assert!(text(1_732_060_800_000_000).contains(r#""timestamp":1732060800000,"#));
        assert!(text(1_732_060_800_123_456).contains(r#""timestamp":1732060800123.456,"#));
        assert!(text(4_102_444_800_000_001).contains(r#""timestamp":4102444800000.001,"#));
    }
}
