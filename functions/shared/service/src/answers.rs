//! What the functions answer, as it is written in JSON.
//!
//! Field names are fixed; more may join. Times are Unix milliseconds, with a fraction where there is one.

use std::collections::BTreeMap;

use detector::{LearningProgress, SeriesConfig};
use domain::EpisodeRecord;
use domain::{JudgedSample, Judgement, Series};
use intake::RejectedSample;
use serde::{Serialize, Serializer};

/// The answer to samples.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct IngestAnswer {
    /// Samples that the store now holds.
    pub accepted: usize,
    /// Of which a newer one of their series had been judged before.
    pub late: usize,
    /// Samples that the store held already.
    pub duplicates: usize,
    /// Samples older than all that is kept of their series.
    pub too_old: usize,
    /// Samples that were not kept, and why.
    pub rejected: Vec<RejectedSample>,
    /// What is said of the samples; which of them is for the caller to choose.
    pub verdicts: Vec<VerdictAnswer>,
    /// Verdicts that were wanted and are left out, as the answer would be too long for its host.
    #[serde(skip_serializing_if = "is_zero")]
    pub verdicts_omitted: usize,
}

impl IngestAnswer {
    /// Samples read; what became of each adds up to it.
    pub fn n_read(&self) -> usize {
        self.accepted + self.duplicates + self.too_old + self.rejected.len()
    }

    /// Whether some samples were not kept because the store failed: resend the whole, it is safe.
    pub fn is_store_unavailable(&self) -> bool {
        self.rejected.iter().any(|it| it.code.is_retryable())
    }

    /// Whether there were samples and none of them was acceptable.
    pub fn is_all_rejected(&self) -> bool {
        !self.rejected.is_empty() && self.rejected.len() == self.n_read()
    }
}

/// Which verdicts an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerdictsWanted {
    /// Those of anomalies.
    #[default]
    Anomalies,
    /// Those of all samples.
    All,
    /// None.
    None,
}

/// The name of a series, as three fields of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesName {
    /// Who sends it.
    pub source: String,
    /// What is measured.
    pub metric: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl From<&Series> for SeriesName {
    fn from(series: &Series) -> Self {
        Self {
            source: series.source().to_owned(),
            metric: series.metric().to_owned(),
            labels: series.labels().clone(),
        }
    }
}

/// One sample with what is said of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerdictAnswer {
    /// Its series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// The sample and what is said of it.
    #[serde(flatten)]
    pub point: PointAnswer,
    /// How far learning was after it: where the verdict is `learning`, and was given for this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning: Option<LearningAnswer>,
}

/// One point of a series with what is said of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PointAnswer {
    /// Its time, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    pub timestamp: i64,
    /// Its value.
    pub value: f64,
    /// `learning`, `constant`, `normal`, `anomaly` or `maintenance`; null when the verdict is not known any more.
    pub verdict: Option<&'static str>,
    /// The signal that spoke.
    pub signal: Option<&'static str>,
    /// Its score.
    pub score: Option<f32>,
    /// The expected value.
    pub expected: Option<f64>,
    /// Lower and upper end of what would have been normal.
    pub band: Option<[f64; 2]>,
    /// Whether a newer sample had been judged before.
    pub late: bool,
    /// One sentence for a person.
    pub reason: Option<String>,
}

impl PointAnswer {
    /// What is said of a sample.
    pub fn of(judgement: &Judgement) -> Self {
        let expectation = judgement.verdict.expectation;
        let value = judgement.sample.value();
        let is_judged = judgement.verdict.score != 0.0 || expectation.is_some();
        Self {
            timestamp: judgement.sample.at_us(),
            value,
            verdict: Some(judgement.verdict.kind.as_str()),
            signal: expectation.map(|it| it.signal.as_str()),
            score: is_judged.then_some(judgement.verdict.score as f32),
            expected: expectation.map(|it| it.value),
            band: expectation.map(|it| [it.low, it.high]),
            late: judgement.late,
            reason: Some(judgement.verdict.reason(value)),
        }
    }

