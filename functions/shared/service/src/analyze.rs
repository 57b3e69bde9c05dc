//! Use case: describes series, and judges samples without storing them.

use std::collections::BTreeMap;

use detector::{DeployedDetector, Detector, Judge, Memory, counter};
use domain::{JudgedSample, Judgement, Rate, Sample, Series, SeriesKey, Tenant};
use futures_util::future::try_join;
use intake::{IncomingBatch, IncomingSample, RejectedSample, RejectionCode};
use store::{ANOMALIES_KEPT_MAX, ListedSeries, SeriesState};
use tracing::warn;

use crate::answers::{
    AnalyzeAnswer, BodyAnswer, EpisodeAnswer, LearningAnswer, SampleAnswer, SamplesAnswer,
    SeriesAnswer, SeriesName, SeriesPage, SummaryAnswer, VerdictAnswer, WindowAnswer, WorstAnswer,
};
use crate::error::ServiceError;
use crate::metrics::StoreOperation;
use crate::service::Service;
use crate::write::{judge_sample, restore_judge};

/// Anomalies in the answer about one series; `/anomalies` lists the others.
const ANOMALIES_SHOWN: usize = 20;

/// Series in a page of the summary.
pub const WORST_SHOWN: usize = 100;

impl Service {
    /// Describes one series; judges its pending samples first, if possible.
    pub async fn analyze(
        &self,
        tenant: &Tenant,
        series: Series,
    ) -> Result<AnalyzeAnswer, ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        let (state, anomalies) = self.read_judged(&key, ANOMALIES_SHOWN).await?;
        let judge = self.restore_for_reading(&key, &state);
        let memory = judge.memory();
        Ok(AnalyzeAnswer {
            series: SeriesName::from(key.series()),
            detector: memory.detector.to_string(),
            configured: state.config.is_some(),
            own_detector: memory.has_own_detector,
            window: WindowAnswer::of(read_by(&memory.detector, judge.read_window().judged())),
            last: memory.last.as_ref().map(SampleAnswer::of),
            learning: LearningAnswer::of(&judge.learning()),
            pending: state.inbox.len(),
            judged_count: memory.counters.judged,
            late_count: memory.counters.late,
            anomaly_count: memory.counters.anomalies,
            episode: current_episode(memory),
            silent_since: memory.cursor_us.filter(|_| memory.silence.is_silent),
            anomalies: anomalies.iter().map(SampleAnswer::of).collect(),
        })
    }

    /// Lists the newest samples of one series; judges its pending samples first, if possible.
    pub async fn samples(
        &self,
        tenant: &Tenant,
        series: Series,
    ) -> Result<SamplesAnswer, ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        let (state, anomalies) = self.read_judged(&key, ANOMALIES_KEPT_MAX).await?;
        let judge = self.restore_for_reading(&key, &state);
        let explained = anomalies.iter().chain(&judge.memory().last);
        let explained: BTreeMap<i64, &Judgement> =
            explained.map(|judgement| (judgement.sample.at_us(), judgement)).collect();
        let window = judge.window().judged();
        let samples = window.iter().zip(counter::judgements(window)).map(|(judged, judgement)| {
            let Some(explained) = explained.get(&judgement.sample.at_us()) else {
                return SampleAnswer::of_window(judged, &judgement);
            };
            // A late sample before this one changes its rate, which the verdict did not know.
            let rate = match judgement.rate {
                Rate::Unknown => explained.rate,
                known => known,
            };
            SampleAnswer::of(&Judgement { rate, ..**explained })
        });
        Ok(SamplesAnswer { series: SeriesName::from(key.series()), samples: samples.collect() })
    }

    /// Reads a series and up to `n_anomalies` of its newest anomalies, after judging its pending samples.
    pub(crate) async fn read_judged(
        &self,
        key: &SeriesKey,
        n_anomalies: usize,
    ) -> Result<(SeriesState, Vec<Judgement>), ServiceError> {
        let read = self.read_with_anomalies(key, n_anomalies).await?;
        if read.0.inbox.is_empty() {
            return Ok(read);
        }
        match self.writer().drain(key).await {
            Ok(()) => self.read_with_anomalies(key, n_anomalies).await,
            Err(error) => {
                warn!(%error, "pending samples not judged");
                Ok(read)
            }
        }
    }

    /// Reads a series and its newest anomalies at once.
    async fn read_with_anomalies(
        &self,
        key: &SeriesKey,
        n_anomalies: usize,
    ) -> Result<(SeriesState, Vec<Judgement>), ServiceError> {
        let anomalies = self.store().anomalies(key, 0, n_anomalies);
        let anomalies = async { Ok(self.measure(StoreOperation::Read, anomalies).await?) };
        try_join(self.read(key), anomalies).await
    }

    /// Restores the judge of a series with the detector that it was last judged by.
    pub(crate) fn restore_for_reading(&self, key: &SeriesKey, state: &SeriesState) -> Judge {
        let stored = state.memory.as_deref().and_then(Memory::decode);
        let shared = stored.filter(|memory| !memory.has_own_detector);
        let deployed = shared.map_or(self.deployed_for(key), |memory| DeployedDetector {
            detector: memory.detector,
            generation: memory.generation,
        });
        restore_judge(deployed, state).unwrap_or_else(|_| Judge::new(deployed.detector))
    }

    /// Counts the series of a tenant, and lists a page of those with the most recent anomalies.
    ///
    /// The first page is at most a second old; the others are read again.
    pub async fn summary(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
    ) -> Result<SummaryAnswer, ServiceError> {
        let page = self.read_summary(tenant, cursor);
        if cursor.is_some() { page.await } else { self.summaries().get(tenant.clone(), page).await }
    }

    async fn read_summary(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
    ) -> Result<SummaryAnswer, ServiceError> {
        let store = self.store();
        let worst = store.worst(tenant, cursor, WORST_SHOWN);
        let (page, counts) = try_join(
            self.measure(StoreOperation::List, worst),
            self.measure(StoreOperation::List, store.tenant_counts(tenant)),
        )
        .await?;
        let summaries = store.summaries(&page.items);
        let summaries = self.measure(StoreOperation::Read, summaries).await?;
        let worst = page.items.iter().zip(&summaries).filter_map(|(key, summary)| {
            // An expired series stays in the index for a while.
            let memory = Memory::decode(summary.memory.as_deref()?)?;
            Some(WorstAnswer {
                series: SeriesName::from(key.series()),
                anomaly_count: memory.counters.anomalies,
                last: memory.last.as_ref().map(SampleAnswer::of),
                episode: current_episode(&memory),
            })
        });
        Ok(SummaryAnswer {
            detector: self.deployed().detector.to_string(),
            series_count: counts.n_series,
            anomalous_count: counts.n_anomalous,
            pending_count: counts.n_pending,
            worst: worst.collect(),
            next: page.next,
        })
    }

    /// Judges the samples of a body without storing them, each series from its first sample.
    ///
    /// Samples of a series are judged in time order; the first of several at the same time counts.
    pub fn analyze_body(&self, batch: IncomingBatch, detector: Option<Detector>) -> BodyAnswer {
        let detector = detector.unwrap_or(self.deployed().detector);
        let mut answer = BodyAnswer {
            detector: detector.to_string(),
            judged: 0,
            duplicates: 0,
            anomalies: 0,
            rejected: batch.rejected,
            verdicts: Vec::with_capacity(batch.samples.len()),
            verdicts_omitted: 0,
        };
        let mut samples: Vec<(Sample, IncomingSample)> = Vec::with_capacity(batch.samples.len());
        for incoming in batch.samples {
            match timed(&incoming) {
                Ok(sample) => samples.push((sample, incoming)),
                Err(rejected) => answer.rejected.push(rejected),
            }
        }
        samples.sort_by(|a, b| a.1.series.cmp(&b.1.series).then(a.0.at_us().cmp(&b.0.at_us())));
        for series in samples.chunk_by(|a, b| a.1.series == b.1.series) {
            judge_series(&mut answer, Judge::new(detector), series);
        }
        answer.rejected.sort_by_key(|rejected| rejected.index);
        answer
    }

    /// Lists a page of the series of a tenant.
    pub async fn list_series(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<SeriesPage, ServiceError> {
        let list = self.store().list(tenant, cursor, limit);
        let page = self.measure(StoreOperation::List, list).await?;
        let answer = |item: &ListedSeries| SeriesAnswer {
            series: SeriesName::from(item.key.series()),
            received: item.received_us,
        };
        Ok(SeriesPage { series: page.items.iter().map(answer).collect(), next: page.next })
    }

    /// Deletes a series, its configuration and its history.
    pub async fn forget(&self, tenant: &Tenant, series: Series) -> Result<(), ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        // History first: once the store has deleted the series, a retry would not find it.
        self.forget_history(&key).await?;
        let is_known = self.measure(StoreOperation::Commit, self.store().forget(&key)).await?;
        if is_known { Ok(()) } else { Err(ServiceError::NotFound) }
    }
}

