//! Envelopes that one trigger adds when it delivers to another: a rule or a topic to a queue, a rule to a stream.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::batch::IncomingBatch;
use crate::error::IntakeError;
use crate::event::trigger::{SendTime, Trigger};
use crate::limits::RequestLimits;
use crate::metric_stream;
use crate::otlp::delimited;
use crate::text_body;

/// Most envelopes around samples: those of a rule and of a topic.
const ENVELOPES_MAX: usize = 2;

/// Innermost content of a record.
pub(crate) struct RecordContent<'a> {
    /// Identifier of the innermost trigger.
    id: Cow<'a, str>,
    /// Time of sending to that trigger.
    sent: Option<SendTime>,
    bytes: Cow<'a, [u8]>,
}

impl RecordContent<'_> {
    /// Reads the samples. One without a time gets that of sending, if it is known.
    pub(crate) fn samples(&self, limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
        let mut batch = self.read(limits)?;
        if let Some(sent) = self.sent {
            sent.assign(&self.id, &mut batch);
        }
        Ok(batch)
    }

    fn read(&self, limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
        if delimited::is_delimited(&self.bytes) {
            return delimited::read(&self.bytes, limits);
        }
        if metric_stream::is_metric_stream(&self.bytes) {
            return metric_stream::read(&self.bytes, limits);
        }
        // The JSON format also reads NDJSON, so no content type is needed.
        text_body::read_json(&self.bytes, limits)
    }
}

/// Removes the envelopes of other triggers from the content of a record.
pub(crate) fn unwrapped<'a>(
    bytes: &'a [u8],
    id: &'a str,
    sent: Option<SendTime>,
) -> RecordContent<'a> {
    let mut content = RecordContent { id: Cow::Borrowed(id), sent, bytes: Cow::Borrowed(bytes) };
    for _ in 0..ENVELOPES_MAX {
        let Some(inner) = inner(&content.bytes) else { break };
        content = inner;
    }
    content
}

/// Content of an envelope; `None` without one. One key alone proves no envelope, since a sender may use it.
fn inner(bytes: &[u8]) -> Option<RecordContent<'static>> {
    let text = str::from_utf8(bytes).ok()?.trim_ascii();
    if !text.starts_with('{') {
        return None;
    }
    let (id, sent, inner) = if text.contains(r#""detail-type""#) {
        let event: EventBridgeEvent<'_> = serde_json::from_str(text).ok()?;
        event.account.as_ref()?;
        let sent = SendTime::read(Trigger::EventBridge, event.time);
        (event.id.into_owned(), sent, event.detail.get().to_owned())
    } else if text.contains(r#""TopicArn""#) {
        let sns: SnsEnvelope<'_> = serde_json::from_str(text).ok()?;
        (sns.id.into_owned(), SendTime::read(Trigger::Sns, sns.time), sns.message.into_owned())
    } else {
        return None;
    };
    Some(RecordContent { id: Cow::Owned(id), sent, bytes: Cow::Owned(inner.into_bytes()) })
}

/// Event of an EventBridge bus.
#[derive(Deserialize)]
pub(super) struct EventBridgeEvent<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    account: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) time: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) detail: &'a RawValue,
}

/// Message that a topic sends to a queue, unless raw delivery is enabled.
#[derive(Deserialize)]
struct SnsEnvelope<'a> {
    #[serde(rename = "MessageId", borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "TopicArn")]
    _topic: IgnoredAny,
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

    /// Samples of an SQS message with `body`: metric, value, time.
    fn samples(body: &Value) -> Vec<(String, f64, i64)> {
        let event = json!({ "Records": [{
            "messageId": "outer",
            "body": body.to_string(),
            "attributes": { "SentTimestamp": "1732060800000" },
            "eventSource": "aws:sqs"
        }]});
        let json = event.to_string();
        let event = TriggerEvent::read(&json).unwrap();
        let batch = event.records[0].samples(&RequestLimits::default()).unwrap();
        let samples = batch.samples.iter();
        samples
            .map(|sample| (sample.series.metric().to_owned(), sample.value, sample.at_us.unwrap()))
            .collect()
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
    fn envelopes_of_rules_and_topics_are_removed() {
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
    fn the_keys_of_an_envelope_are_valid_metrics() {
        let read = samples(&json!({ "detail-type": 1, "TopicArn": 2 }));
        assert_eq!(read.len(), 2);
    }
}
