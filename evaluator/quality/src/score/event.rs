//! Counts anomalies and alarm runs, as an on-call engineer sees them.
//!
//! An anomaly is caught if it contains an alarm. Alarms up to [`RUN_GAP_MAX`] samples apart form one run; a run outside
//! every anomaly is a false run. A run that touches an anomaly may last beyond it (the recovery after an outage). Every
//! further [`RUN_ALARMS_MAX`] consecutive alarms outside an anomaly count as another false run; otherwise a detector
//! that always alarms would be nearly perfect.

use std::collections::BTreeMap;
use std::ops::{AddAssign, Range};

use super::{f1, ratio};
use crate::labeled::LabeledSeries;
use crate::record::{Confusion, Delay, DelayCount, EventScore, FirstDay, KindScore, SeriesCounts};

/// Alarms at most this many samples apart belong to one run.
pub const RUN_GAP_MAX: usize = 10;

/// Maximum delay of an early alarm, in samples, as in the 2018 KPI competition.
pub const EARLY_SAMPLES: usize = 7;

/// Maximum consecutive alarms of one run outside an anomaly: two windows of 50.
pub const RUN_ALARMS_MAX: usize = 100;

/// Counts of one or more series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventTally {
    /// Counts by kind of anomaly.
    pub by_kind: BTreeMap<String, KindTally>,
    /// Alarm runs outside every anomaly.
    pub false_runs: u64,
    /// Duration of the counted rows, in days.
    pub days: f64,
}

/// Counts of the anomalies of one kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KindTally {
    /// Number of anomalies.
    pub n_events: u64,
    /// Samples until the first alarm of each caught anomaly, from 1.
    pub delays: Vec<u32>,
}

/// Counts the anomalies that touch `rows`; `alarms` are the indexes of the alarms in `rows`, ascending.
pub fn count(series: &LabeledSeries, rows: &Range<usize>, alarms: &[usize]) -> EventTally {
    let events: Vec<(&str, Range<usize>)> = series.events_in(rows).collect();
    let mut tally = EventTally { days: series.days(rows), ..EventTally::default() };
    for (kind, event) in &events {
        let first = alarms.partition_point(|alarm| *alarm < event.start);
        let kind = tally.by_kind.entry((*kind).to_owned()).or_default();
        kind.n_events += 1;
        if let Some(alarm) = alarms.get(first).filter(|alarm| event.contains(alarm)) {
            kind.delays.push((alarm - event.start + 1) as u32);
        }
    }
    let is_inside = |alarm: usize| {
        let next = events.partition_point(|(_, event)| event.end <= alarm);
        events.get(next).is_some_and(|(_, event)| event.contains(&alarm))
    };
    tally.false_runs =
        alarms.chunk_by(|a, b| b - a <= RUN_GAP_MAX).map(|run| false_runs_in(run, is_inside)).sum();
    tally
}

/// Counts at ascending thresholds; `is_alarm` of a row and a threshold must be monotone in the threshold.
pub fn count_at(
    series: &LabeledSeries,
    rows: &Range<usize>,
    thresholds: &[f64],
    is_alarm: impl Fn(usize, f64) -> bool,
) -> Vec<EventTally> {
    let mut alarms: Vec<usize> = rows.clone().collect();
    let at = |threshold: &f64| {
        // Few rows remain after the first thresholds, so a hundred thresholds cost little more than one.
        alarms.retain(|i| is_alarm(*i, *threshold));
        count(series, rows, &alarms)
    };
    thresholds.iter().map(at).collect()
}

/// The false runs of one run: one if it touches no anomaly, and one for each further [`RUN_ALARMS_MAX`] consecutive
/// alarms outside.
fn false_runs_in(run: &[usize], is_inside: impl Fn(usize) -> bool) -> u64 {
    let mut n_long = 0;
    let mut n_inside = 0;
    let mut n_outside = 0;
    for alarm in run {
        if is_inside(*alarm) {
            n_inside += 1;
            n_outside = 0;
        } else {
            n_outside += 1;
            n_long += u64::from(n_outside > 1 && n_outside % RUN_ALARMS_MAX == 1);
        }
    }
    n_long + u64::from(n_inside == 0)
}

