//! Counter: turns totals that only grow into rates a second, and sums of observations into their means.
//!
//! A process that has just started knows no earlier total, so a rate must not depend on what a process has seen: it is
//! computed from two samples of the stored window. Late samples are inserted there, so the same samples have the same
//! rates in any order of arrival.
//!
//! - **Increase.** The difference from the sample before. If the total fell, or if the counter began after the sample
//!   before, the total itself: it was counted since a restart. What was counted before the restart and not sent is
//!   lost, as everywhere.
//! - **Rate.** The increase over the whole time between the two samples, however long.
//! - **No rate.** The first sample; one after a sample of a gauge; one at or before its own start: then the total is of
//!   unknown age.
//! - **Mean.** The increase of a sum of observations by that of their number; both count from zero after a restart, which
//!   shows in a smaller number or another start. Without an observation between the two samples there is none.
//! - **Limits.** Totals are doubles: above 2^53 their last digits are lost, and the rate has steps.

use domain::sample::VALUE_ABS_MAX;
use domain::{JudgedSample, Judgement, ObservationCount, Rate, Sample, SampleKind};

/// Microseconds in a second.
const SECOND_US: f64 = 1e6;

/// Rate or mean of a sample, given the one before it.
pub fn rate(before: Option<Sample>, sample: Sample) -> Rate {
    let before = before.filter(|before| before.at_us() < sample.at_us());
    let kind_before = before.map(|before| before.kind());
    match (sample.kind(), before, kind_before) {
        (SampleKind::Gauge, ..) => Rate::NotCounter,
        (SampleKind::Counter { started_at_us }, Some(before), Some(SampleKind::Counter { .. })) => {
            per_second(before, sample, started_at_us)
        }
        (SampleKind::Mean(count), Some(before), Some(SampleKind::Mean(count_before))) => {
            mean((before, count_before), (sample, count))
        }
        _ => Rate::Unknown,
    }
}

/// Mean of the observations between two samples.
fn mean(
    (before, count_before): (Sample, ObservationCount),
    (sample, count): (Sample, ObservationCount),
) -> Rate {
    let (sum, n) = match count.since(count_before) {
        Some(n) => (sample.value() - before.value(), n),
        None => (sample.value(), count.count()),
    };
    if n == 0 {
        return Rate::Unknown;
    }
    Rate::Mean((sum / n as f64).clamp(-VALUE_ABS_MAX, VALUE_ABS_MAX))
}

fn per_second(before: Sample, sample: Sample, started_at_us: Option<i64>) -> Rate {
    let restarted_us = started_at_us.filter(|started_at_us| *started_at_us > before.at_us());
    if restarted_us.is_some_and(|restarted_us| restarted_us >= sample.at_us()) {
        return Rate::Unknown;
    }
    let has_restarted = restarted_us.is_some() || sample.value() < before.value();
    let increase = if has_restarted { sample.value() } else { sample.value() - before.value() };
    let seconds = (sample.at_us() - before.at_us()) as f64 / SECOND_US;
    Rate::PerSecond((increase / seconds).min(VALUE_ABS_MAX))
}

/// Judgement of a stored sample, with the rate that follows from the sample before it.
pub fn judgement(before: Option<Sample>, judged: &JudgedSample) -> Judgement {
    Judgement { rate: rate(before, judged.sample), ..judged.judgement() }
}

