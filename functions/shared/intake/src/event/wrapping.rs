//! What stands around samples when one trigger delivers to another: a rule or a topic to a queue, a rule to a
//! stream.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::batch::IncomingBatch;
use crate::error::IntakeError;
use crate::event::payload::Payload;
use crate::event::{EventRecord, Sent, Trigger};
use crate::format::BodyFormat;
use crate::limits::Limits;
use crate::metric_stream;
use crate::parse::parse;

/// Most wrappings around samples: a rule, to a topic, to a queue.
const WRAPPINGS_MAX: usize = 2;

/// The innermost part of a record.
pub(super) struct Content<'a> {
    /// What the innermost trigger knows it by.
    pub(super) id: Cow<'a, str>,
    /// When it was sent to that one.
    pub(super) sent: Option<Sent>,
    bytes: Cow<'a, [u8]>,
}

impl Content<'_> {
    /// Reads the samples.
    pub(super) fn read(&self, limits: &Limits) -> Result<IncomingBatch, IntakeError> {
        if metric_stream::is_one(&self.bytes) {
            return metric_stream::read(&self.bytes, limits);
        }
        // JSON is also one object a line, under the name that nobody gave.
        parse(&self.bytes, BodyFormat::Json, limits)
    }
}

/// What is left of a record without what other triggers put around it.
pub(super) fn unwrapped<'a>(bytes: &'a [u8], record: &'a EventRecord<'_>) -> Content<'a> {
    let id = Cow::Borrowed(&*record.id);
    let mut content = Content { id, sent: record.sent, bytes: Cow::Borrowed(bytes) };
    for _ in 0..WRAPPINGS_MAX {
        let Some(inner) = inner(&content.bytes) else { break };
        content = inner;
    }
    content
}

/// What is in the wrapping, if there is one; none is guessed from a single key that a sender may use.
fn inner(bytes: &[u8]) -> Option<Content<'static>> {
    let text = str::from_utf8(bytes).ok()?.trim_ascii();
    if !text.starts_with('{') {
        return None;
    }
    let (id, sent, inner) = if text.contains(r#""detail-type""#) {
        let event: BusEvent<'_> = serde_json::from_str(text).ok()?;
        event.account.as_ref()?;
        let record = event.record();
        (record.id.into_owned(), record.sent, record.payload.as_str().to_owned())
    } else if text.contains(r#""TopicArn""#) {
        let sent: Published<'_> = serde_json::from_str(text).ok()?;
        (sent.id.into_owned(), Sent::read(Trigger::Sns, sent.time), sent.message.into_owned())
    } else {
        return None;
    };
    Some(Content { id: Cow::Owned(id), sent, bytes: Cow::Owned(inner.into_bytes()) })
}

/// An event of a bus.
#[derive(Deserialize)]
pub(super) struct BusEvent<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    account: Option<Cow<'a, str>>,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: &'a RawValue,
}

impl<'a> BusEvent<'a> {
    pub(super) fn record(self) -> EventRecord<'a> {
        EventRecord {
            id: self.id,
            group: None,
            sent: Sent::read(Trigger::EventBridge, self.time),
            payload: Payload::Text(Cow::Borrowed(self.detail.get())),
        }
    }
}

/// What a topic sends to a queue, unless it is told to send messages raw.
#[derive(Deserialize)]
struct Published<'a> {
    #[serde(rename = "MessageId", borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "TopicArn")]
    _topic: serde::de::IgnoredAny,
    #[serde(rename = "Message", borrow)]
    message: Cow<'a, str>,
    #[serde(rename = "Timestamp", borrow)]
    time: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::event::TriggerEvent;

    /// The samples of a message with that body: metric, value, time.
    fn samples(body: &Value) -> Vec<(String, f64, i64)> {
        let event = json!({ "Records": [{
            "messageId": "outer",
            "body": body.to_string(),
            "attributes": { "SentTimestamp": "1732060800000" },
            "eventSource": "aws:sqs"
        }]});
        let json = event.to_string();
        let event = TriggerEvent::read(&json).unwrap();
        let batch = event.records[0].samples(&Limits::default()).unwrap();
        let told = batch.samples.iter();
        told.map(|it| (it.series.metric().to_owned(), it.value, it.at_us.unwrap())).collect()
    }

    fn rule(detail: &Value) -> Value {
        json!({
            "version": "0", "id": "bus-1", "detail-type": "load", "source": "shop", "account": "123456789012",
            "time": "2024-11-20T00:01:00Z", "region": "eu-central-1", "resources": [], "detail": detail
        })
    }

    fn topic(message: &Value) -> Value {
        json!({
            "Type": "Notification", "MessageId": "topic-1", "TopicArn": "arn:aws:sns:eu-central-1:1:t",
            "Message": message.to_string(), "Timestamp": "2024-11-20T00:02:00.123Z"
        })
    }

    #[test]
    fn what_a_rule_or_a_topic_sends_to_a_queue_is_unwrapped() {
        let sample = json!({ "rps": 7.0 });
        let cases = [
            (sample.clone(), 1_732_060_800_000_000..1_732_060_800_001_000),
            (rule(&sample), 1_732_060_860_000_000..1_732_060_861_000_000),
            (topic(&sample), 1_732_060_920_123_000..1_732_060_920_124_000),
            (topic(&rule(&sample)), 1_732_060_860_000_000..1_732_060_861_000_000),
        ];
        for (body, times) in cases {
            let read = samples(&body);
            assert_eq!((read[0].0.as_str(), read[0].1), ("rps", 7.0), "{body}");
            assert!(times.contains(&read[0].2), "{} in {times:?} of {body}", read[0].2);
        }
    }

    #[test]
    fn a_sender_may_use_the_keys_of_a_wrapping_alone() {
        let read = samples(&json!({ "detail-type": 1, "TopicArn": 2 }));
        assert_eq!(read.len(), 2);
    }
}