impl EventTally {
    /// Precision, recall and F1 of the counts.
    pub fn score(&self) -> EventScore {
        let n_events = self.n_events();
        let caught = self.caught();
        let early = |kind: &KindTally| {
            kind.delays.iter().filter(|delay| **delay as usize <= EARLY_SAMPLES).count()
        };
        EventScore {
            n_events,
            caught,
            caught_early: self.by_kind.values().map(early).sum::<usize>() as u64,
            false_runs: self.false_runs,
            precision: ratio(caught as f64, (caught + self.false_runs) as f64),
            recall: ratio(caught as f64, n_events as f64),
            f1: self.f1(),
        }
    }

    /// Number of anomalies.
    pub fn n_events(&self) -> u64 {
        self.by_kind.values().map(|kind| kind.n_events).sum()
    }

    /// Number of caught anomalies.
    pub fn caught(&self) -> u64 {
        self.by_kind.values().map(|kind| kind.delays.len() as u64).sum()
    }

    /// The event F1; `None` without anomalies.
    pub fn f1(&self) -> Option<f64> {
        let (n_events, caught) = (self.n_events(), self.caught());
        if n_events == 0 {
            return None;
        }
        f1(caught as f64, self.false_runs as f64, (n_events - caught) as f64)
    }

    /// False runs per series and day.
    pub fn false_alarms_per_series_day(&self) -> Option<f64> {
        ratio(self.false_runs as f64, self.days)
    }

    /// These counts as those of a cold start.
    pub fn first_day(&self, point: Confusion) -> FirstDay {
        FirstDay {
            series_days: self.days,
            point,
            rates: point.rates(),
            events: self.score(),
            false_alarms_per_series_day: self.false_alarms_per_series_day(),
        }
    }

    /// Percentiles of the delay of all caught anomalies.
    pub fn delay(&self) -> Option<Delay> {
        let mut delays: Vec<u32> =
            self.by_kind.values().flat_map(|kind| kind.delays.iter().copied()).collect();
        delays.sort_unstable();
        Some(Delay {
            median: percentile(&delays, 0.5)?,
            p90: percentile(&delays, 0.9)?,
            p95: percentile(&delays, 0.95)?,
        })
    }

    /// Number of caught anomalies by delay.
    pub fn delays(&self) -> Vec<DelayCount> {
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        for delay in self.by_kind.values().flat_map(|kind| &kind.delays) {
            *counts.entry(*delay).or_default() += 1;
        }
        counts.into_iter().map(DelayCount::from).collect()
    }

    /// Recall by kind, sorted by kind.
    pub fn kinds(&self) -> Vec<KindScore> {
        let score = |(name, kind): (&String, &KindTally)| {
            let mut delays = kind.delays.clone();
            delays.sort_unstable();
            KindScore {
                kind: name.clone(),
                n_events: kind.n_events,
                caught: kind.delays.len() as u64,
                delay_median: percentile(&delays, 0.5),
            }
        };
        self.by_kind.iter().map(score).collect()
    }
}

/// The counts of each series, by column.
pub fn by_series(tallies: &[EventTally]) -> SeriesCounts {
    SeriesCounts {
        n_events: tallies.iter().map(EventTally::n_events).collect(),
        caught: tallies.iter().map(EventTally::caught).collect(),
        false_runs: tallies.iter().map(|tally| tally.false_runs).collect(),
        days: tallies.iter().map(|tally| tally.days).collect(),
    }
}

impl AddAssign<&Self> for EventTally {
    fn add_assign(&mut self, other: &Self) {
        for (name, kind) in &other.by_kind {
            let sum = self.by_kind.entry(name.clone()).or_default();
            sum.n_events += kind.n_events;
            sum.delays.extend(&kind.delays);
        }
        self.false_runs += other.false_runs;
        self.days += other.days;
    }
}

