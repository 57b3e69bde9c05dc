//! Contenders of a report: detectors of production, scores of other detectors from files, and two baselines.
//!
//! The silent baseline shows the worth of accuracy, the random one the worth of luck. Detection is the work of the
//! detector crate.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use detector::{Detector, Judge, SpecError};
use domain::{Verdict, VerdictKind};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::labeled::{LabeledRow, LabeledSeries};

/// Spec of the rolling z-score (window 50, 2 sigma), the reference of every report: a widespread detector.
pub const ROLLING_ZSCORE: &str = "zscore:window=50,threshold=2,self=included";

/// Share of the samples with an alarm of the random baseline.
const RANDOM_ALARM_SHARE: f64 = 0.01;

/// A detector, or a replacement for one, that judges the series of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Contender {
    /// A detector of production.
    Detector(Detector),
    /// Never alarms.
    Silent,
    /// Alarms on one sample in a hundred, independent of the values.
    Random,
    /// Scores that another program computed.
    StoredScores(Arc<StoredScores>),
}

/// Scores of a detector of another program.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredScores {
    /// Name in reports.
    pub name: String,
    /// Threshold, exclusive and positive.
    pub threshold: f64,
    /// Scores of all rows, by series in the order of the data.
    pub scores: Vec<Vec<f64>>,
}

/// Verdict and score of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowVerdict {
    /// The verdict.
    pub kind: VerdictKind,
    /// The score; 0 if the row was not judged.
    pub score: f64,
}

/// Verdicts on all rows of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesVerdicts {
    /// One verdict per row.
    pub rows: Vec<RowVerdict>,
    /// Size of the memory at the end, without the window, in bytes.
    pub memory_len: usize,
}

impl SeriesVerdicts {
    /// True if a row of the series is a sample, and the detector had learned enough to judge it.
    pub fn is_judged(&self, series: &LabeledSeries, row: usize) -> bool {
        series.rows[row].sample().is_some() && self.rows[row].kind != VerdictKind::Learning
    }

    /// Number of judged rows of the series.
    pub fn n_judged(&self, series: &LabeledSeries) -> usize {
        (0..series.rows.len()).filter(|row| self.is_judged(series, *row)).count()
    }
}

impl Contender {
    /// The contenders of `run` and `score` by default; the rolling z-score is first.
    pub fn defaults() -> Result<Vec<Self>, SpecError> {
        let detectors = [ROLLING_ZSCORE, "traffic", "novelty", "deviation"];
        let mut contenders = detectors
            .iter()
            .map(|spec| spec.parse().map(Self::Detector))
            .collect::<Result<Vec<_>, _>>()?;
        contenders.extend([Self::Silent, Self::Random]);
        Ok(contenders)
    }

    /// Threshold, exclusive.
    pub fn threshold(&self) -> f64 {
        match self {
            Self::Detector(detector) => detector.threshold(),
            Self::Silent => 1.0,
            Self::Random => 1.0 - RANDOM_ALARM_SHARE,
            Self::StoredScores(stored) => stored.threshold,
        }
    }

    /// True for the two baselines, which have neither traces nor sweeps.
    pub fn is_baseline(&self) -> bool {
        matches!(self, Self::Silent | Self::Random)
    }

    /// True if it runs in this process, so that time and memory can be measured.
    pub fn runs_here(&self) -> bool {
        !matches!(self, Self::StoredScores(_))
    }

    /// Judges a whole series; `stream` is its index in the data.
    pub fn judge(&self, series: &LabeledSeries, seed: u64, stream: u64) -> SeriesVerdicts {
        match self {
            Self::Detector(detector) => judge_rows(*detector, series),
            Self::Silent => {
                let normal = RowVerdict { kind: VerdictKind::Normal, score: 0.0 };
                SeriesVerdicts { rows: vec![normal; series.rows.len()], memory_len: 0 }
            }
            Self::Random => random_verdicts(series, self.threshold(), seed, stream),
            Self::StoredScores(stored) => SeriesVerdicts {
                rows: stored.of(stream).iter().map(|score| stored.row_verdict(*score)).collect(),
                memory_len: 0,
            },
        }
    }

