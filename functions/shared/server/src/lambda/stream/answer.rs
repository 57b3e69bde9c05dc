//! What each trigger wants to hear.
//!
//! A queue takes back the messages that are named, a shard is read again from the entry that is named, Firehose is
//! told of each record. A bus or a topic knows only that all of it went well, or has to be done again.

use intake::{Trigger, TriggerEvent};
use serde::Serialize;
use service::PoisonPolicy;

use crate::lambda::error::InvocationError;
use crate::lambda::stream::record_outcome::RecordOutcome;

/// What a trigger is answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum StreamAnswer {
    /// To a queue or a shard: what is to be delivered again.
    #[serde(rename_all = "camelCase")]
    Failures {
        /// None when all went well.
        batch_item_failures: Vec<Failure>,
    },
    /// To Firehose: each record, in order.
    Transformed {
        /// One for each record of the event.
        records: Vec<TransformedRecord>,
    },
    /// To a bus or a topic, which do not read it; whoever invokes the function by hand does.
    Stored {
        /// Records, all of which are stored.
        stored: usize,
    },
}

/// A record that is to be delivered again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The id of a message, or the sequence number of an entry.
    pub item_identifier: String,
}

/// A record of Firehose, which goes on to its destination as it came.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransformedRecord {
    /// Its id.
    pub record_id: String,
    /// `Ok`, or `ProcessingFailed`: Firehose puts such a record where it puts what it could not deliver.
    pub result: &'static str,
    /// Its data, in base64.
    pub data: String,
}

/// The answer to an event whose records met with `fates`.
pub(super) fn of(
    event: &TriggerEvent<'_>,
    fates: &[RecordOutcome],
    poisoned: PoisonPolicy,
) -> Result<StreamAnswer, InvocationError> {
    match event.trigger {
        Trigger::Sqs => Ok(failures(event, fates.iter().map(RecordOutcome::is_failed))),
        Trigger::Kinesis => {
            let is_skipped =
                |fate: &RecordOutcome| fate.is_poisoned() && poisoned == PoisonPolicy::Skip;
            // The records of a shard come in the order of their sequence numbers.
            let first = fates.iter().position(|fate| fate.is_failed() && !is_skipped(fate));
            Ok(failures(event, (0..fates.len()).map(|place| Some(place) == first)))
        }
        Trigger::Firehose if fates.iter().any(RecordOutcome::is_for_now) => {
            Err(failed(event, fates))
        }
        Trigger::Firehose => Ok(transformed(event, fates)),
        Trigger::EventBridge | Trigger::Sns if fates.iter().any(RecordOutcome::is_failed) => {
            Err(failed(event, fates))
        }
        Trigger::EventBridge | Trigger::Sns => Ok(StreamAnswer::Stored { stored: fates.len() }),
    }
}

fn failures(event: &TriggerEvent<'_>, is_failed: impl Iterator<Item = bool>) -> StreamAnswer {
    let failed = event.records.iter().zip(is_failed).filter(|(_, is_failed)| *is_failed);
    let failures = failed.map(|(record, _)| Failure { item_identifier: record.id.to_string() });
    StreamAnswer::Failures { batch_item_failures: failures.collect() }
}

fn transformed(event: &TriggerEvent<'_>, fates: &[RecordOutcome]) -> StreamAnswer {
    let records = event.records.iter().zip(fates).map(|(record, fate)| TransformedRecord {
        record_id: record.id.to_string(),
        result: if fate.is_poisoned() { "ProcessingFailed" } else { "Ok" },
        data: record.data().to_owned(),
    });
    StreamAnswer::Transformed { records: records.collect() }
}

/// The failure of the invocation: that for now, if there is one, since it is why repeating makes sense.
fn failed(event: &TriggerEvent<'_>, fates: &[RecordOutcome]) -> InvocationError {
    let failed = || event.records.iter().zip(fates).filter(|(_, fate)| fate.is_failed());
    let first = failed().find(|(_, fate)| fate.is_for_now()).or_else(|| failed().next());
    let (id, fate) =
        first.map_or(("", &RecordOutcome::Stored), |(record, fate)| (&*record.id, fate));
    InvocationError::RecordsFailed {
        n_failed: failed().count(),
        n_records: fates.len(),
        id: id.to_owned(),
        detail: fate.detail().to_owned(),
        code: fate.code(),
    }
}
