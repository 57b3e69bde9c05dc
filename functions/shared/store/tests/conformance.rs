//! The promises that every store keeps, run on the embedded store, on a Redis and on a cluster of three.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use detector::{
    DeployedDetector, Detector, EpisodeChanges, Judge, MaintenanceWindow, SeriesConfig,
    SilenceCheck,
};
use domain::{EpisodePhase, EpisodeRecord};
use domain::{Judgement, Sample, Series};
use domain::{SeriesKey, Tenant};
use store::testbed::{RedisCluster, RedisServer, patient_options};
use store::{
    APPEND_MAX, Append, AppendOutcome, ClassifiedSamples, Commit, CommitOutcome, ConfigStore,
    EPISODES_KEPT_MAX, EmbeddedStore, EpisodeUpdate, INBOX_LEN_MAX, INSTANCE_LEASE_S, Instance,
    InstanceLeases, MemoryPatch, NewSample, OptimisticCommit, PastRange, ReceiptUpdate,
    RedisOptions, RedisStore, SampleClass, SeriesReader, SeriesState, SeriesWriter, Store,
    StoreError, StoreGauges, StoreStatus, StoredConfig, SweepQueues, TenantCounts, TokenGrant,
    TokenRequest, Topology,
};

const DEPLOYED: DeployedDetector = DeployedDetector { detector: Detector::ALL[1], generation: 1 };

/// Most series of a tenant here: more than any promise but the one about it makes.
const SERIES_MAX: u64 = 60;

/// A clock that moves by a millisecond each time it is read, so that receipts are ordered.
fn clock() -> i64 {
    static NOW_US: AtomicI64 = AtomicI64::new(1_700_000_000_000_000);
    NOW_US.fetch_add(1_000, Ordering::Relaxed)
}

fn options(url: String, topology: Topology) -> RedisOptions {
    patient_options(url, topology, 8)
}

fn key_of(tenant: &str, metric: &str) -> SeriesKey {
    SeriesKey::new(Tenant::new(tenant), Series::new("checkout", metric, BTreeMap::new()).unwrap())
}

fn key(metric: &str) -> SeriesKey {
    key_of("t", metric)
}

/// A sample of second `i`.
fn at(i: i64, value: f64) -> NewSample {
    NewSample { at_us: Some(i * 1_000_000), value }
}

/// A sample of the time of its receipt.
const NEW: NewSample = NewSample { at_us: None, value: 1.0 };

/// Samples of the seconds of `range`, with a spike every fiftieth.
fn wave(range: std::ops::Range<i64>) -> Vec<NewSample> {
    range.map(|i| at(i, if i % 50 == 49 { 900.0 } else { 100.0 + (i % 7) as f64 })).collect()
}

fn judge_state(state: &SeriesState) -> (Judge, Vec<Judgement>, EpisodeUpdate) {
    let config = state.config.as_ref().map(|it| it.config.clone()).unwrap_or_default();
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

fn commit_of(state: &SeriesState) -> Commit {
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

/// Samples to append with what they come to on a state, in which nothing waits.
fn ahead_of(key: &SeriesKey, state: &SeriesState, samples: &[NewSample]) -> Append {
    let timed = |it: &NewSample| Sample::new(it.at_us.unwrap(), it.value).unwrap();
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

async fn append_one(store: &dyn Store, append: &Append) -> AppendOutcome {
    store.append_all(std::slice::from_ref(append)).await.pop().unwrap().unwrap()
}

/// What an append answered that did not store what was judged ahead.
async fn appended(store: &dyn Store, append: &Append) -> ClassifiedSamples {
    match append_one(store, append).await {
        AppendOutcome::Classified(appended) => appended,
        stored @ AppendOutcome::Committed { .. } => panic!("{stored:?}"),
    }
}

/// Appends, judges and commits until nothing waits, as a writer that is alone.
async fn write(store: &dyn Store, key: &SeriesKey, samples: &[NewSample]) -> Vec<SampleClass> {
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

async fn state(store: &dyn Store, key: &SeriesKey) -> SeriesState {
    store.read(key).await.unwrap().unwrap()
}

async fn n_series(store: &dyn Store, tenant: &Tenant) -> u64 {
    store.tenant_counts(tenant).await.unwrap().n_series
}

async fn fresh_samples_wait_in_time_order(store: &dyn Store) {
    let appended =
        store.append(&key("a"), &[at(3, 3.0), at(1, 1.0), at(2, -0.5)], 0).await.unwrap();
    assert!(appended.classes.iter().all(|class| matches!(class, SampleClass::Fresh { .. })));
    let inbox: Vec<f64> = appended.state.unwrap().inbox.iter().map(Sample::value).collect();
    assert_eq!(inbox, [1.0, -0.5, 3.0]);
    assert_eq!(store.read(&key("unknown")).await.unwrap(), None);
}

async fn a_sample_is_kept_once(store: &dyn Store) {
    let key = key("a");
    let twice = store.append(&key, &[at(1, 5.0), at(1, 5.0), at(1, 6.0)], 0).await.unwrap();
    let at_us = 1_000_000;
    let waiting = SampleClass::Duplicate { at_us, judgement: None };
    assert_eq!(
        twice.classes,
        [SampleClass::Fresh { at_us }, waiting, SampleClass::Conflict { stored: 5.0 }]
    );
    let again = store.append(&key, &[at(1, 5.0), at(1, 6.0)], 0).await.unwrap();
    assert_eq!(again.classes, [waiting, SampleClass::Conflict { stored: 5.0 }]);
    assert_eq!(again.state.unwrap().inbox.len(), 1);
}

async fn a_replay_is_answered_with_the_stored_verdicts(store: &dyn Store) {
    let key = key("a");
    let samples = wave(0..100);
    write(store, &key, &samples).await;
    let before = state(store, &key).await;
    let replay = store.append(&key, &samples, 0).await.unwrap();
    assert_eq!(replay.state, None);
    let mut judge = Judge::new(DEPLOYED.detector);
    for (class, sample) in replay.classes.iter().zip(&samples) {
        let said = judge.judge(Sample::new(sample.at_us.unwrap(), sample.value).unwrap());
        let SampleClass::Duplicate { judgement: Some(stored), .. } = class else {
            panic!("{class:?}")
        };
        assert_eq!(stored.judged(), said.judged());
        if said.verdict.is_anomaly() {
            assert_eq!(*stored, said);
        }
    }
    let conflict = store.append(&key, &[at(99, 1.0)], 0).await.unwrap();
    assert_eq!(conflict.classes, [SampleClass::Conflict { stored: 900.0 }]);
    assert_eq!(state(store, &key).await, before);
}

async fn a_replay_of_many_windows_changes_nothing(store: &dyn Store) {
    let key = key("a");
    let samples = wave(0..3_000);
    write(store, &key, &samples).await;
    let (before, totals) = (state(store, &key).await, store.totals().await.unwrap());
    let classes = write(store, &key, &samples).await;
    let n_too_old = classes.iter().filter(|class| **class == SampleClass::TooOld).count();
    assert_eq!((n_too_old, classes.len()), (3_000 - 128, 3_000));
    assert_eq!(state(store, &key).await, before);
    let after = store.totals().await.unwrap();
    assert_eq!(after.get("anomalies deviation"), totals.get("anomalies deviation"));
    assert_eq!((after["samples accepted"], after["samples too_old"]), (3_000, 3_000 - 128));
}

async fn samples_without_a_time_never_conflict(store: &dyn Store) {
    let key = key("a");
    let untimed = [NewSample { at_us: None, value: 7.0 }; 300];
    for _ in 0..3 {
        let classes = write(store, &key, &untimed).await;
        assert!(classes.iter().all(|class| matches!(class, SampleClass::Fresh { .. })));
    }
    assert_eq!(store.totals().await.unwrap()["samples accepted"], 900);
}

async fn samples_without_a_time_are_kept_when_others_are_ahead(store: &dyn Store) {
    let key = key("a");
    let now_s = 4_000_000_000;
    write(store, &key, &wave(now_s..now_s + 200)).await;
    let untimed = [NewSample { at_us: None, value: 7.0 }; 2];
    let classes = write(store, &key, &untimed).await;
    assert!(classes.iter().all(|class| matches!(class, SampleClass::Fresh { .. })), "{classes:?}");
}

async fn a_commit_on_another_version_changes_nothing(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..60)).await;
    let waiting = store.append(&key, &[at(60, 1.0)], 0).await.unwrap().state.unwrap();
    let first = commit_of(&waiting);
    assert!(matches!(store.commit(&key, &first).await.unwrap(), CommitOutcome::Committed { .. }));
    let now = state(store, &key).await;
    assert_eq!(store.commit(&key, &first).await.unwrap(), CommitOutcome::Conflict(now.clone()));
    assert_eq!(state(store, &key).await, now);
    assert!(now.version > waiting.version && waiting.version > 0);
    assert_eq!(store.totals().await.unwrap()["commit_conflicts"], 1);
}

async fn a_known_version_is_not_told_again(store: &dyn Store) {
    let key = key("a");
    let waiting = store.append(&key, &wave(0..60), 0).await.unwrap().state.unwrap();
    let CommitOutcome::Committed { version } =
        store.commit(&key, &commit_of(&waiting)).await.unwrap()
    else {
        panic!("nobody else writes");
    };
    let known = store.append(&key, &[at(60, 1.0)], version).await.unwrap().state.unwrap();
    assert_eq!((known.version, known.is_cached), (version, true));
    assert!(known.memory.is_none() && known.window.is_empty() && known.inbox.len() == 1);
    let unknown = store.append(&key, &[at(61, 1.0)], version - 1).await.unwrap().state.unwrap();
    assert_eq!((unknown.version, unknown.is_cached), (version, false));
    assert!(unknown.memory.is_some() && unknown.window.len() == 60);
}

async fn what_was_judged_ahead_is_stored_at_once(store: &dyn Store) {
    let (key, twin) = (key("a"), key("b"));
    write(store, &key, &wave(0..300)).await;
    write(store, &twin, &wave(0..300)).await;
    // A late one, and a spike.
    let mut samples = wave(310..360);
    samples.insert(0, at(305, 101.0));
    samples.insert(0, NewSample { at_us: Some(290_500_000), value: 103.0 });
    let before = state(store, &key).await;
    let written = append_one(store, &ahead_of(&key, &before, &samples)).await;
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
    // It is a duplicate from now on.
    let again = store.append(&key, &samples, 0).await.unwrap();
    let is_judged =
        |class: &SampleClass| matches!(class, SampleClass::Duplicate { judgement: Some(_), .. });
    assert!(again.classes.iter().all(is_judged), "{:?}", again.classes);
}

async fn a_new_series_is_stored_at_once(store: &dyn Store) {
    let (key, twin) = (key("a"), key("b"));
    let mut new = ahead_of(&key, &SeriesState::default(), &wave(0..60));
    // It is noted in any case, or nobody would find it.
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
    // It goes on as any other, and is not begun twice.
    let again = appended(store, &ahead_of(&key, &SeriesState::default(), &wave(0..60))).await;
    let is_judged =
        |class: &SampleClass| matches!(class, SampleClass::Duplicate { judgement: Some(_), .. });
    assert!(again.classes.iter().all(is_judged), "{:?}", again.classes);
    let next = append_one(store, &ahead_of(&key, &one, &[at(60, 1.0)])).await;
    assert_eq!(next, AppendOutcome::Committed { version: version + 1 });
}

async fn a_series_of_which_there_is_something_is_not_begun_anew(store: &dyn Store) {
    let new = |key: &SeriesKey| ahead_of(key, &SeriesState::default(), &[at(60, 1.0)]);
    let (known, waiting, configured) = (key("a"), key("b"), key("c"));
    write(store, &known, &wave(0..60)).await;
    store.append(&waiting, &[at(59, 1.0)], 0).await.unwrap();
    store.put_config(&configured, &own_config("zscore:window=40,threshold=3")).await.unwrap();
    for (key, n_window, n_inbox) in [(known, 60, 1), (waiting, 0, 2), (configured, 0, 1)] {
        let told = appended(store, &new(&key)).await.state.unwrap();
        assert_eq!((told.window.len(), told.inbox.len()), (n_window, n_inbox), "{key:?}");
    }
    // Nor where the tenant has no room for it.
    for i in 0..SERIES_MAX {
        write(store, &key_of("begun", &format!("m{i}")), &[at(1, 1.0)]).await;
    }
    let told = appended(store, &new(&key_of("begun", "further"))).await;
    assert_eq!((told.classes, told.state), (vec![SampleClass::TooManySeries], None));
}

async fn what_was_judged_ahead_of_another_state_counts_for_nothing(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..60)).await;
    let before = state(store, &key).await;
    let ahead = ahead_of(&key, &before, &[at(60, 900.0)]);
    // Another writer was faster.
    write(store, &key, &[at(61, 1.0)]).await;
    let now = state(store, &key).await;
    let told = appended(store, &ahead).await;
    assert_eq!(told.classes, [SampleClass::Fresh { at_us: 60_000_000 }]);
    let waiting = told.state.unwrap();
    assert_eq!((waiting.version, waiting.is_cached), (now.version, false));
    assert_eq!((&waiting.window, &waiting.memory), (&now.window, &now.memory));
    assert_eq!(waiting.inbox.len(), 1);
    store.commit(&key, &commit_of(&waiting)).await.unwrap();
    // And a repetition, for which nothing waits.
    let again = appended(store, &ahead).await;
    assert!(matches!(again.classes[..], [SampleClass::Duplicate { judgement: Some(_), .. }]));
    assert_eq!(again.state, None);
    assert_eq!(store.totals().await.unwrap()["samples accepted"], 62);
}

