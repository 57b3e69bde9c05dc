//! Foreign bytes in the keys of a series: no panic, and the series works again once it is removed.

use std::cell::RefCell;
use std::collections::BTreeMap;

use domain::Series;
use domain::{SeriesKey, Tenant};
use proptest::prelude::*;
use redis::Commands;
use store::testbed::{RedisServer, patient_options};
use store::{NewSample, RedisStore, SeriesReader, SeriesWriter, StoreError, Topology};
use tokio::runtime::Runtime;

/// Reading a series with a foreign value in any key succeeds, or fails with an error of that series only.
#[test]
fn keys_with_foreign_values_are_errors_and_never_panic() {
    let server = RedisServer::start();
    let runtime = Runtime::new().unwrap();
    let options = patient_options(server.url(), Topology::Single, 1);
    let store = RedisStore::new(&options).unwrap();
    let raw = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let raw = RefCell::new(raw);
    let series = Series::new("hostile", "m", BTreeMap::new()).unwrap();
    let key = SeriesKey::new(Tenant::default(), series);
    let sample = NewSample::gauge(Some(1_000_000), 1.0);
    let config = ProptestConfig { cases: 64, ..ProptestConfig::default() };
    proptest!(config, |(
        which in prop::sample::select(vec!["inbox", "window", "memory", "config", "anomalies"]),
        is_set in any::<bool>(),
        garbage in prop::collection::vec(any::<u8>(), 1..80),
    )| {
        assert_eq!(server.cli(&["FLUSHALL"]), "OK");
        let mut raw = raw.borrow_mut();
        runtime.block_on(store.append(&key, &[sample], 0)).unwrap();
        let names: Vec<String> = raw.keys("*:inbox").unwrap();
        let name = names[0].replace("inbox", which);
        let _: () = raw.del(&name).unwrap();
        if is_set {
            let _: () = raw.set(&name, garbage).unwrap();
        } else {
            let _: () = raw.zadd(&name, garbage, 1).unwrap();
        }
        for outcome in [
            runtime.block_on(store.append(&key, &[sample], 0)).map(|_| ()),
            runtime.block_on(store.read(&key)).map(|_| ()),
            runtime.block_on(store.anomalies(&key, 0, 10)).map(|_| ()),
        ] {
            let is_expected = matches!(
                outcome,
                Ok(()) | Err(StoreError::Unreadable { .. } | StoreError::Unavailable { .. })
            );
            prop_assert!(is_expected, "{outcome:?}");
        }
        // Removing the series repairs it.
        runtime.block_on(store.forget(&key)).unwrap();
        let appended = runtime.block_on(store.append(&key, &[sample], 0)).unwrap();
        prop_assert_eq!(appended.state.unwrap().inbox.len(), 1);
    });
}
