//! Stores the samples of the events of queues, streams, buses and topics.
//!
//! A record fails temporarily if the store or the rate limit refuses it, and permanently if it holds an invalid sample.
//! Both are reported to the trigger, which alone can retry a record or send it to a dead-letter queue: the sender of the
//! record never sees the answer. The valid samples of a failed record are stored; on a retry they are duplicates.

mod answer;
mod record_outcome;

use std::collections::HashSet;

use service::{
    EventRecord, IncomingBatch, IncomingSample, IngestAnswer, IntakeError, RejectedSample,
    ServiceError, Trigger, TriggerEvent, VerdictFilter,
};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, warn};

use crate::app::App;
use crate::lambda::error::InvocationError;
use crate::lambda::stream::record_outcome::RecordOutcome;

pub use answer::StreamAnswer;

/// Most failed records of one event that are logged one by one.
const LOGGED_MAX: usize = 20;

/// Stores the samples of an event; the answer reports the records to retry.
pub(super) async fn store(
    app: &App,
    json: &str,
    deadline: Option<Instant>,
) -> Result<StreamAnswer, InvocationError> {
    let event = TriggerEvent::read(json)?;
    let mut writer = EventWriter::new(app, &event, deadline);
    writer.run().await;
    writer.fail_followers();
    let outcomes = writer.outcomes;
    report(app, &event, &outcomes);
    answer::of(&event, &outcomes, app.config().stream_poisoned)
}

/// Stores one event, batch by batch.
struct EventWriter<'a> {
    app: &'a App,
    event: &'a TriggerEvent<'a>,
    deadline: Option<Instant>,
    /// One for each record of the event.
    outcomes: Vec<RecordOutcome>,
    /// The samples of the records read since the last write. The index of a sample is that of its record.
    batch: IncomingBatch,
    /// True if the remaining records are left for the retry.
    is_stopped: bool,
}

impl<'a> EventWriter<'a> {
    fn new(app: &'a App, event: &'a TriggerEvent<'a>, deadline: Option<Instant>) -> Self {
        let outcomes = vec![RecordOutcome::untried(); event.records.len()];
        let batch = IncomingBatch::default();
        Self { app, event, deadline, outcomes, batch, is_stopped: false }
    }

    /// Parses the records, and writes them in batches as large as one request may be.
    async fn run(&mut self) {
        let limits = self.app.config().limits;
        // Within a group of a FIFO queue no message may overtake a failed one.
        let mut failed_groups = HashSet::new();
        for (index, record) in self.event.records.iter().enumerate() {
            if record.group.as_ref().is_some_and(|group| failed_groups.contains(group)) {
                self.outcomes[index] = RecordOutcome::behind();
                continue;
            }
            let parsed = record.samples(&limits);
            if parsed.as_ref().map_or(true, |batch| !batch.rejected.is_empty()) {
                failed_groups.extend(record.group.as_ref());
            }
            let n_read = parsed.as_ref().map_or(0, IncomingBatch::n_read);
            if self.batch.n_read() + n_read > limits.n_samples_max {
                self.write().await;
            }
            if self.is_stopped {
                return;
            }
            self.append(index, parsed);
        }
        self.write().await;
    }

    /// Appends the samples of a record to the batch.
    fn append(&mut self, index: usize, parsed: Result<IncomingBatch, IntakeError>) {
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                self.outcomes[index] = RecordOutcome::unreadable(&error);
                return;
            }
        };
        self.outcomes[index] = RecordOutcome::Stored;
        let samples = parsed.samples.into_iter();
        self.batch.samples.extend(samples.map(|sample| IncomingSample { index, ..sample }));
        let rejected = parsed.rejected.into_iter();
        self.batch.rejected.extend(rejected.map(|sample| RejectedSample { index, ..sample }));
    }

    /// Writes the batch, and updates the outcomes of its records.
    async fn write(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if batch.n_read() == 0 {
            return;
        }
        let samples = batch.samples.iter().map(|sample| sample.index);
        let rejected = batch.rejected.iter().map(|sample| sample.index);
        let indexes: HashSet<usize> = samples.chain(rejected).collect();
        let ingesting = self.ingest(batch);
        let ingested = match self.deadline {
            Some(deadline) => {
                timeout_at(deadline, ingesting).await.unwrap_or_else(|_| Err(RecordOutcome::late()))
            }
            None => ingesting.await,
        };
        match ingested {
            Ok(answer) => {
                for rejected in &answer.rejected {
                    self.outcomes[rejected.index].worsen(rejected);
                }
                // A shard is read again from its first failure, so later records would be written twice.
                self.is_stopped |=
                    self.event.trigger == Trigger::Kinesis && answer.is_store_unavailable();
            }
            Err(outcome) => {
                for index in indexes {
                    self.outcomes[index] = outcome.clone();
                }
                self.is_stopped = true;
            }
        }
    }

    /// Ingests a batch once the rate limit admits it; an error is the outcome of all its records.
    async fn ingest(&self, batch: IncomingBatch) -> Result<IngestAnswer, RecordOutcome> {
        let (service, tenant) = (self.app.service(), &self.app.config().stream_tenant);
        loop {
            match service.admit(tenant, batch.n_read()).await {
                Ok(()) => break,
                // Waiting within the invocation costs less than another delivery of all records.
                Err(ServiceError::RateExceeded { retry_after, .. })
                    if self.deadline.is_some_and(|at| Instant::now() + retry_after < at) =>
                {
                    sleep(retry_after).await;
                }
                Err(error) => return Err(RecordOutcome::retry(error.code(), &error)),
            }
        }
        Ok(service.ingest(tenant, batch, VerdictFilter::None).await)
    }

    /// Fails the records that follow a failed one in its group, now that the outcomes of the store are known.
    fn fail_followers(&mut self) {
        let mut failed_groups = HashSet::new();
        for (record, outcome) in self.event.records.iter().zip(&mut self.outcomes) {
            let Some(group) = &record.group else { continue };
            if outcome.is_failed() {
                failed_groups.insert(group);
            } else if failed_groups.contains(group) {
                *outcome = RecordOutcome::behind();
            }
        }
    }
}

/// Counts the outcomes, and logs the failed records.
fn report(app: &App, event: &TriggerEvent<'_>, outcomes: &[RecordOutcome]) {
    let trigger = event.trigger;
    for (result, n) in record_outcome::counts(outcomes) {
        app.service().count_records(trigger, result, n);
    }
    let trigger = trigger.as_str();
    let failed: Vec<(&EventRecord<'_>, &RecordOutcome)> =
        event.records.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_failed()).collect();
    for (record, outcome) in failed.iter().take(LOGGED_MAX) {
        let (record, code, detail) = (&*record.id, outcome.code(), outcome.detail());
        let is_poisoned = outcome.is_poisoned();
        warn!(trigger, record, code, detail, is_poisoned, "record not stored");
    }
    let (n_records, n_failed) = (outcomes.len(), failed.len());
    if n_failed > 0 {
        warn!(trigger, n_records, n_failed, "event stored in part");
    } else {
        debug!(trigger, n_records, "event stored");
    }
}
