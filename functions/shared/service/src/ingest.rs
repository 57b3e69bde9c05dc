//! Use case: stores samples, judges them, and answers with their outcomes and verdicts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use domain::{Series, SeriesKey, Tenant, VerdictKind};
use futures_util::stream::{self, StreamExt};
use intake::{IncomingBatch, IncomingSample, RejectedSample, RejectionCode};
use store::NewSample;
use tracing::{debug, info, warn};

use crate::answers::{
    IngestAnswer, LearningAnswer, SampleAnswer, SeriesName, VerdictAnswer, VerdictFilter,
};
use crate::clock::steady_us;
use crate::error::ServiceError;
use crate::selection::SampleOrigin;
use crate::service::Service;
use crate::write::{SampleOutcome, StoredSample, WriteError};

/// Series of a request written together: few enough that one chunk is judged while another travels.
const CHUNK_SERIES_MAX: usize = 256;

/// Samples of a request written together, unless one series has more: Redis stores them within about 5 ms, and serves
/// other requests between two chunks.
const CHUNK_SAMPLES_MAX: usize = 1_024;

/// Chunks of a request written concurrently.
const CHUNKS_CONCURRENT: usize = 2;

/// Samples of one series in a request.
struct SeriesSamples<'a> {
    series: &'a Series,
    samples: Vec<&'a IncomingSample>,
}

impl SeriesSamples<'_> {
    fn to_write(&self, tenant: &Tenant) -> (SeriesKey, Vec<NewSample>) {
        let new = |sample: &&IncomingSample| NewSample {
            at_us: sample.at_us,
            value: sample.value,
            kind: sample.kind,
        };
        let samples = self.samples.iter().map(new).collect();
        (SeriesKey::new(tenant.clone(), self.series.clone()), samples)
    }
}

impl Service {
    /// Stores samples of our own format and judges them; samples that could not be stored are rejected.
    pub async fn ingest(
        &self,
        tenant: &Tenant,
        batch: IncomingBatch,
        filter: VerdictFilter,
    ) -> IngestAnswer {
        self.ingest_from(SampleOrigin::Own, tenant, batch, filter).await
    }

    /// Stores and judges the samples of a request; rejects each of them if the request was not admitted, as after a failure
    /// of the store during the ingestion.
    pub async fn ingest_admitted(
        &self,
        admission: Result<(), ServiceError>,
        tenant: &Tenant,
        batch: IncomingBatch,
        (origin, filter): (SampleOrigin, VerdictFilter),
    ) -> IngestAnswer {
        match admission {
            Ok(()) => self.ingest_from(origin, tenant, batch, filter).await,
            Err(error) => self.ingest_refused(batch, &error),
        }
    }

    /// Selects samples of an origin by the rules of the deployment, stores and judges them.
    pub async fn ingest_from(
        &self,
        origin: SampleOrigin,
        tenant: &Tenant,
        batch: IncomingBatch,
        filter: VerdictFilter,
    ) -> IngestAnswer {
        let selected = self.rules().select(tenant, origin, batch.samples);
        let mut answer = IngestAnswer {
            rejected: batch.rejected,
            not_selected: selected.not_selected,
            ..IngestAnswer::default()
        };
        answer.rejected.extend(selected.rejected);
        let newest_us = steady_us() + self.time_ahead_max_us();
        let (samples, ahead): (Vec<IncomingSample>, Vec<IncomingSample>) = selected
            .samples
            .into_iter()
            .partition(|sample| sample.at_us.is_none_or(|at_us| at_us <= newest_us));
        answer.rejected.extend(ahead.iter().map(|sample| self.reject_ahead(sample)));

        let groups = by_series(&samples);
        let is_away = &AtomicBool::new(false);
        let chunks = chunks(&groups);
        let written = if let [chunk] = chunks[..] {
            // Most requests: one chunk needs no stream.
            vec![self.write_chunk(tenant, chunk, is_away).await]
        } else {
            let writes: Vec<_> =
                chunks.into_iter().map(|chunk| self.write_chunk(tenant, chunk, is_away)).collect();
            stream::iter(writes).buffered(CHUNKS_CONCURRENT).collect().await
        };
        let mut n_full = 0;
        for (group, outcomes) in groups.iter().zip(written.into_iter().flatten()) {
            for (sample, outcome) in group.samples.iter().zip(outcomes) {
                n_full += u64::from(matches!(outcome, Err(WriteError::Backlog)));
                add_outcome(&mut answer, sample, outcome, filter);
            }
        }
        if n_full > 0 {
            self.totals().count_full(n_full);
        }
        answer.rejected.sort_by_key(|rejected| rejected.index);
        self.count_answer(&answer);
        answer
    }

