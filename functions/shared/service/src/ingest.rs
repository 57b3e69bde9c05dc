//! Samples in, verdicts out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use domain::{Series, VerdictKind};
use domain::{SeriesKey, Tenant};
use futures_util::stream::{self, StreamExt};
use intake::{IncomingBatch, IncomingSample, RejectedSample, RejectionCode};
use store::NewSample;
use tracing::{info, warn};

use crate::answers::{
    IngestAnswer, LearningAnswer, SampleAnswer, SeriesName, VerdictAnswer, VerdictFilter,
};
use crate::clock::now_us;
use crate::error::ServiceError;
use crate::fate::{Fate, Told, WriteError};
use crate::service::Service;
use crate::writer::Fates;

/// Series of one request written together, in one round trip for each step: few enough that one is judged while
/// another travels.
const SERIES_TOGETHER: usize = 256;

/// How many such batches of a request are under way.
const BATCHES_AT_ONCE: usize = 2;

/// The samples of one series of a batch.
struct Group<'a> {
    series: &'a Series,
    samples: Vec<&'a IncomingSample>,
}

impl Group<'_> {
    fn batch(&self, tenant: &Tenant) -> (SeriesKey, Vec<NewSample>) {
        let samples =
            self.samples.iter().map(|it| NewSample { at_us: it.at_us, value: it.value }).collect();
        (SeriesKey::new(tenant.clone(), self.series.clone()), samples)
    }
}

impl Service {
    /// Stores samples and judges them; what could not be stored is among the rejected.
    ///
    /// The samples of a series are written as one batch, those of different series at once.
    pub async fn ingest(
        &self,
        tenant: &Tenant,
        batch: IncomingBatch,
        wanted: VerdictFilter,
    ) -> IngestAnswer {
        let mut answer = IngestAnswer { rejected: batch.rejected, ..IngestAnswer::default() };
        let newest_us = now_us() + self.time_ahead_max_us();
        let (samples, ahead): (Vec<IncomingSample>, Vec<IncomingSample>) = batch
            .samples
            .into_iter()
            .partition(|sample| sample.at_us.is_none_or(|at_us| at_us <= newest_us));
        answer.rejected.extend(ahead.iter().map(|sample| self.time_ahead(sample)));

        let groups = by_series(&samples);
        let is_away = &AtomicBool::new(false);
        let written: Vec<Vec<Fates>> = if groups.len() <= SERIES_TOGETHER {
            // As of most requests: nothing needs to keep several batches under way.
            vec![self.write_together(tenant, &groups, is_away).await]
        } else {
            let batches = groups.chunks(SERIES_TOGETHER);
            let written = batches.map(|groups| self.write_together(tenant, groups, is_away));
            let written: Vec<_> = written.collect();
            stream::iter(written).buffered(BATCHES_AT_ONCE).collect().await
        };
        let is_full = |fate: &&Result<Fate, WriteError>| matches!(fate, Err(WriteError::Backlog));
        let n_full = written.iter().flatten().flatten().filter(is_full).count() as u64;
        if n_full > 0 {
            self.totals().count_full(n_full);
        }
        let written = written.into_iter().flatten();
        for (group, fates) in groups.iter().zip(written) {
            for (sample, fate) in group.samples.iter().zip(fates) {
                tell(&mut answer, sample, fate, wanted);
            }
        }
        answer.rejected.sort_by_key(|rejection| rejection.index);
        self.count_answer(&answer);
        answer
    }

