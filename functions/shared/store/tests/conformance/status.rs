//! State of the whole store: totals, gauges, token buckets, leases, deployments.

use std::collections::BTreeMap;
use std::time::Duration;

use detector::{DeployedDetector, Detector};
use domain::Tenant;
use store::{Instance, Store, StoreError, StoreGauges, StoreMemory, TokenGrant, TokenRequest};

use crate::fixture::{DEPLOYED, at, key_of, write};

pub(crate) async fn a_token_bucket_refills_at_its_rate(store: &dyn Store) {
    let (tenant, other) = (Tenant::new("t"), Tenant::new("u"));
    // One per second: few are added while this runs.
    let request = |min, max| TokenRequest { rate_per_s: 1, burst: 1_000, min, max };
    let slow = async |tenant: &Tenant, min, max| {
        store.take_tokens(tenant, &request(min, max)).await.unwrap()
    };
    assert_eq!(slow(&tenant, 1, 400).await, TokenGrant { granted: 400, wait_us: 0 });
    assert!((600..610).contains(&slow(&tenant, 1, 5_000).await.granted));
    let none = slow(&tenant, 500, 500).await;
    assert_eq!(none.granted, 0);
    assert!((480_000_000..=500_000_000).contains(&none.wait_us), "{none:?}");
    assert_eq!(slow(&other, 1_000, 1_000).await.granted, 1_000);
    // At a million a second a thousandth of a second is enough.
    let fast = TokenRequest { rate_per_s: 1_000_000, burst: 1_000, min: 900, max: 900 };
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(store.take_tokens(&tenant, &fast).await.unwrap().granted, 900);
}

pub(crate) async fn totals_of_processes_add_up(store: &dyn Store) {
    let some = BTreeMap::from([("requests 200".to_owned(), 3), ("requests 503".to_owned(), 1)]);
    store.add_totals(&some).await.unwrap();
    store.add_totals(&some).await.unwrap();
    store.add_totals(&BTreeMap::new()).await.unwrap();
    assert_eq!(
        store.totals().await.unwrap(),
        BTreeMap::from([("requests 200".to_owned(), 6), ("requests 503".to_owned(), 2),])
    );
}

pub(crate) async fn one_generation_has_one_detector(store: &dyn Store) {
    store.check_deployment(&DEPLOYED).await.unwrap();
    store.check_deployment(&DEPLOYED).await.unwrap();
    let other = DeployedDetector { detector: Detector::ALL[2], ..DEPLOYED };
    let error = store.check_deployment(&other).await.unwrap_err();
    assert!(matches!(error, StoreError::DetectorMismatch { generation: 1, .. }), "{error}");
    store.check_deployment(&DeployedDetector { generation: 2, ..other }).await.unwrap();
}

pub(crate) async fn gauges_cover_all_tenants(store: &dyn Store) {
    let empty = StoreGauges { memory: StoreMemory::default(), ..store.gauges().await.unwrap() };
    assert_eq!(empty, StoreGauges::default());
    for i in 0..5 {
        write(store, &key_of("t", &format!("m{i}")), &[at(1, 1.0)]).await;
    }
    let other = key_of("u v/%", "m0");
    store.append(&other, &[at(1, 1.0)], 0).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    // A later sample does not shorten the wait of the first.
    store.append(&other, &[at(2, 1.0)], 0).await.unwrap();
    let gauges = store.gauges().await.unwrap();
    assert_eq!((gauges.n_series, gauges.n_pending), (6, 1));
    // The clock of the embedded store advances only when it is read.
    assert!((1_000..20_000_000).contains(&gauges.oldest_pending_us), "{gauges:?}");
    write(store, &other, &[at(3, 1.0)]).await;
    assert!(store.forget(&key_of("t", "m0")).await.unwrap());
    let gauges = store.gauges().await.unwrap();
    assert_eq!((gauges.n_series, gauges.n_pending, gauges.oldest_pending_us), (5, 0, 0));
}

pub(crate) async fn leases_list_running_processes(store: &dyn Store) {
    let instance = |function: &str, name: &str, n_requests| Instance {
        function: function.to_owned(),
        name: name.to_owned(),
        n_connections: 7,
        n_requests,
    };
    let listed = async || {
        let mut listed = store.instances().await.unwrap();
        listed.sort_by_key(|instance| (instance.function.clone(), instance.name.clone()));
        listed
    };
    assert!(listed().await.is_empty());
    let (analyze, ingest) = (instance("analyze", "a", 1), instance("ingest", "a", 2));
    for instance in [&ingest, &analyze, &instance("ingest", "b", 3), &ingest] {
        store.renew_lease(instance).await.unwrap();
    }
    store.renew_lease(&instance("ingest", "b", 4)).await.unwrap();
    assert_eq!(listed().await, [analyze, ingest.clone(), instance("ingest", "b", 4)]);
    store.end_lease(&ingest).await.unwrap();
    store.end_lease(&ingest).await.unwrap();
    assert_eq!(listed().await.len(), 2);
}
