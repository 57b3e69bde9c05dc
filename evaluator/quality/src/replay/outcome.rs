//! The outcome of a replay: a verdict for each row, counts, and latencies.

use std::collections::HashMap;
use std::io;
use std::ops::AddAssign;
use std::path::Path;

use domain::VerdictKind;

use super::answer::ReplayedSample;
use super::tally::DeliveryCounts;
use crate::labeled::LabeledSeries;

/// Results of one or more senders.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) counts: DeliveryCounts,
    pub(super) verdicts: Vec<ReplayedSample>,
    /// Latency of each request, in milliseconds.
    pub(super) latencies_ms: Vec<f64>,
    /// Number of retries.
    pub(super) n_retries: u64,
    /// Reason of the last failed attempt.
    pub(super) failure: Option<String>,
}

impl AddAssign for Log {
    fn add_assign(&mut self, other: Self) {
        self.counts += other.counts;
        self.verdicts.extend(other.verdicts);
        self.latencies_ms.extend(other.latencies_ms);
        self.n_retries += other.n_retries;
        self.failure = other.failure.or(self.failure.take());
    }
}

/// The verdict of the deployment on one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ReplayVerdict {
    pub(super) kind: VerdictKind,
    /// 0 if the row was not judged.
    pub(super) score: f64,
    pub(super) late: bool,
}

/// Results of a replay.
#[derive(Debug)]
pub struct ReplayOutcome {
    /// One per row; `None` without a verdict.
    pub(super) verdicts: Vec<Option<ReplayVerdict>>,
    pub(super) counts: DeliveryCounts,
    /// Latency of each request, in milliseconds, ascending.
    pub(super) latencies_ms: Vec<f64>,
    pub(super) n_retries: u64,
    pub(super) failure: Option<String>,
    /// Seconds from the first request to the last answer.
    pub(super) seconds: f64,
}

impl ReplayOutcome {
    /// Assigns the verdicts to their rows.
    pub(super) fn new(series: &LabeledSeries, log: Log, seconds: f64) -> Self {
        let Log { counts, verdicts: answers, mut latencies_ms, n_retries, failure } = log;
        latencies_ms.sort_by(f64::total_cmp);
        Self {
            verdicts: verdicts(series, &answers),
            counts,
            latencies_ms,
            n_retries,
            failure,
            seconds,
        }
    }

    /// Writes `timestamp_us,value,verdict,score,late` per sample, by time; fields without a verdict are empty.
    pub fn write_verdicts(&self, series: &LabeledSeries, path: &Path) -> io::Result<()> {
        let mut samples: Vec<_> = series
            .rows
            .iter()
            .zip(&self.verdicts)
            .filter_map(|(row, verdict)| row.sample().map(|sample| (sample, verdict)))
            .collect();
        samples.sort_by_key(|(sample, _)| sample.at_us());
        let mut file = csv::Writer::from_path(path)?;
        file.write_record(["timestamp_us", "value", "verdict", "score", "late"])?;
        for (sample, verdict) in samples {
            let [kind, score, late] = match verdict {
                Some(ReplayVerdict { kind, score, late }) => {
                    [kind.as_str().to_owned(), score.to_string(), late.to_string()]
                }
                None => Default::default(),
            };
            file.write_record([
                sample.at_us().to_string(),
                sample.value().to_string(),
                kind,
                score,
                late,
            ])?;
        }
        file.flush()
    }
}

/// One verdict per row. Rows of equal time and value are one sample with one verdict.
fn verdicts(series: &LabeledSeries, answers: &[ReplayedSample]) -> Vec<Option<ReplayVerdict>> {
    let mut by_sample: HashMap<(i64, u64), ReplayVerdict> = HashMap::with_capacity(answers.len());
    for answer in answers {
        if let Some(kind) = answer.verdict {
            let (score, late) = (answer.score.unwrap_or_default(), answer.late.unwrap_or_default());
            // The first answer counts: later ones repeat it.
            by_sample.entry((answer.at_us(), answer.value.to_bits())).or_insert(ReplayVerdict {
                kind,
                score,
                late,
            });
        }
    }
    let of_row = |sample: domain::Sample| {
        by_sample.get(&(sample.at_us(), sample.value().to_bits())).copied()
    };
    series.rows.iter().map(|row| row.sample().and_then(of_row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled::LabeledRow;

    fn answer(json: &str) -> ReplayedSample {
        serde_json::from_str(json).unwrap()
    }

    fn series() -> LabeledSeries {
        let row =
            |(at_us, value): &(i64, f64)| LabeledRow { at_us: *at_us, value: *value, label: false };
        let rows = [
            (2_000, 1.5),
            (1_000, -0.0),
            (3_000, f64::NAN),
            (2_000, 1.5),
            (2_000, 7.0),
            (4_001, 0.1),
        ];
        LabeledSeries::from_rows("test".to_owned(), rows.iter().map(row).collect())
    }

    fn outcome() -> ReplayOutcome {
        let log = Log {
            verdicts: vec![
                answer(r#"{"timestamp":1,"value":0,"verdict":"learning"}"#),
                answer(
                    r#"{"timestamp":2,"value":1.5,"verdict":"anomaly","score":6.5,"late":true}"#,
                ),
                answer(r#"{"timestamp":2,"value":1.5,"verdict":"normal","score":0.5}"#),
                answer(r#"{"timestamp":4.001,"value":0.1,"verdict":null}"#),
            ],
            latencies_ms: vec![3.0, 1.0],
            ..Log::default()
        };
        ReplayOutcome::new(&series(), log, 1.0)
    }

    #[test]
    fn verdicts_find_their_rows_by_time_and_value() {
        let learning = ReplayVerdict { kind: VerdictKind::Learning, score: 0.0, late: false };
        let anomaly = ReplayVerdict { kind: VerdictKind::Anomaly, score: 6.5, late: true };
        let outcome = outcome();
        assert_eq!(
            outcome.verdicts,
            [Some(anomaly), Some(learning), None, Some(anomaly), None, None]
        );
        assert_eq!(outcome.latencies_ms, [1.0, 3.0]);
    }

    #[test]
    fn the_verdict_file_is_sorted_by_time_and_missing_verdicts_are_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("verdicts.csv");
        outcome().write_verdicts(&series(), &path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let wanted = "timestamp_us,value,verdict,score,late\n1000,0,learning,0,false\n2000,1.5,anomaly,6.5,true\n2000,1.5,anomaly,6.5,true\n2000,7,,,\n4001,0.1,,,\n";
        assert_eq!(text, wanted);
    }
}
