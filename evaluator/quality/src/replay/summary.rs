//! The summary of a replay: counts, latencies, and the same scores as for a detector in this process.

use std::fmt::Write;

use domain::VerdictKind;
use serde::Serialize;

use super::outcome::ReplayOutcome;
use super::tally::DeliveryCounts;
use crate::contender::SeriesVerdicts;
use crate::labeled::LabeledSeries;
use crate::record::{Confusion, Delay, EventScore, FirstDay, KindScore, Rates};
use crate::score::event::{self, EventTally, percentile};
use crate::score::{confusion, ratio};

/// Summary of a replay.
#[derive(Debug, Serialize)]
pub struct ReplaySummary {
    series: String,
    #[serde(flatten)]
    counts: DeliveryCounts,
    /// Share of late samples among accepted ones.
    late_share: Option<f64>,
    /// Number of samples with a verdict.
    verdicts: usize,
    requests: usize,
    retries: u64,
    /// Reason of the last failed attempt.
    last_failure: Option<String>,
    latency_ms: Option<RequestLatency>,
    seconds: f64,
    quality: ReplayQuality,
    first_day: Option<FirstDay>,
    comparison: Option<Comparison>,
}

/// Comparison of the verdicts with those of a detector in this process.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Comparison {
    /// Rows with a verdict of the deployment.
    compared: u64,
    /// Rows with different verdicts.
    differing: u64,
}

#[derive(Debug, Serialize)]
struct RequestLatency {
    p50: f64,
    p95: f64,
}

/// Scores without the cold start, as in a row of a record.
#[derive(Debug, Serialize)]
struct ReplayQuality {
    series_days: f64,
    point: Confusion,
    rates: Rates,
    events: EventScore,
    false_alarms_per_series_day: Option<f64>,
    delay_samples: Option<Delay>,
    by_kind: Vec<KindScore>,
}

impl ReplaySummary {
    /// Scores an outcome against the labels of its series, and counts differences from the expected verdicts.
    pub fn of(
        series: &LabeledSeries,
        outcome: &ReplayOutcome,
        expected: Option<&SeriesVerdicts>,
    ) -> Self {
        let is_alarm = |i: usize| {
            outcome.verdicts[i].is_some_and(|verdict| verdict.kind == VerdictKind::Anomaly)
        };
        let counted = |rows: std::ops::Range<usize>| {
            let alarms: Vec<usize> = rows.clone().filter(|i| is_alarm(*i)).collect();
            let judged = |i: usize| {
                outcome.verdicts[i]
                    .filter(|verdict| verdict.kind != VerdictKind::Learning)
                    .map(|verdict| verdict.kind == VerdictKind::Anomaly)
            };
            (confusion::count(series, rows.clone(), judged), event::count(series, &rows, &alarms))
        };
        let (point, events) = counted(series.scored());
        let (cold_point, cold_events) = counted(series.cold());
        Self {
            series: series.name.clone(),
            counts: outcome.counts.clone(),
            late_share: ratio(outcome.counts.late as f64, outcome.counts.accepted as f64),
            verdicts: outcome.verdicts.iter().flatten().count(),
            requests: outcome.latencies_ms.len(),
            retries: outcome.n_retries,
            last_failure: outcome.failure.clone(),
            latency_ms: latency(&outcome.latencies_ms),
            seconds: outcome.seconds,
            quality: quality(point, &events),
            first_day: (!series.cold().is_empty()).then(|| cold_events.first_day(cold_point)),
            comparison: expected.map(|verdicts| compare(outcome, verdicts)),
        }
    }

    /// True if all samples were delivered and no verdict differs.
    pub fn is_clean(&self) -> bool {
        self.counts.undelivered == 0
            && self.comparison.as_ref().is_none_or(|comparison| comparison.differing == 0)
    }

