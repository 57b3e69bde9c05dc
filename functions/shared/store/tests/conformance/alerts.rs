//! Alerts of series, and the queue of their checks.

use std::time::Duration;

use domain::{SeriesKey, Tenant};
use store::{DueAlerts, Requeue, Store, StoredAlerts};

use crate::fixture::{key, key_of, never_sent, wave, write};

const LEASE: Duration = Duration::from_mins(1);

async fn due(store: &dyn Store, now_us: i64) -> Vec<(SeriesKey, i64)> {
    let due = store.due_alerts(now_us, 10).await.unwrap();
    due.into_iter().map(|DueAlerts { key, place }| (key, place)).collect()
}

/// Saves a text over the version that is stored, and moves the series in the queue.
async fn save(store: &dyn Store, key: &SeriesKey, text: &str, requeue: Option<Requeue>) -> bool {
    let stored = store.alerts(key).await.unwrap();
    let alerts = StoredAlerts { text: text.to_owned(), ..stored };
    store.save_alerts(key, &alerts, requeue).await.unwrap()
}

pub(crate) async fn a_changed_episode_queues_its_series_once_a_notifier_runs(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..101)).await;
    assert_eq!(due(store, i64::MAX).await, [], "no notifier was running");
    write(store, &key, &wave(101..151)).await;
    let [(queued, place)] = due(store, 0).await.try_into().unwrap();
    assert!(queued == key && place < 0, "{place}");

    // A change during the check keeps the series in the queue.
    write(store, &key, &wave(151..201)).await;
    let done = Requeue { from: place, to_us: None };
    assert!(save(store, &key, "first", Some(done)).await);
    let [(_, later)] = due(store, 0).await.try_into().unwrap();
    assert!(later < 0 && later != place);
    let again = Requeue { from: later, to_us: Some(700) };
    assert!(save(store, &key, "second", Some(again)).await);
    assert_eq!((due(store, 699).await, due(store, 700).await), (vec![], vec![(key.clone(), 700)]));
    let done = Requeue { from: 700, to_us: None };
    assert!(save(store, &key, "third", Some(done)).await);
    assert_eq!(due(store, i64::MAX).await, []);
    write(store, &key, &wave(201..240)).await;
    assert_eq!(due(store, i64::MAX).await, [], "no episode changed after its end");
}

pub(crate) async fn alerts_are_saved_over_the_version_that_was_read(store: &dyn Store) {
    let key = key("a");
    let nothing = store.alerts(&key).await.unwrap();
    assert_eq!(nothing, StoredAlerts::default());
    let first = StoredAlerts { text: "{\"a\": 1}".to_owned(), ..nothing.clone() };
    assert!(store.save_alerts(&key, &first, None).await.unwrap());
    assert!(!store.save_alerts(&key, &first, None).await.unwrap(), "another notifier saved");
    let stored = store.alerts(&key).await.unwrap();
    assert_eq!(stored, StoredAlerts { version: 1, ..first });
    assert!(save(store, &key, "two words", None).await);
    assert_eq!(store.alerts(&key).await.unwrap().text, "two words");
    assert!(save(store, &key, "", None).await);
    assert_eq!(store.alerts(&key).await.unwrap(), nothing);
    assert_eq!(store.alerts(&never_sent()).await.unwrap(), nothing);
}

pub(crate) async fn a_forgotten_series_is_checked_again_if_it_has_alerts(store: &dyn Store) {
    let [with, without] = [key_of("t", "a"), key_of("u v/%", "b")];
    due(store, 0).await;
    for key in [&with, &without] {
        write(store, key, &wave(0..101)).await;
    }
    for (key, place) in due(store, 0).await {
        let to_us = (key == with).then_some(i64::from(u32::MAX));
        assert!(save(store, &key, "alerts", Some(Requeue { from: place, to_us })).await);
    }
    for key in [&with, &without] {
        assert!(store.forget(key).await.unwrap());
    }
    assert_eq!(due(store, 0).await, [(with.clone(), 0)]);
    assert_eq!(store.alerts(&with).await.unwrap().text, "alerts", "its alert is to be resolved");
}

pub(crate) async fn the_series_with_alerts_are_those_of_their_tenant(store: &dyn Store) {
    let tenants = ["t", "u v/%"].map(Tenant::new);
    let list = |tenant: usize, limit: usize| {
        let tenant = &tenants[tenant];
        async move {
            let mut keys = store.alerting_series(tenant, limit).await.unwrap();
            keys.sort_by_key(|key| key.name().to_owned());
            keys
        }
    };
    let keys = ["a", "b c/%:", "d"].map(|metric| key_of("u v/%", metric));
    due(store, 0).await;
    for key in &keys {
        // Changed episodes alone are no alerts.
        write(store, key, &wave(0..60)).await;
    }
    assert_eq!((list(0, 5).await, list(1, 5).await), (vec![], vec![]));
    for key in &keys {
        assert!(save(store, key, "alerts", None).await);
        assert!(save(store, key, "other alerts", None).await);
    }
    assert_eq!((list(0, 5).await, list(1, 5).await), (vec![], keys.to_vec()));
    assert_eq!(list(1, 2).await.len(), 2);
    assert!(save(store, &keys[1], "", None).await);
    assert_eq!(list(1, 5).await, [keys[0].clone(), keys[2].clone()]);
}

pub(crate) async fn one_notifier_holds_the_lease(store: &dyn Store) {
    let lease = |holder: &'static str, lease| store.lease_notifier(holder, lease);
    assert!(lease("a", LEASE).await.unwrap());
    assert!(!lease("b", LEASE).await.unwrap());
    assert!(lease("a", LEASE).await.unwrap(), "renewed");
    store.release_notifier("b").await.unwrap();
    assert!(!lease("b", LEASE).await.unwrap(), "released by another holder");
    store.release_notifier("a").await.unwrap();
    assert!(lease("b", Duration::from_millis(1)).await.unwrap());
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(lease("a", LEASE).await.unwrap(), "the lease of the other has ended");
    store.release_notifier("a").await.unwrap();
}