    /// Writes the samples of some series in one batch; notes whether nothing was heard of the store but failures, after
    /// which it is not asked for the rest.
    async fn write_together(
        &self,
        tenant: &Tenant,
        groups: &[Group<'_>],
        is_away: &AtomicBool,
    ) -> Vec<Fates> {
        if is_away.load(Relaxed) {
            let error = WriteError::Unavailable("the store does not answer".to_owned());
            let refused = |group: &Group<'_>| vec![Err(error.clone()); group.samples.len()];
            return groups.iter().map(refused).collect();
        }
        let batch = groups.iter().map(|group| group.batch(tenant)).collect();
        let written = self.writer().write_all(batch).await;
        let failed = |it: &Result<_, _>| matches!(it, Err(WriteError::Unavailable(_)));
        if written.iter().flatten().all(failed) {
            is_away.store(true, Relaxed);
        }
        written
    }

    /// The answer to samples of which the store took none.
    pub fn ingest_refused(&self, batch: IncomingBatch, error: &ServiceError) -> IngestAnswer {
        let mut answer = IngestAnswer { rejected: batch.rejected, ..IngestAnswer::default() };
        let refused =
            |it: &IncomingSample| it.reject(RejectionCode::StoreUnavailable, error.to_string());
        answer.rejected.extend(batch.samples.iter().map(refused));
        answer.rejected.sort_by_key(|rejection| rejection.index);
        self.count_answer(&answer);
        answer
    }

    fn time_ahead(&self, sample: &IncomingSample) -> RejectedSample {
        let detail = format!(
            "time is more than {} ms ahead of the receiver's clock: an earlier one is wanted",
            self.time_ahead_max_us() / 1_000
        );
        sample.reject(RejectionCode::TimeAhead, detail)
    }

    fn count_answer(&self, answer: &IngestAnswer) {
        let mut by_code: HashMap<RejectionCode, u64> = HashMap::new();
        for rejection in &answer.rejected {
            *by_code.entry(rejection.code).or_default() += 1;
        }
        for (code, n) in by_code {
            self.totals().count_rejected(code, n);
            warn!(code = code.as_str(), n_samples = n, "samples rejected");
        }
        let n_anomalies = answer
            .verdicts
            .iter()
            .filter(|it| it.sample.verdict == Some(VerdictKind::Anomaly.as_str()))
            .count();
        if n_anomalies > 0 {
            info!(n_samples = answer.n_read(), n_anomalies, "anomalies found");
        }
    }
}

fn by_series(samples: &[IncomingSample]) -> Vec<Group<'_>> {
    let mut places: HashMap<&Series, usize> = HashMap::new();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for sample in samples {
        let place = *places.entry(&sample.series).or_insert_with(|| {
            groups.push(Group { series: &sample.series, samples: Vec::new() });
            groups.len() - 1
        });
        groups[place].samples.push(sample);
    }
    groups
}

/// Adds what became of one sample to the answer.
fn tell(
    answer: &mut IngestAnswer,
    sample: &IncomingSample,
    fate: Result<Fate, WriteError>,
    wanted: VerdictFilter,
) {
    match fate {
        Ok(Fate::Accepted(told)) => {
            answer.accepted += 1;
            answer.late += usize::from(told.judgement.is_some_and(|it| it.late));
            tell_verdict(answer, sample, &told, wanted);
        }
        Ok(Fate::Duplicate(told)) => {
            answer.duplicates += 1;
            tell_verdict(answer, sample, &told, wanted);
        }
        Ok(Fate::TooOld) => answer.too_old += 1,
        Ok(Fate::TooManySeries) => {
            let detail = "the tenant has as many series as it may have: one that it has is wanted";
            answer.rejected.push(sample.reject(RejectionCode::TooManySeries, detail.to_owned()));
        }
        Ok(Fate::Conflict { stored }) => {
            let detail = format!(
                "value `{}` differs from the `{stored}` stored at the same time",
                sample.value
            );
            answer.rejected.push(sample.reject(RejectionCode::Conflict, detail));
        }
        Err(error) => answer.rejected.push(sample.reject(error.code(), error.to_string())),
    }
}

fn tell_verdict(
    answer: &mut IngestAnswer,
    sample: &IncomingSample,
    told: &Told,
    wanted: VerdictFilter,
) {
    let is_wanted = match wanted {
        VerdictFilter::All => true,
        VerdictFilter::Anomalies => told.judgement.is_some_and(|it| it.verdict.is_anomaly()),
        VerdictFilter::None => false,
    };
    if is_wanted {
        let judged_sample = told.judgement.map_or_else(
            || SampleAnswer::without_verdict(told.at_us, sample.value),
            |judgement| SampleAnswer::of(&judgement),
        );
        answer.verdicts.push(VerdictAnswer {
            series: SeriesName::from(&sample.series),
            sample: judged_sample,
            learning: told.learning.as_ref().map(LearningAnswer::of),
        });
    }
}