    /// Start of the episode of each anomaly, in microseconds; `None` for other rows.
    ///
    /// Episodes of a detector are those that its judge opens and joins, as in production; those of other contenders are runs
    /// of alarms.
    pub fn episodes(&self, series: &LabeledSeries, verdicts: &SeriesVerdicts) -> Vec<Option<i64>> {
        let Self::Detector(detector) = self else { return runs_of_alarms(series, verdicts) };
        let mut judge = Judge::new(*detector);
        let mut episode = |row: &LabeledRow| {
            let judgement = judge.judge(row.sample()?);
            let record = judge.memory().episode_record()?;
            (judgement.verdict.is_anomaly() && !judgement.late).then_some(record.start_us)
        };
        let mut episodes = vec![None; series.rows.len()];
        series.arrivals().for_each(|(i, row)| episodes[i] = episode(row));
        episodes
    }

    /// Judges the first series of the data and returns the full verdicts of `rows`; only those of a detector have an
    /// expectation.
    pub fn verdicts(&self, series: &LabeledSeries, rows: &Range<usize>) -> Vec<Verdict> {
        let detector = match self {
            Self::Detector(detector) => detector,
            Self::StoredScores(stored) => {
                return stored.of(0)[rows.clone()]
                    .iter()
                    .map(|score| stored.verdict(*score))
                    .collect();
            }
            Self::Silent | Self::Random => {
                return vec![Verdict::unjudged(VerdictKind::Normal); rows.len()];
            }
        };
        let mut judge = Judge::new(*detector);
        let mut verdicts = vec![Verdict::unjudged(VerdictKind::Learning); rows.len()];
        for (i, row) in series.arrivals() {
            let Some(sample) = row.sample() else { continue };
            let verdict = judge.judge(sample).verdict;
            if rows.contains(&i) {
                verdicts[i - rows.start] = verdict;
            }
        }
        verdicts
    }
}

impl StoredScores {
    fn of(&self, stream: u64) -> &[f64] {
        &self.scores[stream as usize]
    }

    fn row_verdict(&self, score: f64) -> RowVerdict {
        RowVerdict {
            kind: if score > self.threshold { VerdictKind::Anomaly } else { VerdictKind::Normal },
            score,
        }
    }

    fn verdict(&self, score: f64) -> Verdict {
        Verdict { score, ..Verdict::unjudged(self.row_verdict(score).kind) }
    }
}

fn judge_rows(detector: Detector, series: &LabeledSeries) -> SeriesVerdicts {
    let mut judge = Judge::new(detector);
    let unjudged = RowVerdict { kind: VerdictKind::Learning, score: 0.0 };
    let mut rows = vec![unjudged; series.rows.len()];
    for (i, row) in series.arrivals() {
        if let Some(sample) = row.sample() {
            let verdict = judge.judge(sample).verdict;
            rows[i] = RowVerdict { kind: verdict.kind, score: verdict.score };
        }
    }
    SeriesVerdicts { rows, memory_len: judge.memory_len() }
}

fn runs_of_alarms(series: &LabeledSeries, verdicts: &SeriesVerdicts) -> Vec<Option<i64>> {
    let mut start_us = None;
    let rows = series.rows.iter().zip(&verdicts.rows);
    rows.map(|(row, verdict)| {
        let is_alarm = verdict.kind == VerdictKind::Anomaly;
        start_us = is_alarm.then_some(start_us.unwrap_or(row.at_us));
        start_us
    })
    .collect()
}

fn random_verdicts(
    series: &LabeledSeries,
    threshold: f64,
    seed: u64,
    stream: u64,
) -> SeriesVerdicts {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    let mut verdict = || {
        let score = random.random::<f64>();
        RowVerdict {
            kind: if score > threshold { VerdictKind::Anomaly } else { VerdictKind::Normal },
            score,
        }
    };
    SeriesVerdicts { rows: series.rows.iter().map(|_| verdict()).collect(), memory_len: 0 }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Detector(detector) => detector.fmt(f),
            Self::Silent => f.write_str("silent"),
            Self::Random => f.write_str("random"),
            Self::StoredScores(stored) => f.write_str(&stored.name),
        }
    }
}

