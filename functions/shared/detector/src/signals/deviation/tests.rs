//! Tests of the deviation signal on whole series.

use domain::{Sample, VerdictKind};

use crate::{Detector, Judge};

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
