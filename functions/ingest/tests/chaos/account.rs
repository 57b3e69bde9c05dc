//! Compares the content of the store with the acknowledged samples.

use std::collections::{BTreeMap, BTreeSet};

use detector::Memory;
use domain::Series;
use domain::{SHARDS_DEFAULT, SeriesKey, Tenant};
use store::testbed::patient_options;
use store::{ANOMALIES_KEPT_MAX, RedisStore, Store, Topology, totals};
use tokio::task::JoinHandle;

use crate::report::Row;
use crate::workload::{Workload, metric, number_at, value};

/// The differences between store and model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
}

/// A direct connection to the store.
pub(crate) fn store(url: &str, topology: Topology) -> RedisStore {
    RedisStore::new(&patient_options(url.to_owned(), topology, SHARDS_DEFAULT)).unwrap()
}

/// The report row of a completed workload.
pub(crate) async fn finished(
    workload: &Workload,
    writers: Vec<JoinHandle<()>>,
    (url, topology): (&str, Topology),
    faults: u64,
) -> Row {
    for writer in writers {
        writer.await.unwrap();
    }
    let acknowledged = workload.acknowledged();
    let balance = balance(&store(url, topology), &acknowledged).await;
    Row {
        faults,
        requests: workload.requests(),
        acknowledged: acknowledged.iter().sum(),
        lost: balance.lost,
        doubled: balance.doubled,
        recovery: workload.slowest_recovery(),
    }
}

/// The key of a series of the workload.
pub(crate) fn key(series: usize) -> SeriesKey {
    let series = Series::new("chaos", metric(series), BTreeMap::new()).unwrap();
    SeriesKey::new(Tenant::default(), series)
}

/// Compares the store with the first `acknowledged` samples of each series; no sample may be pending.
pub(crate) async fn balance(store: &dyn Store, acknowledged: &[u64]) -> Balance {
    let mut balance = Balance::default();
    let mut n_anomalies = 0;
    for (series, n) in acknowledged.iter().enumerate().filter(|(_, n)| **n > 0) {
        let state = store.read(&key(series)).await.unwrap().unwrap();
        assert!(state.inbox.is_empty(), "{:?} wait", state.inbox);
        let memory = Memory::decode(state.memory.as_deref().unwrap()).unwrap();
        let kept: BTreeMap<u64, f64> = state
            .window
            .iter()
            .map(|judged| (number_at(judged.sample.at_us()), judged.sample.value()))
            .collect();
        assert_eq!(kept.len(), state.window.len(), "a time is in the window twice");
        let below = memory.floor_us.map_or(0, |floor_us| number_at(floor_us) + 1);
        let is_there = |i: &u64| *i < below || kept.get(i) == Some(&value(*i));
        balance.lost += (0..*n).filter(|i| !is_there(i)).count() as u64;
        assert!(
            kept.keys().all(|i| i < n),
            "the window of {series} has a sample that was not sent"
        );

        // A sample that took effect twice was judged twice: the commits count judged samples.
        balance.lost += n.saturating_sub(memory.counters.judged);
        balance.doubled += memory.counters.judged.saturating_sub(*n);
        let anomalies = store.anomalies(&key(series), 0, ANOMALIES_KEPT_MAX).await.unwrap();
        assert_eq!(anomalies.len() as u64, memory.counters.anomalies, "anomalies of {series}");
        let listed: BTreeSet<u64> = anomalies
            .iter()
            .map(|judged| number_at(judged.sample.at_us()))
            .filter(|i| *i >= below)
            .collect();
        let judged: BTreeSet<u64> = state
            .window
            .iter()
            .filter(|judged| judged.judgement().verdict.is_anomaly())
            .map(|judged| number_at(judged.sample.at_us()))
            .collect();
        assert_eq!(listed, judged, "anomalies of window and set of {series}");
        n_anomalies += memory.counters.anomalies;
    }
    assert_eq!(store.pending(1_000).await.unwrap(), [], "series wait");
    let totals = store.totals().await.unwrap();
    let count = |start: &str| -> u64 {
        totals.iter().filter(|(name, _)| name.starts_with(start)).map(|(_, n)| n).sum()
    };
    let accepted = count(&format!("{} accepted", totals::SAMPLES));
    assert_eq!(accepted, acknowledged.iter().sum::<u64>(), "accepted in the totals");
    assert_eq!(count(totals::ANOMALIES), n_anomalies, "anomalies in the totals");
    balance
}