    /// The summary as one JSON object.
    pub fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// The summary as text, one fact per line.
    pub fn table(&self) -> String {
        let mut text = format!("replay of {}\n", self.series);
        for (name, value) in self.delivery().into_iter().chain(self.quality.lines()) {
            let _infallible = writeln!(text, "  {name:<30} {value}");
        }
        text.trim_end().to_owned()
    }

    fn delivery(&self) -> Vec<(&'static str, String)> {
        let DeliveryCounts { sent, accepted, late, duplicates, too_old, rejected, undelivered } =
            &self.counts;
        let codes: Vec<String> = rejected.iter().map(|(code, n)| format!("{n} {code}")).collect();
        let or_none =
            |codes: Vec<String>| if codes.is_empty() { "0".to_owned() } else { codes.join(", ") };
        let latency = self.latency_ms.as_ref();
        vec![
            ("samples sent", sent.to_string()),
            ("accepted", accepted.to_string()),
            ("of them late", format!("{late} ({})", percent(self.late_share))),
            ("duplicates", duplicates.to_string()),
            ("too old", too_old.to_string()),
            ("rejected", or_none(codes)),
            ("undelivered", undelivered.to_string()),
            ("verdicts", self.verdicts.to_string()),
            ("requests", format!("{} ({} repeated)", self.requests, self.retries)),
            (
                "latency p50, p95",
                latency.map_or(dash(), |l| format!("{:.1} ms, {:.1} ms", l.p50, l.p95)),
            ),
            ("last failure", self.last_failure.clone().unwrap_or_else(dash)),
            ("seconds", format!("{:.2}", self.seconds)),
            (
                "verdicts that differ",
                self.comparison
                    .as_ref()
                    .map_or(dash(), |c| format!("{} of {}", c.differing, c.compared)),
            ),
        ]
    }
}

impl ReplayQuality {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let Confusion { tp, tn, fp, fn_ } = self.point;
        let EventScore { n_events, caught, false_runs, .. } = self.events;
        let f1 = |value: Option<f64>| value.map_or(dash(), |value| format!("{value:.3}"));
        let kinds: Vec<String> = self
            .by_kind
            .iter()
            .map(|kind| format!("{} {}/{}", kind.kind, kind.caught, kind.n_events))
            .collect();
        vec![
            (
                "anomalies caught (recall)",
                format!("{caught} of {n_events} ({})", percent(self.events.recall)),
            ),
            ("alarm runs right (precision)", percent(self.events.precision)),
            ("event F1", f1(self.events.f1)),
            ("false runs", false_runs.to_string()),
            (
                "false alarms per series, day",
                self.false_alarms_per_series_day.map_or(dash(), |n| format!("{n:.3}")),
            ),
            (
                "delay median, p95 (samples)",
                self.delay_samples.map_or(dash(), |d| format!("{}, {}", d.median, d.p95)),
            ),
            ("caught by kind", if kinds.is_empty() { dash() } else { kinds.join(", ") }),
            ("samples TP, FP, FN, TN", format!("{tp}, {fp}, {fn_}, {tn}")),
            ("sample precision, recall, F1", {
                let Rates { precision, recall, f1: harmonic, .. } = self.rates;
                format!("{}, {}, {}", percent(precision), percent(recall), f1(harmonic))
            }),
            ("false positive rate, accuracy", {
                format!(
                    "{}, {}",
                    percent(self.rates.false_positive_rate),
                    percent(self.rates.accuracy)
                )
            }),
        ]
    }
}

/// Compares kinds but not scores: scores are stored as text and may lose their last bit.
fn compare(outcome: &ReplayOutcome, expected: &SeriesVerdicts) -> Comparison {
    let pairs = outcome.verdicts.iter().zip(&expected.rows);
    let judged =
        pairs.filter_map(|(verdict, expected)| Some((verdict.as_ref()?.kind, expected.kind)));
    let (mut compared, mut differing) = (0, 0);
    for (kind, expected) in judged {
        compared += 1;
        differing += u64::from(kind != expected);
    }
    Comparison { compared, differing }
}

