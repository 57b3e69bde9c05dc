//! Truncates answers that are longer than the platform can send.
//!
//! AWS Lambda fails an invocation whose answer is too long, although its samples are stored. So verdicts are omitted from
//! an answer that has too many, anomalies last, and the answer has their number.

use serde::Serialize;
use service::answers::{BodyAnswer, IngestAnswer, VerdictAnswer};

use crate::error::RequestError;
use crate::json;

/// Room for the number of omitted verdicts, in bytes.
const OMITTED_ROOM: usize = 100;

/// An answer with verdicts.
pub(crate) trait Truncate: Serialize {
    /// The verdicts, and the number of omitted ones.
    fn verdicts(&mut self) -> (&mut Vec<VerdictAnswer>, &mut usize);
}

impl Truncate for IngestAnswer {
    fn verdicts(&mut self) -> (&mut Vec<VerdictAnswer>, &mut usize) {
        (&mut self.verdicts, &mut self.verdicts_omitted)
    }
}

impl Truncate for BodyAnswer {
    fn verdicts(&mut self) -> (&mut Vec<VerdictAnswer>, &mut usize) {
        (&mut self.verdicts, &mut self.verdicts_omitted)
    }
}

/// Serializes an answer in at most `len_max` bytes, without the verdicts that do not fit.
pub(crate) fn to_json(answer: &mut impl Truncate, len_max: usize) -> Result<Vec<u8>, RequestError> {
    let whole = json::to_json(answer)?;
    if escaped_len(&whole) <= len_max {
        return Ok(whole);
    }
    let verdicts = std::mem::take(answer.verdicts().0);
    let rest = json::to_json(answer)?;
    let room = len_max.saturating_sub(escaped_len(&rest) + OMITTED_ROOM);
    let n_verdicts = verdicts.len();
    let fitting = fitting(verdicts, room)?;
    let (verdicts, n_omitted) = answer.verdicts();
    *n_omitted = n_verdicts - fitting.len();
    *verdicts = fitting;
    json::to_json(answer)
}

/// The verdicts that fit into `room` bytes, in their order: anomalies have priority, then the first ones.
fn fitting(
    verdicts: Vec<VerdictAnswer>,
    mut room: usize,
) -> Result<Vec<VerdictAnswer>, RequestError> {
    let mut lens = Vec::with_capacity(verdicts.len());
    for verdict in &verdicts {
        lens.push(escaped_len(&json::to_json(verdict)?) + 1);
    }
    let mut fits = vec![false; verdicts.len()];
    for takes_anomalies in [true, false] {
        for (i, verdict) in verdicts.iter().enumerate() {
            if (verdict.sample.verdict == Some("anomaly")) != takes_anomalies {
                continue;
            }
            fits[i] = lens[i] <= room;
            // After the first that does not fit, all others are omitted, too.
            room = if fits[i] { room - lens[i] } else { 0 };
        }
    }
    let fitting = verdicts.into_iter().zip(fits).filter(|(_, fits)| *fits);
    Ok(fitting.map(|(verdict, _)| verdict).collect())
}

/// The length of a JSON text as a JSON string, which is how it is sent to Lambda.
fn escaped_len(json: &[u8]) -> usize {
    json.len() + json.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;
    use service::answers::{SampleAnswer, SeriesName};

    use super::*;
    use crate::app::LAMBDA_ANSWER_LEN_MAX;

    fn verdict(i: i64, verdict: &'static str) -> VerdictAnswer {
        let series = SeriesName {
            source: "checkout".to_owned(),
            metric: "rps".to_owned(),
            labels: BTreeMap::from([("path".to_owned(), "\"\\/".to_owned())]),
        };
        let sample = SampleAnswer {
            verdict: Some(verdict),
            ..SampleAnswer::without_verdict(i * 1_000, 1.0)
        };
        VerdictAnswer { series, sample, learning: None }
    }

    fn answer(n: i64) -> IngestAnswer {
        let verdicts = (0..n).map(|i| verdict(i, if i % 10 == 9 { "anomaly" } else { "normal" }));
        IngestAnswer { accepted: n as usize, verdicts: verdicts.collect(), ..Default::default() }
    }

    #[test]
    fn an_answer_that_fits_is_complete() {
        let json = to_json(&mut answer(100), LAMBDA_ANSWER_LEN_MAX).unwrap();
        assert_eq!(json, json::to_json(&answer(100)).unwrap());
        assert!(!String::from_utf8(json).unwrap().contains("omitted"));
    }

    #[test]
    fn a_truncated_answer_has_its_anomalies_and_the_number_of_omitted_verdicts() {
        for len_max in [1_000, 5_000, 15_000] {
            let json = to_json(&mut answer(100), len_max).unwrap();
            let sent = Value::from(String::from_utf8(json.clone()).unwrap()).to_string();
            assert!(sent.len() <= len_max + 2, "{} of {len_max}", sent.len());
            let answer: Value = serde_json::from_slice(&json).unwrap();
            let verdicts = answer["verdicts"].as_array().unwrap();
            assert_eq!(verdicts.len() as u64 + answer["verdicts_omitted"].as_u64().unwrap(), 100);
            let times: Vec<i64> =
                verdicts.iter().map(|verdict| verdict["timestamp"].as_i64().unwrap()).collect();
            assert!(times.is_sorted() && !times.is_empty(), "{times:?}");
            let n_anomalies =
                verdicts.iter().filter(|verdict| verdict["verdict"] == "anomaly").count();
            assert_eq!(n_anomalies, verdicts.len().min(10));
        }
    }
}
