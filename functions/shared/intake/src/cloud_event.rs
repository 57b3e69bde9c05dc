//! CloudEvents 1.0 over HTTP, as Knative Eventing delivers them: what the three content modes have in common.
//!
//! | mode | attributes | content |
//! |---|---|---|
//! | binary | headers `ce-*` | the body |
//! | structured | keys of one JSON object | `data`, or `data_base64` |
//! | batch | keys of each object of a JSON array | as structured |
//!
//! The content is that of a record of a queue: samples as JSON or NDJSON, or a metric stream. A sample without a time gets
//! that of its event, which a second delivery repeats; without that it is rejected.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::batch::IncomingBatch;
use crate::error::{IntakeError, problem};
use crate::event::{DeliveryBuilder, SendTime, require_times, unwrapped};
use crate::limits::RequestLimits;
use crate::scalar::JsonKind;
use crate::time;

/// Version of the specification that is read.
const VERSION: &str = "1.0";

/// Times that a sample may have.
const TIMES: &str = "`timestamp` in the sample, or `time` of its event";

/// Attributes of an event that identify it, as sent.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct EventAttributes<'a> {
    /// Version of the specification.
    #[serde(borrow)]
    pub specversion: Option<Cow<'a, str>>,
    /// Identifier, unique for the source.
    #[serde(borrow)]
    pub id: Option<Cow<'a, str>>,
    /// Context in which the event happened.
    #[serde(borrow)]
    pub source: Option<Cow<'a, str>>,
    /// Type of the event.
    #[serde(borrow, rename = "type")]
    pub kind: Option<Cow<'a, str>>,
    /// Time of the event in RFC 3339.
    #[serde(borrow)]
    pub time: Option<Cow<'a, str>>,
}

/// Identity and time of an event.
#[derive(Debug, Clone)]
pub struct EventIdentity {
    id: String,
    sent: Option<SendTime>,
}

impl EventAttributes<'_> {
    /// Checks the required attributes.
    pub fn identity(&self) -> Result<EventIdentity, IntakeError> {
        let malformed = |problem: String| Err(IntakeError::MessageMalformed(problem));
        if self.specversion.as_deref() != Some(VERSION) {
            return malformed(format!("the attribute `specversion` is not `{VERSION}`"));
        }
        let required = [("id", &self.id), ("source", &self.source), ("type", &self.kind)];
        for (name, value) in required {
            if value.as_ref().is_none_or(|value| value.is_empty()) {
                return malformed(format!("the attribute `{name}` is missing or empty"));
            }
        }
        let sent = match &self.time {
            None => None,
            Some(text) => {
                let Ok(at_us) = time::at_us(&serde_json::Value::from(&**text).to_string()) else {
                    return malformed("the attribute `time` is no time of RFC 3339".to_owned());
                };
                Some(SendTime::of_milliseconds(at_us))
            }
        };
        let [id, source] = [&self.id, &self.source].map(|part| part.as_deref().unwrap_or_default());
        Ok(EventIdentity { id: format!("{source}\n{id}"), sent })
    }
}

impl EventIdentity {
    /// Sets the time of samples without one, and rejects them if the event has none either.
    pub fn assign_times(&self, batch: &mut IncomingBatch) {
        if let Some(sent) = self.sent {
            sent.assign(&self.id, batch);
        }
        require_times(batch, TIMES);
    }
}

/// Content of an event in the structured mode.
#[derive(Debug, Deserialize)]
struct StructuredContent<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    data_base64: Option<Cow<'a, str>>,
}

/// Reads the samples of the content of one event in the binary mode; those without a time have none yet.
pub(crate) fn read_content(
    body: &[u8],
    limits: &RequestLimits,
) -> Result<IncomingBatch, IntakeError> {
    unwrapped(body, "", None).samples(limits)
}

/// Reads the samples of one event in the structured mode.
pub(crate) fn read(body: &[u8], limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
    let identity = json::<EventAttributes<'_>>(body)?.identity()?;
    let content: StructuredContent<'_> = json(body)?;
    let mut batch = read_content(&content.bytes()?, limits)?;
    identity.assign_times(&mut batch);
    Ok(batch)
}

/// Reads the samples of events in the batch mode.
pub(crate) fn read_batch(
    body: &[u8],
    limits: &RequestLimits,
) -> Result<IncomingBatch, IntakeError> {
    let mut builder = DeliveryBuilder::new(limits);
    for event in json::<Vec<&RawValue>>(body)? {
        let samples = read(event.get().as_bytes(), &builder.limits());
        builder.add(samples)?;
    }
    Ok(builder.finish())
}

impl StructuredContent<'_> {
    fn bytes(&self) -> Result<Cow<'_, [u8]>, IntakeError> {
        let malformed = |problem: &str| IntakeError::MessageMalformed(problem.to_owned());
        match (self.data, &self.data_base64) {
            (Some(data), None) if JsonKind::of(data.get()) == JsonKind::String => {
                let text: String = json(data.get().as_bytes())?;
                Ok(Cow::Owned(text.into_bytes()))
            }
            (Some(data), None) => Ok(Cow::Borrowed(data.get().as_bytes())),
            (None, Some(base64)) => BASE64_STANDARD
                .decode(base64.as_bytes())
                .map(Cow::Owned)
                .map_err(|_| malformed("`data_base64` is not base64")),
            (None, None) => Err(malformed("the event has no `data`")),
            (Some(_), Some(_)) => Err(malformed("the event has both `data` and `data_base64`")),
        }
    }
}

fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, IntakeError> {
    serde_json::from_slice(body).map_err(|error| IntakeError::MessageMalformed(problem(&error)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(id: &str, data: &Value) -> Value {
        json!({
            "specversion": "1.0", "id": id, "source": "/kafkasources/load#samples",
            "type": "dev.knative.kafka.event", "time": "2024-11-20T00:00:00Z",
            "subject": "partition:0#564", "partitionkey": "a", "data": data
        })
    }

    fn samples(batch: &IncomingBatch) -> Vec<(usize, &str, f64, i64)> {
        batch
            .samples
            .iter()
            .map(|s| (s.index, s.series.metric(), s.value, s.at_us.unwrap()))
            .collect()
    }

    fn read_value(event: &Value) -> Result<IncomingBatch, IntakeError> {
        read(event.to_string().as_bytes(), &RequestLimits::default())
    }

    #[test]
    fn data_is_json_a_text_or_base64() {
        let data = json!({ "timestamp": 1_732_060_800, "rps": 7.0 });
        let mut encoded = event("1", &Value::Null);
        encoded["data_base64"] = BASE64_STANDARD.encode(data.to_string()).into();
        for event in [event("1", &data), event("1", &json!(data.to_string())), encoded] {
            let batch = read_value(&event).unwrap();
            assert_eq!(samples(&batch), [(0, "rps", 7.0, 1_732_060_800_000_000)], "{event}");
        }
    }

    #[test]
    fn a_sample_without_a_time_has_the_same_one_at_each_delivery() {
        let data = json!([{ "rps": 7.0 }, { "rps": 8.0 }]);
        let [once, again, other] = [event("1", &data), event("1", &data), event("2", &data)]
            .map(|e| read_value(&e).unwrap());
        assert_eq!(once, again);
        let at_us = |batch: &IncomingBatch| batch.samples[0].at_us.unwrap();
        assert_ne!(at_us(&once), at_us(&other));
        assert!((1_732_060_800_000_000..1_732_060_800_001_000).contains(&at_us(&once)));
        assert_eq!(once.samples[1].at_us, Some(at_us(&once) + 1));
    }

    #[test]
    fn a_sample_without_any_time_is_rejected() {
        let mut untimed = event("1", &json!([{ "rps": 7.0 }, { "timestamp": 1, "rps": 8.0 }]));
        untimed["time"] = Value::Null;
        let batch = read_value(&untimed).unwrap();
        assert_eq!(batch.samples.len(), 1);
        assert_eq!((batch.rejected[0].index, batch.rejected[0].code.as_str()), (0, "time_invalid"));
    }

    #[test]
    fn each_malformed_event_has_its_reason() {
        let mut cases = Vec::new();
        for name in ["specversion", "id", "source", "type"] {
            let mut missing = event("1", &json!({ "rps": 1.0 }));
            missing.as_object_mut().unwrap().remove(name);
            cases.push((missing, name));
        }
        let mut with = |name: &str, value: Value, word: &'static str| {
            let mut event = event("1", &json!({ "rps": 1.0 }));
            event[name] = value;
            cases.push((event, word));
        };
        with("specversion", json!("0.3"), "specversion");
        with("id", json!(""), "id");
        with("time", json!("yesterday"), "time");
        with("data", Value::Null, "data");
        with("data_base64", json!("AA=="), "both");
        with("data_base64", json!(7), "string");
        cases.push((json!([]), "length"));
        for (event, word) in cases {
            let error = read_value(&event).unwrap_err();
            assert_eq!(error.code(), "body_malformed", "{event}");
            assert!(error.to_string().contains(word), "{error} of {event}");
        }
    }

    #[test]
    fn an_unreadable_event_of_a_batch_is_rejected_by_itself() {
        let events = json!([
            event("1", &json!({ "rps": 1.0 })),
            { "specversion": "1.0" },
            event("2", &json!("no samples")),
            event("3", &json!({ "timestamp": 1, "rps": "x" })),
            event("4", &json!({ "timestamp": 1, "rps": 4.0 })),
        ]);
        let batch = read_batch(events.to_string().as_bytes(), &RequestLimits::default()).unwrap();
        let indexes: Vec<usize> = batch.samples.iter().map(|sample| sample.index).collect();
        let rejected: Vec<usize> = batch.rejected.iter().map(|sample| sample.index).collect();
        assert_eq!((indexes, rejected), (vec![0, 4], vec![1, 2, 3]));
    }

    #[test]
    fn the_events_of_a_batch_share_the_limits_of_a_request() {
        let events = |n: usize| {
            let data = json!({ "timestamp": 1, "rps": 1.0, "source": "s".repeat(50) });
            let events: Vec<Value> = (0..n).map(|i| event(&i.to_string(), &data)).collect();
            json!(events).to_string()
        };
        let few = RequestLimits { n_samples_max: 3, ..RequestLimits::default() };
        assert_eq!(read_batch(events(3).as_bytes(), &few).unwrap().samples.len(), 3);
        let error = read_batch(events(4).as_bytes(), &few).unwrap_err();
        assert_eq!(error.to_string(), IntakeError::TooManySamples(3).to_string());
        let short = RequestLimits { unpacked_bytes_max: 3 * 53, ..RequestLimits::default() };
        assert_eq!(read_batch(events(3).as_bytes(), &short).unwrap().samples.len(), 3);
        let error = read_batch(events(4).as_bytes(), &short).unwrap_err();
        assert_eq!(error.to_string(), IntakeError::UnpackedTooLarge(3 * 53).to_string());
    }
}