fn quality(point: Confusion, events: &EventTally) -> ReplayQuality {
    ReplayQuality {
        series_days: events.days,
        point,
        rates: point.rates(),
        events: events.score(),
        false_alarms_per_series_day: events.false_alarms_per_series_day(),
        delay_samples: events.delay(),
        by_kind: events.kinds(),
    }
}

/// Percentiles of sorted latencies; `None` without a request.
fn latency(rising_ms: &[f64]) -> Option<RequestLatency> {
    Some(RequestLatency { p50: percentile(rising_ms, 0.5)?, p95: percentile(rising_ms, 0.95)? })
}

fn percent(share: Option<f64>) -> String {
    share.map_or(dash(), |share| format!("{:.2} %", 100.0 * share))
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::RowVerdict;
    use crate::labeled::LabeledRow;
    use crate::replay::outcome::{Log, ReplayVerdict};

    /// A series of 200 minutes with one anomaly, of which the deployment caught the third sample, with one false alarm.
    fn summary() -> ReplaySummary {
        let row = |i: i64| LabeledRow {
            at_us: 60_000_000 * i,
            value: i as f64,
            label: (100..110).contains(&i),
        };
        let series = LabeledSeries::from_rows("test".to_owned(), (0..200).map(row).collect());
        let mut outcome = ReplayOutcome::new(&series, Log::default(), 2.0);
        let verdict = |i: usize| {
            let kind =
                if i == 102 || i == 150 { VerdictKind::Anomaly } else { VerdictKind::Normal };
            (i != 199).then_some(ReplayVerdict { kind, score: 0.0, late: false })
        };
        outcome.verdicts = (0..200).map(verdict).collect();
        outcome.latencies_ms = (1..=100).map(f64::from).collect();
        outcome.counts =
            DeliveryCounts { sent: 200, accepted: 200, late: 20, ..DeliveryCounts::default() };
        let normal = RowVerdict { kind: VerdictKind::Normal, score: 0.0 };
        let expected = SeriesVerdicts { rows: vec![normal; 200], memory_len: 0 };
        ReplaySummary::of(&series, &outcome, Some(&expected))
    }

    #[test]
    fn verdicts_are_scored_like_those_of_a_detector() {
        let ReplaySummary { quality, first_day, verdicts, .. } = summary();
        assert_eq!(
            (quality.events.caught, quality.events.n_events, quality.events.false_runs),
            (1, 1, 1)
        );
        assert_eq!(quality.delay_samples.map(|delay| delay.median), Some(3.0));
        assert_eq!(quality.point, Confusion { tp: 1, tn: 158, fp: 1, fn_: 9 });
        assert_eq!(first_day.map(|day| day.point.tn), Some(30));
        assert_eq!(verdicts, 199);
    }

    #[test]
    fn verdicts_that_differ_from_the_expected_ones_are_counted() {
        let summary = summary();
        assert_eq!(summary.comparison, Some(Comparison { compared: 199, differing: 2 }));
        assert!(!summary.is_clean());
    }

    #[test]
    fn json_and_table_contain_the_same_facts() {
        let summary = summary();
        let json: serde_json::Value = serde_json::from_str(&summary.json().unwrap()).unwrap();
        assert_eq!((&json["sent"], &json["late_share"]), (&200.into(), &0.1.into()));
        assert_eq!(
            (&json["latency_ms"]["p50"], &json["latency_ms"]["p95"]),
            (&50.0.into(), &95.0.into())
        );
        let table = summary.table();
        for fact in [
            "samples sent                   200",
            "20 (10.00 %)",
            "50.0 ms, 95.0 ms",
            "1 of 1 (100.00 %)",
            "1, 1, 9, 158",
        ] {
            assert!(table.contains(fact), "`{fact}` is missing in\n{table}");
        }
    }
}
