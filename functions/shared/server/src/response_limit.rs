//! Answers that are no longer than their host may send.
//!
//! AWS Lambda fails an invocation whose answer is too long, although its samples are stored. So where an answer holds a
//! verdict for each of thousands of samples, as many are left out as must be, and their number is told.

use serde::Serialize;
use service::answers::{BodyAnswer, IngestAnswer, VerdictAnswer};

use crate::error::RequestError;
use crate::json;

/// Longest answer on AWS Lambda, in bytes as it is sent there: 6 MB, less what headers may take.
pub(crate) const LAMBDA_ANSWER_LEN_MAX: usize = 6_000_000;

/// An answer that holds verdicts.
pub(crate) trait Verdicts: Serialize {
    /// They, and how many of them are left out.
    fn verdicts(&mut self) -> (&mut Vec<VerdictAnswer>, &mut usize);
}

impl Verdicts for IngestAnswer {
    fn verdicts(&mut self) -> (&mut Vec<VerdictAnswer>, &mut usize) {
        (&mut self.verdicts, &mut self.verdicts_omitted)
    }
}

impl Verdicts for BodyAnswer {
    fn verdicts(&mut self) -> (&mut Vec<VerdictAnswer>, &mut usize) {
        (&mut self.verdicts, &mut self.verdicts_omitted)
    }
}

/// The text of an answer, without those verdicts that would make it too long; anomalies go last.
pub(crate) fn to_json(answer: &mut impl Verdicts, len_max: usize) -> Result<Vec<u8>, RequestError> {
    let whole = json::to_json(answer)?;
    if sent_len(&whole) <= len_max {
        return Ok(whole);
    }
    let all = std::mem::take(answer.verdicts().0);
    let rest = json::to_json(answer)?;
    // The number of those left out has some digits.
    let room = len_max.saturating_sub(sent_len(&rest) + 100);
    let n_all = all.len();
    let kept = fitting(all, room)?;
    let (verdicts, n_omitted) = answer.verdicts();
    *n_omitted = n_all - kept.len();
    *verdicts = kept;
    json::to_json(answer)
}

/// As many verdicts as have room, in their order: anomalies first, then whatever comes first.
fn fitting(
    verdicts: Vec<VerdictAnswer>,
    mut room: usize,
) -> Result<Vec<VerdictAnswer>, RequestError> {
    let mut lens = Vec::with_capacity(verdicts.len());
    for verdict in &verdicts {
        lens.push(sent_len(&json::to_json(verdict)?) + 1);
    }
    let mut is_kept = vec![false; verdicts.len()];
    for wants_anomalies in [true, false] {
        for (i, verdict) in verdicts.iter().enumerate() {
            let is_anomaly = verdict.sample.verdict == Some("anomaly");
            if is_anomaly != wants_anomalies {
                continue;
            }
            is_kept[i] = lens[i] <= room;
            // What comes after one that has no room is left out, too.
            room = if is_kept[i] { room - lens[i] } else { 0 };
        }
    }
    let kept = verdicts.into_iter().zip(is_kept).filter(|it| it.1);
    Ok(kept.map(|it| it.0).collect())
}

/// How long a text is as the text of a JSON value, in which it goes to Lambda.
fn sent_len(json: &[u8]) -> usize {
    json.len() + json.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;
    use service::answers::{SampleAnswer, SeriesName};

    use super::*;

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
    fn an_answer_that_fits_is_whole() {
        let json = to_json(&mut answer(100), LAMBDA_ANSWER_LEN_MAX).unwrap();
        assert_eq!(json, json::to_json(&answer(100)).unwrap());
        assert!(!String::from_utf8(json).unwrap().contains("omitted"));
    }

    #[test]
    fn an_answer_that_is_too_long_keeps_its_anomalies_and_says_what_it_lacks() {
        for len_max in [1_000, 5_000, 15_000] {
            let json = to_json(&mut answer(100), len_max).unwrap();
            let sent = Value::from(String::from_utf8(json.clone()).unwrap()).to_string();
            assert!(sent.len() <= len_max + 2, "{} of {len_max}", sent.len());
            let told: Value = serde_json::from_slice(&json).unwrap();
            let verdicts = told["verdicts"].as_array().unwrap();
            assert_eq!(verdicts.len() as u64 + told["verdicts_omitted"].as_u64().unwrap(), 100);
            let times: Vec<i64> =
                verdicts.iter().map(|it| it["timestamp"].as_i64().unwrap()).collect();
            assert!(times.is_sorted() && !times.is_empty(), "{times:?}");
            let n_anomalies = verdicts.iter().filter(|it| it["verdict"] == "anomaly").count();
            assert_eq!(n_anomalies, verdicts.len().min(10));
        }
    }
}
