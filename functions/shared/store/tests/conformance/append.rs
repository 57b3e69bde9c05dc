//! Appends: classes of samples, replays, samples without a time, limits.

use std::collections::BTreeMap;
use std::time::Duration;

use detector::Judge;
use domain::{Sample, SeriesKey, Tenant};
use store::{APPEND_MAX, CommitOutcome, INBOX_LEN_MAX, NewSample, SampleClass, Store};

use crate::fixture::{
    DEPLOYED, NEW, SERIES_MAX, at, commit_of, key, key_of, n_series, state, wave, write,
};

pub(crate) async fn fresh_samples_wait_in_time_order(store: &dyn Store) {
    let appended =
        store.append(&key("a"), &[at(3, 3.0), at(1, 1.0), at(2, -0.5)], 0).await.unwrap();
    assert!(appended.classes.iter().all(|class| matches!(class, SampleClass::Fresh { .. })));
    let inbox: Vec<f64> = appended.state.unwrap().inbox.iter().map(Sample::value).collect();
    assert_eq!(inbox, [1.0, -0.5, 3.0]);
    assert_eq!(store.read(&key("unknown")).await.unwrap(), None);
}

pub(crate) async fn a_sample_is_stored_once(store: &dyn Store) {
    let key = key("a");
    let twice = store.append(&key, &[at(1, 5.0), at(1, 5.0), at(1, 6.0)], 0).await.unwrap();
    let at_us = 1_000_000;
    let waiting = SampleClass::Duplicate { at_us, judgement: None };
    assert_eq!(
        twice.classes,
        [SampleClass::Fresh { at_us }, waiting, SampleClass::Conflict { stored: 5.0 }]
    );
    let again = store.append(&key, &[at(1, 5.0), at(1, 6.0)], 0).await.unwrap();
    assert_eq!(again.classes, [waiting, SampleClass::Conflict { stored: 5.0 }]);
    assert_eq!(again.state.unwrap().inbox.len(), 1);
}

pub(crate) async fn a_replay_returns_the_stored_verdicts(store: &dyn Store) {
    let key = key("a");
    let samples = wave(0..100);
    write(store, &key, &samples).await;
    let before = state(store, &key).await;
    let replay = store.append(&key, &samples, 0).await.unwrap();
    assert_eq!(replay.state, None);
    let mut judge = Judge::new(DEPLOYED.detector);
    for (class, sample) in replay.classes.iter().zip(&samples) {
        let judgement = judge.judge(Sample::new(sample.at_us.unwrap(), sample.value).unwrap());
        let SampleClass::Duplicate { judgement: Some(stored), .. } = class else {
            panic!("{class:?}")
        };
        // A reply has the verdict without its rounded band.
        assert_eq!(stored.judged().with_band(None), judgement.judged().with_band(None));
        if judgement.verdict.is_anomaly() {
            assert_eq!(*stored, judgement);
        }
    }
    let conflict = store.append(&key, &[at(99, 1.0)], 0).await.unwrap();
    assert_eq!(conflict.classes, [SampleClass::Conflict { stored: 900.0 }]);
    assert_eq!(state(store, &key).await, before);
}

pub(crate) async fn a_replay_of_many_windows_changes_nothing(store: &dyn Store) {
    let key = key("a");
    let samples = wave(0..3_000);
    write(store, &key, &samples).await;
    let (before, totals) = (state(store, &key).await, store.totals().await.unwrap());
    let classes = write(store, &key, &samples).await;
    let n_too_old = classes.iter().filter(|class| **class == SampleClass::TooOld).count();
    assert_eq!((n_too_old, classes.len()), (3_000 - 128, 3_000));
    assert_eq!(state(store, &key).await, before);
    let after = store.totals().await.unwrap();
    assert_eq!(after.get("anomalies deviation"), totals.get("anomalies deviation"));
    assert_eq!((after["samples accepted"], after["samples too_old"]), (3_000, 3_000 - 128));
}

pub(crate) async fn samples_without_a_time_never_conflict(store: &dyn Store) {
    let key = key("a");
    let untimed = [NewSample::gauge(None, 7.0); 300];
    for _ in 0..3 {
        let classes = write(store, &key, &untimed).await;
        assert!(classes.iter().all(|class| matches!(class, SampleClass::Fresh { .. })));
    }
    assert_eq!(store.totals().await.unwrap()["samples accepted"], 900);
}

