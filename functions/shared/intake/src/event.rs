//! Reads the event of a queue, a stream, a bus or a topic: records, each with what a sender wrote.
//!
//! A record stands for itself: what is broken in one says nothing of its neighbors, so each is read on
//! its own, when it is its turn, and a batch of megabytes is never unpacked all at once.

mod payload;
mod shape;
mod wrapping;

use std::borrow::Cow;

use thiserror::Error;

use crate::batch::IncomingBatch;
use crate::error::IntakeError;
use crate::event::payload::Payload;
use crate::event::wrapping::unwrapped;
use crate::fault::{clip, quoted};
use crate::limits::Limits;

/// Longest name of a trigger that an error quotes, in bytes.
const TRIGGER_LEN_MAX: usize = 64;

/// What delivers events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// A queue of SQS, first-in-first-out or not.
    Sqs,
    /// A shard of a Kinesis data stream.
    Kinesis,
    /// A Firehose stream that asks for its records to be transformed.
    Firehose,
    /// A bus of EventBridge.
    EventBridge,
    /// A topic of SNS.
    Sns,
}

impl Trigger {
    /// Every trigger: a counter per trigger starts from here.
    pub const ALL: [Self; 5] =
        [Self::Sqs, Self::Kinesis, Self::Firehose, Self::EventBridge, Self::Sns];

    /// Its name in logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Kinesis => "kinesis",
            Self::Firehose => "firehose",
            Self::EventBridge => "eventbridge",
            Self::Sns => "sns",
        }
    }

    /// How exactly it tells when a record was sent, in microseconds.
    fn resolution_us(self) -> i64 {
        match self {
            Self::EventBridge => 1_000_000,
            Self::Sqs | Self::Kinesis | Self::Firehose | Self::Sns => 1_000,
        }
    }
}

/// One event: the records of one trigger, in the order of delivery.
#[derive(Debug)]
pub struct TriggerEvent<'a> {
    /// What delivered it.
    pub trigger: Trigger,
    /// Its records.
    pub records: Vec<EventRecord<'a>>,
}

impl<'a> TriggerEvent<'a> {
    /// Reads the JSON of an event; what the records hold is read by [`EventRecord::samples`].
    pub fn read(json: &'a str) -> Result<Self, EventError> {
        shape::read(json)
    }
}

/// One record: a message, an entry of a stream, an event of a bus.
#[derive(Debug)]
pub struct EventRecord<'a> {
    /// What its trigger knows it by: the id of a message, the sequence number in a shard.
    pub id: Cow<'a, str>,
    /// The message group, in a first-in-first-out queue: within it, order counts.
    pub group: Option<Cow<'a, str>>,
    /// When it was sent; none where the trigger does not say so.
    sent: Option<Sent>,
    payload: Payload<'a>,
}

/// When a record was sent, as exactly as its trigger says.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at_us: i64,
    resolution_us: i64,
}

impl EventRecord<'_> {
    /// Reads its samples, each with a time.
    ///
    /// A sample that was sent without one gets that of its record, so that a record which is delivered
    /// again brings the samples that it brought before. Triggers tell the time in milliseconds or seconds;
    /// within these, samples are set apart by the id of their record and their place in it.
    pub fn samples(&self, limits: &Limits) -> Result<IncomingBatch, IntakeError> {
        let unpacked = self.payload.unpack(limits)?;
        let content = unwrapped(&unpacked, self);
        let mut batch = content.read(limits)?;
        let begin_us = content.sent.map(|sent| sent.begin_us(&content.id));
        for sample in &mut batch.samples {
            sample.at_us = sample.at_us.or(begin_us.map(|begin_us| begin_us + sample.index as i64));
        }
        Ok(batch)
    }

    /// What it holds, as delivered: base64 where its trigger packs it so.
    pub fn data(&self) -> &str {
        self.payload.as_str()
    }
}

impl Sent {
    /// The time of the first sample without one.
    fn begin_us(self, id: &str) -> i64 {
        self.at_us + (fnv1a(id) % self.resolution_us.unsigned_abs()) as i64
    }
}

