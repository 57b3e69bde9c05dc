//! One tenant does not fill a store: series are bounded by its memory, per tenant and in all, and known ones continue.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::{Series, SeriesKey, Tenant};
use futures_util::future::join_all;
use store::testbed::{RedisServer, patient_options};
use store::{
    Append, AppendOutcome, ConfigStore, EmbeddedStore, NewSample, RedisStore, SINGLE_SAMPLE_TTL_S,
    SampleClass, SeriesReader, SeriesWriter, Store, StoreError, StoreLimits, StoreStatus, Topology,
};

/// 20 MB, which hold 1,123 series; half of them for one tenant.
const MEMORY_BYTES: u64 = 20 << 20;
const SERIES_MAX: u64 = 1_123;

const LIMITS: StoreLimits =
    StoreLimits { tenant_series_max: 100_000, tenant_percent: 50, memory_bytes: None };

/// Series of one request of an attacker.
const BATCH_LEN: u64 = 500;
const N_REQUESTS: u64 = 8;

/// Time after which a process counts the series of a tenant again, and a margin.
const COUNTED_AGAIN: Duration = Duration::from_millis(1_100);

fn key(tenant: &str, i: u64) -> SeriesKey {
    let series = Series::new("s", format!("m{i}"), BTreeMap::new()).unwrap();
    SeriesKey::new(Tenant::new(tenant), series)
}

fn append(tenant: &str, i: u64, at_s: i64) -> Append {
    let samples = vec![NewSample::gauge(Some(at_s * 1_000_000), 1.0)];
    Append { key: key(tenant, i), samples, cached_version: 0, optimistic: None }
}

/// Appends a sample to each of these series; returns the number of series that accepted it.
async fn send(store: &dyn Store, tenant: &str, series: std::ops::Range<u64>, at_s: i64) -> u64 {
    let appends: Vec<Append> = series.map(|i| append(tenant, i, at_s)).collect();
    let outcomes = store.append_all(&appends).await;
    let is_fresh = |outcome: &Result<AppendOutcome, StoreError>| match outcome {
        Ok(AppendOutcome::Classified(classified)) => {
            matches!(classified.classes[0], SampleClass::Fresh { .. })
        }
        other => panic!("{other:?}"),
    };
    outcomes.iter().filter(|outcome| is_fresh(outcome)).count() as u64
}

/// Sends more series than the store has room for, by several processes at once.
async fn flood(stores: &[&dyn Store], tenant: &str) -> u64 {
    let requests = (0..N_REQUESTS).map(|request| {
        let from = request * BATCH_LEN;
        send(stores[request as usize % stores.len()], tenant, from..from + BATCH_LEN, 1)
    });
    join_all(requests).await.into_iter().sum()
}

async fn a_tenant_fills_its_share_and_two_fill_the_store(stores: &[&dyn Store], slack: u64) {
    let store = stores[0];
    assert_eq!(send(store, "steady", 0..10, 1).await, 10);
    let n_first = flood(stores, "first").await;
    assert!((500..=SERIES_MAX / 2 + slack).contains(&n_first), "{n_first}");
    let n_second = flood(stores, "second").await;
    let n_all = 10 + n_first + n_second;
    assert!((1_000..=SERIES_MAX + slack).contains(&n_all), "{n_all}");
    // A new series has no room once the last count of its tenant is out of date, and known ones continue.
    tokio::time::sleep(COUNTED_AGAIN).await;
    assert_eq!(send(store, "steady", 10..20, 2).await, 0);
    assert_eq!(send(store, "steady", 0..10, 2).await, 10);
    assert_eq!(store.gauges().await.unwrap().n_series, n_all);
    // Deleted series make room, for another tenant too: all of a tenant, since any shard may be past the limit.
    for i in 0..N_REQUESTS * BATCH_LEN {
        store.forget(&key("first", i)).await.unwrap();
    }
    tokio::time::sleep(COUNTED_AGAIN).await;
    assert!(send(store, "steady", 10..11, 2).await == 1);
}

#[tokio::test]
async fn the_embedded_store_is_bounded_in_series() {
    let limits = StoreLimits { memory_bytes: Some(MEMORY_BYTES), ..LIMITS };
    let store = EmbeddedStore::new(|| 1_700_000_000_000_000).with_limits(limits);
    a_tenant_fills_its_share_and_two_fill_the_store(&[&store], 0).await;
}

