//! Tests of the novelty signal, some against numbers of a separate implementation.

use proptest::prelude::*;

use super::*;

const TEN_MINUTES_US: i64 = 600_000_000;
const LEN: usize = NoveltyState::SCALARS_LEN + NoveltyState::TABLES_LEN;

/// Anomalies among 3,000 samples of [`saw`], by a separate implementation of the same arithmetic.
const ANOMALIES: [usize; 7] = [30, 122, 144, 700, 1_401, 1_800, 2_803];

/// Sum of the scores, by the same implementation.
const SCORE_SUM: f64 = 151.933_744_0;

fn sample(i: i64, value: f64) -> Sample {
    Sample::new(i * TEN_MINUTES_US, value).unwrap()
}

/// Daily sawtooth with noise, rare spikes and a shift: the series of the reference numbers.
fn saw(n: i64) -> Vec<Sample> {
    let mut seed = 12_345_u64;
    let mut value_at = |i: i64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = (seed >> 40) as f64 / f64::from(1 << 24);
        let spike = if i % 701 == 700 { 200.0 * noise } else { 0.0 };
        let shift = if i >= 1_800 { 30.0 } else { 0.0 };
        100.0 + 40.0 * ((i % 144) as f64 / 144.0) + 5.0 * noise + spike + shift
    };
    (0..n).map(|i| sample(i, value_at(i))).collect()
}

fn learned(n: i64) -> NoveltyState {
    let mut state = NoveltyState::default();
    for sample in saw(n) {
        learn(&mut state, sample);
    }
    state
}

fn judge(state: &NoveltyState, sample: Sample) -> Option<NoveltyScore> {
    state.judge(sample, &state.features(sample))
}

fn learn(state: &mut NoveltyState, sample: Sample) {
    let features = state.features(sample);
    state.learn(sample, &features);
}

fn judge_and_learn(state: &mut NoveltyState, sample: Sample) -> Option<NoveltyScore> {
    let score = judge(state, sample);
    learn(state, sample);
    score
}

fn bytes(state: &NoveltyState) -> Vec<u8> {
    let mut out = ByteWriter::default();
    state.write_scalars(&mut out);
    state.write_tables(&mut out);
    out.finish()
}

fn read(bytes: &[u8]) -> Option<NoveltyState> {
    let mut from = ByteReader::new(bytes);
    let mut state = NoveltyState::read_scalars(&mut from)?;
    state.read_tables(&mut from)?;
    Some(state)
}

fn is_anomaly(score: Option<NoveltyScore>) -> bool {
    score.is_some_and(|score| score.score > THRESHOLD)
}

/// Indexes of the spikes that are found; each is larger than all before.
fn spikes_found(absurd_at: Option<i64>) -> Vec<i64> {
    let mut state = NoveltyState::default();
    let mut found = Vec::new();
    for (i, calm) in (0..).zip(saw(144 * 12)) {
        let is_spike = i > 1_000 && i % 97 == 0;
        let value = match i {
            _ if absurd_at == Some(i) => 1e15,
            _ if is_spike => 4.0 * (i - 900) as f64,
            _ => calm.value(),
        };
        if is_anomaly(judge_and_learn(&mut state, sample(i, value))) && is_spike {
            found.push(i);
        }
    }
    found
}

#[test]
fn scores_equal_those_of_the_reference() {
    let mut state = NoveltyState::default();
    let mut anomalies = Vec::new();
    let mut sum = 0.0;
    for (i, sample) in saw(3_000).into_iter().enumerate() {
        let score = judge_and_learn(&mut state, sample);
        sum += score.map_or(0.0, |score| score.score);
        if is_anomaly(score) {
            anomalies.push(i);
        }
    }
    assert_eq!(anomalies, ANOMALIES);
    assert!((sum - SCORE_SUM).abs() < 1e-3, "{sum}");
}

#[test]
fn one_absurd_value_leaves_the_recall_of_later_spikes_unchanged() {
    let calm = spikes_found(None);
    assert!(calm.len() >= 5, "{calm:?}");
    // The absurd value is itself reported, so it must be far from the first spike.
    assert_eq!(spikes_found(Some(900)), calm);
}

