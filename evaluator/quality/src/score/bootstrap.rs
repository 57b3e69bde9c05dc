//! Confidence intervals by resampling whole series, since samples of one series are not independent.
//!
//! The difference to the reference detector uses the same resampled series, so the difficulty of a series cancels out.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::event::EventTally;
use super::{f1, ratio};
use crate::record::{Intervals, SeriesCounts};

/// Number of resamples; the ends of a 95 % interval are the 25th values from both sides.
const RESAMPLES: usize = 1_000;

/// Minimum number of series for an interval.
pub const SERIES_MIN: usize = 4;

/// Counts of one series, or of a resample.
#[derive(Debug, Clone, Copy, Default)]
struct ResampledCounts {
    n_events: f64,
    caught: f64,
    false_runs: f64,
    days: f64,
}

/// 95 % intervals over series; `None` for fewer than [`SERIES_MIN`].
///
/// `reference` holds the counts of the reference detector on the same series; `None` for the reference itself.
pub fn intervals(
    tallies: &[EventTally],
    reference: Option<&[EventTally]>,
    seed: u64,
) -> Option<Intervals> {
    if tallies.len() < SERIES_MIN {
        return None;
    }
    let own: Vec<ResampledCounts> = tallies.iter().map(ResampledCounts::of).collect();
    let theirs: Option<Vec<ResampledCounts>> =
        reference.map(|tallies| tallies.iter().map(ResampledCounts::of).collect());
    let [event_f1, recall, precision, false_alarms_per_series_day, gain] =
        resample(own.len(), seed, |drawn| {
            let sum = ResampledCounts::sum(&own, drawn);
            let gain =
                theirs.as_ref().map(|theirs| sum.f1() - ResampledCounts::sum(theirs, drawn).f1());
            let gain = gain.unwrap_or_default();
            [sum.f1(), sum.recall(), sum.precision(), sum.false_alarms(), gain]
        });
    let event_f1_gain = theirs.map(|_| gain);
    Some(Intervals { event_f1, recall, precision, false_alarms_per_series_day, event_f1_gain })
}

/// 95 % intervals of a second measurement minus a first one on the same series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Differences {
    /// Interval of the event F1.
    pub event_f1: [f64; 2],
    /// Interval of the event recall.
    pub recall: [f64; 2],
    /// Interval of the event precision.
    pub precision: [f64; 2],
    /// Interval of the false runs per series and day.
    pub false_alarms_per_series_day: [f64; 2],
}

/// Differences on the same resampled series; `None` for fewer than [`SERIES_MIN`], or if the series differ.
pub fn differences(old: &SeriesCounts, new: &SeriesCounts, seed: u64) -> Option<Differences> {
    let is_paired = old.n_events == new.n_events && old.days == new.days;
    let (old, new) = (ResampledCounts::all(old)?, ResampledCounts::all(new)?);
    if !is_paired || old.len() < SERIES_MIN {
        return None;
    }
    let numbers = [
        ResampledCounts::f1,
        ResampledCounts::recall,
        ResampledCounts::precision,
        ResampledCounts::false_alarms,
    ];
    let [event_f1, recall, precision, false_alarms_per_series_day] =
        resample(old.len(), seed, |drawn| {
            let (before, after) =
                (ResampledCounts::sum(&old, drawn), ResampledCounts::sum(&new, drawn));
            numbers.map(|number| number(&after) - number(&before))
        });
    Some(Differences { event_f1, recall, precision, false_alarms_per_series_day })
}

/// 95 % intervals of numbers that are computed from the indexes of resampled series.
fn resample<const N: usize>(
    n_series: usize,
    seed: u64,
    numbers: impl Fn(&[usize]) -> [f64; N],
) -> [[f64; 2]; N] {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut samples = [const { Vec::new() }; N];
    for _ in 0..RESAMPLES {
        let drawn: Vec<usize> = (0..n_series).map(|_| random.random_range(0..n_series)).collect();
        for (all, number) in samples.iter_mut().zip(numbers(&drawn)) {
            all.push(number);
        }
    }
    samples.map(middle_95_percent)
}

impl ResampledCounts {
    /// The series of a record; `None` if its columns differ in length.
    fn all(columns: &SeriesCounts) -> Option<Vec<Self>> {
        let SeriesCounts { n_events, caught, false_runs, days } = columns;
        let is_table = [caught.len(), false_runs.len(), days.len()] == [n_events.len(); 3];
        let of = |i: usize| Self {
            n_events: n_events[i] as f64,
            caught: caught[i] as f64,
            false_runs: false_runs[i] as f64,
            days: days[i],
        };
        is_table.then(|| (0..n_events.len()).map(of).collect())
    }