pub(crate) async fn samples_without_a_time_are_newest_even_if_others_have_future_times(
    store: &dyn Store,
) {
    let key = key("a");
    let now_s = 4_000_000_000;
    write(store, &key, &wave(now_s..now_s + 200)).await;
    let untimed = [NewSample::gauge(None, 7.0); 2];
    let classes = write(store, &key, &untimed).await;
    assert!(classes.iter().all(|class| matches!(class, SampleClass::Fresh { .. })), "{classes:?}");
    // They are judged as the newest, not as late ones.
    let judged = state(store, &key).await.window;
    assert!(judged.iter().all(|judged| !judged.late()), "{judged:?}");
    assert_eq!(judged.len(), 128);
    assert_eq!(judged[127].sample.at_us(), (now_s + 199) * 1_000_000 + 2);
}

pub(crate) async fn a_cached_version_is_not_returned_again(store: &dyn Store) {
    let key = key("a");
    let waiting = store.append(&key, &wave(0..60), 0).await.unwrap().state.unwrap();
    let CommitOutcome::Committed { version } =
        store.commit(&key, &commit_of(&waiting)).await.unwrap()
    else {
        panic!("no other writer commits");
    };
    let known = store.append(&key, &[at(60, 1.0)], version).await.unwrap().state.unwrap();
    assert_eq!((known.version, known.is_cached), (version, true));
    assert!(known.memory.is_none() && known.window.is_empty() && known.inbox.len() == 1);
    let unknown = store.append(&key, &[at(61, 1.0)], version - 1).await.unwrap().state.unwrap();
    assert_eq!((unknown.version, unknown.is_cached), (version, false));
    assert!(unknown.memory.is_some() && unknown.window.len() == 60);
}

pub(crate) async fn a_full_inbox_refuses_and_drains(store: &dyn Store) {
    let key = key("a");
    for part in wave(0..INBOX_LEN_MAX as i64).chunks(APPEND_MAX) {
        store.append(&key, part, 0).await.unwrap();
    }
    let refused = store.append(&key, &[at(1_000_000, 1.0)], 0).await.unwrap();
    assert_eq!(refused.classes, [SampleClass::Full]);
    // The client retries, and the sample must not be counted each time.
    let totals = store.totals().await.unwrap();
    assert_eq!(totals, BTreeMap::from([("samples accepted".to_owned(), INBOX_LEN_MAX as u64)]));
    let mut waiting = refused.state.unwrap();
    while !waiting.inbox.is_empty() {
        assert!(matches!(
            store.commit(&key, &commit_of(&waiting)).await.unwrap(),
            CommitOutcome::Committed { .. }
        ));
        waiting = state(store, &key).await;
    }
    assert!(matches!(
        write(store, &key, &[at(1_000_000, 1.0)]).await[..],
        [SampleClass::Fresh { .. }]
    ));
}

pub(crate) async fn new_series_above_the_limit_are_refused(store: &dyn Store) {
    // The count of a tenant outlasts a test on a shared store, so the tests of the limit have their own tenants.
    let metric = |i: u64| key_of("full", &format!("m{i}"));
    for i in 0..SERIES_MAX {
        let classes = write(store, &metric(i), &[at(1, 1.0)]).await;
        assert!(matches!(classes[..], [SampleClass::Fresh { .. }]), "{i}: {classes:?}");
    }
    let further = key_of("full", "further");
    let refused = store.append(&further, &[at(1, 1.0), at(2, 2.0)], 0).await.unwrap();
    assert_eq!((refused.classes, refused.state), (vec![SampleClass::TooManySeries; 2], None));
    assert_eq!(store.read(&further).await.unwrap(), None);
    assert_eq!(n_series(store, &Tenant::new("full")).await, SERIES_MAX);
    // Existing series and other tenants are not affected.
    let classes = write(store, &metric(0), &[at(2, 1.0)]).await;
    assert!(matches!(classes[..], [SampleClass::Fresh { .. }]), "{classes:?}");
    let classes = write(store, &key_of("u", "further"), &[at(1, 1.0)]).await;
    assert!(matches!(classes[..], [SampleClass::Fresh { .. }]), "{classes:?}");
    // A removed series makes room after the next count.
    assert!(store.forget(&metric(1)).await.unwrap());
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let classes = write(store, &further, &[at(1, 1.0)]).await;
    assert!(matches!(classes[..], [SampleClass::Fresh { .. }]), "{classes:?}");
}

pub(crate) async fn concurrent_new_series_do_not_exceed_the_limit(store: &dyn Store) {
    let keys: Vec<SeriesKey> =
        (0..2 * SERIES_MAX).map(|i| key_of("crowd", &format!("m{i}"))).collect();
    let appended = keys.iter().map(|key| store.append(key, &[NEW], 0));
    let appended = futures_util::future::try_join_all(appended).await.unwrap();
    let n_refused =
        appended.iter().filter(|append| append.classes == [SampleClass::TooManySeries]).count();
    assert_eq!(n_refused as u64, SERIES_MAX);
    assert_eq!(n_series(store, &Tenant::new("crowd")).await, SERIES_MAX);
}