impl FromStr for Contender {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match text {
            "silent" => Ok(Self::Silent),
            "random" => Ok(Self::Random),
            spec => spec.parse().map(Self::Detector),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled::LabeledRow;

    fn series(values: &[f64]) -> LabeledSeries {
        let row = |(i, value): (usize, &f64)| LabeledRow {
            at_us: i as i64 * 60_000_000,
            value: *value,
            label: false,
        };
        LabeledSeries::from_rows("test".to_owned(), values.iter().enumerate().map(row).collect())
    }

    #[test]
    fn names_read_back() {
        for contender in Contender::defaults().unwrap() {
            assert_eq!(contender.to_string().parse::<Contender>(), Ok(contender));
        }
        assert!("loud".parse::<Contender>().is_err());
    }

    #[test]
    fn a_row_that_is_not_a_sample_changes_no_later_verdict() {
        let clean: Vec<f64> = (0..200).map(|i| f64::from(i % 7)).collect();
        let mut dirty = series(&clean);
        dirty.rows.insert(
            100,
            LabeledRow { at_us: dirty.rows[100].at_us, value: f64::NAN, label: false },
        );
        for contender in
            Contender::defaults().unwrap().into_iter().filter(|contender| !contender.is_baseline())
        {
            let mut verdicts = contender.judge(&dirty, 0, 0).rows;
            assert_eq!(
                verdicts.remove(100),
                RowVerdict { kind: VerdictKind::Learning, score: 0.0 }
            );
            assert_eq!(verdicts, contender.judge(&series(&clean), 0, 0).rows, "{contender}");
        }
    }

    #[test]
    fn full_verdicts_agree_with_row_verdicts() {
        let series = series(&(0..300).map(|i| f64::from(i % 11)).collect::<Vec<_>>());
        for contender in
            Contender::defaults().unwrap().into_iter().filter(|contender| !contender.is_baseline())
        {
            let verdicts = contender.judge(&series, 0, 0).rows;
            for (verdict, row) in
                contender.verdicts(&series, &(100..200)).iter().zip(&verdicts[100..200])
            {
                assert_eq!((verdict.kind, verdict.score), (row.kind, row.score));
            }
        }
    }

    #[test]
    fn anomalies_within_a_quarter_of_an_hour_are_one_episode() {
        let mut values: Vec<f64> = (0..600).map(|i| f64::from(i % 7)).collect();
        for i in [300, 312, 500] {
            values[i] = 1e6;
        }
        let series = series(&values);
        for (spec, wanted) in [("deviation", vec![300, 300, 500]), ("random", vec![])] {
            let contender: Contender = spec.parse().unwrap();
            let verdicts = contender.judge(&series, 0, 0);
            let episodes = contender.episodes(&series, &verdicts);
            let is_alarm = |i: &usize| verdicts.rows[*i].kind == VerdictKind::Anomaly;
            for i in (0..600).filter(|i| !is_alarm(i)) {
                assert_eq!(episodes[i], None, "{spec}");
            }
            let starts: Vec<i64> = [300, 312, 500].iter().filter_map(|i| episodes[*i]).collect();
            if !wanted.is_empty() {
                assert_eq!(starts, wanted.iter().map(|i| i * 60_000_000).collect::<Vec<i64>>());
            }
        }
    }

    #[test]
    fn the_random_baseline_alarms_on_about_one_percent_and_is_seeded() {
        let series = series(&vec![1.0; 20_000]);
        let verdicts = Contender::Random.judge(&series, 1, 2);
        let n_alarms =
            verdicts.rows.iter().filter(|verdict| verdict.kind == VerdictKind::Anomaly).count();
        assert!((140..=260).contains(&n_alarms), "{n_alarms}");
        assert_eq!(verdicts, Contender::Random.judge(&series, 1, 2));
        assert_ne!(verdicts, Contender::Random.judge(&series, 1, 3));
    }
}
