//! Samples, judges and writers of the suite.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use detector::{
    DeployedDetector, Detector, EpisodeChanges, Judge, MaintenanceWindow, SeriesConfig,
};
use domain::{Judgement, Sample, Series, SeriesKey, Tenant};
use store::testbed::patient_options;
use store::{
    APPEND_MAX, Append, AppendOutcome, ClassifiedSamples, Commit, CommitOutcome, EpisodeUpdate,
    MemoryPatch, NewSample, OptimisticCommit, ReceiptUpdate, RedisOptions, SampleClass,
    SeriesState, Store, StoreLimits, Topology,
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
    NewSample { at_us: Some(i * 1_000_000), value }
}

/// A sample of the time of its receipt.
pub(crate) const NEW: NewSample = NewSample { at_us: None, value: 1.0 };

/// Samples of the seconds of `range`, with a spike every fiftieth.
pub(crate) fn wave(range: std::ops::Range<i64>) -> Vec<NewSample> {
    range.map(|i| at(i, if i % 50 == 49 { 900.0 } else { 100.0 + (i % 7) as f64 })).collect()
}

pub(crate) fn judge_state(state: &SeriesState) -> (Judge, Vec<Judgement>, EpisodeUpdate) {
    let config = state.config.as_ref().map(|stored| stored.config.clone()).unwrap_or_default();
    let memory = state.memory.as_deref();
    let mut judge =
        Judge::restore_configured(DEPLOYED, &config, memory, state.window.clone()).unwrap();
    let mut changes = EpisodeChanges::since(judge.memory());
    let judge_one = |sample: &Sample| {
        let judgement = judge.judge(*sample);
        changes.record(judge.memory());
        judgement
    };
    let judgements = state.inbox.iter().map(judge_one).collect();
    let (episodes, is_notable) = (changes.records().to_vec(), changes.is_notable());
    (judge, judgements, EpisodeUpdate { episodes, is_notable, ..EpisodeUpdate::default() })
}

pub(crate) fn commit_of(state: &SeriesState) -> Commit {
    let (judge, judgements, episode_update) = judge_state(state);
    Commit {
        version: state.version,
        revision: state.revision(),
        memory: MemoryPatch::whole(&judge.memory().encode()),
        cursor_us: judge.memory().cursor_us.unwrap(),
        floor_us: judge.memory().floor_us,
        judgements,
        episode_update,
    }
}

/// An append of samples with their optimistic commit, judged on a state without waiting samples.
pub(crate) fn optimistic_append(
    key: &SeriesKey,
    state: &SeriesState,
    samples: &[NewSample],
) -> Append {
    let timed = |sample: &NewSample| Sample::new(sample.at_us.unwrap(), sample.value).unwrap();
    let inbox = samples.iter().map(timed).collect();
    let (judge, judgements, episode_update) = judge_state(&SeriesState { inbox, ..state.clone() });
    let memory = judge.memory();
    let commit = Commit {
        version: state.version,
        revision: state.revision(),
        memory: match &state.memory {
            Some(stored) => MemoryPatch::between(stored, &memory.encode()),
            None => MemoryPatch::whole(&memory.encode()),
        },
        cursor_us: memory.cursor_us.unwrap(),
        floor_us: memory.floor_us,
        judgements,
        episode_update,
    };
    let optimistic = Some(OptimisticCommit { commit, receipt: ReceiptUpdate::Write });
    Append { key: key.clone(), samples: samples.to_vec(), cached_version: 0, optimistic }
}

pub(crate) async fn append_one(store: &dyn Store, append: &Append) -> AppendOutcome {
    store.append_all(std::slice::from_ref(append)).await.pop().unwrap().unwrap()
}

/// Appends samples; panics if an optimistic commit was stored.
pub(crate) async fn appended(store: &dyn Store, append: &Append) -> ClassifiedSamples {
    match append_one(store, append).await {
        AppendOutcome::Classified(appended) => appended,
        stored @ AppendOutcome::Committed { .. } => panic!("{stored:?}"),
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