async fn nothing_is_judged_ahead_of_what_waits(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..60)).await;
    let before = state(store, &key).await;
    store.append(&key, &[at(60, 1.0)], 0).await.unwrap();
    let told = appended(store, &ahead_of(&key, &before, &[at(61, 1.0)])).await;
    assert_eq!(told.state.unwrap().inbox.len(), 2);
    assert_eq!(state(store, &key).await.version, before.version);
}

async fn nothing_is_judged_ahead_under_another_configuration(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..60)).await;
    let before = state(store, &key).await;
    let revision =
        store.put_config(&key, &own_config("zscore:window=40,threshold=3")).await.unwrap();
    let told = appended(store, &ahead_of(&key, &before, &[at(60, 1.0)])).await;
    assert_eq!(told.state.unwrap().revision(), revision);
}

async fn a_forgotten_series_is_not_judged_ahead(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..60)).await;
    let before = state(store, &key).await;
    store.forget(&key).await.unwrap();
    let told = appended(store, &ahead_of(&key, &before, &[at(60, 1.0)])).await;
    let waiting = told.state.unwrap();
    assert_eq!((waiting.version, waiting.window.len(), waiting.inbox.len()), (0, 0, 1));
}

async fn samples_without_a_time_are_judged_ahead_at_the_time_of_the_store(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &[NEW; 60]).await;
    let before = state(store, &key).await;
    let newest_us = before.window.last().unwrap().sample.at_us();
    let now_us = store.store_time_us(&key).unwrap();
    assert!(now_us > newest_us, "{now_us} is not after {newest_us}");
    let stamped = NewSample { at_us: Some(now_us), value: 1.0 };
    let mut ahead = ahead_of(&key, &before, &[stamped]);
    ahead.samples[0].at_us = None;
    let written = append_one(store, &ahead).await;
    assert_eq!(written, AppendOutcome::Committed { version: before.version + 1 });
    assert_eq!(state(store, &key).await.window.last().unwrap().sample.at_us(), now_us);
    // In vain it is stamped by the store: it never conflicts, and is no duplicate.
    let mut ahead = ahead_of(&key, &before, &[NewSample { value: 2.0, ..stamped }]);
    ahead.samples[0].at_us = None;
    let told = appended(store, &ahead).await;
    let [SampleClass::Fresh { at_us }] = told.classes[..] else { panic!("{told:?}") };
    assert!(at_us > now_us);
}

