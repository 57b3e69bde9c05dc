//! Optimistic commits: stored with their append, or ignored.

use domain::SeriesKey;
use store::{
    Append, AppendOutcome, CommitOutcome, NewSample, OnRefusal, ReceiptUpdate, SampleClass,
    SeriesState, Store,
};

use crate::fixture::{
    NEW, SERIES_MAX, append_one, appended, at, commit_of, key, key_of, n_series, optimistic_append,
    own_config, state, wave, write,
};

pub(crate) async fn an_optimistic_commit_is_stored_with_its_append(store: &dyn Store) {
    let (key, twin) = (key("a"), key("b"));
    write(store, &key, &wave(0..300)).await;
    write(store, &twin, &wave(0..300)).await;
    // A late sample, and a spike.
    let mut samples = wave(310..360);
    samples.insert(0, at(305, 101.0));
    samples.insert(0, NewSample::gauge(Some(290_500_000), 103.0));
    let before = state(store, &key).await;
    let written = append_one(store, &optimistic_append(&key, &before, &samples)).await;
    assert_eq!(written, AppendOutcome::Committed { version: before.version + 1 });
    write(store, &twin, &samples).await;
    let (one, other) = (state(store, &key).await, state(store, &twin).await);
    assert_eq!((one.window, one.inbox), (other.window, Vec::new()));
    let memory = |bytes: Option<Vec<u8>>| {
        let mut memory = detector::Memory::decode(&bytes.unwrap()).unwrap();
        memory.version = 0;
        memory
    };
    assert_eq!(memory(one.memory), memory(other.memory));
    assert_eq!(
        store.anomalies(&key, 0, 1_000).await.unwrap(),
        store.anomalies(&twin, 0, 1_000).await.unwrap()
    );
    let totals = store.totals().await.unwrap();
    assert_eq!(
        (totals["samples accepted"], totals["late"], totals["anomalies deviation"]),
        (704, 2, 14)
    );
    assert!(store.pending(10).await.unwrap().is_empty());
    // Its samples are duplicates from now on.
    let again = store.append(&key, &samples, 0).await.unwrap();
    let is_judged =
        |class: &SampleClass| matches!(class, SampleClass::Duplicate { judgement: Some(_), .. });
    assert!(again.classes.iter().all(is_judged), "{:?}", again.classes);
}

pub(crate) async fn an_optimistic_commit_creates_a_new_series(store: &dyn Store) {
    let (key, twin) = (key("a"), key("b"));
    let mut new = optimistic_append(&key, &SeriesState::default(), &wave(0..60));
    // The receipt of a new series is always recorded, or no list would have it.
    new.optimistic.as_mut().unwrap().receipt = ReceiptUpdate::Skip;
    let written = append_one(store, &new).await;
    let AppendOutcome::Committed { version } = written else { panic!("{written:?}") };
    write(store, &twin, &wave(0..60)).await;
    let (one, other) = (state(store, &key).await, state(store, &twin).await);
    assert_eq!((one.version, &one.window, &one.inbox), (version, &other.window, &Vec::new()));
    let bytes = |state: &SeriesState| {
        let mut bytes = state.memory.clone().unwrap();
        bytes[8..16].fill(0);
        bytes
    };
    assert_eq!(bytes(&one), bytes(&other));
    assert_eq!(
        store.anomalies(&key, 0, 100).await.unwrap(),
        store.anomalies(&twin, 0, 100).await.unwrap()
    );
    assert_eq!(n_series(store, key.tenant()).await, 2);
    assert!(store.pending(10).await.unwrap().is_empty());
    assert_eq!(store.totals().await.unwrap()["samples accepted"], 120);
    // The series continues like any other, and is not created twice.
    let again =
        appended(store, &optimistic_append(&key, &SeriesState::default(), &wave(0..60))).await;
    let is_judged =
        |class: &SampleClass| matches!(class, SampleClass::Duplicate { judgement: Some(_), .. });
    assert!(again.classes.iter().all(is_judged), "{:?}", again.classes);
    let next = append_one(store, &optimistic_append(&key, &one, &[at(60, 1.0)])).await;
    assert_eq!(next, AppendOutcome::Committed { version: version + 1 });
}

pub(crate) async fn an_optimistic_commit_of_a_new_series_is_ignored_if_the_series_exists(
    store: &dyn Store,
) {
    let new = |key: &SeriesKey| optimistic_append(key, &SeriesState::default(), &[at(60, 1.0)]);
    let (known, waiting, configured) = (key("a"), key("b"), key("c"));
    write(store, &known, &wave(0..60)).await;
    store.append(&waiting, &[at(59, 1.0)], 0).await.unwrap();
    store.put_config(&configured, &own_config("zscore:window=40,threshold=3")).await.unwrap();
    for (key, n_window, n_inbox) in [(known, 60, 1), (waiting, 0, 2), (configured, 0, 1)] {
        let classified = appended(store, &new(&key)).await.state.unwrap();
        assert_eq!(
            (classified.window.len(), classified.inbox.len()),
            (n_window, n_inbox),
            "{key:?}"
        );
    }
    // Neither is it stored if the tenant has reached its limit of series.
    for i in 0..SERIES_MAX {
        write(store, &key_of("begun", &format!("m{i}")), &[at(1, 1.0)]).await;
    }
    let classified = appended(store, &new(&key_of("begun", "further"))).await;
    assert_eq!((classified.classes, classified.state), (vec![SampleClass::TooManySeries], None));
}

