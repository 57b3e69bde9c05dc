//! The answer to each trigger, in the format of its partial batch response.
//!
//! A queue retries the listed messages, a shard is read again from the listed record, and Firehose takes a result for
//! each record. A bus or topic retries the whole event or nothing.

use serde::Serialize;
use service::{PoisonPolicy, Trigger, TriggerEvent};

use crate::lambda::error::InvocationError;
use crate::lambda::stream::record_outcome::RecordOutcome;

/// The answer to a trigger.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum StreamAnswer {
    /// To a queue or shard: the records to retry.
    #[serde(rename_all = "camelCase")]
    Failures {
        /// Empty if all records are stored.
        batch_item_failures: Vec<BatchItemFailure>,
    },
    /// To Firehose: the result of each record, in order.
    Transformed {
        /// The results.
        records: Vec<TransformedRecord>,
    },
    /// To a bus or topic, which ignore it; for manual invocations.
    Stored {
        /// The number of records, all of which are stored.
        stored: usize,
    },
}

/// A record to retry.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    /// The id of a message, or the sequence number of a stream record.
    pub item_identifier: String,
}

/// The result of a Firehose record, whose data is delivered unchanged.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransformedRecord {
    /// The id of the record.
    pub record_id: String,
    /// `Ok`, or `ProcessingFailed`, which makes Firehose deliver the record to its error prefix.
    pub result: &'static str,
    /// The data, in base64.
    pub data: String,
}

/// The answer to an event with these outcomes of its records.
pub(super) fn of(
    event: &TriggerEvent<'_>,
    outcomes: &[RecordOutcome],
    poisoned: PoisonPolicy,
) -> Result<StreamAnswer, InvocationError> {
    match event.trigger {
        Trigger::Sqs => Ok(failures(event, outcomes.iter().map(RecordOutcome::is_failed))),
        Trigger::Kinesis => {
            let is_skipped =
                |outcome: &RecordOutcome| outcome.is_poisoned() && poisoned == PoisonPolicy::Skip;
            // The records of a shard are ordered by sequence number.
            let first =
                outcomes.iter().position(|outcome| outcome.is_failed() && !is_skipped(outcome));
            Ok(failures(event, (0..outcomes.len()).map(|index| Some(index) == first)))
        }
        Trigger::Firehose if outcomes.iter().any(RecordOutcome::is_retryable) => {
            Err(failed(event, outcomes))
        }
        Trigger::Firehose => Ok(transformed(event, outcomes)),
        Trigger::EventBridge | Trigger::Sns if outcomes.iter().any(RecordOutcome::is_failed) => {
            Err(failed(event, outcomes))
        }
        Trigger::EventBridge | Trigger::Sns => Ok(StreamAnswer::Stored { stored: outcomes.len() }),
    }
}

fn failures(event: &TriggerEvent<'_>, is_failed: impl Iterator<Item = bool>) -> StreamAnswer {
    let failed = event.records.iter().zip(is_failed).filter(|(_, is_failed)| *is_failed);
    let failures =
        failed.map(|(record, _)| BatchItemFailure { item_identifier: record.id.to_string() });
    StreamAnswer::Failures { batch_item_failures: failures.collect() }
}

fn transformed(event: &TriggerEvent<'_>, outcomes: &[RecordOutcome]) -> StreamAnswer {
    let records = event.records.iter().zip(outcomes).map(|(record, outcome)| TransformedRecord {
        record_id: record.id.to_string(),
        result: if outcome.is_poisoned() { "ProcessingFailed" } else { "Ok" },
        data: record.data().to_owned(),
    });
    StreamAnswer::Transformed { records: records.collect() }
}

/// The error of an event that is retried as a whole. It names a temporary failure if there is one, as only that makes a
/// retry useful.
fn failed(event: &TriggerEvent<'_>, outcomes: &[RecordOutcome]) -> InvocationError {
    let failed = || event.records.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_failed());
    let first = failed().find(|(_, outcome)| outcome.is_retryable()).or_else(|| failed().next());
    let (id, outcome) =
        first.map_or(("", &RecordOutcome::Stored), |(record, outcome)| (&*record.id, outcome));
    InvocationError::RecordsFailed {
        n_failed: failed().count(),
        n_records: outcomes.len(),
        id: id.to_owned(),
        detail: outcome.detail().to_owned(),
        code: outcome.code(),
    }
}