async fn series_of_one_batch_have_their_own_answers(store: &dyn Store) {
    let keys: Vec<SeriesKey> = (0..50).map(|i| key(&format!("m{i}"))).collect();
    for key in &keys[10..] {
        write(store, key, &wave(0..60)).await;
    }
    let mut appends = Vec::new();
    for (i, key) in keys.iter().enumerate() {
        let samples = vec![at(60, 1.0), at(61, 2.0)];
        appends.push(match i {
            // New, known by what it was, known by what it is not.
            0..10 => Append { key: key.clone(), samples, cached_version: 0, optimistic: None },
            10..30 => ahead_of(key, &state(store, key).await, &samples),
            _ => {
                let mut stale = ahead_of(key, &state(store, key).await, &samples);
                stale.optimistic.as_mut().unwrap().commit.version -= 1;
                stale
            }
        });
    }
    let mut commits = Vec::new();
    for (i, written) in store.append_all(&appends).await.into_iter().enumerate() {
        match written.unwrap() {
            AppendOutcome::Committed { .. } => assert!((10..30).contains(&i), "{i}"),
            AppendOutcome::Classified(ClassifiedSamples { state, .. }) => {
                let mut commit = commit_of(&state.unwrap());
                commit.version -= i64::from(i % 2 == 0);
                commits.push((keys[i].clone(), commit));
            }
        }
    }
    assert_eq!(commits.len(), 30);
    for (i, committed) in store.commit_all(&commits).await.into_iter().enumerate() {
        let is_done = matches!(committed.unwrap(), CommitOutcome::Committed { .. });
        assert_eq!(is_done, i % 2 == 1, "{i}");
    }
    let totals = store.totals().await.unwrap();
    assert_eq!((totals["samples accepted"], totals["commit_conflicts"]), (2_500, 15));
    assert_eq!(store.pending(100).await.unwrap().len(), 15);
    assert_eq!(store.tenant_counts(&Tenant::new("t")).await.unwrap().n_series, 50);
}

async fn two_first_commits_do_not_both_succeed(store: &dyn Store) {
    let key = key("a");
    let waiting = store.append(&key, &[at(1, 1.0)], 0).await.unwrap().state.unwrap();
    assert_eq!(waiting.version, 0);
    let commit = commit_of(&waiting);
    assert!(matches!(store.commit(&key, &commit).await.unwrap(), CommitOutcome::Committed { .. }));
    assert!(matches!(store.commit(&key, &commit).await.unwrap(), CommitOutcome::Conflict(_)));
}

async fn a_stored_series_judges_as_one_kept_in_memory(store: &dyn Store) {
    let key = key("a");
    let mut judge = Judge::restore(DEPLOYED, None, Vec::new()).unwrap();
    for part in wave(0..700).chunks(37) {
        write(store, &key, part).await;
        for sample in part {
            judge.judge(Sample::new(sample.at_us.unwrap(), sample.value).unwrap());
        }
        let stored = state(store, &key).await;
        assert_eq!(stored.window, judge.window().judged());
        let mut memory = detector::Memory::decode(&stored.memory.unwrap()).unwrap();
        memory.version = 0;
        assert_eq!(&memory, judge.memory());
    }
}

async fn a_full_inbox_refuses_and_drains(store: &dyn Store) {
    let key = key("a");
    for part in wave(0..INBOX_LEN_MAX as i64).chunks(APPEND_MAX) {
        store.append(&key, part, 0).await.unwrap();
    }
    let refused = store.append(&key, &[at(1_000_000, 1.0)], 0).await.unwrap();
    assert_eq!(refused.classes, [SampleClass::Full]);
    // It will come again, and must not be counted each time.
    let totals = store.totals().await.unwrap();
    assert_eq!(totals, BTreeMap::from([("samples accepted".to_owned(), INBOX_LEN_MAX as u64)]));
    let mut waiting = refused.state.unwrap();
    while !waiting.inbox.is_empty() {
        assert!(matches!(
            store.commit(&key, &commit_of(&waiting)).await.unwrap(),
            CommitOutcome::Committed { .. }
        ));
        waiting = state(store, &key).await;
    }
    assert!(matches!(
        write(store, &key, &[at(1_000_000, 1.0)]).await[..],
        [SampleClass::Fresh { .. }]
    ));
}

async fn anomalies_come_newest_first(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..400)).await;
    let all = store.anomalies(&key, 0, 100).await.unwrap();
    let times: Vec<i64> = all.iter().map(|anomaly| anomaly.sample.at_us() / 1_000_000).collect();
    assert_eq!(times, [399, 349, 299, 249, 199, 149, 99, 49]);
    assert_eq!(store.anomalies(&key, 0, 3).await.unwrap(), all[..3]);
    assert_eq!(store.anomalies(&key, 300_000_000, 100).await.unwrap(), all[..2]);
    assert!(store.anomalies(&super_quiet(), 0, 9).await.unwrap().is_empty());
}

fn super_quiet() -> SeriesKey {
    key("never-sent")
}

async fn a_list_names_every_series_of_its_tenant_once(store: &dyn Store) {
    let wanted: BTreeSet<SeriesKey> = (0..57).map(|i| key_of("mine", &format!("m{i}"))).collect();
    for key in wanted.iter().chain([&key_of("other", "m1")]) {
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
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), wanted);
    }
    assert_eq!(n_series(store, &Tenant::new("mine")).await, 57);
    let error = store.list(&Tenant::new("mine"), Some("rubbish"), 5).await.unwrap_err();
    assert_eq!(error.code(), "cursor_invalid");
}

async fn the_worst_have_the_most_recent_anomalies(store: &dyn Store) {
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
    assert!(worst("nobody", None, 10).await.items.is_empty());
    let error = store.worst(&Tenant::new("t"), Some("rubbish"), 5).await.unwrap_err();
    assert_eq!(error.code(), "cursor_invalid");
}

async fn pages_of_the_worst_name_each_once_also_where_all_are_as_bad(store: &dyn Store) {
    // One cause, seen by all at one time: their heat is the same.
    let wanted: BTreeSet<SeriesKey> = (0..33).map(|i| key(&format!("m{i}"))).collect();
    for key in &wanted {
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
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), wanted);
    }
}

async fn what_waits_is_pending_until_it_is_judged(store: &dyn Store) {
    let tenants = [key_of("t", "a"), key_of("u v/%", "b")];
    for key in &tenants {
        store.append(key, &[at(1, 1.0)], 0).await.unwrap();
    }
    assert_eq!(store.pending(10).await.unwrap(), tenants);
    assert_eq!(store.pending(1).await.unwrap().len(), 1);
    write(store, &tenants[0], &[at(2, 1.0)]).await;
    assert_eq!(store.pending(10).await.unwrap(), tenants[1..]);
}

