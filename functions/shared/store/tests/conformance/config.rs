//! Configurations of series, and their backup.

use detector::{MaintenanceWindow, SeriesConfig};
use domain::{SeriesKey, Tenant};
use store::{CommitOutcome, SampleClass, Store, StoredConfig};

use crate::fixture::{
    SERIES_MAX, at, commit_of, key, key_of, n_series, own_config, state, wave, write,
};

pub(crate) async fn a_configuration_is_read_with_its_series(store: &dyn Store) {
    let (key, config) = (key("a"), own_config("zscore:window=40,threshold=3"));
    let revision = store.put_config(&key, &config).await.unwrap();
    let stored = Some(StoredConfig { revision, config });
    let before = state(store, &key).await;
    assert_eq!((before.has_no_sample(), &before.config), (true, &stored));
    assert_eq!(n_series(store, &Tenant::new("t")).await, 0);
    let waiting = store.append(&key, &wave(0..60), 0).await.unwrap().state.unwrap();
    assert_eq!(waiting.config, stored);
    let committed = store.commit(&key, &commit_of(&waiting)).await.unwrap();
    let CommitOutcome::Committed { version } = committed else { panic!("no other writer commits") };
    let known = store.append(&key, &[at(60, 1.0)], version).await.unwrap().state.unwrap();
    assert_eq!((known.is_cached, known.config), (true, None));
    assert_eq!(state(store, &key).await.config, stored);

    assert!(store.remove_config(&key).await.unwrap());
    assert!(!store.remove_config(&key).await.unwrap());
    assert_eq!(state(store, &key).await.config, None);
}

pub(crate) async fn a_configuration_change_between_append_and_commit_is_a_conflict(
    store: &dyn Store,
) {
    let config = own_config("zscore:window=40,threshold=3");
    let key = key("a");
    for i in 0..3 {
        // In the first round the series has no memory, and version 0.
        let waiting = store.append(&key, &[at(10 * i, 1.0)], 0).await.unwrap().state.unwrap();
        let revision = store.put_config(&key, &config).await.unwrap();
        let stale = store.commit(&key, &commit_of(&waiting)).await.unwrap();
        let CommitOutcome::Conflict(now) = stale else { panic!("another configuration was put") };
        assert_eq!((now.revision(), now.inbox.len()), (revision, 1));
        assert!(store.remove_config(&key).await.unwrap());
        let CommitOutcome::Conflict(now) = store.commit(&key, &commit_of(&now)).await.unwrap()
        else {
            panic!("the configuration was removed");
        };
        assert_eq!(now.revision(), 0);
        let fresh = store.commit(&key, &commit_of(&now)).await.unwrap();
        assert!(matches!(fresh, CommitOutcome::Committed { .. }));
    }
}

pub(crate) async fn each_configuration_has_a_new_revision(store: &dyn Store) {
    let (key, mut last) = (key("a"), 0);
    for i in 0..20 {
        let revision = store.put_config(&key, &SeriesConfig::default()).await.unwrap();
        assert!(revision > last);
        last = revision;
        if i % 3 == 0 {
            store.remove_config(&key).await.unwrap();
        }
    }
}

pub(crate) async fn a_removed_series_has_no_configuration(store: &dyn Store) {
    let key = key("a");
    store.put_config(&key, &own_config("ewma")).await.unwrap();
    assert!(store.forget(&key).await.unwrap());
    assert!(!store.forget(&key).await.unwrap());
    assert_eq!(store.read(&key).await.unwrap(), None);
    store.put_config(&key, &own_config("ewma")).await.unwrap();
    write(store, &key, &wave(0..10)).await;
    assert!(store.forget(&key).await.unwrap());
    assert_eq!(store.read(&key).await.unwrap(), None);
}

pub(crate) async fn maintenance_anomalies_are_neither_listed_nor_counted(store: &dyn Store) {
    let key = key("a");
    let maintenance = MaintenanceWindow::new(149_000_000, 200_000_000, String::new()).unwrap();
    let config = SeriesConfig::new(None, vec![maintenance]).unwrap();
    store.put_config(&key, &config).await.unwrap();
    let samples = wave(0..300);
    write(store, &key, &samples).await;
    let anomalies = store.anomalies(&key, 0, 100).await.unwrap();
    let times: Vec<i64> =
        anomalies.iter().map(|anomaly| anomaly.sample.at_us() / 1_000_000).collect();
    assert_eq!(times, [299, 249, 99, 49]);
    assert_eq!(store.totals().await.unwrap()["anomalies deviation"], 4);
    let replay = store.append(&key, &samples[199..200], 0).await.unwrap();
    let [SampleClass::Duplicate { judgement: Some(stored), .. }] = replay.classes[..] else {
        panic!("{replay:?}")
    };
    assert_eq!(stored.verdict.kind, domain::VerdictKind::Maintenance);
}

pub(crate) async fn marked(store: &dyn Store) -> Vec<(SeriesKey, i64)> {
    let backup = store.config_backup_status(10).await.unwrap();
    backup.unsaved.into_iter().map(|config| (config.key, config.revision)).collect()
}

