//! Reads: anomalies, lists, ranks, counts and summaries.

use std::collections::BTreeSet;

use domain::{SeriesKey, Tenant};
use store::{NewSample, SampleClass, Store, TenantCounts};

use crate::fixture::{at, key, key_of, n_series, never_sent, state, wave, write};

pub(crate) async fn anomalies_come_newest_first(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..400)).await;
    let all = store.anomalies(&key, 0, 100).await.unwrap();
    let times: Vec<i64> = all.iter().map(|anomaly| anomaly.sample.at_us() / 1_000_000).collect();
    assert_eq!(times, [399, 349, 299, 249, 199, 149, 99, 49]);
    assert_eq!(store.anomalies(&key, 0, 3).await.unwrap(), all[..3]);
    assert_eq!(store.anomalies(&key, 300_000_000, 100).await.unwrap(), all[..2]);
    assert!(store.anomalies(&never_sent(), 0, 9).await.unwrap().is_empty());
}

pub(crate) async fn a_list_has_every_series_of_its_tenant_once(store: &dyn Store) {
    let expected: BTreeSet<SeriesKey> = (0..57).map(|i| key_of("mine", &format!("m{i}"))).collect();
    for key in expected.iter().chain([&key_of("other", "m1")]) {
        write(store, key, &[at(1, 1.0)]).await;
    }
    for limit in [1, 7, 56, 57, 1_000] {
        let mut listed = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = store.list(&Tenant::new("mine"), cursor.as_deref(), limit).await.unwrap();
            assert!(page.items.len() <= limit);
            listed.extend(page.items.into_iter().map(|item| item.key));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(listed.len(), 57);
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), expected);
    }
    assert_eq!(n_series(store, &Tenant::new("mine")).await, 57);
    let error = store.list(&Tenant::new("mine"), Some("rubbish"), 5).await.unwrap_err();
    assert_eq!(error.code(), "cursor_invalid");
}

pub(crate) async fn the_worst_have_the_most_recent_anomalies(store: &dyn Store) {
    let spikes = |n: i64| -> Vec<NewSample> {
        (0..200)
            .map(|i| {
                at(i, if i > 100 && i <= 100 + n { 1e6 * i as f64 } else { 5.0 + (i % 3) as f64 })
            })
            .collect()
    };
    for (metric, n) in [("one", 1), ("none", 0), ("three", 3)] {
        write(store, &key(metric), &spikes(n)).await;
    }
    let worst = async |tenant: &str, cursor: Option<&str>, limit| {
        store.worst(&Tenant::new(tenant), cursor, limit).await.unwrap()
    };
    assert_eq!(worst("t", None, 10).await.items, [key("three"), key("one")]);
    let first = worst("t", None, 1).await;
    assert_eq!(first.items, [key("three")]);
    let second = worst("t", first.next.as_deref(), 1).await;
    assert_eq!((second.items, second.next), (vec![key("one")], None));
    assert!(worst("unknown", None, 10).await.items.is_empty());
    let error = store.worst(&Tenant::new("t"), Some("rubbish"), 5).await.unwrap_err();
    assert_eq!(error.code(), "cursor_invalid");
}

pub(crate) async fn pages_of_the_worst_list_each_series_once_even_with_equal_scores(
    store: &dyn Store,
) {
    // One cause at one time: all have the same decayed score.
    let expected: BTreeSet<SeriesKey> = (0..33).map(|i| key(&format!("m{i}"))).collect();
    for key in &expected {
        write(store, key, &wave(0..60)).await;
    }
    write(store, &key("m7"), &wave(60..120)).await;
    for limit in [1, 4, 32, 33, 100] {
        let mut listed = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = store.worst(&Tenant::new("t"), cursor.as_deref(), limit).await.unwrap();
            assert!(page.items.len() <= limit);
            listed.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((listed.len(), &listed[0]), (33, &key("m7")));
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

pub(crate) async fn a_removed_series_is_new(store: &dyn Store) {
    write(store, &key("a"), &wave(0..200)).await;
    assert!(store.forget(&key("a")).await.unwrap());
    assert!(!store.forget(&key("a")).await.unwrap());
    assert_eq!(store.read(&key("a")).await.unwrap(), None);
    assert!(store.worst(&Tenant::new("t"), None, 10).await.unwrap().items.is_empty());
    assert_eq!(n_series(store, &Tenant::new("t")).await, 0);
    assert!(matches!(
        write(store, &key("a"), &[at(0, 1.0)]).await[..],
        [SampleClass::Fresh { .. }]
    ));
}

pub(crate) async fn the_series_of_a_tenant_are_counted(store: &dyn Store) {
    write(store, &key("normal"), &[at(1, 1.0)]).await;
    write(store, &key("spiky"), &wave(0..120)).await;
    store.append(&key("waiting"), &[at(1, 1.0)], 0).await.unwrap();
    store.append(&key_of("t/u", "waiting"), &[at(1, 1.0)], 0).await.unwrap();
    let count = async |tenant| store.tenant_counts(&Tenant::new(tenant)).await.unwrap();
    assert_eq!(count("t").await, TenantCounts { n_series: 3, n_anomalous: 1, n_pending: 1 });
    assert_eq!(count("t/u").await, TenantCounts { n_series: 1, n_anomalous: 0, n_pending: 1 });
    assert_eq!(count("unknown").await, TenantCounts::default());
}

pub(crate) async fn recent_series_come_first_and_have_summaries(store: &dyn Store) {
    for metric in ["a", "b", "c", "a"] {
        write(store, &key(metric), &wave(0..60)).await;
    }
    write(store, &key_of("u", "z"), &[at(1, 1.0)]).await;
    let tenant = Tenant::new("t");
    // A replay is no receipt.
    assert_eq!(store.recent(&tenant, 9).await.unwrap(), [key("c"), key("b"), key("a")]);
    write(store, &key("a"), &[at(60, 100.0)]).await;
    assert_eq!(store.recent(&tenant, 2).await.unwrap(), [key("a"), key("c")]);
    let keys = [key("a"), never_sent(), key_of("u", "z")];
    let summaries = store.summaries(&keys).await.unwrap();
    let n_anomalies: Vec<u64> = summaries.iter().map(|summary| summary.n_anomalies).collect();
    assert_eq!(n_anomalies, [1, 0, 0]);
    assert_eq!(summaries[0].memory, state(store, &key("a")).await.memory);
    assert_eq!(summaries[1].memory, None);
    assert!(store.summaries(&[]).await.unwrap().is_empty());
}