async fn a_forgotten_series_is_new(store: &dyn Store) {
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

fn own_config(spec: &str) -> SeriesConfig {
    let maintenance =
        MaintenanceWindow::new(5_000_000, 8_000_000, "a deploy: 50 % of the pods".to_owned())
            .unwrap();
    SeriesConfig::new(Some(spec.parse().unwrap()), vec![maintenance]).unwrap()
}

async fn a_configuration_is_read_with_its_series(store: &dyn Store) {
    let (key, config) = (key("a"), own_config("zscore:window=40,threshold=3"));
    let revision = store.put_config(&key, &config).await.unwrap();
    let stored = Some(StoredConfig { revision, config });
    let before = state(store, &key).await;
    assert_eq!((before.has_no_sample(), &before.config), (true, &stored));
    assert_eq!(n_series(store, &Tenant::new("t")).await, 0);
    let waiting = store.append(&key, &wave(0..60), 0).await.unwrap().state.unwrap();
    assert_eq!(waiting.config, stored);
    let committed = store.commit(&key, &commit_of(&waiting)).await.unwrap();
    let CommitOutcome::Committed { version } = committed else { panic!("nobody else writes") };
    let known = store.append(&key, &[at(60, 1.0)], version).await.unwrap().state.unwrap();
    assert_eq!((known.is_cached, known.config), (true, None));
    assert_eq!(state(store, &key).await.config, stored);

    assert!(store.remove_config(&key).await.unwrap());
    assert!(!store.remove_config(&key).await.unwrap());
    assert_eq!(state(store, &key).await.config, None);
}

async fn a_configuration_counts_between_append_and_commit(store: &dyn Store) {
    let config = own_config("zscore:window=40,threshold=3");
    let key = key("a");
    for i in 0..3 {
        // The first round finds a series without a memory, whose version says nothing.
        let waiting = store.append(&key, &[at(10 * i, 1.0)], 0).await.unwrap().state.unwrap();
        let revision = store.put_config(&key, &config).await.unwrap();
        let stale = store.commit(&key, &commit_of(&waiting)).await.unwrap();
        let CommitOutcome::Conflict(now) = stale else { panic!("another configuration was put") };
        assert_eq!((now.revision(), now.inbox.len()), (revision, 1));
        assert!(store.remove_config(&key).await.unwrap());
        let CommitOutcome::Conflict(now) = store.commit(&key, &commit_of(&now)).await.unwrap()
        else {
            panic!("the configuration is gone");
        };
        assert_eq!(now.revision(), 0);
        let fresh = store.commit(&key, &commit_of(&now)).await.unwrap();
        assert!(matches!(fresh, CommitOutcome::Committed { .. }));
    }
}

async fn no_two_configurations_have_one_revision(store: &dyn Store) {
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

async fn a_forgotten_series_has_no_configuration(store: &dyn Store) {
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

async fn maintenance_anomalies_are_kept_apart_from_the_others(store: &dyn Store) {
    let key = key("a");
    let maintenance = MaintenanceWindow::new(149_000_000, 200_000_000, String::new()).unwrap();
    let config = SeriesConfig::new(None, vec![maintenance]).unwrap();
    store.put_config(&key, &config).await.unwrap();
    let samples = wave(0..300);
    write(store, &key, &samples).await;
    let anomalies = store.anomalies(&key, 0, 100).await.unwrap();
    let times: Vec<i64> = anomalies.iter().map(|it| it.sample.at_us() / 1_000_000).collect();
    assert_eq!(times, [299, 249, 99, 49]);
    assert_eq!(store.totals().await.unwrap()["anomalies deviation"], 4);
    let replay = store.append(&key, &samples[199..200], 0).await.unwrap();
    let [SampleClass::Duplicate { judgement: Some(stored), .. }] = replay.classes[..] else {
        panic!("{replay:?}")
    };
    assert_eq!(stored.verdict.kind, domain::VerdictKind::Maintenance);
}

const ALL: PastRange = PastRange { since_us: 0, before_us: None, limit: 1_000 };

/// Spikes of one sample at the fiftieth seconds of `range`, each over with the next sample.
fn spikes(range: std::ops::Range<i64>) -> impl DoubleEndedIterator<Item = i64> {
    range.filter(|i| i % 50 == 49).map(|i| i * 1_000_000)
}

async fn episodes_come_newest_first_and_the_last_may_be_open(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..250)).await;
    let stored = store.episodes(&key, ALL).await.unwrap();
    let told: Vec<(i64, EpisodePhase)> =
        stored.iter().map(|it| (it.record.start_us, it.record.phase)).collect();
    let phase =
        |start_us| if start_us == 249_000_000 { EpisodePhase::Open } else { EpisodePhase::Over };
    let wanted: Vec<_> = spikes(0..250).rev().map(|it| (it, phase(it))).collect();
    assert_eq!(told, wanted);
    let memory = detector::Memory::decode(&state(store, &key).await.memory.unwrap()).unwrap();
    assert_eq!(Some(stored[0].record), memory.episode_record());

    write(store, &key, &wave(250..260)).await;
    let ended = store.episodes(&key, ALL).await.unwrap();
    assert_eq!((ended.len(), ended[0].record.phase), (5, EpisodePhase::Over));
    assert_eq!(ended[0].record.end_us, 249_000_000);
    assert!(ended[0].revision > stored[0].revision && ended[1] == stored[1]);
    let range = PastRange { since_us: 149_000_000, before_us: Some(249_000_000), limit: 1 };
    let page = store.episodes(&key, range).await.unwrap();
    assert_eq!(page, [ended[1]]);
    let before = store.episodes(&key, ALL).await.unwrap();
    write(store, &key, &wave(130..260)).await;
    assert_eq!(store.episodes(&key, ALL).await.unwrap(), before, "a replay");
    assert_eq!(store.episodes(&super_quiet(), ALL).await.unwrap(), []);
}

async fn what_history_does_not_hold_is_marked_until_it_does(store: &dyn Store) {
    let key = key("a");
    assert_eq!(store.unsaved_episodes(10).await.unwrap(), []);
    write(store, &key, &wave(0..101)).await;
    let [unsaved] = store.unsaved_episodes(10).await.unwrap().try_into().unwrap();
    assert_eq!((&unsaved.key, store.n_unsaved_episodes().await.unwrap()), (&key, 1));
    let stored = store.episodes(&key, ALL).await.unwrap();
    assert!(
        !stored.is_empty() && stored.iter().all(|it| it.notable_version > unsaved.saved_version)
    );
    // What becomes news while it is being saved stays marked.
    let saved = stored.iter().map(|it| it.notable_version).max().unwrap();
    write(store, &key, &wave(101..151)).await;
    store.mark_episodes_saved(&key, saved).await.unwrap();
    let [unsaved] = store.unsaved_episodes(10).await.unwrap().try_into().unwrap();
    assert_eq!(unsaved.saved_version, saved);
    let left = store.episodes(&key, ALL).await.unwrap();
    assert_eq!(left.iter().filter(|it| it.notable_version > saved).count(), 1);
    // And again, as of one that was told twice.
    let newest = left.iter().map(|it| it.notable_version).max().unwrap();
    for version in [newest, saved, newest] {
        store.mark_episodes_saved(&key, version).await.unwrap();
        assert_eq!(store.unsaved_episodes(10).await.unwrap(), []);
    }
    write(store, &key, &wave(151..199)).await;
    assert_eq!(store.n_unsaved_episodes().await.unwrap(), 0, "no news");
    write(store, &key, &wave(199..200)).await;
    assert_eq!(store.n_unsaved_episodes().await.unwrap(), 1);
    assert!(store.forget(&key).await.unwrap());
    assert_eq!(store.n_unsaved_episodes().await.unwrap(), 0);
    assert_eq!(store.episodes(&key, ALL).await.unwrap(), []);
}

async fn marked(store: &dyn Store) -> Vec<(SeriesKey, i64)> {
    let mirroring = store.config_backup_status(10).await.unwrap();
    mirroring.unsaved.into_iter().map(|it| (it.key, it.revision)).collect()
}

async fn a_configuration_that_changes_is_marked_until_history_holds_it(store: &dyn Store) {
    let (key, config) = (key("a"), own_config("ewma"));
    assert_eq!(marked(store).await, []);
    let first = store.put_config(&key, &config).await.unwrap();
    assert_eq!(marked(store).await, [(key.clone(), first)]);
    // What changes while it is being saved stays marked.
    let second = store.put_config(&key, &config).await.unwrap();
    store.mark_config_saved(&key, first).await.unwrap();
    assert_eq!(marked(store).await, [(key.clone(), second)]);
    for revision in [second, first, second] {
        store.mark_config_saved(&key, revision).await.unwrap();
        assert_eq!(marked(store).await, []);
    }
    // So is its removal, by whatever removes it; that of none is no news.
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

async fn a_configuration_is_restored_only_where_none_is_and_none_was_removed(store: &dyn Store) {
    let key = key("a");
    assert!(
        !store.config_backup_status(10).await.unwrap().is_complete,
        "a store that is new holds nothing"
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
    assert!(!store.restore_config(&key, &lost).await.unwrap(), "a later one is there");
    assert!(store.remove_config(&key).await.unwrap());
    assert!(
        !store.restore_config(&key, &lost).await.unwrap(),
        "it was removed, and history does not know"
    );
    assert_eq!(store.read(&key).await.unwrap(), None);
}

async fn who_judged_without_a_configuration_judges_again_once_it_is_restored(store: &dyn Store) {
    let key = key("a");
    store.append(&key, &wave(0..3), -1).await.unwrap();
    let before = store.read(&key).await.unwrap().unwrap();
    let lost = StoredConfig { revision: 7, config: own_config("ewma") };
    assert!(store.restore_config(&key, &lost).await.unwrap());
    let committed = store.commit(&key, &commit_of(&before)).await.unwrap();
    assert!(matches!(committed, CommitOutcome::Conflict(_)), "{committed:?}");
}

async fn without_history_nothing_is_marked(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..250)).await;
    assert_eq!(store.n_unsaved_episodes().await.unwrap(), 0);
    assert_eq!(store.unsaved_episodes(10).await.unwrap(), []);
}

async fn an_episode_that_is_no_news_keeps_the_version_of_its_news(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..201)).await;
    let mut versions = Vec::new();
    for (n_samples, is_notable) in [(1, true), (2, false), (3, false), (4, true)] {
        let appended = store.append(&key, &[at(201 + n_samples, 1.0)], 0).await.unwrap();
        let record = EpisodeRecord {
            start_us: 300_000_000,
            end_us: 300_000_000,
            n_samples: 1,
            phase: EpisodePhase::Open,
            peak: None,
        };
        let episode_update =
            EpisodeUpdate { episodes: vec![record], is_notable, ..EpisodeUpdate::default() };
        let commit = Commit { episode_update, ..commit_of(&appended.state.unwrap()) };
        let CommitOutcome::Committed { version } = store.commit(&key, &commit).await.unwrap()
        else {
            panic!("nobody else writes")
        };
        let stored = store.episodes(&key, ALL).await.unwrap()[0];
        assert_eq!(stored.revision, version);
        versions.push(stored.notable_version);
    }
    assert!(versions[0] == versions[1] && versions[1] == versions[2] && versions[2] < versions[3]);
}