    /// A sample that was judged, and whose verdict is not kept any more.
    pub fn forgotten(at_us: i64, value: f64) -> Self {
        Self {
            timestamp: at_us,
            value,
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

/// What is normal in one series, what is not, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnalyzeAnswer {
    /// Its name.
    #[serde(flatten)]
    pub series: SeriesName,
    /// The text of the detector that judges it.
    pub detector: String,
    /// Whether the series has a configuration.
    pub configured: bool,
    /// Whether the detector is the series' own, and not that of the deployment.
    pub own_detector: bool,
    /// Statistics of the samples that the detector reads.
    pub window: Option<WindowAnswer>,
    /// The newest sample with what was said of it.
    pub last: Option<PointAnswer>,
    /// How far learning is.
    pub learning: LearningAnswer,
    /// Samples accepted and not judged yet.
    pub pending: usize,
    /// Samples judged since the memory of the series began.
    pub judged_count: u64,
    /// Of which late.
    pub late_count: u64,
    /// Of which anomalies.
    pub anomaly_count: u64,
    /// The anomalies in a row, or the silence, with which the series ends now.
    pub episode: Option<EpisodeAnswer>,
    /// The time of its newest sample where the series is silent, in Unix milliseconds.
    #[serde(serialize_with = "some_milliseconds")]
    pub silent_since: Option<i64>,
    /// The newest anomalies, the newest first.
    pub anomalies: Vec<PointAnswer>,
}

/// Statistics of a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowAnswer {
    /// Samples.
    pub count: usize,
    /// Mean.
    pub mean: f64,
    /// Population standard deviation.
    pub stddev: f64,
    /// Least value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Median, interpolated.
    pub p50: f64,
    /// 95th percentile, interpolated.
    pub p95: f64,
    /// Newest value.
    pub last: f64,
}

impl WindowAnswer {
    /// The statistics of judged samples, none when there are none.
    pub fn of(window: &[JudgedSample]) -> Option<Self> {
        let moments = detector::moments::Moments::of(detector::window::values(window))?;
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

/// The value below which a share of at least one sorted value lies, interpolated linearly.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

/// How far learning is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LearningAnswer {
    /// Whether the next sample can be judged.
    pub ready: bool,
    /// Samples seen, up to those needed.
    pub seen: usize,
    /// Samples needed.
    pub needed: usize,
    /// When there will be enough if the series keeps its pace, in Unix milliseconds; none once there are, or while
    /// fewer than two samples are known.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_milliseconds")]
    pub ready_at: Option<i64>,
}

impl LearningAnswer {
    /// How far learning is.
    pub fn of(learning: &LearningProgress) -> Self {
        Self {
            ready: learning.is_ready(),
            seen: learning.seen,
            needed: learning.needed,
            ready_at: learning.ready_at_us,
        }
    }
}

/// Consecutive anomalies, or silence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpisodeAnswer {
    /// Time of the first, or of the last sample before a silence, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    pub start: i64,
    /// Time of the last so far, or of the first sample after a silence, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    pub end: i64,
    /// `open` while the newest sample is anomalous, `silent` while none comes, or `over`.
    pub state: &'static str,
    /// The signal that told most of it.
    pub signal: &'static str,
    /// How many anomalous samples so far; 0 while there is nothing but silence.
    pub samples: u64,
    /// The one with the highest score; null where there is none.
    pub peak: Option<PointAnswer>,
}

impl From<&EpisodeRecord> for EpisodeAnswer {
    fn from(record: &EpisodeRecord) -> Self {
        Self {
            start: record.start_us,
            end: record.end_us,
            state: record.phase.as_str(),
            signal: record.signal().as_str(),
            samples: record.n_samples,
            peak: record.peak.as_ref().map(PointAnswer::of),
        }
    }
}

/// What is known of all series of a tenant, bounded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SummaryAnswer {
    /// The detector of this deployment.
    pub detector: String,
    /// Series that are kept.
    pub series_count: u64,
    /// Of which have anomalies that are kept.
    pub anomalous_count: u64,
    /// Of which have samples that wait to be judged.
    pub pending_count: u64,
    /// Series with the most recent anomalies, the worst first.
    pub worst: Vec<WorstAnswer>,
    /// The cursor of those that are less bad; null at the end.
    pub next: Option<String>,
}

/// A series among the worst.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorstAnswer {
    /// Its name.
    #[serde(flatten)]
    pub series: SeriesName,
    /// Anomalies since the memory of the series began.
    pub anomaly_count: u64,
    /// The newest sample with what was said of it.
    pub last: Option<PointAnswer>,
    /// The anomalies in a row, or the silence, with which the series ends now.
    pub episode: Option<EpisodeAnswer>,
}

/// One page of the series of a tenant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesPage {
    /// The series.
    pub series: Vec<ListedAnswer>,
    /// The cursor of the next page; null at the end.
    pub next: Option<String>,
}

/// A series in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedAnswer {
    /// Its name.
    #[serde(flatten)]
    pub series: SeriesName,
    /// When it last received a sample, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    pub received: i64,
}

/// One page of the anomalies of a series, the newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnomaliesPage {
    /// The name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// Its anomalies.
    pub anomalies: Vec<AnomalyAnswer>,
    /// Give it as `cursor` to read older ones; null at the end.
    pub next: Option<String>,
    /// Whether history did not answer, so that there may be older ones.
    pub incomplete: bool,
}

/// An anomaly in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnomalyAnswer {
    /// The sample and what is said of it.
    #[serde(flatten)]
    pub point: PointAnswer,
    /// The episode of which it is the peak, where the others of it are not kept any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episode: Option<SpanAnswer>,
}