pub(crate) async fn a_changed_configuration_is_marked_until_the_history_holds_it(
    store: &dyn Store,
) {
    let (key, config) = (key("a"), own_config("ewma"));
    store.unsaved_episodes(1).await.unwrap(); // A sweep with a history has run.
    assert_eq!(marked(store).await, []);
    let first = store.put_config(&key, &config).await.unwrap();
    assert_eq!(marked(store).await, [(key.clone(), first)]);
    // A change during the save stays marked.
    let second = store.put_config(&key, &config).await.unwrap();
    store.mark_config_saved(&key, first).await.unwrap();
    assert_eq!(marked(store).await, [(key.clone(), second)]);
    for revision in [second, first, second] {
        store.mark_config_saved(&key, revision).await.unwrap();
        assert_eq!(marked(store).await, []);
    }
    // A removal is marked, too, unless there was no configuration.
    assert!(store.remove_config(&key).await.unwrap());
    let [(_, third)] = marked(store).await.try_into().unwrap();
    assert!(third > second);
    assert!(!store.remove_config(&key).await.unwrap());
    assert_eq!(marked(store).await, [(key.clone(), third)]);
    assert!(store.put_config(&key, &config).await.unwrap() > third);
    assert!(store.forget(&key).await.unwrap());
    let [(_, last)] = marked(store).await.try_into().unwrap();
    assert!(last > third);
    store.mark_config_saved(&key, last).await.unwrap();
    write(store, &key, &wave(0..3)).await;
    assert!(store.forget(&key).await.unwrap());
    assert_eq!(marked(store).await, []);
}

pub(crate) async fn a_configuration_is_restored_only_if_none_is_stored_or_was_removed(
    store: &dyn Store,
) {
    let key = key("a");
    store.unsaved_episodes(1).await.unwrap(); // A sweep with a history has run.
    assert!(
        !store.config_backup_status(10).await.unwrap().is_complete,
        "a new store is incomplete"
    );
    let lost = StoredConfig { revision: 7, config: own_config("ewma") };
    assert!(store.restore_config(&key, &lost).await.unwrap());
    assert!(!store.restore_config(&key, &lost).await.unwrap(), "once");
    assert_eq!(store.read(&key).await.unwrap().unwrap().config, Some(lost.clone()));
    assert_eq!(marked(store).await, [], "history holds it");
    store.mark_configs_complete().await.unwrap();
    assert!(store.config_backup_status(10).await.unwrap().is_complete);

    let revision = store.put_config(&key, &SeriesConfig::default()).await.unwrap();
    assert!(revision > lost.revision);
    assert!(!store.restore_config(&key, &lost).await.unwrap(), "a later revision is stored");
    assert!(store.remove_config(&key).await.unwrap());
    assert!(!store.restore_config(&key, &lost).await.unwrap(), "the removal is not saved yet");
    assert_eq!(store.read(&key).await.unwrap(), None);
}

pub(crate) async fn a_commit_without_a_configuration_conflicts_after_its_restore(
    store: &dyn Store,
) {
    let key = key("a");
    store.append(&key, &wave(0..3), -1).await.unwrap();
    let before = store.read(&key).await.unwrap().unwrap();
    let lost = StoredConfig { revision: 7, config: own_config("ewma") };
    assert!(store.restore_config(&key, &lost).await.unwrap());
    let committed = store.commit(&key, &commit_of(&before)).await.unwrap();
    assert!(matches!(committed, CommitOutcome::Conflict(_)), "{committed:?}");
}

pub(crate) async fn new_configurations_above_the_limit_are_refused(store: &dyn Store) {
    let config = own_config("ewma");
    for i in 0..SERIES_MAX {
        store.put_config(&key(&format!("m{i}")), &config).await.unwrap();
    }
    let refused = store.put_config(&key("further"), &config).await.unwrap_err();
    assert_eq!(refused.code(), "too_many_configs");
    assert_eq!(store.read(&key("further")).await.unwrap(), None);
    // Existing configurations and other tenants are not affected.
    store.put_config(&key("m0"), &SeriesConfig::default()).await.unwrap();
    store.put_config(&key_of("u", "further"), &config).await.unwrap();
    assert!(store.remove_config(&key("m1")).await.unwrap());
    store.put_config(&key("further"), &config).await.unwrap();
    assert!(store.forget(&key("m2")).await.unwrap());
    let lost = StoredConfig { revision: 7, config: config.clone() };
    assert!(store.restore_config(&key("restored"), &lost).await.unwrap());
    assert!(store.put_config(&key("m1"), &config).await.is_err());
}

pub(crate) async fn without_a_history_a_removed_configuration_leaves_nothing(store: &dyn Store) {
    let key = key("a");
    store.put_config(&key, &own_config("ewma")).await.unwrap();
    assert_eq!(marked(store).await.len(), 1, "a history may be configured later");
    assert!(store.remove_config(&key).await.unwrap());
    assert_eq!(marked(store).await, []);
}