async fn the_oldest_episodes_are_dropped_and_counted_where_history_lacks_them(store: &dyn Store) {
    let key = key("a");
    store.unsaved_episodes(1).await.unwrap();
    write(store, &key, &wave(0..10)).await;
    let record = |i: i64| EpisodeRecord {
        start_us: i,
        end_us: i,
        n_samples: 1,
        phase: EpisodePhase::Over,
        peak: None,
    };
    let appended = store.append(&key, &[at(10, 1.0)], 0).await.unwrap();
    let episodes = (0..EPISODES_KEPT_MAX as i64 + 3).map(record).collect();
    let episode_update = EpisodeUpdate { episodes, is_notable: true, ..EpisodeUpdate::default() };
    let commit = Commit { episode_update, ..commit_of(&appended.state.unwrap()) };
    assert!(matches!(store.commit(&key, &commit).await.unwrap(), CommitOutcome::Committed { .. }));
    let kept = store.episodes(&key, ALL).await.unwrap();
    assert_eq!((kept.len(), kept.last().unwrap().record.start_us), (EPISODES_KEPT_MAX, 3));
    assert_eq!(store.totals().await.unwrap()["episodes_lost"], 3);
}

async fn series_are_looked_at_when_their_sample_is_due(store: &dyn Store) {
    let (one, other) = (key("a"), key("b"));
    for (key, look_us) in [(&one, 5_000), (&other, 4_000)] {
        let appended = store.append(key, &[at(1, 1.0)], 0).await.unwrap();
        let episode_update = EpisodeUpdate {
            silence_check: Some(SilenceCheck::At(look_us)),
            ..EpisodeUpdate::default()
        };
        let commit = Commit { episode_update, ..commit_of(&appended.state.unwrap()) };
        assert!(matches!(
            store.commit(key, &commit).await.unwrap(),
            CommitOutcome::Committed { .. }
        ));
    }
    assert_eq!(store.due_silence_checks(3_999, 10).await.unwrap(), []);
    assert_eq!(store.due_silence_checks(5_000, 10).await.unwrap(), [other.clone(), one.clone()]);
    assert_eq!(store.due_silence_checks(5_000, 1).await.unwrap(), std::slice::from_ref(&other));
    store.reschedule_silence_check(&other, SilenceCheck::At(6_000)).await.unwrap();
    store.reschedule_silence_check(&super_quiet(), SilenceCheck::At(1)).await.unwrap();
    assert_eq!(store.due_silence_checks(5_999, 10).await.unwrap(), std::slice::from_ref(&one));
    store.reschedule_silence_check(&one, SilenceCheck::Never).await.unwrap();
    assert!(store.forget(&other).await.unwrap());
    assert_eq!(store.due_silence_checks(i64::MAX >> 11, 10).await.unwrap(), []);
}

async fn a_tenant_has_at_most_so_many_series(store: &dyn Store) {
    // What is known of a tenant outlives a promise: so these two have tenants of their own.
    let metric = |i: u64| key_of("full", &format!("m{i}"));
    for i in 0..SERIES_MAX {
        let classes = write(store, &metric(i), &[at(1, 1.0)]).await;
        assert!(matches!(classes[..], [SampleClass::Fresh { .. }]), "{i}: {classes:?}");
    }
    let further = key_of("full", "further");
    let refused = store.append(&further, &[at(1, 1.0), at(2, 2.0)], 0).await.unwrap();
    assert_eq!((refused.classes, refused.state), (vec![SampleClass::TooManySeries; 2], None));
    assert_eq!(store.read(&further).await.unwrap(), None);
    assert_eq!(n_series(store, &Tenant::new("full")).await, SERIES_MAX);
    // Those that exist go on, and so do other tenants.
    let classes = write(store, &metric(0), &[at(2, 1.0)]).await;
    assert!(matches!(classes[..], [SampleClass::Fresh { .. }]), "{classes:?}");
    let classes = write(store, &key_of("u", "further"), &[at(1, 1.0)]).await;
    assert!(matches!(classes[..], [SampleClass::Fresh { .. }]), "{classes:?}");
    // A forgotten one makes room, once the store has counted again.
    assert!(store.forget(&metric(1)).await.unwrap());
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let classes = write(store, &further, &[at(1, 1.0)]).await;
    assert!(matches!(classes[..], [SampleClass::Fresh { .. }]), "{classes:?}");
}

async fn series_that_come_at_once_do_not_pass_the_bound(store: &dyn Store) {
    let keys: Vec<SeriesKey> =
        (0..2 * SERIES_MAX).map(|i| key_of("crowd", &format!("m{i}"))).collect();
    let appended = keys.iter().map(|key| store.append(key, &[NEW], 0));
    let appended = futures_util::future::try_join_all(appended).await.unwrap();
    let n_refused = appended.iter().filter(|it| it.classes == [SampleClass::TooManySeries]).count();
    assert_eq!(n_refused as u64, SERIES_MAX);
    assert_eq!(n_series(store, &Tenant::new("crowd")).await, SERIES_MAX);
}