/// Judges the samples of one series, which are in time order.
fn judge_series(answer: &mut BodyAnswer, mut judge: Judge, samples: &[(Sample, IncomingSample)]) {
    for (sample, incoming) in samples {
        if let Some(first) = judge.window().at(sample.at_us()) {
            if first.sample.value() == sample.value() {
                answer.duplicates += 1;
                continue;
            }
            let detail =
                "another value of the series has the same time: wanted one value for each time";
            answer.rejected.push(incoming.reject(RejectionCode::Conflict, detail));
            continue;
        }
        let judged = judge_sample(&mut judge, *sample);
        let Some(judgement) = judged.judgement else { continue };
        answer.judged += 1;
        answer.anomalies += usize::from(judgement.verdict.is_anomaly());
        answer.verdicts.push(VerdictAnswer {
            series: SeriesName::from(&incoming.series),
            sample: SampleAnswer::of(&judgement),
            learning: judged.learning.as_ref().map(LearningAnswer::of),
        });
    }
}

/// Returns the samples of a window that the detector reads; all of them if it reads none.
fn read_by<'a>(detector: &Detector, window: &'a [JudgedSample]) -> &'a [JudgedSample] {
    let len = if detector.window_len() == 0 { window.len() } else { detector.window_len() };
    &window[window.len().saturating_sub(len)..]
}

fn current_episode(memory: &Memory) -> Option<EpisodeAnswer> {
    memory.episode_record().as_ref().map(EpisodeAnswer::from)
}

fn timed(incoming: &IncomingSample) -> Result<Sample, RejectedSample> {
    let Some(at_us) = incoming.at_us else {
        let detail = "time is missing: expected a `timestamp`, because nothing is stored";
        return Err(incoming.reject(RejectionCode::TimeInvalid, detail.to_owned()));
    };
    Sample::of_kind(at_us, incoming.value, incoming.kind)
        .map_err(|error| incoming.reject(RejectionCode::from(&error), error.to_string()))
}