fn redis(server: &RedisServer) -> RedisStore {
    let options = patient_options(server.url(), Topology::Single, 8);
    RedisStore::new(&options).unwrap().with_limits(LIMITS)
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_bounded_by_its_memory_however_many_processes_write() {
    let memory = MEMORY_BYTES.to_string();
    let server = RedisServer::start_with(&["--maxmemory", &memory]);
    let (one, two, three) = (redis(&server), redis(&server), redis(&server));
    // Processes that write at once may pass the limit, up to that of each shard.
    let slack = 8 * 60;
    a_tenant_fills_its_share_and_two_fill_the_store(&[&one, &two, &three], slack).await;
    let gauges = one.gauges().await.unwrap();
    assert_eq!(gauges.n_series_max, Some(SERIES_MAX));
    assert_eq!(gauges.memory.max_bytes, Some(MEMORY_BYTES));
    assert!(gauges.memory.used_bytes.unwrap() < MEMORY_BYTES);
}

#[tokio::test]
async fn a_nearly_full_redis_admits_no_new_series_and_known_ones_continue() {
    let server = RedisServer::start();
    assert_eq!(send(&redis(&server), "steady", 0..10, 1).await, 10);
    server.cli(&["CONFIG", "SET", "maxmemory", "400mb"]);
    assert_eq!(send(&redis(&server), "steady", 10..20, 1).await, 10);
    let used: u64 = {
        let info = server.cli(&["INFO", "memory"]);
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        line.trim().parse().unwrap()
    };
    server.cli(&["CONFIG", "SET", "maxmemory", &(used + used / 20).to_string()]);
    let store = redis(&server);
    assert_eq!(send(&store, "steady", 20..30, 1).await, 0);
    assert_eq!(send(&store, "steady", 0..10, 2).await, 10);
    let config = detector::SeriesConfig::default();
    let refused = store.put_config(&key("steady", 0), &config).await.unwrap_err();
    assert_eq!(refused.code(), "too_many_configs");
}

#[tokio::test]
async fn a_user_without_the_right_to_info_has_the_configured_limits() {
    let server = RedisServer::start_with(&["--maxmemory", "4mb"]);
    server.cli(&["ACL", "SETUSER", "default", "-@dangerous"]);
    let store = redis(&server);
    // With 4 MB a tenant could have 112.
    assert_eq!(send(&store, "t", 0..150, 1).await, 150);
    assert_eq!(store.gauges().await.unwrap().memory, store::StoreMemory::default());
    let limits = StoreLimits { tenant_series_max: 152, ..LIMITS };
    let store = redis(&server).with_limits(limits);
    assert_eq!(send(&store, "t", 140..160, 2).await, 12);
}

#[tokio::test]
async fn a_series_with_a_single_sample_expires_early_and_makes_room() {
    static NOW_US: AtomicI64 = AtomicI64::new(1_700_000_000_000_000);
    let limits = StoreLimits { tenant_series_max: 3, ..LIMITS };
    let store = EmbeddedStore::new(|| NOW_US.load(Ordering::Relaxed)).with_limits(limits);
    assert_eq!(send(&store, "t", 0..4, 1).await, 3);
    assert_eq!(send(&store, "t", 0..1, 2).await, 1);
    let day_us = 86_400_000_000;
    NOW_US.fetch_add(SINGLE_SAMPLE_TTL_S as i64 * 1_000_000 - day_us, Ordering::Relaxed);
    assert_eq!(send(&store, "t", 3..4, 1).await, 0);
    NOW_US.fetch_add(2 * day_us, Ordering::Relaxed);
    assert_eq!(send(&store, "t", 3..6, 1).await, 2);
    assert!(store.read(&key("t", 0)).await.unwrap().is_some(), "it has two samples");
    assert_eq!(store.read(&key("t", 1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_series_with_a_single_sample_expires_early_in_redis() {
    let server = RedisServer::start();
    let limits = StoreLimits { tenant_series_max: 3, ..LIMITS };
    let store = RedisStore::new(&patient_options(server.url(), Topology::Single, 1))
        .unwrap()
        .with_limits(limits);
    assert_eq!(send(&store, "t", 0..4, 1).await, 3);
    assert_eq!(send(&store, "t", 0..1, 2).await, 1);
    let ttl = |i: u64| -> u64 {
        server.cli(&["TTL", &format!("tm:{{0}}:t/s/m{i}:inbox")]).parse().unwrap()
    };
    assert!(ttl(0) > 30 * 86_400, "it has two samples");
    assert!(ttl(1) <= SINGLE_SAMPLE_TTL_S && ttl(2) <= SINGLE_SAMPLE_TTL_S);
    assert_eq!(server.cli(&["ZCARD", "tm:{0}:single_samples/t"]), "2");
    // Nine days later; Redis has no clock to set.
    server.cli(&["ZADD", "tm:{0}:single_samples/t", "1", "s/m1", "1", "s/m2"]);
    let names = server.cli(&["ZRANGE", "tm:{0}:single_samples/t", "0", "-1"]);
    assert_eq!(names.lines().count(), 2, "{names}");
    tokio::time::sleep(Duration::from_millis(1_100)).await; // The last count is valid for a second.
    assert_eq!(send(&store, "t", 3..6, 1).await, 2);
    assert_eq!(server.cli(&["ZCARD", "tm:{0}:series/t"]), "3");
}

#[tokio::test]
async fn a_full_redis_refuses_the_write_of_a_new_series() {
    let server = RedisServer::start();
    let store = redis(&server);
    // The process has counted, and read that there is no limit.
    assert_eq!(send(&store, "t", 0..1, 1).await, 1);
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = store.append_all(&[append("t", 1, 1)]).await.pop().unwrap();
    let error = refused.expect_err("Redis has no memory");
    assert_eq!(error.code(), "store_unavailable");
    assert_eq!(store.read(&key("t", 1)).await.unwrap(), None);
}
