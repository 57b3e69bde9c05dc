//! Tests of judging counters: rates, late samples, changes of the kind, lost windows and memories.

use super::*;
use crate::{Judge, SeriesConfig, Window};
use domain::{JudgedSample, Judgement, ObservationCount, SampleKind, VerdictKind};
use proptest::prelude::*;

const MINUTE_US: i64 = 60_000_000;
const COUNTER: SampleKind = SampleKind::Counter { started_at_us: None };
const DEPLOYED: crate::DeployedDetector =
    crate::DeployedDetector { detector: crate::Detector::ALL[0], generation: 0 };

fn counter(minute: i64, total: f64) -> Sample {
    Sample::of_kind(minute * MINUTE_US, total, COUNTER).unwrap()
}

fn gauge(minute: i64, value: f64) -> Sample {
    Sample::new(minute * MINUTE_US, value).unwrap()
}

/// Total after `minute` minutes of about 100 a second.
fn total(minute: i64) -> f64 {
    6_000.0 * minute as f64 + (minute % 7) as f64 * 60.0
}

fn restored(judge: &Judge, config: &SeriesConfig) -> Judge {
    let window: Vec<JudgedSample> = judge.window().judged().to_vec();
    Judge::restore_configured(DEPLOYED, config, Some(&judge.memory().encode()), window).unwrap()
}

fn rates(window: &Window) -> Vec<(i64, f64)> {
    let judged = window.judged().iter();
    judged.map(|judged| (judged.sample.at_us(), judged.sample.value())).collect()
}

#[test]
fn a_restored_counter_judges_like_one_in_memory() {
    for detector in crate::Detector::ALL {
        let mut judge = Judge::new(detector);
        for i in 0..500 {
            // Late samples, restarts and a sample of a gauge among them.
            let minute = if i % 9 == 8 { (i - 20).max(0) } else { i };
            let total = total(minute % 130) + if i == 400 { 1e6 } else { 0.0 };
            let sample = Sample::of_kind(minute * MINUTE_US + i % 2, total, COUNTER);
            let sample = if i == 300 { gauge(250, 7.0) } else { sample.unwrap() };
            let deployed = crate::DeployedDetector { detector, generation: 0 };
            let window = judge.window().judged().to_vec();
            let mut again =
                Judge::restore(deployed, Some(&judge.memory().encode()), window).unwrap();
            assert_eq!(rates(again.read_window()), rates(judge.read_window()), "{i} {detector}");
            assert_eq!(again.judge(sample), judge.judge(sample), "{i} {detector}");
            assert_eq!(again.memory(), judge.memory(), "{i} {detector}");
        }
    }
}

#[test]
fn a_counter_is_judged_as_a_gauge_of_its_rates() {
    let (mut of_totals, mut of_rates) =
        (Judge::new(DEPLOYED.detector), Judge::new(DEPLOYED.detector));
    let first = of_totals.judge(counter(0, total(0)));
    assert_eq!((first.rate, first.verdict.kind), (Rate::Unknown, VerdictKind::Learning));
    for i in 1..200 {
        let with_burst = |i: i64| total(i) + if i >= 150 { 90_000.0 } else { 0.0 };
        let (before, now) = (with_burst(i - 1), with_burst(i));
        let judgement = of_totals.judge(counter(i, now));
        let rate = of_rates.judge(gauge(i, (now - before) / 60.0));
        assert_eq!(judgement.rate, Rate::PerSecond((now - before) / 60.0));
        assert_eq!((judgement.verdict, judgement.late), (rate.verdict, rate.late), "{i}");
        assert!(i != 150 || judgement.verdict.is_anomaly());
    }
    assert_eq!(of_totals.memory().state, of_rates.memory().state);
}

/// A sum of `count` observations that are about 0.25 each.
fn sum(minute: i64, count: u64, sum: f64) -> Sample {
    let kind = SampleKind::Mean(ObservationCount::new(count, Some(7)).unwrap());
    Sample::of_kind(minute * MINUTE_US, sum, kind).unwrap()
}

#[test]
fn a_mean_is_judged_as_a_gauge_of_its_means() {
    let (mut of_sums, mut of_means) =
        (Judge::new(DEPLOYED.detector), Judge::new(DEPLOYED.detector));
    let (mut total, mut count) = (0.0, 0);
    for i in 0..200 {
        let usual = 0.25 + (i % 7) as f64 / 64.0;
        let mean = if i >= 150 { 8.0 * usual } else { usual };
        (total, count) = (total + 64.0 * mean, count + 64);
        let judgement = of_sums.judge(sum(i, count, total));
        if i == 0 {
            assert_eq!(judgement.rate, Rate::Unknown);
            continue;
        }
        let gauge = of_means.judge(gauge(i, mean));
        assert_eq!(judgement.rate, Rate::Mean(mean));
        assert_eq!((judgement.verdict, judgement.late), (gauge.verdict, gauge.late), "{i}");
        assert!(i != 150 || judgement.verdict.is_anomaly());
        assert!(i != 150 || judgement.reason().starts_with("a mean of "));
    }
    assert_eq!(of_sums.memory().state, of_means.memory().state);
}

