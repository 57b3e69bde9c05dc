//! Tests of events: times of samples, and errors.

use std::collections::{BTreeMap, BTreeSet};

use domain::{SampleKind, Series};
use serde_json::{Value, json};

use super::*;
use crate::batch::{IncomingBatch, IncomingSample};
use crate::event::trigger::SendTime;
use crate::limits::RequestLimits;

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
    let limits = RequestLimits::default();
    let read = |record: &EventRecord<'_>| match record.samples(&limits) {
        Ok(batch) => Ok(batch.samples.iter().map(|sample| sample.at_us.unwrap()).collect()),
        Err(error) => Err(error.code()),
    };
    event.records.iter().map(read).collect()
}

#[test]
fn a_sample_without_a_time_has_the_same_time_at_each_delivery() {
    let event = json!({ "Records": [
        message("a", r#"[{"rps":1,"cpu":2},{"rps":3},{"rps":4,"ts":1732060800}]"#),
        message("b", r#"{"rps":1}"#),
    ]});
    let first = times(&event);
    assert_eq!(first, times(&event));
    let (a, b) = (first[0].clone().unwrap(), first[1].clone().unwrap());
    // Values of one object share a time; objects and messages differ.
    assert_eq!((a[1] - a[0], a[2] - a[0], a[3]), (0, 1, 1_732_060_800_000_000));
    assert_ne!(a[0], b[0]);
    for at_us in [a[0], b[0]] {
        assert_eq!(at_us.div_euclid(1_000), 1_732_060_800_123);
    }
}

#[test]
fn records_of_one_millisecond_seldom_share_a_time() {
    let ids = (0..100).map(|i| format!("059f36b4-87a3-44ab-83d2-{i:012}"));
    let series = Series::new("a", "rps", BTreeMap::new()).unwrap();
    let sample =
        IncomingSample { index: 0, series, at_us: None, value: 1.0, kind: SampleKind::Gauge };
    let at_us = |id: String| {
        let mut batch = IncomingBatch { samples: vec![sample.clone()], ..IncomingBatch::default() };
        SendTime::of_milliseconds(0).assign(&id, &mut batch);
        batch.samples[0].at_us
    };
    let distinct: BTreeSet<_> = ids.map(at_us).collect();
    assert!(distinct.len() > 85, "{}", distinct.len());
}

#[test]
fn an_invalid_event_has_its_code() {
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
fn an_event_without_records_is_valid() {
    assert!(TriggerEvent::read(r#"{"Records":[]}"#).unwrap().records.is_empty());
}