#[test]
fn a_value_expires_after_two_months_without_a_visit() {
    for (days, is_new) in [(50, false), (70, true)] {
        let mut state = NoveltyState::default();
        for i in 0..144 * days {
            learn(&mut state, sample(i, if i == 720 { 500.0 } else { 100.0 + (i % 7) as f64 }));
        }
        assert_eq!(is_anomaly(judge(&state, sample(144 * days, 500.0))), is_new, "{days} days");
    }
}

#[test]
fn an_event_is_reported_once() {
    let mut state = NoveltyState::default();
    let value = |i: i64| if i >= 400 { 300.0 - (i % 9) as f64 } else { 100.0 + (i % 7) as f64 };
    let anomalies =
        (0..470).filter(|i| is_anomaly(judge_and_learn(&mut state, sample(*i, value(*i)))));
    assert_eq!(anomalies.filter(|i| *i >= 400).collect::<Vec<_>>(), [400]);
}

#[test]
fn a_lasting_shift_is_learned() {
    let mut state = NoveltyState::default();
    let mut n_late = 0;
    for (i, calm) in (0..).zip(saw(144 * 12)) {
        let factor = if i > 500 { 1e6 } else { 1.0 };
        let score = judge_and_learn(&mut state, sample(i, calm.value() * factor));
        n_late += usize::from(i > 144 * 8 && is_anomaly(score) && i % 701 != 700);
    }
    assert!(n_late <= 3, "{n_late}");
}

#[test]
fn too_few_samples_are_not_judged() {
    assert_eq!(judge(&learned(29), sample(29, 1e6)), None);
    assert!(is_anomaly(judge(&learned(60), sample(60, 1e6))));
}

#[test]
fn the_first_change_of_a_constant_series_is_an_anomaly() {
    let mut state = NoveltyState::default();
    for i in 0..200 {
        assert!(!is_anomaly(judge_and_learn(&mut state, sample(i, 0.0))));
    }
    assert!(is_anomaly(judge(&state, sample(200, 1.0))));
}

#[test]
fn late_and_repeated_samples_are_not_learned() {
    let before = learned(300);
    let mut state = before.clone();
    for i in [0, 150, 299] {
        learn(&mut state, sample(i, 1e15));
    }
    assert_eq!(state, before);
}

#[test]
fn a_value_is_an_anomaly_exactly_outside_its_band() {
    let mut state = NoveltyState::default();
    for sample in saw(3_000) {
        for factor in [0.0, 0.5, 1.0, 1.1, 3.0] {
            let sample = Sample::new(sample.at_us(), sample.value() * factor).unwrap();
            let Some(score) = judge(&state, sample) else { continue };
            let is_inside = (score.low..=score.high).contains(&sample.value());
            assert_eq!(score.score > THRESHOLD, !is_inside, "{sample:?} {score:?}");
            assert!((score.low..=score.high).contains(&score.value), "{score:?}");
        }
        learn(&mut state, sample);
    }
}

#[test]
fn a_state_round_trips() {
    for n in [0, 1, 20, 400, 5_000] {
        let state = learned(n);
        let bytes = bytes(&state);
        assert_eq!(bytes.len(), LEN);
        assert_eq!(read(&bytes), Some(state));
    }
}

#[test]
fn states_with_extreme_values_round_trip() {
    let mut state = NoveltyState::default();
    for i in 0..500 {
        learn(&mut state, sample(i, if i % 50 < 25 { 1e15 } else { -1e15 }));
        assert_eq!(read(&bytes(&state)), Some(state.clone()));
    }
}

#[test]
fn the_state_is_small() {
    const { assert!(LEN <= 4_096) };
}

proptest! {
    #[test]
    fn a_corrupted_state_never_panics_and_stays_readable(
        at in 0..LEN - 8, junk in prop::collection::vec(any::<u8>(), 8),
    ) {
        let mut bytes_of = bytes(&learned(400));
        bytes_of[at..at + 8].copy_from_slice(&junk);
        if let Some(mut state) = read(&bytes_of) {
            for i in 400..500 {
                let sample = Sample::new(i * TEN_MINUTES_US, 100.0 + (i % 9) as f64).unwrap();
                if let Some(score) = judge_and_learn(&mut state, sample) {
                    prop_assert!(score.low <= score.high && score.score >= 0.0);
                }
            }
            prop_assert!(read(&bytes(&state)).is_some());
        }
    }
}