/// The hash of Fowler, Noll and Vo (1a, 64 bits): the same in every version, on every machine.
fn fnv1a(text: &str) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    text.bytes().fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// Why an event as a whole was not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EventError {
    /// It is not the event of any trigger.
    #[error(
        "event is malformed: {problem}: an event of SQS, Kinesis, Firehose, EventBridge or SNS is wanted"
    )]
    Malformed {
        /// What was found.
        problem: String,
    },
    /// Its trigger is not known.
    #[error(
        "trigger {} is unknown: SQS, Kinesis, Firehose, EventBridge or SNS is wanted",
        quoted(trigger)
    )]
    TriggerUnknown {
        /// What it calls itself.
        trigger: String,
    },
    /// A record lacks what every record of its trigger has.
    #[error("record {place} of the event lacks `{field}`")]
    RecordIncomplete {
        /// Its place in the event, from 0.
        place: usize,
        /// What it lacks.
        field: &'static str,
    },
}

impl EventError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "event_malformed",
            Self::TriggerUnknown { .. } => "trigger_unknown",
            Self::RecordIncomplete { .. } => "record_incomplete",
        }
    }

    fn trigger_unknown(trigger: &str) -> Self {
        Self::TriggerUnknown { trigger: clip(trigger.to_owned(), TRIGGER_LEN_MAX) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn message(id: &str, body: &str) -> Value {
        json!({
            "messageId": id,
            "body": body,
            "attributes": { "SentTimestamp": "1732060800123" },
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:samples"
        })
    }

    /// Times of the samples of each record, or the code of its error.
    fn times(event: &Value) -> Vec<Result<Vec<i64>, &'static str>> {
        let json = event.to_string();
        let event = TriggerEvent::read(&json).unwrap();
        let limits = Limits::default();
        let read = |record: &EventRecord<'_>| match record.samples(&limits) {
            Ok(batch) => Ok(batch.samples.iter().map(|it| it.at_us.unwrap()).collect()),
            Err(error) => Err(error.code()),
        };
        event.records.iter().map(read).collect()
    }

    #[test]
    fn a_sample_without_a_time_has_that_of_its_record_each_time_it_is_delivered() {
        let event = json!({ "Records": [
            message("a", r#"[{"rps":1,"cpu":2},{"rps":3},{"rps":4,"ts":1732060800}]"#),
            message("b", r#"{"rps":1}"#),
        ]});
        let first = times(&event);
        assert_eq!(first, times(&event));
        let (a, b) = (first[0].clone().unwrap(), first[1].clone().unwrap());
        // Values of one object share their time; the next object has another, and so has another message.
        assert_eq!((a[1] - a[0], a[2] - a[0], a[3]), (0, 1, 1_732_060_800_000_000));
        assert_ne!(a[0], b[0]);
        for at_us in [a[0], b[0]] {
            assert_eq!(at_us.div_euclid(1_000), 1_732_060_800_123);
        }
    }

    #[test]
    fn times_of_one_millisecond_seldom_meet() {
        let ids = (0..100).map(|i| format!("059f36b4-87a3-44ab-83d2-{i:012}"));
        let sent = Sent { at_us: 0, resolution_us: 1_000 };
        let distinct: std::collections::BTreeSet<i64> = ids.map(|id| sent.begin_us(&id)).collect();
        assert!(distinct.len() > 85, "{}", distinct.len());
    }

    #[test]
    fn what_is_no_event_is_refused_with_its_code() {
        let cases = [
            (json!([]), "event_malformed"),
            (json!({}), "event_malformed"),
            (json!({ "Records": 1 }), "event_malformed"),
            (json!({ "Records": [{ "eventSource": "aws:dynamodb" }] }), "trigger_unknown"),
            (json!({ "Records": [{ "s3": {} }] }), "trigger_unknown"),
            (json!({ "Records": [{ "eventSource": "aws:sqs", "body": "" }] }), "record_incomplete"),
            (
                json!({ "Records": [message("a", "1"), { "eventSource": "aws:kinesis" }] }),
                "record_incomplete",
            ),
            (json!({ "records": [{ "recordId": "1" }] }), "record_incomplete"),
        ];
        for (event, code) in cases {
            assert_eq!(TriggerEvent::read(&event.to_string()).unwrap_err().code(), code, "{event}");
        }
        assert_eq!(TriggerEvent::read("{").unwrap_err().code(), "event_malformed");
    }

    #[test]
    fn an_event_without_records_is_one() {
        assert!(TriggerEvent::read(r#"{"Records":[]}"#).unwrap().records.is_empty());
    }
}