#[test]
fn a_restored_mean_judges_like_one_in_memory() {
    let mut judge = Judge::new(DEPLOYED.detector);
    for i in 0..300_i64 {
        // Late samples, restarts and intervals without an observation among them.
        let minute = if i % 9 == 8 { (i - 20).max(0) } else { i };
        let count = (minute % 110 / 3 * 40).unsigned_abs();
        let sample = sum(minute, count, 0.25 * count as f64 + (minute % 5) as f64);
        let mut again = restored(&judge, &SeriesConfig::default());
        assert_eq!(rates(again.read_window()), rates(judge.read_window()), "{i}");
        assert_eq!(again.judge(sample), judge.judge(sample), "{i}");
        assert_eq!(again.memory(), judge.memory(), "{i}");
    }
    let quiet = judge.judge(sum(400, 0, 0.0));
    let none = judge.judge(sum(401, 0, 0.0));
    assert_eq!([quiet.rate, none.rate], [Rate::Unknown; 2]);
    assert_eq!(none.verdict.kind, VerdictKind::Learning);
}

#[test]
fn the_kind_of_a_mean_is_no_matter_of_configuration() {
    for kind in [SampleKind::Gauge, COUNTER] {
        let config = SeriesConfig::default().with_kind(Some(kind));
        assert_eq!(config.as_configured(sum(1, 5, 2.0)), sum(1, 5, 2.0));
    }
}

#[test]
fn a_counter_that_stands_still_is_judged_with_a_rate_of_zero() {
    let mut judge = Judge::new(DEPLOYED.detector);
    (0..100).for_each(|i| _ = judge.judge(counter(i, total(i))));
    let stopped: Vec<Judgement> = (100..104).map(|i| judge.judge(counter(i, total(99)))).collect();
    assert!(stopped.iter().all(|judgement| judgement.rate == Rate::PerSecond(0.0)));
    assert!(stopped.iter().any(|judgement| judgement.verdict.is_anomaly()), "{stopped:?}");
}

#[test]
fn a_late_sample_is_judged_by_its_neighbor_and_divides_the_next_interval() {
    let mut judge = Judge::new(DEPLOYED.detector);
    (0..100).filter(|i| *i != 90).for_each(|i| _ = judge.judge(counter(i, total(i))));
    assert!(
        rates(judge.read_window()).contains(&(91 * MINUTE_US, (total(91) - total(89)) / 120.0))
    );
    let before = judge.memory().clone();
    let late = judge.judge(counter(90, total(90)));
    assert_eq!((late.rate, late.late), (Rate::PerSecond((total(90) - total(89)) / 60.0), true));
    assert_eq!((judge.memory().cursor_us, judge.memory().last), (before.cursor_us, before.last));
    assert!(rates(judge.read_window()).contains(&(91 * MINUTE_US, (total(91) - total(90)) / 60.0)));
}

#[test]
fn a_repeated_total_changes_nothing() {
    let mut judge = Judge::new(DEPLOYED.detector);
    (0..100).for_each(|i| _ = judge.judge(counter(i, total(i))));
    let (memory, read) = (judge.memory().clone(), rates(judge.read_window()));
    let again = judge.judge(counter(50, total(50)));
    assert_eq!(again.rate, Rate::PerSecond((total(50) - total(49)) / 60.0));
    assert_eq!((judge.memory(), rates(judge.read_window())), (&memory, read));
}

#[test]
fn after_a_lost_window_the_rate_continues_from_the_last_total() {
    let mut judge = Judge::new(DEPLOYED.detector);
    (0..100).for_each(|i| _ = judge.judge(counter(i, total(i))));
    let bytes = judge.memory().encode();
    let mut judge = Judge::restore(DEPLOYED, Some(&bytes), Vec::new()).unwrap();
    let next = judge.judge(counter(105, total(105)));
    assert_eq!(next.rate, Rate::PerSecond((total(105) - total(99)) / 360.0));
}

