//! Use case: explains one stored sample.
//!
//! Cost: one read of the series, one page of the worst series, and the episodes of at most [`SIMILAR_MAX`] of them.

mod sentences;

use detector::{Detector, Judge, SignalScore, is_continuation};
use domain::{EpisodePhase, EpisodeRecord, Judgement, Series, SeriesKey, Tenant, VerdictKind};
use futures_util::future::join_all;
use store::{ANOMALIES_KEPT_MAX, PastRange, SeriesState};

use crate::analyze::WORST_SHOWN;
use crate::answers::{
    ConfigChange, ExplainAnswer, FeedbackAnswer, LearningAnswer, SampleAnswer, SeriesName,
    SignalAnswer, SilenceAnswer, SimilarSeries,
};
use crate::error::ServiceError;
use crate::metrics::StoreOperation;
use crate::service::Service;

/// Other series whose episodes are read.
const SIMILAR_MAX: usize = 20;

/// Distance in time within which another series counts as anomalous at the same time: five minutes, in microseconds.
const SAME_TIME_US: i64 = 300_000_000;

/// Longest age of an episode that may still be open: a day, in microseconds.
const EPISODE_AGE_MAX_US: i64 = 86_400_000_000;

/// Newest episodes that are read of another series.
const EPISODES_READ: usize = 4;

impl Service {
    /// Explains the sample at `at_us`, in Unix microseconds, or the newest one.
    pub async fn explain(
        &self,
        tenant: &Tenant,
        series: Series,
        at_us: Option<i64>,
    ) -> Result<ExplainAnswer, ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        let (state, anomalies) = self.read_judged(&key, ANOMALIES_KEPT_MAX).await?;
        let judge = self.restore_for_reading(&key, &state);
        let (sample, judgement) = judgement_at(&judge, &anomalies, at_us)?;
        let similar = self.anomalous_at(&key, judgement.sample.at_us()).await?;
        Ok(answer(&key, &state, &judge, (sample, &judgement), similar))
    }

    /// Lists series of the same source that were anomalous at about the same time.
    async fn anomalous_at(
        &self,
        key: &SeriesKey,
        at_us: i64,
    ) -> Result<Vec<SimilarSeries>, ServiceError> {
        let worst = self.store().worst(key.tenant(), None, WORST_SHOWN);
        let worst = self.measure(StoreOperation::List, worst).await?;
        let is_similar =
            |other: &&SeriesKey| other.series().source() == key.series().source() && *other != key;
        let others: Vec<&SeriesKey> =
            worst.items.iter().filter(is_similar).take(SIMILAR_MAX).collect();
        let range = PastRange {
            since_us: at_us.saturating_sub(EPISODE_AGE_MAX_US).max(0),
            before_us: Some(at_us.saturating_add(SAME_TIME_US)),
            limit: EPISODES_READ,
        };
        let reads = others
            .iter()
            .map(|other| self.measure(StoreOperation::Read, self.store().episodes(other, range)));
        let mut similar = Vec::new();
        for (other, episodes) in others.iter().zip(join_all(reads).await) {
            let episodes = episodes?;
            let same = episodes.iter().map(|episode| &episode.record);
            if let Some(record) = same.into_iter().find(|record| is_at(record, at_us)) {
                similar.push(SimilarSeries {
                    series: SeriesName::from(other.series()),
                    start: record.start_us,
                    end: record.end_us,
                    state: record.phase.as_str(),
                });
            }
        }
        Ok(similar)
    }
}

/// True if an episode that began before was not over at `at_us`.
fn is_at(record: &EpisodeRecord, at_us: i64) -> bool {
    record.phase != EpisodePhase::Over || record.end_us.saturating_add(SAME_TIME_US) >= at_us
}

