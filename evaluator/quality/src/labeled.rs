//! Series with labeled anomalies: the output of generators and readers, the input of detectors and scoring rules.
//!
//! Rows that are not samples (NaN, a time before 1970) keep their index, so that labels, windows and verdicts share
//! one; they are never judged.

use std::ops::Range;

use domain::Sample;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The kind of an anomaly whose labels have none.
pub const KIND_UNKNOWN: &str = "anomaly";

/// Duration of the cold start, in microseconds: one day, the longest season that detectors learn first.
const COLD_START_US: i64 = 86_400 * 1_000_000;

/// Maximum cold start as a share of a series, so that a short history keeps rows to score; the share of the Numenta
/// benchmark.
const COLD_START_SHARE_MAX: f64 = 0.15;

/// One row of a labeled series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabeledRow {
    /// Unix microseconds.
    pub at_us: i64,
    /// The value; NaN in some rows of real files.
    pub value: f64,
    /// True if the row is labeled anomalous.
    pub label: bool,
}

impl LabeledRow {
    /// The sample of this row; `None` if time or value is out of range.
    pub fn sample(&self) -> Option<Sample> {
        Sample::new(self.at_us, self.value).ok()
    }
}

/// One labeled anomaly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabeledEvent {
    /// The kind; [`KIND_UNKNOWN`] if the labels have none.
    pub kind: String,
    /// Indexes of its rows.
    pub rows: Range<usize>,
}

/// Samples that arrive after newer ones, as where several processes send one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LateArrivals {
    /// Probability that a sample is late.
    pub share: f64,
    /// Most newer samples that arrive before a late one.
    pub n_newer_max: usize,
}

/// A series with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct LabeledSeries {
    /// Name, unique in its scenario or folder.
    pub name: String,
    /// The rows.
    pub rows: Vec<LabeledRow>,
    /// The anomalies, in order, without overlap.
    pub events: Vec<LabeledEvent>,
    /// Number of rows of the cold start, which is counted separately.
    pub n_cold: usize,
    /// Usual interval of two rows, in microseconds; 0 if time never advances.
    pub interval_us: i64,
    /// Indexes of the rows in the order of arrival; `None` if they arrive in the order of their index.
    arrivals: Option<Vec<usize>>,
}

impl LabeledSeries {
    /// A series with these anomalies, whose first `n_cold` rows are the cold start.
    pub fn new(
        name: String,
        rows: Vec<LabeledRow>,
        events: Vec<LabeledEvent>,
        n_cold: usize,
    ) -> Self {
        let interval_us = usual_interval_us(&rows);
        Self { name, n_cold: n_cold.min(rows.len()), rows, events, interval_us, arrivals: None }
    }

    /// The same series, of which random rows arrive late.
    #[must_use]
    pub fn with_late_arrivals(self, late: LateArrivals, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut arrival = |i: usize| {
            let is_late = random.random::<f64>() < late.share && late.n_newer_max > 0;
            // Just after the newer row that it waits for.
            let n_newer = if is_late { random.random_range(1..=late.n_newer_max) } else { 0 };
            (i + n_newer, is_late, i)
        };
        let mut arrivals: Vec<_> = (0..self.rows.len()).map(&mut arrival).collect();
        arrivals.sort_unstable();
        let arrivals = arrivals.into_iter().map(|(_, _, i)| i).collect();
        Self { arrivals: Some(arrivals), ..self }
    }

    /// Index and row of each sample, in the order of arrival.
    pub fn arrivals(&self) -> impl Iterator<Item = (usize, &LabeledRow)> {
        let index = |n: usize| self.arrivals.as_ref().map_or(n, |arrivals| arrivals[n]);
        (0..self.rows.len()).map(move |n| (index(n), &self.rows[index(n)]))
    }

    /// A series whose anomalies are the runs of labeled rows, with the usual cold start.
    pub fn from_rows(name: String, rows: Vec<LabeledRow>) -> Self {
        let events = runs_of_labels(&rows);
        let n_cold = usual_cold_start(&rows);
        Self::new(name, rows, events, n_cold)
    }

    /// The rows of the cold start.
    pub fn cold(&self) -> Range<usize> {
        0..self.n_cold
    }

    /// The rows that are scored.
    pub fn scored(&self) -> Range<usize> {
        self.n_cold..self.rows.len()
    }

    /// Duration of `rows` in days: their number times the usual interval, so that gaps do not count.
    pub fn days(&self, rows: &Range<usize>) -> f64 {
        const DAY_US: f64 = 86_400.0 * 1e6;
        rows.len() as f64 * self.interval_us as f64 / DAY_US
    }