async fn a_bucket_gives_what_flows_in(store: &dyn Store) {
    let (tenant, other) = (Tenant::new("t"), Tenant::new("u"));
    // One a second: few flow in while this runs.
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

async fn totals_of_processes_add_up(store: &dyn Store) {
    let some = BTreeMap::from([("requests 200".to_owned(), 3), ("requests 503".to_owned(), 1)]);
    store.add_totals(&some).await.unwrap();
    store.add_totals(&some).await.unwrap();
    store.add_totals(&BTreeMap::new()).await.unwrap();
    assert_eq!(
        store.totals().await.unwrap(),
        BTreeMap::from([("requests 200".to_owned(), 6), ("requests 503".to_owned(), 2),])
    );
}

async fn one_generation_has_one_detector(store: &dyn Store) {
    store.check_deployment(&DEPLOYED).await.unwrap();
    store.check_deployment(&DEPLOYED).await.unwrap();
    let other = DeployedDetector { detector: Detector::ALL[2], ..DEPLOYED };
    let error = store.check_deployment(&other).await.unwrap_err();
    assert!(matches!(error, StoreError::DetectorMismatch { generation: 1, .. }), "{error}");
    store.check_deployment(&DeployedDetector { generation: 2, ..other }).await.unwrap();
}

async fn levels_tell_of_all_tenants(store: &dyn Store) {
    assert_eq!(store.gauges().await.unwrap(), StoreGauges::default());
    for i in 0..5 {
        write(store, &key_of("t", &format!("m{i}")), &[at(1, 1.0)]).await;
    }
    let other = key_of("u v/%", "m0");
    store.append(&other, &[at(1, 1.0)], 0).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    // What comes later does not make the wait of the first shorter.
    store.append(&other, &[at(2, 1.0)], 0).await.unwrap();
    let levels = store.gauges().await.unwrap();
    assert_eq!((levels.n_series, levels.n_pending), (6, 1));
    // The clock of the embedded store is read as often as it moves.
    assert!((1_000..20_000_000).contains(&levels.oldest_pending_us), "{levels:?}");
    write(store, &other, &[at(3, 1.0)]).await;
    assert!(store.forget(&key_of("t", "m0")).await.unwrap());
    let levels = store.gauges().await.unwrap();
    assert_eq!(levels, StoreGauges { n_series: 5, n_pending: 0, oldest_pending_us: 0 });
}

async fn the_series_of_a_tenant_are_counted(store: &dyn Store) {
    write(store, &key("quiet"), &[at(1, 1.0)]).await;
    write(store, &key("spiky"), &wave(0..120)).await;
    store.append(&key("waiting"), &[at(1, 1.0)], 0).await.unwrap();
    store.append(&key_of("t/u", "waiting"), &[at(1, 1.0)], 0).await.unwrap();
    let count = async |tenant| store.tenant_counts(&Tenant::new(tenant)).await.unwrap();
    assert_eq!(count("t").await, TenantCounts { n_series: 3, n_anomalous: 1, n_pending: 1 });
    assert_eq!(count("t/u").await, TenantCounts { n_series: 1, n_anomalous: 0, n_pending: 1 });
    assert_eq!(count("nobody").await, TenantCounts::default());
}

async fn the_last_received_come_first_and_can_be_glanced_at(store: &dyn Store) {
    for metric in ["a", "b", "c", "a"] {
        write(store, &key(metric), &wave(0..60)).await;
    }
    write(store, &key_of("u", "z"), &[at(1, 1.0)]).await;
    let tenant = Tenant::new("t");
    // A replay is no receipt.
    assert_eq!(store.recent(&tenant, 9).await.unwrap(), [key("c"), key("b"), key("a")]);
    write(store, &key("a"), &[at(60, 100.0)]).await;
    assert_eq!(store.recent(&tenant, 2).await.unwrap(), [key("a"), key("c")]);
    let keys = [key("a"), super_quiet(), key_of("u", "z")];
    let glances = store.summaries(&keys).await.unwrap();
    let seen: Vec<u64> = glances.iter().map(|it| it.n_anomalies).collect();
    assert_eq!(seen, [1, 0, 0]);
    assert_eq!(glances[0].memory, state(store, &key("a")).await.memory);
    assert_eq!(glances[1].memory, None);
    assert!(store.summaries(&[]).await.unwrap().is_empty());
}

async fn processes_tell_of_themselves(store: &dyn Store) {
    let instance = |function: &str, name: &str, n_requests| Instance {
        function: function.to_owned(),
        name: name.to_owned(),
        n_connections: 7,
        n_requests,
    };
    let told = async || {
        let mut told = store.instances().await.unwrap();
        told.sort_by_key(|it| (it.function.clone(), it.name.clone()));
        told
    };
    assert!(told().await.is_empty());
    let (analyze, ingest) = (instance("analyze", "a", 1), instance("ingest", "a", 2));
    for instance in [&ingest, &analyze, &instance("ingest", "b", 3), &ingest] {
        store.renew_lease(instance).await.unwrap();
    }
    store.renew_lease(&instance("ingest", "b", 4)).await.unwrap();
    assert_eq!(told().await, [analyze, ingest.clone(), instance("ingest", "b", 4)]);
    store.end_lease(&ingest).await.unwrap();
    store.end_lease(&ingest).await.unwrap();
    assert_eq!(told().await.len(), 2);
}

/// Random interleavings of writers that stop between any two steps, while the configuration comes and goes: nothing is
/// lost, nothing is judged twice.
async fn interleaved_writers_that_die_lose_nothing(store: &dyn Store) {
    for seed in 0..12 {
        let key = key(&format!("m{seed}"));
        let mut random = Lcg(seed);
        let mut sent: BTreeSet<i64> = BTreeSet::new();
        let mut held: Vec<SeriesState> = Vec::new();
        for step in 0..60 {
            if random.below(6) == 0 {
                if random.below(2) == 0 {
                    store.put_config(&key, &own_config("ewma")).await.unwrap();
                } else {
                    store.remove_config(&key).await.unwrap();
                }
            } else if random.below(2) == 0 || held.is_empty() {
                let i = step + random.below(5) as i64;
                let appended = store.append(&key, &[at(i, i as f64)], 0).await.unwrap();
                if !matches!(appended.classes[..], [SampleClass::TooOld]) {
                    sent.insert(i * 1_000_000);
                }
                held.extend(appended.state);
            } else {
                // Some writer goes on; what it holds may be outdated, and it may die right after.
                let state = held.swap_remove(random.below(held.len() as u64) as usize);
                if let CommitOutcome::Conflict(now) =
                    store.commit(&key, &commit_of(&state)).await.unwrap()
                {
                    held.extend((random.below(2) == 0 && !now.inbox.is_empty()).then_some(now));
                }
            }
        }
        write(store, &key, &[]).await;
        while let waiting = state(store, &key).await
            && !waiting.inbox.is_empty()
        {
            store.commit(&key, &commit_of(&waiting)).await.unwrap();
        }
        let last = state(store, &key).await;
        let kept: BTreeSet<i64> = last.window.iter().map(|judged| judged.sample.at_us()).collect();
        assert_eq!(kept, sent, "seed {seed}");
        let memory = detector::Memory::decode(&last.memory.unwrap()).unwrap();
        assert_eq!(memory.counters.judged, sent.len() as u64, "seed {seed}");
    }
    assert!(store.pending(10).await.unwrap().is_empty());
}

/// A small seeded generator (Knuth's constants), so that a failing seed fails again.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

macro_rules! conformance {
    ($($promise:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(&super::EmbeddedStore::new(super::clock).with_series_max(super::SERIES_MAX)).await;
            })*
        }
        mod redis {
            $(#[tokio::test]
            async fn $promise() {
                let server = super::RedisServer::start();
                super::$promise(&super::RedisStore::new(&super::options(server.url(), super::Topology::Single)).unwrap().with_series_max(super::SERIES_MAX)).await;
            })*
        }
        /// A cluster takes seconds to form, so one serves all promises in turn.
        #[tokio::test]
        async fn cluster_keeps_every_promise() {
            let mut cluster = RedisCluster::start();
            let store = RedisStore::new(&options(cluster.url(), Topology::Cluster)).unwrap();
            let store = store.with_series_max(SERIES_MAX);
            $({
                for node in cluster.nodes() {
                    node.cli(&["FLUSHALL"]);
                }
                eprintln!("{}", stringify!($promise));
                $promise(&store).await;
            })*
            whoever_knows_no_node_of_a_shard_is_told(&cluster.url()).await;
        }
    };
}

/// Transactions and several commands at once, too, which fail in other ways.
async fn whoever_knows_no_node_of_a_shard_is_told(url: &str) {
    for i in 0..12 {
        let cold = || RedisStore::new(&options(url.to_owned(), Topology::Cluster)).unwrap();
        let key = key(&format!("cold{i}"));
        cold().append(&key, &[at(1, 1.0)], 0).await.unwrap();
        assert!(cold().forget(&key).await.unwrap());
        cold().add_totals(&[("late".to_owned(), 1)].into()).await.unwrap();
        cold().totals().await.unwrap();
        cold().tenant_counts(&Tenant::default()).await.unwrap();
    }
}

conformance!(
    fresh_samples_wait_in_time_order,
    a_sample_is_kept_once,
    a_replay_is_answered_with_the_stored_verdicts,
    a_replay_of_many_windows_changes_nothing,
    samples_without_a_time_never_conflict,
    a_commit_on_another_version_changes_nothing,
    samples_without_a_time_are_kept_when_others_are_ahead,
    a_known_version_is_not_told_again,
    what_was_judged_ahead_is_stored_at_once,
    a_new_series_is_stored_at_once,
    a_series_of_which_there_is_something_is_not_begun_anew,
    what_was_judged_ahead_of_another_state_counts_for_nothing,
    nothing_is_judged_ahead_of_what_waits,
    nothing_is_judged_ahead_under_another_configuration,
    a_forgotten_series_is_not_judged_ahead,
    samples_without_a_time_are_judged_ahead_at_the_time_of_the_store,
    series_of_one_batch_have_their_own_answers,
    two_first_commits_do_not_both_succeed,
    a_stored_series_judges_as_one_kept_in_memory,
    a_full_inbox_refuses_and_drains,
    anomalies_come_newest_first,
    a_list_names_every_series_of_its_tenant_once,
    the_worst_have_the_most_recent_anomalies,
    pages_of_the_worst_name_each_once_also_where_all_are_as_bad,
    what_waits_is_pending_until_it_is_judged,
    a_forgotten_series_is_new,
    a_configuration_is_read_with_its_series,
    a_configuration_counts_between_append_and_commit,
    no_two_configurations_have_one_revision,
    a_forgotten_series_has_no_configuration,
    maintenance_anomalies_are_kept_apart_from_the_others,
    episodes_come_newest_first_and_the_last_may_be_open,
    what_history_does_not_hold_is_marked_until_it_does,
    a_configuration_that_changes_is_marked_until_history_holds_it,
    a_configuration_is_restored_only_where_none_is_and_none_was_removed,
    who_judged_without_a_configuration_judges_again_once_it_is_restored,
    without_history_nothing_is_marked,
    an_episode_that_is_no_news_keeps_the_version_of_its_news,
    the_oldest_episodes_are_dropped_and_counted_where_history_lacks_them,
    series_are_looked_at_when_their_sample_is_due,
    a_tenant_has_at_most_so_many_series,
    series_that_come_at_once_do_not_pass_the_bound,
    a_bucket_gives_what_flows_in,
    totals_of_processes_add_up,
    levels_tell_of_all_tenants,
    the_series_of_a_tenant_are_counted,
    the_last_received_come_first_and_can_be_glanced_at,
    processes_tell_of_themselves,
    one_generation_has_one_detector,
    interleaved_writers_that_die_lose_nothing,
);