pub(crate) async fn an_optimistic_commit_on_another_version_is_ignored(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..60)).await;
    let before = state(store, &key).await;
    let ahead = optimistic_append(&key, &before, &[at(60, 900.0)]);
    // Another writer was faster.
    write(store, &key, &[at(61, 1.0)]).await;
    let now = state(store, &key).await;
    let classified = appended(store, &ahead).await;
    assert_eq!(classified.classes, [SampleClass::Fresh { at_us: 60_000_000 }]);
    let waiting = classified.state.unwrap();
    assert_eq!((waiting.version, waiting.is_cached), (now.version, false));
    assert_eq!((&waiting.window, &waiting.memory), (&now.window, &now.memory));
    assert_eq!(waiting.inbox.len(), 1);
    store.commit(&key, &commit_of(&waiting)).await.unwrap();
    // A replay, after which no sample waits.
    let again = appended(store, &ahead).await;
    assert!(matches!(again.classes[..], [SampleClass::Duplicate { judgement: Some(_), .. }]));
    assert_eq!(again.state, None);
    assert_eq!(store.totals().await.unwrap()["samples accepted"], 62);
}

pub(crate) async fn an_optimistic_commit_is_ignored_while_samples_wait(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..60)).await;
    let before = state(store, &key).await;
    store.append(&key, &[at(60, 1.0)], 0).await.unwrap();
    let classified = appended(store, &optimistic_append(&key, &before, &[at(61, 1.0)])).await;
    assert_eq!(classified.state.unwrap().inbox.len(), 2);
    assert_eq!(state(store, &key).await.version, before.version);
}

pub(crate) async fn an_optimistic_commit_under_another_configuration_is_ignored(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..60)).await;
    let before = state(store, &key).await;
    let revision =
        store.put_config(&key, &own_config("zscore:window=40,threshold=3")).await.unwrap();
    let classified = appended(store, &optimistic_append(&key, &before, &[at(60, 1.0)])).await;
    assert_eq!(classified.state.unwrap().revision(), revision);
}

pub(crate) async fn an_optimistic_commit_on_a_removed_series_is_ignored(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..60)).await;
    let before = state(store, &key).await;
    store.forget(&key).await.unwrap();
    let classified = appended(store, &optimistic_append(&key, &before, &[at(60, 1.0)])).await;
    let waiting = classified.state.unwrap();
    assert_eq!((waiting.version, waiting.window.len(), waiting.inbox.len()), (0, 0, 1));
}

/// An optimistic append that returns the state if its commit is refused.
fn returning(key: &SeriesKey, state: &SeriesState, samples: &[NewSample]) -> Append {
    let mut append = optimistic_append(key, state, samples);
    append.optimistic.as_mut().unwrap().on_refusal = OnRefusal::Return;
    append
}

pub(crate) async fn a_refused_commit_may_return_the_state_and_store_nothing(store: &dyn Store) {
    let (key, new) = (key("a"), key("b"));
    write(store, &key, &wave(0..60)).await;
    let outdated = state(store, &key).await;
    write(store, &key, &wave(60..61)).await;
    let (now, totals) = (state(store, &key).await, store.totals().await.unwrap());
    let refused = append_one(store, &returning(&key, &outdated, &wave(61..63))).await;
    let AppendOutcome::Refused(returned) = refused else { panic!("{refused:?}") };
    assert_eq!(returned, now);
    assert_eq!(state(store, &key).await, now);
    assert_eq!(store.totals().await.unwrap(), totals);
    // Of a new series, too; and one call more stores the samples.
    let refused = append_one(store, &returning(&key, &SeriesState::default(), &wave(61..63))).await;
    assert_eq!(refused, AppendOutcome::Refused(now.clone()));
    let written = append_one(store, &returning(&key, &returned, &wave(61..63))).await;
    assert_eq!(written, AppendOutcome::Committed { version: now.version + 1 });
    let refused = append_one(store, &returning(&new, &outdated, &wave(61..63))).await;
    assert_eq!(refused, AppendOutcome::Refused(SeriesState::default()));
    assert_eq!(n_series(store, key.tenant()).await, 1);
}

pub(crate) async fn a_refused_commit_joins_samples_that_wait(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..60)).await;
    let outdated = state(store, &key).await;
    store.append(&key, &wave(60..61), 0).await.unwrap();
    let classified = appended(store, &returning(&key, &outdated, &wave(61..63))).await;
    assert_eq!(classified.classes.len(), 2);
    let waiting = classified.state.unwrap();
    assert_eq!(waiting.inbox.len(), 3);
    let committed = store.commit(&key, &commit_of(&waiting)).await.unwrap();
    assert!(matches!(committed, CommitOutcome::Committed { .. }));
    assert_eq!(state(store, &key).await.window.len(), 63);
}

pub(crate) async fn optimistic_samples_without_a_time_get_the_time_of_the_store(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &[NEW; 60]).await;
    let before = state(store, &key).await;
    let newest_us = before.window.last().unwrap().sample.at_us();
    let now_us = store.store_time_us(&key).unwrap();
    assert!(now_us > newest_us, "{now_us} is not after {newest_us}");
    let stamped = NewSample::gauge(Some(now_us), 1.0);
    let mut ahead = optimistic_append(&key, &before, &[stamped]);
    ahead.samples[0].at_us = None;
    let written = append_one(store, &ahead).await;
    assert_eq!(written, AppendOutcome::Committed { version: before.version + 1 });
    assert_eq!(state(store, &key).await.window.last().unwrap().sample.at_us(), now_us);
    // If the commit is ignored, the store stamps the sample: it is neither a conflict nor a duplicate.
    let mut ahead = optimistic_append(&key, &before, &[NewSample { value: 2.0, ..stamped }]);
    ahead.samples[0].at_us = None;
    let classified = appended(store, &ahead).await;
    let [SampleClass::Fresh { at_us }] = classified.classes[..] else { panic!("{classified:?}") };
    assert!(at_us > now_us);
}