/// From when to when an episode went, and how many samples it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SpanAnswer {
    /// Its begin, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    pub start: i64,
    /// Its end, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    pub end: i64,
    /// Its anomalous samples.
    pub samples: u64,
}

/// One page of the episodes of a series, the newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpisodesPage {
    /// The name of the series.
    #[serde(flatten)]
    pub series: SeriesName,
    /// Its episodes.
    pub episodes: Vec<EpisodeAnswer>,
    /// Give it as `cursor` to read older ones; null at the end.
    pub next: Option<String>,
    /// Whether history did not answer, so that there may be older ones.
    pub incomplete: bool,
}

/// The verdicts on series that came in a body and are stored nowhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BodyAnswer {
    /// The text of the detector that judged.
    pub detector: String,
    /// Samples that were judged.
    pub judged: usize,
    /// Of which anomalies.
    pub anomalies: usize,
    /// Samples that could not be judged, and why.
    pub rejected: Vec<RejectedSample>,
    /// One for each judged sample, series by series in time order.
    pub verdicts: Vec<VerdictAnswer>,
    /// Verdicts that are left out, as the answer would be too long for its host.
    #[serde(skip_serializing_if = "is_zero")]
    pub verdicts_omitted: usize,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SweepAnswer {
    /// Series that had waiting samples.
    pub series: usize,
    /// Of which were judged.
    pub judged: usize,
    /// Of which could not be.
    pub failed: usize,
    /// Series that were looked at, since no sample of them had come for long.
    pub looked: usize,
    /// Of which fell silent, and nobody had noticed.
    pub silent: usize,
    /// Episodes that were brought to history.
    pub episodes_saved: usize,
    /// Series of which history does not hold all episodes yet, since it failed.
    pub unsaved: usize,
    /// Configurations, put or removed, that were brought to history.
    pub configs_saved: usize,
    /// Of which history does not hold the last word yet, since it failed.
    pub configs_unsaved: usize,
    /// Configurations that the store had lost, and history brought back.
    pub configs_restored: usize,
    /// Whether there is more than one sweep does at most: sweep again.
    pub more: bool,
}

impl SweepAnswer {
    /// Whether there was nothing to do.
    pub fn is_idle(&self) -> bool {
        *self == Self { looked: self.looked, ..Self::default() }
    }
}

/// The configuration of one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfigAnswer {
    /// Its name.
    #[serde(flatten)]
    pub series: SeriesName,
    /// Whether the series has a configuration; without one it follows the deployment in everything.
    pub configured: bool,
    /// The text of the detector: its own, or that of this deployment.
    pub detector: String,
    /// Whether the detector is the series' own.
    pub own_detector: bool,
    /// The times in which its anomalies are maintenance.
    pub maintenance: Vec<MutedAnswer>,
    /// Grows with each configuration of the series; 0 where it has none.
    pub revision: i64,
}

/// A time in which anomalies are maintenance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MutedAnswer {
    /// Its begin, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    pub from: i64,
    /// Its end, which is not part of it, in Unix milliseconds.
    #[serde(serialize_with = "milliseconds")]
    pub until: i64,
    /// Why; possibly empty.
    pub reason: String,
}

impl MutedAnswer {
    /// The maintenance windows of a configuration.
    pub fn of(config: &SeriesConfig) -> Vec<Self> {
        let maintenance = config.maintenance().iter().map(|it| Self {
            from: it.from_us(),
            until: it.until_us(),
            reason: it.reason().to_owned(),
        });
        maintenance.collect()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// Writes microseconds as milliseconds: whole ones as an integer, others with their exact fraction.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn milliseconds<S: Serializer>(at_us: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    if at_us % 1_000 == 0 {
        serializer.serialize_i64(at_us / 1_000)
    } else {
        // The shortest text of this double has all three digits until the year 2248.
        serializer.serialize_f64(*at_us as f64 / 1e3)
    }
}

#[expect(clippy::ref_option, reason = "serde passes fields by reference")]
fn some_milliseconds<S: Serializer>(at_us: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    match at_us {
        Some(at_us) => milliseconds(at_us, serializer),
        None => serializer.serialize_none(),
    }
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

    #[test]
    fn times_are_milliseconds_with_a_fraction_where_there_is_one() {
        let text = |at_us| serde_json::to_string(&PointAnswer::forgotten(at_us, 1.0)).unwrap();
        assert!(text(1_732_060_800_000_000).contains(r#""timestamp":1732060800000,"#));
        assert!(text(1_732_060_800_123_456).contains(r#""timestamp":1732060800123.456,"#));
        assert!(text(4_102_444_800_000_001).contains(r#""timestamp":4102444800000.001,"#));
    }
}