#[test]
fn after_a_lost_memory_the_rates_are_learned_again_from_the_totals() {
    let mut judge = Judge::new(DEPLOYED.detector);
    (0..100).for_each(|i| _ = judge.judge(counter(i, total(i))));
    let window = judge.window().judged().to_vec();
    let mut again = Judge::restore(DEPLOYED, None, window).unwrap();
    assert!(again.memory().is_counter);
    assert_eq!(again.learning().seen, again.learning().needed);
    assert_eq!(again.judge(counter(100, total(100))), judge.judge(counter(100, total(100))));
}

#[test]
fn a_series_that_changes_its_kind_learns_from_the_samples_of_the_new_kind() {
    let mut judge = Judge::new(DEPLOYED.detector);
    (0..60).for_each(|i| _ = judge.judge(gauge(i, 100.0 + (i % 7) as f64)));
    judge.judge(gauge(60, 9e5));
    assert!(judge.memory().episode_record().is_some());
    let first = judge.judge(counter(61, 5e9));
    assert_eq!((first.rate, first.verdict.kind), (Rate::Unknown, VerdictKind::Learning));
    assert_eq!((judge.memory().episode_record(), judge.learning().seen), (None, 0));
    for i in 1..40 {
        let judgement = judge.judge(counter(61 + i, 5e9 + total(i)));
        assert!(!judgement.verdict.is_anomaly(), "{judgement:?}");
    }
    // A late sample of the former kind is stored, but neither judged nor learned.
    let memory = judge.memory().clone();
    let late = judge.judge(Sample::new(62 * MINUTE_US + 1, 7.0).unwrap());
    assert_eq!(
        (late.verdict.kind, late.rate, late.late),
        (VerdictKind::Learning, Rate::NotCounter, true)
    );
    assert_eq!(judge.memory().state, memory.state);
    // The total after it has no rate any more, and the others keep theirs.
    assert_eq!(rates(judge.read_window()).len(), 38);
    assert_eq!(restored(&judge, &SeriesConfig::default()).memory(), judge.memory());
    // Back again: what it had learned of the gauge is learned from the window.
    assert_ne!(judge.judge(gauge(120, 103.0)).verdict.kind, VerdictKind::Learning);
}

#[test]
fn a_configured_kind_learns_again_from_the_stored_totals_once() {
    let mut judge = Judge::new(DEPLOYED.detector);
    (0..100).for_each(|i| _ = judge.judge(gauge(i, total(i))));
    let config = SeriesConfig::default().with_kind(Some(COUNTER));
    let mut judge = restored(&judge, &config);
    assert_eq!(judge.origin(), crate::MemoryOrigin::Migrated);
    let next = judge.judge(gauge(100, total(100)));
    assert_eq!(next.rate, Rate::PerSecond((total(100) - total(99)) / 60.0));
    assert_eq!(next.verdict.kind, VerdictKind::Normal);
    // A number that no counter can have is not judged, and does not change the kind.
    assert_eq!(judge.judge(gauge(101, -5.0)).verdict.kind, VerdictKind::Learning);
    assert!(judge.memory().is_counter);
    assert_eq!(restored(&judge, &config).origin(), crate::MemoryOrigin::Stored);
}

/// Totals of distinct seconds with their starts, in any order of arrival.
fn shuffled_totals() -> impl Strategy<Value = Vec<Sample>> {
    let start = prop::option::of(0i64..400);
    prop::collection::btree_map(0i64..400, (0u32..50, start), 1..200)
        .prop_map(|totals| {
            let sample = |(second, (total, start)): (i64, (u32, Option<i64>))| {
                let started_at_us = start.map(|start| start * 1_000_000);
                let kind = SampleKind::Counter { started_at_us };
                Sample::of_kind(second * 1_000_000, f64::from(total), kind).unwrap()
            };
            totals.into_iter().map(sample).collect::<Vec<_>>()
        })
        .prop_shuffle()
}

proptest! {
    #[test]
    fn the_rates_of_a_window_do_not_depend_on_the_order_of_arrival(totals in shuffled_totals()) {
        let mut judge = Judge::new(DEPLOYED.detector);
        for total in &totals {
            judge.judge(*total);
        }
        let mut sorted = totals;
        sorted.sort_by_key(Sample::at_us);
        let oldest_us = judge.window().judged()[0].sample.at_us();
        let wanted: Vec<(i64, f64)> = sorted
            .windows(2)
            .filter(|pair| pair[0].at_us() >= oldest_us)
            .filter_map(|pair| {
                Some((pair[1].at_us(), crate::counter::rate(Some(pair[0]), pair[1]).per_second()?))
            })
            .collect();
        prop_assert_eq!(rates(judge.read_window()), wanted);
        let again = restored(&judge, &SeriesConfig::default());
        prop_assert_eq!(rates(again.read_window()), rates(judge.read_window()));
    }
}
