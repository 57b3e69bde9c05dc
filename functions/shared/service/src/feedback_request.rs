//! Parses feedback from JSON: an object, or an array of them.
//!
//! Parsing is strict, as that of a configuration: an unknown field is refused by name.

use std::collections::BTreeMap;

use detector::FeedbackVerdict;
use domain::Series;
use domain::series::SOURCE_DEFAULT;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::ServiceError;

/// Most answers of one request: each is a read and a write of its series.
pub(crate) const ANSWERS_MAX: usize = 100;

const TIME: &str = "RFC 3339 with an offset, or Unix seconds, milliseconds or microseconds";

/// One answer as requested.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedbackRequest {
    pub(crate) series: Series,
    pub(crate) start_us: i64,
    pub(crate) end_us: i64,
    pub(crate) verdict: FeedbackVerdict,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswer<'a> {
    source: Option<String>,
    metric: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    start: Option<&'a RawValue>,
    #[serde(borrow)]
    end: Option<&'a RawValue>,
    verdict: String,
}

impl FeedbackRequest {
    /// Parses a body.
    pub fn parse(body: &[u8]) -> Result<Vec<Self>, ServiceError> {
        let text = std::str::from_utf8(body).map_err(|error| malformed(&error))?;
        let body: &RawValue = serde_json::from_str(text).map_err(|error| malformed(&error))?;
        let items: Vec<&RawValue> = if body.get().starts_with('[') {
            serde_json::from_str(body.get()).map_err(|error| malformed(&error))?
        } else {
            vec![body]
        };
        if items.is_empty() || items.len() > ANSWERS_MAX {
            let n = items.len();
            return Err(invalid(format!("there are {n} answers: expected 1 to {ANSWERS_MAX}")));
        }
        items.into_iter().map(|item| answer(item.get())).collect()
    }
}

fn answer(raw: &str) -> Result<FeedbackRequest, ServiceError> {
    let raw: RawAnswer<'_> =
        serde_json::from_str(raw).map_err(|error| invalid(error.to_string()))?;
    let verdict = FeedbackVerdict::from_name(&raw.verdict).ok_or_else(|| {
        let names = FeedbackVerdict::ALL.map(FeedbackVerdict::as_str).join("`, `");
        invalid(format!("field `verdict` is invalid: expected one of `{names}`"))
    })?;
    let time = |name: &str, raw: &RawValue| {
        let at_us = intake::time_us(raw.get());
        at_us.ok_or_else(|| invalid(format!("field `{name}` is invalid: expected {TIME}")))
    };
    let (start_us, end_us) = match (raw.timestamp, raw.start, raw.end) {
        (Some(at), None, None) => (time("timestamp", at)?, time("timestamp", at)?),
        (None, Some(start), Some(end)) => (time("start", start)?, time("end", end)?),
        _ => return Err(invalid("expected `timestamp`, or `start` and `end`".to_owned())),
    };
    if end_us < start_us {
        return Err(invalid("field `end` is invalid: expected no time before `start`".to_owned()));
    }
    let source = raw.source.as_deref().unwrap_or(SOURCE_DEFAULT);
    let series = Series::new(source, &raw.metric, raw.labels);
    let series = series.map_err(|error| invalid(error.to_string()))?;
    Ok(FeedbackRequest { series, start_us, end_us, verdict })
}

fn malformed(error: &dyn std::fmt::Display) -> ServiceError {
    ServiceError::FeedbackMalformed { problem: error.to_string() }
}

fn invalid(problem: String) -> ServiceError {
    ServiceError::FeedbackInvalid { problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Vec<FeedbackRequest>, ServiceError> {
        FeedbackRequest::parse(body.as_bytes())
    }

    #[test]
    fn one_answer_or_several_are_read() {
        let one = r#"{"metric":"rps","timestamp":1732060800,"verdict":"false_alarm"}"#;
        let read = parse(one).unwrap();
        assert_eq!(
            (read[0].start_us, read[0].end_us),
            (1_732_060_800_000_000, 1_732_060_800_000_000)
        );
        assert_eq!(read[0].series.source(), SOURCE_DEFAULT);
        let span = r#"{"source":"a","metric":"rps","labels":{"x":"y"},"start":1732060800,
            "end":"2024-11-20T00:00:01Z","verdict":"missed"}"#;
        let read = parse(&format!("[{one},{span}]")).unwrap();
        assert_eq!((read.len(), read[1].end_us - read[1].start_us), (2, 1_000_000));
    }

    #[test]
    fn each_fault_is_named() {
        let cases = [
            (r#"{"metric":"a","verdict":"right"}"#, "expected `timestamp`, or `start` and `end`"),
            (r#"{"metric":"a","start":1,"verdict":"right"}"#, "expected `timestamp`, or"),
            (r#"{"metric":"a","start":2,"end":1,"verdict":"right"}"#, "no time before `start`"),
            (
                r#"{"metric":"a","timestamp":1,"verdict":"wrong"}"#,
                "`false_alarm`, `right`, `missed`",
            ),
            (r#"{"metric":"a","timestamp":"noon","verdict":"right"}"#, "`timestamp` is invalid"),
            (r#"{"metric":"a","time":1,"verdict":"right"}"#, "unknown field `time`"),
            (r#"{"timestamp":1,"verdict":"right"}"#, "missing field `metric`"),
            (r#"{"metric":"","timestamp":1,"verdict":"right"}"#, "metric"),
            ("[]", "expected 1 to 100"),
            ("7", "invalid type"),
        ];
        for (body, expected) in cases {
            let error = parse(body).unwrap_err();
            assert_eq!(error.code(), "feedback_invalid", "{body}");
            assert!(error.to_string().contains(expected), "{body}: {error}");
        }
        assert_eq!(parse("{").unwrap_err().code(), "body_malformed");
        assert_eq!(FeedbackRequest::parse(b"\xff").unwrap_err().code(), "body_malformed");
    }
}
