//! Counters: kind and start of a sample are stored with it, and a replay has the rate of the stored totals.

use domain::{Rate, Sample, SampleKind, VerdictKind};
use store::{CommitOutcome, NewSample, SampleClass, Store};

use crate::fixture::{appended, at, commit_of, key, optimistic_append, state, wave, write};

const UNKNOWN_START: SampleKind = SampleKind::Counter { started_at_us: None };

/// A total of second `i`.
fn counter(i: i64, total: f64) -> NewSample {
    NewSample { kind: UNKNOWN_START, ..at(i, total) }
}

fn started(i: i64, total: f64, started_at_us: i64) -> NewSample {
    NewSample { kind: SampleKind::Counter { started_at_us: Some(started_at_us) }, ..at(i, total) }
}

fn totals(range: std::ops::Range<i64>) -> Vec<NewSample> {
    range.map(|i| counter(i, (100 * i + i % 7) as f64)).collect()
}

fn kinds(samples: &[Sample]) -> Vec<(f64, SampleKind)> {
    samples.iter().map(|sample| (sample.value(), sample.kind())).collect()
}

pub(crate) async fn a_waiting_sample_keeps_its_kind_and_start(store: &dyn Store) {
    let key = key("a");
    let start_us = 1_732_060_800_123_456;
    let untimed = NewSample { at_us: None, ..started(0, 1e18, start_us) };
    let sent =
        [at(1, -1.0), counter(2, 5.0), started(3, 0.5, start_us), started(4, 7.0, 0), untimed];
    let appended = store.append(&key, &sent, 0).await.unwrap();
    let wanted: Vec<_> = sent.iter().map(|sample| (sample.value, sample.kind)).collect();
    assert_eq!(kinds(&appended.state.unwrap().inbox), wanted);
    let stored = state(store, &key).await;
    assert_eq!(kinds(&stored.inbox), wanted);
    let committed = store.commit(&key, &commit_of(&stored)).await.unwrap();
    assert!(matches!(committed, CommitOutcome::Committed { .. }));
    let window: Vec<Sample> =
        state(store, &key).await.window.iter().map(|judged| judged.sample).collect();
    assert_eq!(kinds(&window), wanted);
}

pub(crate) async fn a_total_is_identified_by_its_value_alone(store: &dyn Store) {
    let key = key("a");
    let sent = [counter(1, 5.0), started(1, 5.0, 7), at(1, 5.0), counter(1, 6.0)];
    let classes = store.append(&key, &sent, 0).await.unwrap().classes;
    let waiting = SampleClass::Duplicate { at_us: 1_000_000, judgement: None };
    let conflict = SampleClass::Conflict { stored: 5.0 };
    let fresh = SampleClass::Fresh { at_us: 1_000_000 };
    assert_eq!(classes, [fresh, waiting, waiting, conflict]);
    let classes = store.append(&key, &sent[1..], 0).await.unwrap().classes;
    assert_eq!(classes, [waiting, waiting, conflict]);
    store.commit(&key, &commit_of(&state(store, &key).await)).await.unwrap();
    let classes = store.append(&key, &sent, 0).await.unwrap().classes;
    assert!(matches!(classes[..3], [SampleClass::Duplicate { judgement: Some(_), .. }, ..]));
    assert_eq!(classes[3], conflict);
}

pub(crate) async fn a_replayed_counter_has_the_rates_of_the_stored_totals(store: &dyn Store) {
    let key = key("a");
    // Every tenth sample is late, and one restart is known by its start only.
    let mut samples = totals(0..100);
    samples[60] = started(60, 6e5, 59_500_000);
    let (late, in_order): (Vec<_>, Vec<_>) =
        samples.iter().enumerate().partition(|(i, _)| i % 10 == 5);
    for part in [in_order, late] {
        let part: Vec<NewSample> = part.into_iter().map(|(_, sample)| *sample).collect();
        write(store, &key, &part).await;
    }
    let classes = store.append(&key, &samples, 0).await.unwrap().classes;
    for (i, class) in classes.iter().enumerate() {
        let SampleClass::Duplicate { judgement: Some(stored), .. } = class else {
            panic!("{class:?}")
        };
        let wanted = match i {
            0 => Rate::Unknown,
            60 => Rate::PerSecond(6e5),
            61 => Rate::PerSecond(samples[61].value),
            _ => Rate::PerSecond(samples[i].value - samples[i - 1].value),
        };
        if !stored.verdict.is_anomaly() {
            assert_eq!((stored.rate, stored.sample.value()), (wanted, samples[i].value), "{i}");
        }
    }
}

pub(crate) async fn an_optimistic_commit_that_is_ignored_keeps_the_kind(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..20)).await;
    let before = state(store, &key).await;
    write(store, &key, &[at(20, 1.0)]).await;
    let sent = [counter(30, 5.0), started(31, 9.0, 7_000_000)];
    let classified = appended(store, &optimistic_append(&key, &before, &sent)).await;
    let wanted: Vec<_> = sent.iter().map(|sample| (sample.value, sample.kind)).collect();
    assert_eq!(kinds(&classified.state.unwrap().inbox), wanted);
}

pub(crate) async fn a_configured_kind_is_committed_instead_of_the_one_that_waits(
    store: &dyn Store,
) {
    let key = key("a");
    let config = detector::SeriesConfig::default().with_kind(Some(UNKNOWN_START));
    store.put_config(&key, &config).await.unwrap();
    write(store, &key, &[at(1, 5.0), at(2, 9.0)]).await;
    let stored = state(store, &key).await;
    assert_eq!((stored.inbox.len(), stored.config.unwrap().config.kind), (0, Some(UNKNOWN_START)));
    let window: Vec<Sample> = stored.window.iter().map(|judged| judged.sample).collect();
    assert_eq!(kinds(&window), [(5.0, UNKNOWN_START), (9.0, UNKNOWN_START)]);
    assert!(store.pending(10).await.unwrap().is_empty());
}

pub(crate) async fn a_long_total_with_a_start_has_no_room_for_a_band(store: &dyn Store) {
    let start_us = 1_732_060_800_123_456;
    let samples = |base: f64| -> Vec<NewSample> {
        let total = |i: i64| base + (100 * i + i * i % 17) as f64;
        (0..60).map(|i| started(start_us / 1_000_000 + 1 + i, total(i), start_us)).collect()
    };
    for (series, base, has_band) in [("short", 1e6, true), ("long", 9_007_199_254_000_001.0, false)]
    {
        let key = key(series);
        write(store, &key, &samples(base)).await;
        let newest = *state(store, &key).await.window.last().unwrap();
        assert_eq!(
            (newest.kind(), newest.band().is_some()),
            (VerdictKind::Normal, has_band),
            "{newest:?}"
        );
    }
}
