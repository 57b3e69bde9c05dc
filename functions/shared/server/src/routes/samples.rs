//! Stores the samples that other products send, and sums up what was not stored.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::Request;
use axum::http::StatusCode;
use domain::Tenant;
use service::{
    BatchExtras, BodyFormat, IngestAnswer, IntakeError, SampleOrigin, VerdictFilter, low_priority,
};

use crate::app::App;
use crate::body::{SampleCost, SamplesBody, read_samples};
use crate::error::RequestError;
use crate::in_flight::WorkPermit;

/// Code of samples that are older than the stored window.
const TOO_OLD: &str = "too_old";

/// Code of samples above the limit of a request.
const TOO_MANY: &str = "too_many_samples";

/// Outcome of the samples of a request.
#[derive(Debug)]
pub(crate) struct StoredBatch {
    pub(crate) answer: IngestAnswer,
    pub(crate) extras: BatchExtras,
    /// The memory of the request, counted until its response is sent.
    pub(crate) permit: WorkPermit,
}

/// Reads, stores and judges the samples of a request of another product.
pub(crate) async fn store(
    app: &App,
    tenant: Tenant,
    request: Request,
    format: Result<BodyFormat, IntakeError>,
) -> Result<StoredBatch, RequestError> {
    let body = read_samples(app, &tenant, request, format, SampleCost::FEW_VERDICTS).await?;
    store_body(app, tenant, body, SampleOrigin::Foreign).await
}

/// Stores and judges samples that have been read.
pub(crate) async fn store_body(
    app: &App,
    tenant: Tenant,
    body: SamplesBody,
    origin: SampleOrigin,
) -> Result<StoredBatch, RequestError> {
    let SamplesBody { mut batch, permit, is_long, admission } = body;
    let extras = std::mem::take(&mut batch.extras);
    let service = app.service().clone();
    let ingest = async move {
        let how = (origin, VerdictFilter::Anomalies);
        service.ingest_admitted(admission, &tenant, batch, how).await
    };
    let answer = if is_long { low_priority::run(ingest).await } else { ingest.await };
    Ok(StoredBatch { answer, extras, permit })
}

impl StoredBatch {
    /// The status for senders that a 204 satisfies: 503 for what a retry can store, 400 for what none can.
    pub(crate) fn status(&self) -> StatusCode {
        if self.answer.is_store_unavailable() {
            StatusCode::SERVICE_UNAVAILABLE
        } else if self.n_refused() > 0 {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::NO_CONTENT
        }
    }

    /// The status for senders that deliver an event again until a success: a sample that is too old was stored before, or
    /// never will be, so it is no failure.
    pub(crate) fn delivery_status(&self, success: StatusCode) -> StatusCode {
        match self.status() {
            StatusCode::NO_CONTENT => success,
            StatusCode::BAD_REQUEST
                if self.answer.rejected.is_empty() && self.extras.n_unread == 0 =>
            {
                success
            }
            status => status,
        }
    }

    /// Number of samples that a retry cannot store either.
    pub(crate) fn n_refused(&self) -> usize {
        self.answer.rejected.len() + self.answer.too_old + self.extras.n_unread
    }

    /// Positions in the request of all that was not stored: a histogram is several samples with one position.
    pub(crate) fn refused_indexes(&self) -> BTreeSet<usize> {
        let rejected = self.answer.rejected.iter().map(|rejected| rejected.index);
        rejected.chain(self.answer.too_old_indexes.iter().copied()).collect()
    }

    /// Number of all samples of the request.
    pub(crate) fn n_sent(&self) -> usize {
        self.answer.n_read() + self.extras.n_unread + self.extras.n_absent
    }

    /// The code of the first sample that was not stored.
    pub(crate) fn first_code(&self) -> Option<&'static str> {
        let rejected = self.answer.rejected.first().map(|rejected| rejected.code.as_str());
        let too_old = (self.answer.too_old > 0).then_some(TOO_OLD);
        rejected.or(too_old).or((self.extras.n_unread > 0).then_some(TOO_MANY))
    }

    /// A sentence with the numbers of samples that were not stored, by reason, and the first of them.
    pub(crate) fn summary(&self) -> String {
        let mut by_code: BTreeMap<&str, usize> = BTreeMap::new();
        for rejected in &self.answer.rejected {
            *by_code.entry(rejected.code.as_str()).or_default() += 1;
        }
        by_code.insert(TOO_OLD, self.answer.too_old);
        by_code.insert(TOO_MANY, self.extras.n_unread);
        let reasons: Vec<String> = by_code
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(code, n)| format!("{n} {code}"))
            .collect();
        let (n_refused, n_sent) = (self.n_refused(), self.n_sent());
        let reasons = reasons.join(", ");
        let first = self.answer.rejected.first().map(|first| {
            let metric = first.metric.as_deref().unwrap_or_default();
            format!("; the first, of `{}`: {}", metric.escape_debug(), first.detail)
        });
        let first = first.unwrap_or_default();
        format!("{n_refused} of {n_sent} samples were not stored: {reasons}{first}")
    }
}
