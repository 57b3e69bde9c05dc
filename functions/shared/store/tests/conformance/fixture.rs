//! Samples, judges and writers of the suite.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use detector::{DeployedDetector, Detector, MaintenanceWindow, SeriesConfig};
use domain::{Sample, Series, SeriesKey, Tenant};
use store::testbed::{judged, patient_options};
use store::{
    APPEND_MAX, Append, AppendOutcome, ClassifiedSamples, Commit, CommitOutcome, MemoryPatch,
    NewSample, OnRefusal, OptimisticCommit, ReceiptUpdate, RedisOptions, SampleClass, SeriesState,
    Store, StoreLimits, Topology,
};

pub(crate) const DEPLOYED: DeployedDetector =
    DeployedDetector { detector: Detector::ALL[1], generation: 1 };

/// Limit of series of a tenant: more than any test creates, except those of the limit.
pub(crate) const SERIES_MAX: u64 = 60;

pub(crate) const LIMITS: StoreLimits =
    StoreLimits { tenant_series_max: SERIES_MAX, tenant_percent: 100, memory_bytes: None };

/// A clock that moves by a millisecond each time it is read, so that receipts are ordered.
pub(crate) fn clock() -> i64 {
    static NOW_US: AtomicI64 = AtomicI64::new(1_700_000_000_000_000);
    NOW_US.fetch_add(1_000, Ordering::Relaxed)
}

pub(crate) fn options(url: String, topology: Topology) -> RedisOptions {
    patient_options(url, topology, 8)
}

pub(crate) fn key_of(tenant: &str, metric: &str) -> SeriesKey {
    SeriesKey::new(Tenant::new(tenant), Series::new("checkout", metric, BTreeMap::new()).unwrap())
}

pub(crate) fn key(metric: &str) -> SeriesKey {
    key_of("t", metric)
}

/// A sample of second `i`.
pub(crate) fn at(i: i64, value: f64) -> NewSample {
    NewSample::gauge(Some(i * 1_000_000), value)
}

/// A sample of the time of its receipt.
pub(crate) const NEW: NewSample = NewSample::gauge(None, 1.0);

/// Samples of the seconds of `range`, with a spike every fiftieth.
pub(crate) fn wave(range: std::ops::Range<i64>) -> Vec<NewSample> {
    range.map(|i| at(i, if i % 50 == 49 { 900.0 } else { 100.0 + (i % 7) as f64 })).collect()
}

pub(crate) fn commit_of(state: &SeriesState) -> Commit {
    judged(DEPLOYED, state, &state.inbox).1
}

/// An append of samples with their optimistic commit, judged on a state without waiting samples.
pub(crate) fn optimistic_append(
    key: &SeriesKey,
    state: &SeriesState,
    samples: &[NewSample],
) -> Append {
    let timed = |sample: &NewSample| {
        Sample::of_kind(sample.at_us.unwrap(), sample.value, sample.kind).unwrap()
    };
    let samples_judged: Vec<Sample> = samples.iter().map(timed).collect();
    let (judge, mut commit) = judged(DEPLOYED, state, &samples_judged);
    if let Some(stored) = &state.memory {
        commit.memory = MemoryPatch::between(stored, &judge.memory().encode());
    }
    let optimistic = Some(OptimisticCommit {
        commit,
        receipt: ReceiptUpdate::Write,
        on_refusal: OnRefusal::Append,
    });
    Append { key: key.clone(), samples: samples.to_vec(), cached_version: 0, optimistic }
}

pub(crate) async fn append_one(store: &dyn Store, append: &Append) -> AppendOutcome {
    store.append_all(std::slice::from_ref(append)).await.pop().unwrap().unwrap()
}

/// Appends samples; panics if an optimistic commit was stored.
pub(crate) async fn appended(store: &dyn Store, append: &Append) -> ClassifiedSamples {
    match append_one(store, append).await {
        AppendOutcome::Classified(appended) => appended,
        outcome => panic!("{outcome:?}"),
    }
}

/// Appends, judges and commits until no sample waits, as the only writer.
pub(crate) async fn write(
    store: &dyn Store,
    key: &SeriesKey,
    samples: &[NewSample],
) -> Vec<SampleClass> {
    let mut classes = Vec::new();
    for part in samples.chunks(APPEND_MAX) {
        let appended = store.append(key, part, 0).await.unwrap();
        classes.extend(appended.classes);
        let mut state = appended.state;
        while let Some(waiting) = state.filter(|state| !state.inbox.is_empty()) {
            state = match store.commit(key, &commit_of(&waiting)).await.unwrap() {
                CommitOutcome::Committed { .. } => store.read(key).await.unwrap(),
                CommitOutcome::Conflict(now) => Some(now),
            };
        }
    }
    classes
}

pub(crate) async fn state(store: &dyn Store, key: &SeriesKey) -> SeriesState {
    store.read(key).await.unwrap().unwrap()
}

pub(crate) async fn n_series(store: &dyn Store, tenant: &Tenant) -> u64 {
    store.tenant_counts(tenant).await.unwrap().n_series
}

pub(crate) fn never_sent() -> SeriesKey {
    key("never-sent")
}

pub(crate) fn own_config(spec: &str) -> SeriesConfig {
    let maintenance =
        MaintenanceWindow::new(5_000_000, 8_000_000, "a deploy: 50 % of the pods".to_owned())
            .unwrap();
    SeriesConfig::new(Some(spec.parse().unwrap()), vec![maintenance]).unwrap()
}
