//! What is normal, what is not, and why: reading, and judging without storing.

use detector::{DeployedDetector, Detector, Judge, Memory};
use domain::{JudgedSample, Sample, Series};
use domain::{SeriesKey, Tenant};
use futures_util::future::try_join;
use intake::{IncomingBatch, IncomingSample, RejectedSample, RejectionCode};
use store::SeriesState;
use tracing::warn;

use crate::answers::{
    AnalyzeAnswer, BodyAnswer, EpisodeAnswer, LearningAnswer, SampleAnswer, SeriesAnswer,
    SeriesName, SeriesPage, SummaryAnswer, VerdictAnswer, WindowAnswer, WorstAnswer,
};
use crate::error::ServiceError;
use crate::fate::Said;
use crate::round::{judge_under, say};
use crate::service::Service;
use crate::store_metrics::StoreOperation;

/// Anomalies in the answer about one series; more are read from the list of anomalies.
const ANOMALIES_TOLD: usize = 20;

/// Series in a summary.
const WORST_TOLD: usize = 100;

impl Service {
    /// What is known of one series; judges what waits first, where it can.
    pub async fn analyze(
        &self,
        tenant: &Tenant,
        series: Series,
    ) -> Result<AnalyzeAnswer, ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        let mut state = self.read(&key).await?;
        if !state.inbox.is_empty() {
            match self.writer().drain(&key).await {
                Ok(()) => state = self.read(&key).await?,
                Err(error) => warn!(%error, "samples wait and cannot be judged"),
            }
        }
        let anomalies = self
            .totals()
            .measure(StoreOperation::Read, self.store().anomalies(&key, 0, ANOMALIES_TOLD))
            .await?;
        let judge = self.restored(&state);
        let memory = judge.memory();
        let learning = judge.learning();
        Ok(AnalyzeAnswer {
            series: SeriesName::from(key.series()),
            detector: memory.detector.to_string(),
            configured: state.config.is_some(),
            own_detector: memory.has_own_detector,
            window: WindowAnswer::of(read_by(&memory.detector, judge.window().judged())),
            last: memory.last.as_ref().map(SampleAnswer::of),
            learning: LearningAnswer::of(&learning),
            pending: state.inbox.len(),
            judged_count: memory.counters.judged,
            late_count: memory.counters.late,
            anomaly_count: memory.counters.anomalies,
            episode: episode(memory),
            silent_since: memory.cursor_us.filter(|_| memory.silence.is_silent),
            anomalies: anomalies.iter().map(SampleAnswer::of).collect(),
        })
    }

    /// A series that has samples.
    pub(crate) async fn read(&self, key: &SeriesKey) -> Result<SeriesState, ServiceError> {
        let state = self
            .totals()
            .measure(StoreOperation::Read, self.store().read(key))
            .await?
            .filter(|state| !state.has_no_sample());
        state.ok_or(ServiceError::NotFound)
    }

    /// The judge of a stored series, for reading: its own, or the one that it was judged by, whichever that is.
    fn restored(&self, state: &SeriesState) -> Judge {
        let stored = state.memory.as_deref().and_then(Memory::decode);
        let deployed = stored.filter(|it| !it.has_own_detector).map_or(self.deployed(), |it| {
            DeployedDetector { detector: it.detector, generation: it.generation }
        });
        judge_under(deployed, state).unwrap_or_else(|_| Judge::new(deployed.detector))
    }

    /// The series of a tenant with the most recent anomalies, by the page, and how many it has in all.
    pub async fn summary(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
    ) -> Result<SummaryAnswer, ServiceError> {
        let store = self.store();
        let (page, counts) = try_join(
            self.totals().measure(StoreOperation::List, store.worst(tenant, cursor, WORST_TOLD)),
            self.totals().measure(StoreOperation::List, store.tenant_counts(tenant)),
        )
        .await?;
        let glances =
            self.totals().measure(StoreOperation::Read, store.summaries(&page.items)).await?;
        let worst = page.items.iter().zip(&glances).filter_map(|(key, glance)| {
            // One that expired stays among the worst for a while.
            let memory = Memory::decode(glance.memory.as_deref()?)?;
            Some(WorstAnswer {
                series: SeriesName::from(key.series()),
                anomaly_count: memory.counters.anomalies,
                last: memory.last.as_ref().map(SampleAnswer::of),
                episode: episode(&memory),
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

    /// Judges series that came in a body, each from its first sample on; stores nothing.
    ///
    /// The samples of a series are judged in time order; of several at one time the first counts.
    pub fn analyze_body(&self, batch: IncomingBatch, detector: Option<Detector>) -> BodyAnswer {
        let detector = detector.unwrap_or(self.deployed().detector);
        let mut answer = BodyAnswer {
            detector: detector.to_string(),
            judged: 0,
            anomalies: 0,
            rejected: batch.rejected,
            verdicts: Vec::with_capacity(batch.samples.len()),
            verdicts_omitted: 0,
        };
        let mut samples: Vec<(Sample, IncomingSample)> = Vec::with_capacity(batch.samples.len());
        for incoming in batch.samples {
            match timed(&incoming) {
                Ok(sample) => samples.push((sample, incoming)),
                Err(rejection) => answer.rejected.push(rejection),
            }
        }
        samples.sort_by(|a, b| a.1.series.cmp(&b.1.series).then(a.0.at_us().cmp(&b.0.at_us())));
        let mut judge = Judge::new(detector);
        let mut last: Option<&Series> = None;
        for (sample, incoming) in &samples {
            if last != Some(&incoming.series) {
                judge = Judge::new(detector);
                last = Some(&incoming.series);
            }
            if judge.window().at(sample.at_us()).is_some() {
                let detail = "another sample of the series has the same time".to_owned();
                answer.rejected.push(incoming.reject(RejectionCode::Conflict, detail));
                continue;
            }
            let Said { judgement, learning } = say(&mut judge, *sample);
            answer.judged += 1;
            answer.anomalies += usize::from(judgement.verdict.is_anomaly());
            let series = SeriesName::from(&incoming.series);
            answer.verdicts.push(VerdictAnswer {
                series,
                sample: SampleAnswer::of(&judgement),
                learning: learning.as_ref().map(LearningAnswer::of),
            });
        }
        answer.rejected.sort_by_key(|rejection| rejection.index);
        answer
    }

    /// A page of the series of a tenant.
    pub async fn list_series(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<SeriesPage, ServiceError> {
        let page = self
            .totals()
            .measure(StoreOperation::List, self.store().list(tenant, cursor, limit))
            .await?;
        let listed = |item: &store::ListedSeries| SeriesAnswer {
            series: SeriesName::from(item.key.series()),
            received: item.received_us,
        };
        Ok(SeriesPage { series: page.items.iter().map(listed).collect(), next: page.next })
    }

    /// Forgets all of a series.
    pub async fn forget(&self, tenant: &Tenant, series: Series) -> Result<(), ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        // History first: a series that is forgotten in the store is not found again.
        self.forget_history(&key).await?;
        let is_known =
            self.totals().measure(StoreOperation::Commit, self.store().forget(&key)).await?;
        if is_known { Ok(()) } else { Err(ServiceError::NotFound) }
    }
}

/// The samples of a window that the detector reads; all of them where it reads none.
fn read_by<'a>(detector: &Detector, window: &'a [JudgedSample]) -> &'a [JudgedSample] {
    let len = if detector.window_len() == 0 { window.len() } else { detector.window_len() };
    &window[window.len().saturating_sub(len)..]
}

fn episode(memory: &Memory) -> Option<EpisodeAnswer> {
    memory.episode_record().as_ref().map(EpisodeAnswer::from)
}

fn timed(incoming: &IncomingSample) -> Result<Sample, RejectedSample> {
    let Some(at_us) = incoming.at_us else {
        let detail =
            "time is missing: a `timestamp` is wanted of each sample that is not stored".to_owned();
        return Err(incoming.reject(RejectionCode::TimeInvalid, detail));
    };
    Sample::new(at_us, incoming.value)
        .map_err(|error| incoming.reject(RejectionCode::from(&error), error.to_string()))
}