    fn of(tally: &EventTally) -> Self {
        Self {
            n_events: tally.n_events() as f64,
            caught: tally.caught() as f64,
            false_runs: tally.false_runs as f64,
            days: tally.days,
        }
    }

    fn sum(all: &[Self], drawn: &[usize]) -> Self {
        let mut sum = Self::default();
        for one in drawn.iter().map(|i| &all[*i]) {
            sum.n_events += one.n_events;
            sum.caught += one.caught;
            sum.false_runs += one.false_runs;
            sum.days += one.days;
        }
        sum
    }

    // An undefined rate (no anomaly, no alarm) counts as 0.
    fn f1(&self) -> f64 {
        f1(self.caught, self.false_runs, self.n_events - self.caught).unwrap_or_default()
    }

    fn recall(&self) -> f64 {
        ratio(self.caught, self.n_events).unwrap_or_default()
    }

    fn precision(&self) -> f64 {
        ratio(self.caught, self.caught + self.false_runs).unwrap_or_default()
    }

    fn false_alarms(&self) -> f64 {
        ratio(self.false_runs, self.days).unwrap_or_default()
    }
}

fn middle_95_percent(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_unstable_by(f64::total_cmp);
    let cut = values.len() / 40;
    [values[cut], values[values.len() - 1 - cut]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::event::{self, KindTally};

    fn tally(n_events: u64, caught: usize, false_runs: u64) -> EventTally {
        let kind = KindTally { n_events, delays: vec![1; caught] };
        EventTally { by_kind: [("spike".to_owned(), kind)].into(), false_runs, days: 10.0 }
    }

    #[test]
    fn an_interval_holds_the_value_and_is_wide_when_series_differ() {
        let tallies: Vec<EventTally> = (0..20).map(|i| tally(10, i % 11, 3)).collect();
        let intervals = intervals(&tallies, None, 1).unwrap();
        let recall = tallies.iter().map(EventTally::caught).sum::<u64>() as f64 / 200.0;
        assert!(intervals.recall[0] < recall && recall < intervals.recall[1]);
        assert!(intervals.recall[1] - intervals.recall[0] > 0.1);
        assert_eq!(intervals.false_alarms_per_series_day, [0.3, 0.3]);
    }

    #[test]
    fn equal_series_have_no_width_and_no_gain_over_themselves() {
        let tallies = vec![tally(10, 5, 1); 5];
        let intervals = intervals(&tallies, Some(&tallies), 1).unwrap();
        assert_eq!(intervals.recall, [0.5, 0.5]);
        assert_eq!(intervals.event_f1_gain, Some([0.0, 0.0]));
    }

    #[test]
    fn a_constant_gain_is_certain_though_series_differ() {
        let own: Vec<EventTally> = (0..8).map(|i| tally(10 + i, 10 + i as usize, 0)).collect();
        let theirs: Vec<EventTally> = (0..8).map(|i| tally(10 + i, 0, 0)).collect();
        assert_eq!(intervals(&own, Some(&theirs), 1).unwrap().event_f1_gain, Some([1.0, 1.0]));
    }

    #[test]
    fn a_difference_that_every_series_shares_is_certain_and_to_itself_it_is_zero() {
        let counts = |caught: usize| {
            let tallies: Vec<EventTally> = (0..8).map(|i| tally(10 + i, caught, 1)).collect();
            event::by_series(&tallies)
        };
        let same = differences(&counts(5), &counts(5), 1).unwrap();
        assert_eq!((same.event_f1, same.false_alarms_per_series_day), ([0.0; 2], [0.0; 2]));
        let better = differences(&counts(2), &counts(9), 1).unwrap();
        assert!(better.event_f1[0] > 0.3 && better.recall[0] > 0.3, "{better:?}");
    }

    #[test]
    fn counts_of_other_series_are_not_paired() {
        let counts = |n: u64| event::by_series(&vec![tally(n, 1, 0); 5]);
        assert!(differences(&counts(4), &counts(4), 1).is_some());
        assert_eq!(differences(&counts(4), &counts(5), 1), None);
        assert_eq!(differences(&counts(4), &SeriesCounts::default(), 1), None);
    }

    #[test]
    fn too_few_series_have_no_interval() {
        assert_eq!(intervals(&vec![tally(1, 1, 0); SERIES_MIN - 1], None, 1), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let tallies: Vec<EventTally> = (0..9).map(|i| tally(10, i, 2)).collect();
        assert_eq!(intervals(&tallies, None, 4), intervals(&tallies, None, 4));
    }
}
