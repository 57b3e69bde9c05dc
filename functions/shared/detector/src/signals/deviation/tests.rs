//! Tests of the deviation signal on whole series.

use domain::{JudgedSample, Sample, VerdictKind};

use crate::signals::deviation::{Deviation, DeviationState};
use crate::{Calendar, Detector, Judge};

/// Ten-minute samples of a daily wave around 100, with a little noise that repeats only after weeks.
fn wave(i: i64) -> Sample {
    let at_us = i * 600_000_000;
    let phase = (at_us % 86_400_000_000) as f64 / 86_400e6 * std::f64::consts::TAU;
    let noise = ((i * 7919) % 1009) as f64 / 1009.0 - 0.5;
    Sample::new(at_us, 100.0 + 40.0 * phase.sin() + 2.0 * noise).unwrap()
}

fn scaled(sample: Sample, factor: f64) -> Sample {
    Sample::new(sample.at_us(), sample.value() * factor).unwrap()
}

/// Number of spikes of 100 % on days 12 to 20, and number of those found; `absurd` replaces one sample before.
fn spikes_found(absurd: Option<(i64, f64)>) -> (usize, usize) {
    let mut judge = Judge::new(Detector::default());
    let (mut sent, mut found) = (0, 0);
    for i in 0..144 * 20 {
        let mut sample = wave(i);
        if let Some((_, value)) = absurd.filter(|(at, _)| i == *at) {
            sample = Sample::new(sample.at_us(), value).unwrap();
        }
        let is_spike = i > 144 * 12 && i % 97 == 0;
        if is_spike {
            sample = scaled(sample, 2.0);
            sent += 1;
        }
        found += usize::from(judge.judge(sample).verdict.is_anomaly() && is_spike);
    }
    (sent, found)
}

#[test]
fn one_absurd_value_leaves_the_recall_of_later_spikes_unchanged() {
    let (sent, found) = spikes_found(None);
    assert!(found * 10 >= sent * 8, "{found} of {sent}");
    for absurd in [1e15, -1e15] {
        assert_eq!(spikes_found(Some((1_440, absurd))), (sent, found));
        assert_eq!(spikes_found(Some((100, absurd))), (sent, found));
    }
}

#[test]
fn a_lasting_change_becomes_the_new_normal() {
    let mut judge = Judge::new(Detector::default());
    let mut n_anomalies_late = 0;
    for i in 0..144 * 14 {
        let factor = if i < 144 * 7 { 1.0 } else { 20.0 };
        let judgement = judge.judge(scaled(wave(i), factor));
        if i > 144 * 10 {
            n_anomalies_late += usize::from(judgement.verdict.is_anomaly());
        }
    }
    assert_eq!(n_anomalies_late, 0);
}

#[test]
fn a_constant_series_is_constant_and_its_first_change_an_anomaly() {
    let mut judge = Judge::new(Detector::default());
    for i in 0..100 {
        let verdict = judge.judge(Sample::new(i * 1_000_000, 0.0).unwrap()).verdict;
        assert_eq!(
            verdict.kind,
            if i < 10 { VerdictKind::Learning } else { VerdictKind::Constant }
        );
    }
    assert!(judge.judge(Sample::new(100_000_000, 1.0).unwrap()).verdict.is_anomaly());
}

/// Verdict kinds of a first day of one sample a minute near 100, altered by `change`.
fn first_day(change: impl Fn(i64) -> Option<f64>) -> Vec<VerdictKind> {
    let mut judge = Judge::new("deviation".parse().unwrap());
    let value = |minute: i64| 100.0 + ((minute * 7919) % 1009) as f64 / 1009.0;
    let sample = |minute| Sample::new(minute * 60_000_000, change(minute).unwrap_or(value(minute)));
    (0..1_440).map(|minute| judge.judge(sample(minute).unwrap()).verdict.kind).collect()
}

#[test]
fn an_outage_on_the_first_day_is_not_what_its_time_of_day_expects() {
    let detector = Deviation { window: 50, threshold: 2.5, min: 10, calendar: Calendar::default() };
    let mut state = DeviationState::default();
    let mut before: Vec<JudgedSample> = Vec::new();
    let sample = |minute: i64, value| Sample::new(minute * 60_000_000, value).unwrap();
    for minute in 0..1_440 {
        let usual = 100.0 + ((minute * 7919) % 1009) as f64 / 1009.0;
        let value = if (600..605).contains(&minute) { 0.0 } else { usual };
        let verdict = detector.judge(&before, &state, sample(minute, value));
        detector.learn(&mut state, sample(minute, value), &verdict);
        let sample = sample(minute, value);
        before.push(JudgedSample::new(sample, verdict.kind, 0.0, false));
    }
    let (expected, _) = state.expected_at(Calendar::default(), sample(1_440 + 602, 100.0));
    assert!((99.0..101.5).contains(&expected), "{expected}");
}

#[test]
fn a_change_that_lasts_on_the_first_day_is_the_new_normal_within_an_hour() {
    let kinds = first_day(|minute| (minute >= 600).then_some(2_000.0 + (minute % 7) as f64));
    assert_eq!(kinds[600], VerdictKind::Anomaly);
    assert!(kinds[660..].iter().all(|kind| *kind == VerdictKind::Normal));
}

/// Score of 130 after fifty samples near 100, of which the last `n_high` are 1,000 and were judged as `kind`.
fn score_after(n_high: usize, kind: VerdictKind) -> f64 {
    let judged = |i: usize| {
        let is_high = i >= 50 - n_high;
        let value = if is_high { 1_000.0 } else { 100.0 + (i % 5) as f64 };
        let sample = Sample::new(i as i64 * 60_000_000, value).unwrap();
        let kind = if is_high { kind } else { VerdictKind::Normal };
        JudgedSample::new(sample, kind, 0.0, false)
    };
    let detector = Deviation { window: 50, threshold: 2.5, min: 10, calendar: Calendar::default() };
    let before: Vec<JudgedSample> = (0..50).map(judged).collect();
    let mut state = DeviationState::default();
    for (i, judged) in before.iter().enumerate() {
        let verdict = detector.judge(&before[..i], &state, judged.sample);
        detector.learn(&mut state, judged.sample, &verdict);
    }
    detector.judge(&before, &state, Sample::new(50 * 60_000_000, 130.0).unwrap()).score
}

#[test]
fn anomalies_of_the_window_do_not_hide_the_next_one_until_they_are_half_of_it() {
    let unnoticed = score_after(5, VerdictKind::Normal);
    for kind in [VerdictKind::Anomaly, VerdictKind::Maintenance] {
        assert!(score_after(5, kind) > 3.0 * unnoticed, "{} {unnoticed}", score_after(5, kind));
        assert_eq!(score_after(30, kind), score_after(30, VerdictKind::Normal));
    }
}