/// Judgements of the samples of a window, in time order.
pub fn judgements(window: &[JudgedSample]) -> impl Iterator<Item = Judgement> + '_ {
    let before = |i: usize| i.checked_sub(1).map(|i| window[i].sample);
    window.iter().enumerate().map(move |(i, judged)| judgement(before(i), judged))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(second: i64, total: f64) -> Sample {
        started(second, total, None)
    }

    fn started(second: i64, total: f64, started_at: Option<i64>) -> Sample {
        let started_at_us = started_at.map(|second| second * 1_000_000);
        Sample::of_kind(second * 1_000_000, total, SampleKind::Counter { started_at_us }).unwrap()
    }

    #[test]
    fn a_counter_that_stands_still_has_a_rate_of_zero() {
        assert_eq!(rate(Some(counter(10, 5.0)), counter(20, 5.0)), Rate::PerSecond(0.0));
    }

    #[test]
    fn the_first_sample_has_no_rate() {
        assert_eq!(rate(None, counter(20, 5.0)), Rate::Unknown);
        assert_eq!(rate(None, started(20, 5.0, Some(10))), Rate::Unknown);
        let gauge = Sample::new(10_000_000, 1.0).unwrap();
        assert_eq!(rate(Some(gauge), counter(20, 5.0)), Rate::Unknown);
        assert_eq!(
            rate(Some(counter(10, 5.0)), Sample::new(20_000_000, 6.0).unwrap()),
            Rate::NotCounter
        );
    }

    #[test]
    fn a_rate_is_over_the_whole_interval_even_a_long_one() {
        assert_eq!(rate(Some(counter(10, 100.0)), counter(20, 150.0)), Rate::PerSecond(5.0));
        assert_eq!(rate(Some(counter(0, 0.0)), counter(86_400, 86_400.0)), Rate::PerSecond(1.0));
    }

    #[test]
    fn a_total_that_fell_counts_from_zero() {
        assert_eq!(rate(Some(counter(10, 1e6)), counter(20, 30.0)), Rate::PerSecond(3.0));
        assert_eq!(rate(Some(counter(10, 1e6)), counter(20, 0.0)), Rate::PerSecond(0.0));
    }

    #[test]
    fn a_restart_is_known_by_the_start_even_if_the_total_is_higher() {
        let before = started(10, 20.0, Some(0));
        assert_eq!(rate(Some(before), started(20, 50.0, Some(12))), Rate::PerSecond(5.0));
        assert_eq!(rate(Some(before), started(20, 50.0, Some(0))), Rate::PerSecond(3.0));
        assert_eq!(rate(Some(before), started(20, 50.0, Some(10))), Rate::PerSecond(3.0));
    }

    #[test]
    fn a_total_that_begins_at_its_own_time_is_of_unknown_age() {
        assert_eq!(rate(Some(counter(10, 5.0)), started(20, 50.0, Some(20))), Rate::Unknown);
        assert_eq!(rate(Some(counter(10, 5.0)), started(20, 50.0, Some(30))), Rate::Unknown);
        assert_eq!(
            rate(Some(started(20, 50.0, Some(20))), started(30, 60.0, Some(20))),
            Rate::PerSecond(1.0)
        );
    }

    #[test]
    fn totals_above_2_to_the_53_have_finite_rates_in_steps() {
        let large = 9_007_199_254_740_992.0;
        assert_eq!(rate(Some(counter(10, large)), counter(11, large + 1.0)), Rate::PerSecond(0.0));
        assert_eq!(rate(Some(counter(10, large)), counter(11, large + 4.0)), Rate::PerSecond(4.0));
        let largest = domain::sample::COUNTER_MAX;
        let [before, after] = [(1, 0.0), (2, largest)].map(|(at_us, total)| {
            Sample::of_kind(at_us, total, SampleKind::Counter { started_at_us: None }).unwrap()
        });
        assert_eq!(rate(Some(before), after), Rate::PerSecond(VALUE_ABS_MAX));
    }

    fn sum(second: i64, count: u64, sum: f64, started_at: Option<i64>) -> Sample {
        let count = ObservationCount::new(count, started_at.map(|second| second * 1_000_000));
        Sample::of_kind(second * 1_000_000, sum, SampleKind::Mean(count.unwrap())).unwrap()
    }

    #[test]
    fn a_mean_is_that_of_the_observations_between_two_samples() {
        let first = sum(10, 100, 50.0, Some(0));
        let cases = [
            (sum(20, 110, 52.5, Some(0)), Rate::Mean(0.25)),
            (sum(20, 101, 40.0, Some(0)), Rate::Mean(-10.0)),
            (sum(20, 110, 52.5, None), Rate::Mean(0.25)),
            // No observation since: no mean, whatever the sum.
            (sum(20, 100, 50.0, Some(0)), Rate::Unknown),
            (sum(20, 0, 0.0, Some(15)), Rate::Unknown),
            // A restart, by a smaller number or by another start.
            (sum(20, 10, 5.0, Some(0)), Rate::Mean(0.5)),
            (sum(20, 200, 20.0, Some(15)), Rate::Mean(0.1)),
            // The first sample, one of another kind before, and one that is not later.
            (sum(10, 110, 52.5, Some(0)), Rate::Unknown),
            (counter(20, 100.0), Rate::Unknown),
        ];
        for (sample, expected) in cases {
            assert_eq!(rate(Some(first), sample), expected, "{sample:?}");
        }
        assert_eq!(rate(None, first), Rate::Unknown);
        assert_eq!(rate(Some(counter(5, 1.0)), first), Rate::Unknown);
        let most = Rate::Mean(VALUE_ABS_MAX);
        assert_eq!(rate(Some(sum(10, 0, -1e20, None)), sum(20, 1, 1e20, None)), most);
    }

    #[test]
    fn rates_follow_from_the_order_of_time() {
        let window: Vec<JudgedSample> = [(10, 10.0), (20, 40.0), (30, 5.0)]
            .map(|(second, total)| {
                let sample = counter(second, total);
                JudgedSample::new(sample, domain::VerdictKind::Normal, 0.0, false)
            })
            .into();
        let rates: Vec<Rate> = judgements(&window).map(|judgement| judgement.rate).collect();
        assert_eq!(rates, [Rate::Unknown, Rate::PerSecond(3.0), Rate::PerSecond(0.5)]);
    }
}
