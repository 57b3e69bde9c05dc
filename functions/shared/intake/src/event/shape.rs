//! The JSON of events, of which only what is needed is read.
//!
//! The triggers have no common shape: they are told apart by the source that each record names, or by the keys
//! of the whole.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::error::problem;
use crate::event::payload::Payload;
use crate::event::wrapping::BusEvent;
use crate::event::{EventError, EventRecord, Sent, Trigger, TriggerEvent};
use crate::time;

/// What the name of a first-in-first-out queue ends with.
const FIFO: &str = ".fifo";

/// The keys by which events are told apart.
#[derive(Deserialize)]
struct Keys<'a> {
    #[serde(rename = "Records", borrow)]
    delivered: Option<&'a RawValue>,
    #[serde(rename = "records", borrow)]
    transformed: Option<&'a RawValue>,
    #[serde(rename = "detail-type")]
    detail_type: Option<IgnoredAny>,
}

/// Reads the JSON of an event.
pub(super) fn read(json: &str) -> Result<TriggerEvent<'_>, EventError> {
    let keys: Keys<'_> = parse(json)?;
    if let Some(records) = keys.delivered {
        delivered(parse(records.get())?)
    } else if let Some(records) = keys.transformed {
        let records: Vec<Transformed<'_>> = parse(records.get())?;
        each(Trigger::Firehose, records, Transformed::record)
    } else if keys.detail_type.is_some() {
        let event: BusEvent<'_> = parse(json)?;
        Ok(TriggerEvent { trigger: Trigger::EventBridge, records: vec![event.record()] })
    } else {
        Err(EventError::Malformed { problem: "it has no records and no `detail-type`".to_owned() })
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, EventError> {
    serde_json::from_str(json).map_err(|error| EventError::Malformed { problem: problem(&error) })
}

fn each<'a, T>(
    trigger: Trigger,
    records: Vec<T>,
    record: impl Fn(T) -> Result<EventRecord<'a>, &'static str>,
) -> Result<TriggerEvent<'a>, EventError> {
    let records = records.into_iter().enumerate();
    let records = records.map(|(place, it)| {
        record(it).map_err(|field| EventError::RecordIncomplete { place, field })
    });
    Ok(TriggerEvent { trigger, records: records.collect::<Result<_, _>>()? })
}

/// A record of a queue, of a data stream or of a topic.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivered<'a> {
    #[serde(alias = "EventSource", borrow)]
    event_source: Option<Cow<'a, str>>,
    #[serde(rename = "eventSourceARN", borrow)]
    event_source_arn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
    #[serde(borrow)]
    attributes: Option<Attributes<'a>>,
    #[serde(borrow)]
    kinesis: Option<Entry<'a>>,
    #[serde(rename = "Sns", borrow)]
    sns: Option<Notification<'a>>,
}

/// What SQS knows of a message.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes<'a> {
    #[serde(borrow)]
    sent_timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    message_group_id: Option<Cow<'a, str>>,
}

/// An entry of a shard.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(borrow)]
    sequence_number: Cow<'a, str>,
    #[serde(borrow)]
    data: Cow<'a, str>,
    #[serde(borrow)]
    approximate_arrival_timestamp: Option<&'a RawValue>,
}

/// A message of a topic.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notification<'a> {
    #[serde(borrow)]
    message_id: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
}

fn delivered(records: Vec<Delivered<'_>>) -> Result<TriggerEvent<'_>, EventError> {
    // Without records nothing says whose they would be, and nothing depends on it.
    let source = records.first().map_or(Some("aws:sqs"), |it| it.event_source.as_deref());
    match source {
        Some("aws:sqs") => each(Trigger::Sqs, records, Delivered::message),
        Some("aws:kinesis") => each(Trigger::Kinesis, records, Delivered::entry),
        Some("aws:sns") => each(Trigger::Sns, records, Delivered::notification),
        other => Err(EventError::trigger_unknown(other.unwrap_or_default())),
    }
}

impl<'a> Delivered<'a> {
    fn message(self) -> Result<EventRecord<'a>, &'static str> {
        let attributes = self.attributes.as_ref();
        // Queues that are not first-in-first-out know groups, too, and promise no order within them.
        let is_fifo = self.event_source_arn.is_some_and(|arn| arn.ends_with(FIFO));
        let sent = Sent::read(Trigger::Sqs, attributes.and_then(|it| it.sent_timestamp));
        let group = self.attributes.and_then(|it| it.message_group_id).filter(|_| is_fifo);
        Ok(EventRecord {
            id: self.message_id.ok_or("messageId")?,
            group,
            sent,
            payload: Payload::Text(self.body.ok_or("body")?),
        })
    }

    fn entry(self) -> Result<EventRecord<'a>, &'static str> {
        let entry = self.kinesis.ok_or("kinesis")?;
        Ok(EventRecord {
            id: entry.sequence_number,
            group: None,
            sent: Sent::read(Trigger::Kinesis, entry.approximate_arrival_timestamp),
            payload: Payload::Base64(entry.data),
        })
    }

    fn notification(self) -> Result<EventRecord<'a>, &'static str> {
        let message = self.sns.ok_or("Sns")?;
        Ok(EventRecord {
            id: message.message_id,
            group: None,
            sent: Sent::read(Trigger::Sns, message.timestamp),
            payload: Payload::Text(message.message),
        })
    }
}

/// A record of Firehose.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transformed<'a> {
    #[serde(borrow)]
    record_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    #[serde(borrow)]
    approximate_arrival_timestamp: Option<&'a RawValue>,
}

impl<'a> Transformed<'a> {
    fn record(self) -> Result<EventRecord<'a>, &'static str> {
        Ok(EventRecord {
            id: self.record_id.ok_or("recordId")?,
            group: None,
            sent: Sent::read(Trigger::Firehose, self.approximate_arrival_timestamp),
            payload: Payload::Base64(self.data.ok_or("data")?),
        })
    }
}

impl Sent {
    /// The time that a trigger gives, if it is one.
    pub(super) fn read(trigger: Trigger, time: Option<&RawValue>) -> Option<Self> {
        let at_us = time::time_us(time?.get())?;
        Some(Self { at_us, resolution_us: trigger.resolution_us() })
    }
}