    /// Kind and rows of the anomalies that touch `rows`, cut to them.
    pub fn events_in<'a>(
        &'a self,
        rows: &'a Range<usize>,
    ) -> impl Iterator<Item = (&'a str, Range<usize>)> + 'a {
        self.events.iter().filter_map(|event| {
            let cut = event.rows.start.max(rows.start)..event.rows.end.min(rows.end);
            (!cut.is_empty()).then_some((event.kind.as_str(), cut))
        })
    }
}

/// The rows of the usual cold start: the first day, at most 15 % of the series.
pub fn usual_cold_start(rows: &[LabeledRow]) -> usize {
    let Some(first) = rows.first() else {
        return 0;
    };
    let n_first_day =
        rows.iter().take_while(|row| row.at_us.saturating_sub(first.at_us) < COLD_START_US).count();
    n_first_day.min((rows.len() as f64 * COLD_START_SHARE_MAX) as usize)
}

/// The median of the positive intervals, 0 if there is none.
fn usual_interval_us(rows: &[LabeledRow]) -> i64 {
    let step = |pair: &[LabeledRow]| pair[1].at_us.saturating_sub(pair[0].at_us);
    let mut steps: Vec<i64> = rows.windows(2).map(step).filter(|us| *us > 0).collect();
    if steps.is_empty() {
        return 0;
    }
    let middle = steps.len() / 2;
    *steps.select_nth_unstable(middle).1
}

fn runs_of_labels(rows: &[LabeledRow]) -> Vec<LabeledEvent> {
    let mut events: Vec<LabeledEvent> = Vec::new();
    for (i, _) in rows.iter().enumerate().filter(|(_, row)| row.label) {
        match events.last_mut() {
            Some(event) if event.rows.end == i => event.rows.end = i + 1,
            _ => events.push(LabeledEvent { kind: KIND_UNKNOWN.to_owned(), rows: i..i + 1 }),
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hourly(labels: &[bool]) -> LabeledSeries {
        let row = |(i, label): (usize, &bool)| LabeledRow {
            at_us: i as i64 * 3_600_000_000,
            value: 1.0,
            label: *label,
        };
        LabeledSeries::from_rows("test".to_owned(), labels.iter().enumerate().map(row).collect())
    }

    #[test]
    fn runs_of_labels_are_events() {
        let series = hourly(&[true, false, true, true]);
        let rows: Vec<Range<usize>> = series.events.into_iter().map(|event| event.rows).collect();
        assert_eq!(rows, [0..1, 2..4]);
    }

    #[test]
    fn cold_start_is_the_first_day_or_15_percent_of_a_short_series() {
        assert_eq!(hourly(&[false; 1000]).n_cold, 24);
        assert_eq!(hourly(&[false; 100]).n_cold, 15);
        assert_eq!(hourly(&[]).n_cold, 0);
    }

    #[test]
    fn an_event_that_begins_in_the_cold_start_is_cut() {
        let mut series = hourly(&[false, true, true, true]);
        series.n_cold = 2;
        let scored = series.scored();
        let cut: Vec<_> = series.events_in(&scored).map(|(_, rows)| rows).collect();
        assert_eq!(cut, vec![2..4]);
        let cold = series.cold();
        assert_eq!(series.events_in(&cold).count(), 1);
    }

    #[test]
    fn a_late_row_arrives_after_a_few_newer_ones() {
        let order = |series: &LabeledSeries| series.arrivals().map(|(i, _)| i).collect::<Vec<_>>();
        let series = hourly(&[false; 1_000]);
        let in_order: Vec<usize> = (0..1_000).collect();
        assert_eq!(order(&series), in_order);
        let late = LateArrivals { share: 0.17, n_newer_max: 3 };
        let disordered = order(&series.clone().with_late_arrivals(late, 1));
        let mut sorted = disordered.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, in_order);
        let (mut newest, mut n_late) = (0, 0);
        for i in &disordered {
            n_late += usize::from(*i < newest);
            newest = newest.max(*i);
            assert!(newest - i <= 3);
        }
        assert!((100..200).contains(&n_late), "{n_late}");
        assert_ne!(disordered, order(&series.clone().with_late_arrivals(late, 2)));
        let none = LateArrivals { share: 0.0, ..late };
        assert_eq!(order(&series.with_late_arrivals(none, 1)), in_order);
    }

    #[test]
    fn repeated_and_stepping_times_do_not_change_the_interval() {
        let mut rows = hourly(&[false; 9]).rows;
        rows[4].at_us = rows[3].at_us;
        rows[7].at_us = 0;
        assert_eq!(usual_interval_us(&rows), 3_600_000_000);
        assert_eq!(hourly(&[false]).interval_us, 0);
    }
}