mod lost {
    //! Any key of a series may be missing alone: evicted, expired, or gone with a restart.

    use super::*;

    async fn after_losing(kind: &str) -> (RedisServer, RedisStore, SeriesKey) {
        let server = RedisServer::start();
        let store = RedisStore::new(&options(server.url(), Topology::Single)).unwrap();
        let key = key("a");
        write(&store, &key, &wave(0..300)).await;
        store.append(&key, &[at(300, 1.0)], 0).await.unwrap();
        let shard = key.shard(8);
        assert_eq!(server.cli(&["DEL", &format!("tm:{{{shard}}}:t/checkout/a:{kind}")]), "1");
        (server, store, key)
    }

    #[tokio::test]
    async fn without_its_memory_a_series_learns_from_its_window() {
        let (_server, store, key) = after_losing("memory").await;
        let classes = write(&store, &key, &[at(301, 1.0), at(299, 900.0)]).await;
        assert!(matches!(classes[..], [SampleClass::Fresh { .. }, SampleClass::Duplicate { .. }]));
        let state = state(&store, &key).await;
        assert!(state.version > 1_000_000 && state.inbox.is_empty());
        assert_eq!(state.window.len(), 128);
        // What the lost floor covered is covered by the new one.
        assert_eq!(write(&store, &key, &wave(0..170)).await, vec![SampleClass::TooOld; 170]);
    }

    #[tokio::test]
    async fn without_its_memory_a_series_judges_no_replay_again() {
        let (_server, store, key) = after_losing("memory").await;
        let classes = write(&store, &key, &wave(0..300)).await;
        let is_fresh = |class: &&SampleClass| matches!(class, SampleClass::Fresh { .. });
        assert_eq!(classes.iter().filter(is_fresh).count(), 0);
    }

