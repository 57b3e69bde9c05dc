//! JSON of events; only the needed fields are read.
//!
//! Triggers have no common form: the source in each record distinguishes them, or the keys of the event.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::error::problem;
use crate::event::envelope::EventBridgeEvent;
use crate::event::error::EventError;
use crate::event::payload::Payload;
use crate::event::record::{EventRecord, TriggerEvent};
use crate::event::trigger::{SendTime, Trigger};

/// Last part of the name of a first-in-first-out queue.
const FIFO: &str = ".fifo";

/// Keys that distinguish events.
#[derive(Deserialize)]
struct EventKeys<'a> {
    #[serde(rename = "Records", borrow)]
    delivered: Option<&'a RawValue>,
    #[serde(rename = "records", borrow)]
    transformed: Option<&'a RawValue>,
    #[serde(rename = "detail-type")]
    detail_type: Option<IgnoredAny>,
}

impl<'a> TriggerEvent<'a> {
    /// Reads the JSON of an event; [`EventRecord::samples`] then reads the content of a record.
    pub fn read(json: &'a str) -> Result<Self, EventError> {
        let keys: EventKeys<'_> = parse(json)?;
        if let Some(records) = keys.delivered {
            delivered(parse(records.get())?)
        } else if let Some(records) = keys.transformed {
            let records: Vec<FirehoseRecord<'_>> = parse(records.get())?;
            each(Trigger::Firehose, records, FirehoseRecord::record)
        } else if keys.detail_type.is_some() {
            let event: EventBridgeEvent<'_> = parse(json)?;
            let record = EventRecord {
                id: event.id,
                group: None,
                sent: SendTime::read(Trigger::EventBridge, event.time),
                payload: Payload::Text(Cow::Borrowed(event.detail.get())),
            };
            Ok(Self { trigger: Trigger::EventBridge, records: vec![record] })
        } else {
            Err(EventError::Malformed("it has no records and no `detail-type`".to_owned()))
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, EventError> {
    serde_json::from_str(json).map_err(|error| EventError::Malformed(problem(&error)))
}

/// Event of `records`, each converted by `convert`, which returns the name of a missing field as error.
fn each<'a, T>(
    trigger: Trigger,
    records: Vec<T>,
    convert: impl Fn(T) -> Result<EventRecord<'a>, &'static str>,
) -> Result<TriggerEvent<'a>, EventError> {
    let incomplete = |index| move |field| EventError::RecordIncomplete { index, field };
    let records = records.into_iter().enumerate();
    let records = records.map(|(index, record)| convert(record).map_err(incomplete(index)));
    Ok(TriggerEvent { trigger, records: records.collect::<Result<_, _>>()? })
}

/// Record of a queue, a data stream or a topic.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeliveredRecord<'a> {
    #[serde(alias = "EventSource", borrow)]
    event_source: Option<Cow<'a, str>>,
    #[serde(rename = "eventSourceARN", borrow)]
    event_source_arn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
    #[serde(borrow)]
    attributes: Option<SqsAttributes<'a>>,
    #[serde(borrow)]
    kinesis: Option<KinesisEntry<'a>>,
    #[serde(rename = "Sns", borrow)]
    sns: Option<SnsNotification<'a>>,
}

/// Attributes of an SQS message.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SqsAttributes<'a> {
    #[serde(borrow)]
    sent_timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    message_group_id: Option<Cow<'a, str>>,
}

/// Entry of a Kinesis shard.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KinesisEntry<'a> {
    #[serde(borrow)]
    sequence_number: Cow<'a, str>,
    #[serde(borrow)]
    data: Cow<'a, str>,
    #[serde(borrow)]
    approximate_arrival_timestamp: Option<&'a RawValue>,
}

/// Message of an SNS topic.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SnsNotification<'a> {
    #[serde(borrow)]
    message_id: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
}

fn delivered(records: Vec<DeliveredRecord<'_>>) -> Result<TriggerEvent<'_>, EventError> {
    // Without records the trigger is unknown, and has no effect.
    let first = records.first();
    let source = first.map_or(Some("aws:sqs"), |record| record.event_source.as_deref());
    match source {
        Some("aws:sqs") => each(Trigger::Sqs, records, DeliveredRecord::message),
        Some("aws:kinesis") => each(Trigger::Kinesis, records, DeliveredRecord::entry),
        Some("aws:sns") => each(Trigger::Sns, records, DeliveredRecord::notification),
        other => Err(EventError::trigger_unknown(other.unwrap_or_default())),
    }
}

impl<'a> DeliveredRecord<'a> {
    fn message(self) -> Result<EventRecord<'a>, &'static str> {
        let attributes = self.attributes.as_ref();
        // Messages of standard queues may have groups, too, but no order within them.
        let is_fifo = self.event_source_arn.is_some_and(|arn| arn.ends_with(FIFO));
        let sent = SendTime::read(
            Trigger::Sqs,
            attributes.and_then(|attributes| attributes.sent_timestamp),
        );
        let group = self.attributes.and_then(|attributes| attributes.message_group_id);
        Ok(EventRecord {
            id: self.message_id.ok_or("messageId")?,
            group: group.filter(|_| is_fifo),
            sent,
            payload: Payload::Text(self.body.ok_or("body")?),
        })
    }

    fn entry(self) -> Result<EventRecord<'a>, &'static str> {
        let entry = self.kinesis.ok_or("kinesis")?;
        Ok(EventRecord {
            id: entry.sequence_number,
            group: None,
            sent: SendTime::read(Trigger::Kinesis, entry.approximate_arrival_timestamp),
            payload: Payload::Base64(entry.data),
        })
    }

    fn notification(self) -> Result<EventRecord<'a>, &'static str> {
        let message = self.sns.ok_or("Sns")?;
        Ok(EventRecord {
            id: message.message_id,
            group: None,
            sent: SendTime::read(Trigger::Sns, message.timestamp),
            payload: Payload::Text(message.message),
        })
    }
}

/// Record of Firehose.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FirehoseRecord<'a> {
    #[serde(borrow)]
    record_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    #[serde(borrow)]
    approximate_arrival_timestamp: Option<&'a RawValue>,
}

impl<'a> FirehoseRecord<'a> {
    fn record(self) -> Result<EventRecord<'a>, &'static str> {
        Ok(EventRecord {
            id: self.record_id.ok_or("recordId")?,
            group: None,
            sent: SendTime::read(Trigger::Firehose, self.approximate_arrival_timestamp),
            payload: Payload::Base64(self.data.ok_or("data")?),
        })
    }
}
