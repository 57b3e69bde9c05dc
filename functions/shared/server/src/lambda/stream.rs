//! Stores the samples of an event, and says which of its records are to be delivered again.
//!
//! A record fails for now, when the store or the quota has no room for it, or for good, when it holds what can
//! never be a sample. Both are told to whoever delivered it, who alone can repeat it or lay it aside: nobody
//! else reads the answer. What a failed record holds beside its fault is stored, and is a duplicate when it comes again.

mod answer;
mod record_outcome;

use std::collections::HashSet;

use intake::{EventRecord, IncomingBatch, IntakeError, Trigger, TriggerEvent};
use service::{IngestAnswer, ServiceError, VerdictFilter};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, warn};

use crate::app::App;
use crate::lambda::error::InvocationError;
use crate::lambda::stream::record_outcome::RecordOutcome;

pub use answer::StreamAnswer;

/// Most records of one event whose failure is told one by one in the log.
const TOLD_MAX: usize = 20;

/// Stores what an event holds.
pub(super) async fn store(
    app: &App,
    json: &str,
    deadline: Option<Instant>,
) -> Result<StreamAnswer, InvocationError> {
    let event = TriggerEvent::read(json)?;
    let mut storing = Storing::new(app, &event, deadline);
    storing.run().await;
    storing.hold_back_groups();
    let fates = storing.fates;
    tell(app, &event, &fates);
    answer::of(&event, &fates, app.stream_poisoned())
}

/// An event while it is being stored.
struct Storing<'a> {
    app: &'a App,
    event: &'a TriggerEvent<'a>,
    deadline: Option<Instant>,
    /// One for each record.
    fates: Vec<RecordOutcome>,
    /// Samples that wait to be stored together; the index of each is the place of its record.
    joined: IncomingBatch,
    /// Whether it makes no sense to go on.
    is_over: bool,
}

impl<'a> Storing<'a> {
    fn new(app: &'a App, event: &'a TriggerEvent<'a>, deadline: Option<Instant>) -> Self {
        let fates = vec![RecordOutcome::untried(); event.records.len()];
        Self { app, event, deadline, fates, joined: IncomingBatch::default(), is_over: false }
    }

    /// Reads record after record, and stores them together, as many as one request may bring.
    async fn run(&mut self) {
        let limits = self.app.limits();
        // Within a group of a first-in-first-out queue nothing may overtake what failed.
        let mut failed_groups = HashSet::new();
        for (place, record) in self.event.records.iter().enumerate() {
            if record.group.as_ref().is_some_and(|group| failed_groups.contains(group)) {
                self.fates[place] = RecordOutcome::behind();
                continue;
            }
            let read = record.samples(&limits);
            if read.as_ref().map_or(true, |batch| !batch.rejected.is_empty()) {
                failed_groups.extend(record.group.as_ref());
            }
            let n_read = read.as_ref().map_or(0, IncomingBatch::n_read);
            if self.joined.n_read() + n_read > limits.n_samples_max {
                self.store_joined().await;
            }
            if self.is_over {
                return;
            }
            self.join(place, read);
        }
        self.store_joined().await;
    }

    /// Adds the samples of a record to those that wait.
    fn join(&mut self, place: usize, read: Result<IncomingBatch, IntakeError>) {
        match read {
            Ok(batch) => {
                self.fates[place] = RecordOutcome::Stored;
                let samples = batch.samples.into_iter();
                self.joined
                    .samples
                    .extend(samples.map(|it| intake::IncomingSample { index: place, ..it }));
                let rejected = batch.rejected.into_iter();
                self.joined
                    .rejected
                    .extend(rejected.map(|it| intake::RejectedSample { index: place, ..it }));
            }
            Err(error) => self.fates[place] = RecordOutcome::of_error(&error),
        }
    }

    /// Stores what waits, and notes what became of the records it came from.
    async fn store_joined(&mut self) {
        let joined = std::mem::take(&mut self.joined);
        if joined.n_read() == 0 {
            return;
        }
        let places: HashSet<usize> = joined
            .samples
            .iter()
            .map(|it| it.index)
            .chain(joined.rejected.iter().map(|it| it.index))
            .collect();
        let storing = self.ingest(joined);
        let stored = match self.deadline {
            Some(deadline) => {
                timeout_at(deadline, storing).await.unwrap_or_else(|_| Err(RecordOutcome::late()))
            }
            None => storing.await,
        };
        match stored {
            Ok(answer) => {
                for rejection in &answer.rejected {
                    self.fates[rejection.index].worsen(rejection);
                }
                // A shard is read again from its first failure, so what comes after it would be stored twice.
                self.is_over |=
                    self.event.trigger == Trigger::Kinesis && answer.is_store_unavailable();
            }
            Err(fate) => {
                for place in places {
                    self.fates[place] = fate.clone();
                }
                self.is_over = true;
            }
        }
    }

    /// Stores samples, as soon as their tenant may send them; an error is what becomes of all their records.
    async fn ingest(&self, joined: IncomingBatch) -> Result<IngestAnswer, RecordOutcome> {
        let (service, tenant) = (self.app.service(), self.app.stream_tenant());
        loop {
            match service.admit(tenant, joined.n_read()).await {
                Ok(()) => break,
                // To wait within the invocation costs less than to have all of it delivered again.
                Err(ServiceError::RateExceeded { retry_after, .. })
                    if self.deadline.is_some_and(|it| Instant::now() + retry_after < it) =>
                {
                    sleep(retry_after).await;
                }
                Err(error) => return Err(RecordOutcome::later(error.code(), &error)),
            }
        }
        Ok(service.ingest(tenant, joined, VerdictFilter::None).await)
    }

    /// Lets fail what follows a failed record in its group, also where the store failed it.
    fn hold_back_groups(&mut self) {
        let mut failed_groups = HashSet::new();
        for (record, fate) in self.event.records.iter().zip(&mut self.fates) {
            let Some(group) = &record.group else { continue };
            if fate.is_failed() {
                failed_groups.insert(group);
            } else if failed_groups.contains(group) {
                *fate = RecordOutcome::behind();
            }
        }
    }
}

/// Counts what became of the records, and logs those that failed.
fn tell(app: &App, event: &TriggerEvent<'_>, fates: &[RecordOutcome]) {
    let trigger = event.trigger;
    for (result, n) in record_outcome::counts(fates) {
        app.service().count_records(trigger, result, n);
    }
    let trigger = trigger.as_str();
    let failed: Vec<(&EventRecord<'_>, &RecordOutcome)> =
        event.records.iter().zip(fates).filter(|(_, fate)| fate.is_failed()).collect();
    for (record, fate) in failed.iter().take(TOLD_MAX) {
        let (record, code, detail) = (&*record.id, fate.code(), fate.detail());
        let is_poisoned = fate.is_poisoned();
        warn!(trigger, record, code, detail, is_poisoned, "record not stored");
    }
    let (n_records, n_failed) = (fates.len(), failed.len());
    if n_failed > 0 {
        warn!(trigger, n_records, n_failed, "event stored in part");
    } else {
        debug!(trigger, n_records, "event stored");
    }
}