/// Finds the judgement of the sample at `at_us`, or of the newest one, with all that is stored of it, and describes it.
fn judgement_at(
    judge: &Judge,
    anomalies: &[Judgement],
    at_us: Option<i64>,
) -> Result<(SampleAnswer, Judgement), ServiceError> {
    let last = judge.memory().last;
    let judged = judge.window().judged();
    let newest_us = || Some(judged.last()?.sample.at_us());
    let at_us = at_us.or(last.map(|last| last.sample.at_us())).or_else(newest_us);
    let at_us = at_us.ok_or(ServiceError::SampleUnknown)?;
    let full = last.iter().chain(anomalies).find(|judgement| judgement.sample.at_us() == at_us);
    if let Some(judgement) = full {
        return Ok((SampleAnswer::of(judgement), *judgement));
    }
    let mut stored = judged.iter().zip(detector::counter::judgements(judged));
    if let Some((judged, judgement)) = stored.find(|(judged, _)| judged.sample.at_us() == at_us) {
        return Ok((SampleAnswer::of_window(judged, &judgement), judgement));
    }
    let oldest_us = judged.first().map_or(i64::MAX, |oldest| oldest.sample.at_us());
    if at_us < oldest_us {
        return Err(ServiceError::SampleNotKept { n_samples: judged.len() });
    }
    Err(ServiceError::SampleUnknown)
}

fn answer(
    key: &SeriesKey,
    state: &SeriesState,
    judge: &Judge,
    (sample, judgement): (SampleAnswer, &Judgement),
    similar: Vec<SimilarSeries>,
) -> ExplainAnswer {
    let memory = judge.memory();
    let explained = judge.explain(judgement.sample);
    let is_newest = memory.cursor_us == Some(judgement.sample.at_us());
    let revision = state.config.as_ref().map_or(0, |config| config.revision);
    let mut answer = ExplainAnswer {
        series: SeriesName::from(key.series()),
        sample,
        verdict_stored: judgement.verdict.expectation.is_some(),
        detector: memory.detector.to_string(),
        signals: signals(&explained.signals, judgement, is_newest),
        season: explained.season.map(Into::into),
        recent: explained.recent.map(Into::into),
        learning: LearningAnswer::of(&judge.learning()),
        judged_count: memory.counters.judged,
        false_alarms_per_day: match memory.detector {
            Detector::Tidemark(tidemark) => Some(tidemark.false_alarms_per_day),
            _ => None,
        },
        silence: silence(judge, judgement),
        similar,
        feedback: feedback_at(key, state, judgement.sample.at_us()),
        config: ConfigChange {
            revision,
            // A revision is the time of the change, or one more than the one before.
            changed: (revision != 0).then_some(revision),
            own_detector: memory.has_own_detector,
        },
        sentences: Vec::new(),
    };
    answer.sentences = sentences::of(&answer, judgement, is_newest);
    answer
}

/// Scores of all signals for the newest sample; of an older one that of its verdict.
fn signals(now: &[SignalScore], judgement: &Judgement, is_newest: bool) -> Vec<SignalAnswer> {
    let stored = judgement.verdict.expectation.map(|expectation| expectation.signal);
    let mut signals: Vec<SignalAnswer> = Vec::new();
    for score in now {
        let is_stored = Some(score.signal) == stored;
        if is_newest || is_stored {
            let mut signal = SignalAnswer::from(score);
            // The state has learned the sample since its verdict.
            let is_alarm = !matches!(judgement.verdict.kind, VerdictKind::Normal);
            if is_stored && (is_alarm || !is_newest) {
                signal.score = judgement.verdict.score;
            }
            signals.push(signal);
        }
    }
    signals
}

/// Feedback whose times include `at_us`.
fn feedback_at(key: &SeriesKey, state: &SeriesState, at_us: i64) -> Vec<FeedbackAnswer> {
    let Some(stored) = &state.config else { return Vec::new() };
    let given = stored.config.feedback().given().iter();
    let at = given.filter(|feedback| (feedback.start_us..=feedback.end_us).contains(&at_us));
    at.map(|feedback| FeedbackAnswer::of(key, feedback)).collect()
}

fn silence(judge: &Judge, judgement: &Judgement) -> Option<SilenceAnswer> {
    let verdict = &judgement.verdict;
    let is_anomaly = matches!(verdict.kind, VerdictKind::Anomaly | VerdictKind::Maintenance);
    if !is_anomaly || is_continuation(&judge.memory().detector, verdict) {
        return None;
    }
    let signal = verdict.expectation?.signal;
    Some(judge.silencing_value(judgement.sample, signal, verdict.score).into())
}