    /// Writes the samples of some series together; if the store is away for all of them, later chunks are not tried.
    async fn write_chunk(
        &self,
        tenant: &Tenant,
        chunk: &[SeriesSamples<'_>],
        is_away: &AtomicBool,
    ) -> Vec<Vec<Result<SampleOutcome, WriteError>>> {
        if is_away.load(Relaxed) {
            let error = WriteError::Unavailable("the store does not answer".to_owned());
            let refused = |group: &SeriesSamples<'_>| vec![Err(error.clone()); group.samples.len()];
            return chunk.iter().map(refused).collect();
        }
        let batch = chunk.iter().map(|group| group.to_write(tenant)).collect();
        let written = self.writer().write_all(batch).await;
        let is_unavailable =
            |outcome: &Result<_, _>| matches!(outcome, Err(WriteError::Unavailable(_)));
        if written.iter().flatten().all(is_unavailable) {
            is_away.store(true, Relaxed);
        }
        written
    }

    /// Answers a batch that was not stored because of `error`.
    fn ingest_refused(&self, batch: IncomingBatch, error: &ServiceError) -> IngestAnswer {
        let mut answer = IngestAnswer { rejected: batch.rejected, ..IngestAnswer::default() };
        let refused = |sample: &IncomingSample| {
            sample.reject(RejectionCode::StoreUnavailable, error.public_detail())
        };
        answer.rejected.extend(batch.samples.iter().map(refused));
        answer.rejected.sort_by_key(|rejected| rejected.index);
        self.count_answer(&answer);
        answer
    }

    fn reject_ahead(&self, sample: &IncomingSample) -> RejectedSample {
        let ms = self.time_ahead_max_us() / 1_000;
        let detail =
            format!("time is in the future: expected at most {ms} ms ahead of the server's clock");
        sample.reject(RejectionCode::TimeAhead, detail)
    }

    fn count_answer(&self, answer: &IngestAnswer) {
        let mut by_code: HashMap<RejectionCode, u64> = HashMap::new();
        for rejected in &answer.rejected {
            *by_code.entry(rejected.code).or_default() += 1;
        }
        for (code, n) in by_code {
            self.totals().count_rejected(code, n);
            // Of an unavailable store the log has the request, and the reason once a second.
            if code.is_retryable() {
                debug!(code = code.as_str(), n_samples = n, "samples not stored");
            } else {
                warn!(code = code.as_str(), n_samples = n, "samples rejected");
            }
        }
        for (rule, n) in &answer.not_selected {
            self.totals().count_not_selected(rule, *n as u64);
        }
        let anomaly = Some(VerdictKind::Anomaly.as_str());
        let verdicts = answer.verdicts.iter();
        let n_anomalies = verdicts.filter(|verdict| verdict.sample.verdict == anomaly).count();
        if n_anomalies > 0 {
            info!(n_samples = answer.n_read(), n_anomalies, "anomalies found");
        }
    }
}

/// Groups samples by series, in the order of first appearance.
fn by_series(samples: &[IncomingSample]) -> Vec<SeriesSamples<'_>> {
    let mut positions: HashMap<&Series, usize> = HashMap::new();
    let mut groups: Vec<SeriesSamples<'_>> = Vec::new();
    for sample in samples {
        let position = *positions.entry(&sample.series).or_insert_with(|| {
            groups.push(SeriesSamples { series: &sample.series, samples: Vec::new() });
            groups.len() - 1
        });
        groups[position].samples.push(sample);
    }
    groups
}

/// Divides the series of a request into chunks.
fn chunks<'g, 's>(groups: &'g [SeriesSamples<'s>]) -> Vec<&'g [SeriesSamples<'s>]> {
    let (mut chunks, mut rest) = (Vec::new(), groups);
    while !rest.is_empty() {
        let mut n_samples = 0;
        let fits = |group: &&SeriesSamples<'_>| {
            n_samples += group.samples.len();
            n_samples <= CHUNK_SAMPLES_MAX
        };
        let len = rest.iter().take(CHUNK_SERIES_MAX).take_while(fits).count().max(1);
        let (chunk, others) = rest.split_at(len);
        chunks.push(chunk);
        rest = others;
    }
    chunks
}

/// Adds the outcome of one sample to the answer.
fn add_outcome(
    answer: &mut IngestAnswer,
    sample: &IncomingSample,
    outcome: Result<SampleOutcome, WriteError>,
    filter: VerdictFilter,
) {
    match outcome {
        Ok(SampleOutcome::Accepted(stored)) => {
            answer.accepted += 1;
            answer.late += usize::from(stored.judgement.is_some_and(|judgement| judgement.late));
            answer.verdicts.extend(verdict(sample, &stored, filter));
        }
        Ok(SampleOutcome::Duplicate(stored)) => {
            answer.duplicates += 1;
            answer.verdicts.extend(verdict(sample, &stored, filter));
        }
        Ok(SampleOutcome::TooOld) => {
            answer.too_old += 1;
            answer.too_old_indexes.push(sample.index);
        }
        Ok(SampleOutcome::TooManySeries) => {
            let detail = "the tenant has reached its limit of series: expected an existing series";
            answer.rejected.push(sample.reject(RejectionCode::TooManySeries, detail.to_owned()));
        }
        Ok(SampleOutcome::Conflict { stored }) => {
            let value = sample.value;
            let detail = format!(
                "value `{value}` differs from `{stored}`, stored for the same time and never replaced: \
                         wanted final values, or a label for each sender"
            );
            answer.rejected.push(sample.reject(RejectionCode::Conflict, detail));
        }
        Err(error) => answer.rejected.push(sample.reject(error.code(), error.to_string())),
    }
}

/// Describes a stored sample, if the filter selects it.
fn verdict(
    sample: &IncomingSample,
    stored: &StoredSample,
    filter: VerdictFilter,
) -> Option<VerdictAnswer> {
    let is_selected = match filter {
        VerdictFilter::All => true,
        VerdictFilter::Anomalies => {
            stored.judgement.is_some_and(|judgement| judgement.verdict.is_anomaly())
        }
        VerdictFilter::None => false,
    };
    is_selected.then(|| VerdictAnswer {
        series: SeriesName::from(&sample.series),
        sample: stored.judgement.map_or_else(
            || SampleAnswer::without_verdict(stored.at_us, sample.value),
            |judgement| SampleAnswer::of(&judgement),
        ),
        learning: stored.learning.as_ref().map(LearningAnswer::of),
    })
}