/// Percentile of sorted values by nearest rank.
pub(crate) fn percentile<T: Copy + Into<f64>>(sorted: &[T], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).map(|value| (*value).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled::LabeledRow;

    const N: usize = 1_000;

    /// A series of `N` minutes with anomalies at 100..120 and 500..501.
    fn series() -> LabeledSeries {
        let row = |i: usize| LabeledRow {
            at_us: i as i64 * 60_000_000,
            value: 0.0,
            label: (100..120).contains(&i) || i == 500,
        };
        LabeledSeries::from_rows("test".to_owned(), (0..N).map(row).collect())
    }

    fn tally(alarms: &[usize]) -> EventTally {
        count(&series(), &(0..N), alarms)
    }

    #[test]
    fn counts_at_ascending_thresholds_are_those_of_each() {
        let series = series();
        let scores: Vec<f64> = (0..N).map(|i| ((i * 7_919) % 101) as f64).collect();
        let thresholds = [10.0, 50.0, 50.0, 90.0, 99.5];
        let tallies = count_at(&series, &(50..N), &thresholds, |i, line| scores[i] > line);
        for (tally, threshold) in tallies.iter().zip(thresholds) {
            let alarms: Vec<usize> = (50..N).filter(|i| scores[*i] > threshold).collect();
            assert_eq!(*tally, count(&series, &(50..N), &alarms), "{threshold}");
        }
    }

    #[test]
    fn an_anomaly_is_caught_by_an_alarm_inside_and_missed_by_one_beside() {
        let cases: [(&[usize], u64, u64); 7] = [
            (&[], 0, 0),
            (&[100], 1, 0),
            (&[119], 1, 0),
            (&[99], 0, 1),
            (&[120], 0, 1),
            (&[110, 500], 2, 0),
            (&[499, 501], 0, 1),
        ];
        for (alarms, caught, false_runs) in cases {
            let tally = tally(alarms);
            assert_eq!((tally.caught(), tally.false_runs), (caught, false_runs), "{alarms:?}");
        }
    }

    #[test]
    fn alarms_up_to_ten_apart_are_one_run() {
        assert_eq!(tally(&[10, 20, 30]).false_runs, 1);
        assert_eq!(tally(&[10, 21]).false_runs, 2);
    }

    #[test]
    fn the_tail_of_a_run_that_touches_an_anomaly_is_not_false() {
        assert_eq!(tally(&[95, 105, 115, 125, 135]).false_runs, 0);
        let with_tail = |len: usize| tally(&(110..120 + len).collect::<Vec<_>>()).false_runs;
        assert_eq!((with_tail(RUN_ALARMS_MAX), with_tail(RUN_ALARMS_MAX + 1)), (0, 1));
    }

    #[test]
    fn a_long_false_run_counts_again() {
        let run = |len: usize| tally(&(600..600 + len).collect::<Vec<_>>()).false_runs;
        assert_eq!([run(1), run(100), run(101), run(200), run(201)], [1, 1, 2, 2, 3]);
    }

    #[test]
    fn a_detector_that_always_alarms_is_far_from_perfect() {
        let always: Vec<usize> = (0..N).collect();
        let score = tally(&always).score();
        // 380 rows between the anomalies and 499 behind them; the 100 before the first are its tail.
        assert_eq!((score.caught, score.false_runs), (2, 3 + 4));
    }

    #[test]
    fn delay_counts_from_one_and_early_ends_at_seven() {
        let delay = |alarm| tally(&[alarm]).delay().unwrap().median;
        assert_eq!((delay(100), delay(106)), (1.0, 7.0));
        assert_eq!(tally(&[106]).score().caught_early, 1);
        assert_eq!(tally(&[107]).score().caught_early, 0);
    }

    #[test]
    fn scores_follow_from_counts() {
        let score = tally(&[100, 300, 700]).score();
        assert_eq!((score.n_events, score.caught, score.false_runs), (2, 1, 2));
        assert_eq!(
            (score.precision, score.recall, score.f1),
            (Some(1.0 / 3.0), Some(0.5), Some(0.4))
        );
    }

    #[test]
    fn without_anomalies_only_false_alarms_are_defined() {
        let mut unlabeled = series();
        unlabeled.events.clear();
        let tally = count(&unlabeled, &(0..N), &[5]);
        assert_eq!(
            (tally.f1(), tally.score().recall, tally.score().precision),
            (None, None, Some(0.0))
        );
        assert!((tally.false_alarms_per_series_day().unwrap() - 1.44).abs() < 1e-9);
    }

    #[test]
    fn only_the_counted_rows_count() {
        let tally = count(&series(), &(110..400), &[115, 200]);
        assert_eq!((tally.n_events(), tally.caught(), tally.false_runs), (1, 1, 1));
        assert_eq!(tally.delay().unwrap().median, 6.0);
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let values: Vec<u32> = (1..=20).collect();
        let of = |share| percentile(&values, share);
        assert_eq!([of(0.5), of(0.9), of(0.95)], [Some(10.0), Some(18.0), Some(19.0)]);
        assert_eq!(percentile::<u32>(&[], 0.5), None);
    }

    #[test]
    fn sums_of_series_are_counts_of_both() {
        let mut sum = tally(&[100, 300]);
        sum += &tally(&[500]);
        assert_eq!((sum.n_events(), sum.caught(), sum.false_runs), (4, 2, 1));
    }
}