    #[tokio::test]
    async fn a_lost_inbox_is_no_longer_pending_after_a_look() {
        let (_server, store, key) = after_losing("inbox").await;
        assert_eq!(store.pending(10).await.unwrap(), std::slice::from_ref(&key));
        store.append(&key, &[], 0).await.unwrap();
        assert!(store.pending(10).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_known_version_without_its_window_is_told_again() {
        let (server, store, key) = after_losing("anomalies").await;
        let before = state(&store, &key).await;
        server.cli(&["DEL", &format!("tm:{{{}}}:t/checkout/a:window", key.shard(8))]);
        let after =
            store.append(&key, &[at(400, 1.0)], before.version).await.unwrap().state.unwrap();
        assert!(!after.is_cached);
        let CommitOutcome::Conflict(_) = store.commit(&key, &commit_of(&before)).await.unwrap()
        else {
            panic!("a commit on a window that is gone");
        };
    }

    #[tokio::test]
    async fn without_its_window_a_series_judges_no_replay_again() {
        let (_server, store, key) = after_losing("window").await;
        assert_eq!(write(&store, &key, &wave(0..300)).await, vec![SampleClass::TooOld; 300]);
        let state = state(&store, &key).await;
        assert_eq!(state.window.len(), 1);
        assert_eq!(state.window[0].kind, domain::VerdictKind::Learning);
    }

    #[tokio::test]
    async fn without_its_inbox_a_series_goes_on_and_a_resend_is_fresh() {
        let (_server, store, key) = after_losing("inbox").await;
        assert!(matches!(
            write(&store, &key, &[at(300, 1.0)]).await[..],
            [SampleClass::Fresh { .. }]
        ));
    }

    #[tokio::test]
    async fn without_its_anomalies_a_replay_still_knows_its_verdict() {
        let (_server, store, key) = after_losing("anomalies").await;
        let classes = write(&store, &key, &wave(299..300)).await;
        let [SampleClass::Duplicate { judgement: Some(judgement), .. }] = classes[..] else {
            panic!("{classes:?}")
        };
        assert!(judgement.verdict.is_anomaly() && judgement.verdict.expectation.is_none());
    }

    #[tokio::test]
    async fn a_sample_lost_between_append_and_commit_is_still_committed() {
        let (server, store, key) = after_losing("anomalies").await;
        let waiting = state(&store, &key).await;
        server.cli(&["DEL", &format!("tm:{{{}}}:t/checkout/a:inbox", key.shard(8))]);
        assert!(matches!(
            store.commit(&key, &commit_of(&waiting)).await.unwrap(),
            CommitOutcome::Committed { .. }
        ));
        assert!(
            state(&store, &key)
                .await
                .window
                .iter()
                .any(|judged| judged.sample.at_us() == 300_000_000)
        );
    }

    #[tokio::test]
    async fn a_version_from_before_a_loss_never_matches() {
        let (server, store, key) = after_losing("anomalies").await;
        let old = commit_of(&state(&store, &key).await);
        server.cli(&["FLUSHALL"]);
        write(&store, &key, &wave(0..300)).await;
        assert!(matches!(store.commit(&key, &old).await.unwrap(), CommitOutcome::Conflict(_)));
    }

    #[tokio::test]
    async fn nothing_is_judged_ahead_of_a_loss() {
        for lost in ["window", "memory", "config", "inbox", "anomalies"] {
            let (server, store, key) = after_losing("inbox").await;
            store.put_config(&key, &own_config("ewma")).await.unwrap();
            let ahead = ahead_of(&key, &state(&store, &key).await, &[at(400, 1.0)]);
            server.cli(&["DEL", &format!("tm:{{{}}}:t/checkout/a:{lost}", key.shard(8))]);
            let is_stored =
                matches!(append_one(&store, &ahead).await, AppendOutcome::Committed { .. });
            assert_eq!(is_stored, ["inbox", "anomalies"].contains(&lost), "without its {lost}");
        }
    }

    #[tokio::test]
    async fn a_series_of_which_one_key_is_left_is_not_begun_anew() {
        for left in ["window", "memory", "config", "inbox"] {
            let (server, store, key) = after_losing("episodes").await;
            store.append(&key, &[at(399, 1.0)], 0).await.unwrap();
            store.put_config(&key, &own_config("ewma")).await.unwrap();
            for lost in ["window", "memory", "config", "inbox"].iter().filter(|it| **it != left) {
                server.cli(&["DEL", &format!("tm:{{{}}}:t/checkout/a:{lost}", key.shard(8))]);
            }
            let new = ahead_of(&key, &SeriesState::default(), &[at(400, 1.0)]);
            let told = append_one(&store, &new).await;
            assert!(matches!(told, AppendOutcome::Classified(_)), "with its {left}: {told:?}");
        }
        // What a later version wrote is nobody else's to replace.
        let (server, store, key) = after_losing("window").await;
        let name = format!("tm:{{{}}}:t/checkout/a:memory", key.shard(8));
        server.cli(&["SET", &name, "TMm2 and more"]);
        let told =
            append_one(&store, &ahead_of(&key, &SeriesState::default(), &[at(400, 1.0)])).await;
        assert!(matches!(told, AppendOutcome::Classified(_)), "{told:?}");
        assert!(server.cli(&["GET", &name]).starts_with("TMm2"));
    }

    #[tokio::test]
    async fn what_changes_is_not_written_into_a_memory_that_was_cut_off() {
        let (server, store, key) = after_losing("inbox").await;
        let before = state(&store, &key).await;
        let ahead = ahead_of(&key, &before, &[at(400, 1.0)]);
        let name = format!("tm:{{{}}}:t/checkout/a:memory", key.shard(8));
        let header = server.cli(&["--raw", "GETRANGE", &name, "0", "127"]);
        assert!(header.starts_with("TMm1"));
        let cut = "redis.call('SET', KEYS[1], redis.call('GETRANGE', KEYS[1], 0, 399))";
        server.cli(&["EVAL", cut, "1", &name]);
        let waiting = appended(&store, &ahead).await.state.unwrap();
        assert_eq!(waiting.memory.as_ref().map(Vec::len), Some(400));
        // It is told, learned again from the window, and replaced.
        let committed = store.commit(&key, &commit_of(&waiting)).await.unwrap();
        assert!(matches!(committed, CommitOutcome::Committed { .. }));
        assert!(detector::Memory::decode(&state(&store, &key).await.memory.unwrap()).is_some());
    }

    #[tokio::test]
    async fn a_series_that_holds_something_else_spoils_no_other() {
        let (server, store, key) = after_losing("inbox").await;
        let mut keys = (0..1_000).map(|i| super::key(&format!("b{i}")));
        let twin = keys.find(|it| it.shard(8) == key.shard(8));
        let name = format!("tm:{{{}}}:t/checkout/a:inbox", key.shard(8));
        server.cli(&["SET", &name, "something else"]);
        let of = |key: &SeriesKey| Append {
            key: key.clone(),
            samples: vec![at(400, 1.0)],
            cached_version: 0,
            optimistic: None,
        };
        let written = store.append_all(&[of(&key), of(&twin.unwrap())]).await;
        let [Err(error), Ok(AppendOutcome::Classified(appended))] = &written[..] else {
            panic!("{written:?}")
        };
        assert_eq!(error.code(), "store_unreadable");
        assert_eq!(appended.classes, [SampleClass::Fresh { at_us: 400_000_000 }]);
    }

    #[tokio::test]
    async fn a_key_that_was_lost_expires_again_when_it_is_back() {
        for lost in ["window", "anomalies", "memory"] {
            let (server, store, key) = after_losing(lost).await;
            write(&store, &key, &wave(400..500)).await;
            let name = format!("tm:{{{}}}:t/checkout/a:{lost}", key.shard(8));
            let ttl_s: i64 = server.cli(&["TTL", &name]).parse().unwrap();
            assert!(ttl_s > 0, "{lost}: {ttl_s}");
        }
    }

    #[tokio::test]
    async fn a_flushed_script_cache_is_filled_again() {
        let (server, store, key) = after_losing("anomalies").await;
        server.cli(&["SCRIPT", "FLUSH"]);
        assert!(matches!(
            write(&store, &key, &[at(400, 1.0)]).await[..],
            [SampleClass::Fresh { .. }]
        ));
    }

    #[tokio::test]
    async fn a_store_that_was_away_is_found_again() {
        let (mut server, store, key) = after_losing("anomalies").await;
        server.stop();
        let error = store.append(&key, &[at(400, 1.0)], 0).await.unwrap_err();
        assert_eq!(error.code(), "store_unavailable");
        server.start_again();
        let mut answer = store.append(&key, &[at(400, 1.0)], 0).await;
        for _ in 0..100 {
            if answer.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer = store.append(&key, &[at(400, 1.0)], 0).await;
        }
        answer.unwrap();
    }

    #[tokio::test]
    async fn without_its_configuration_a_series_is_judged_by_its_deployment() {
        let (server, store, key) = after_losing("anomalies").await;
        store.put_config(&key, &own_config("ewma")).await.unwrap();
        let waiting = state(&store, &key).await;
        assert_eq!(
            server.cli(&["DEL", &format!("tm:{{{}}}:t/checkout/a:config", key.shard(8))]),
            "1"
        );
        let CommitOutcome::Conflict(now) = store.commit(&key, &commit_of(&waiting)).await.unwrap()
        else {
            panic!("a commit under a configuration that is gone");
        };
        assert_eq!(commit_of(&now).revision, 0);
        assert!(!judge_state(&now).0.memory().has_own_detector);
    }

    #[tokio::test]
    async fn a_configuration_that_cannot_be_read_is_told_and_can_be_replaced() {
        let (server, store, key) = after_losing("anomalies").await;
        let name = format!("tm:{{{}}}:t/checkout/a:config", key.shard(8));
        server.cli(&["SET", &name, "7 detector-of-tomorrow"]);
        let error = store.append(&key, &[at(400, 1.0)], 0).await.unwrap_err();
        assert_eq!(error.code(), "store_unreadable");
        assert!(store.put_config(&key, &own_config("ewma")).await.unwrap() > 7);
        assert!(state(&store, &key).await.config.is_some());
    }

    #[tokio::test]
    async fn a_configuration_does_not_expire() {
        let (server, store, key) = after_losing("anomalies").await;
        store.put_config(&key, &own_config("ewma")).await.unwrap();
        write(&store, &key, &wave(400..410)).await;
        let name = format!("tm:{{{}}}:t/checkout/a:config", key.shard(8));
        assert_eq!(server.cli(&["TTL", &name]), "-1");
    }

    #[tokio::test]
    async fn all_keys_of_a_series_expire_together() {
        let (server, _store, key) = after_losing("anomalies").await;
        let shard = key.shard(8);
        for kind in ["inbox", "window", "memory"] {
            let ttl_s: i64 = server
                .cli(&["TTL", &format!("tm:{{{shard}}}:t/checkout/a:{kind}")])
                .parse()
                .unwrap();
            // Never earlier than promised, and a hundredth later at most.
            let promised_s = store::SERIES_TTL_S as i64 - 60;
            assert!((promised_s..=promised_s / 100 * 102).contains(&ttl_s), "{kind}: {ttl_s}");
        }
    }

    #[tokio::test]
    async fn another_number_of_shards_is_refused() {
        let (server, store, _key) = after_losing("anomalies").await;
        store.check_deployment(&DEPLOYED).await.unwrap();
        let other = RedisStore::new(&RedisOptions {
            n_shards: 16,
            ..options(server.url(), Topology::Single)
        })
        .unwrap();
        assert_eq!(other.check_deployment(&DEPLOYED).await.unwrap_err().code(), "shards_differ");
        assert_eq!(other.ping().await.unwrap_err().code(), "shards_differ");
        store.ping().await.unwrap();
    }

    #[tokio::test]
    async fn whether_it_answers_is_asked_without_leaving_a_trace() {
        let server = RedisServer::start();
        let store = RedisStore::new(&options(server.url(), Topology::Single)).unwrap();
        store.ping().await.unwrap();
        store.gauges().await.unwrap();
        store.instances().await.unwrap();
        assert_eq!(server.cli(&["DBSIZE"]), "0");
    }

    #[tokio::test]
    async fn a_process_that_says_nothing_more_is_gone_when_its_lease_ends() {
        let server = RedisServer::start();
        let store = RedisStore::new(&options(server.url(), Topology::Single)).unwrap();
        let instance = |name: &str| Instance {
            function: "ingest".to_owned(),
            name: name.to_owned(),
            n_connections: 1,
            n_requests: 1,
        };
        store.renew_lease(&instance("frozen")).await.unwrap();
        let lease =
            |name: &str| server.cli(&["ZSCORE", "tm:{0}:leases", &format!("ingest {name}")]);
        let ends_us: f64 = lease("frozen").parse().unwrap();
        let now: Vec<String> = server.cli(&["TIME"]).lines().map(str::to_owned).collect();
        let left_s = ends_us / 1e6 - now[0].parse::<f64>().unwrap();
        assert!((left_s - INSTANCE_LEASE_S as f64).abs() < 3.0, "{left_s}");
        // As if so much time had passed.
        server.cli(&["ZADD", "tm:{0}:leases", "1", "ingest frozen"]);
        assert!(store.instances().await.unwrap().is_empty());
        store.renew_lease(&instance("live")).await.unwrap();
        assert_eq!(server.cli(&["HKEYS", "tm:{0}:instances"]), "ingest live");
        // Of processes that are all gone nothing is left.
        for key in ["tm:{0}:leases", "tm:{0}:instances"] {
            let ttl_s: u64 = server.cli(&["TTL", key]).parse().unwrap();
            assert!((1..=2 * INSTANCE_LEASE_S).contains(&ttl_s), "{key}: {ttl_s}");
        }
    }

    #[tokio::test]
    async fn windows_stay_in_the_compact_encoding() {
        let (server, _store, key) = after_losing("anomalies").await;
        let window = format!("tm:{{{}}}:t/checkout/a:window", key.shard(8));
        assert_eq!(server.cli(&["OBJECT", "ENCODING", &window]), "listpack");
    }
}
