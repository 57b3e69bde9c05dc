//! Commits: compare-and-set, interleaved writers, batches.

use std::collections::BTreeSet;

use detector::Judge;
use domain::{Sample, SeriesKey, Tenant};
use store::{
    Append, AppendOutcome, ClassifiedSamples, CommitOutcome, NewSample, OptimisticCommit,
    SampleClass, SeriesState, Store,
};

use crate::fixture::{
    DEPLOYED, append_one, at, commit_of, key, key_of, n_series, optimistic_append, own_config,
    state, wave, write,
};

pub(crate) async fn a_commit_on_another_version_changes_nothing(store: &dyn Store) {
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

pub(crate) async fn series_of_one_batch_have_their_own_outcomes(store: &dyn Store) {
    let keys: Vec<SeriesKey> = (0..50).map(|i| key(&format!("m{i}"))).collect();
    for key in &keys[10..] {
        write(store, key, &wave(0..60)).await;
    }
    let mut appends = Vec::new();
    for (i, key) in keys.iter().enumerate() {
        let samples = vec![at(60, 1.0), at(61, 2.0)];
        appends.push(match i {
            // New; judged on the stored version; judged on an outdated version.
            0..10 => Append { key: key.clone(), samples, cached_version: 0, optimistic: None },
            10..30 => optimistic_append(key, &state(store, key).await, &samples),
            _ => {
                let mut stale = optimistic_append(key, &state(store, key).await, &samples);
                stale.optimistic.as_mut().unwrap().commit.version -= 1;
                stale
            }
        });
    }
    let mut commits = Vec::new();
    for (i, written) in store.append_all(&appends).await.into_iter().enumerate() {
        match written.unwrap() {
            AppendOutcome::Committed { .. } => assert!((10..30).contains(&i), "{i}"),
            refused @ AppendOutcome::Refused(_) => panic!("{refused:?}"),
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

/// Series of any shards and tenants may share a call: each has the indexes and the limit of its own tenant.
pub(crate) async fn series_of_several_tenants_share_a_batch(store: &dyn Store) {
    let tenant_of = |i: usize| ["a", "b", "c"][i % 3];
    let keys: Vec<SeriesKey> = (0..75).map(|i| key_of(tenant_of(i), &format!("m{i}"))).collect();
    let new = |key: &SeriesKey| optimistic_append(key, &SeriesState::default(), &[at(1, 1.0)]);
    for key in &keys[..10] {
        write(store, key, &[at(1, 1.0)]).await;
    }
    let appends: Vec<Append> = keys.iter().map(new).collect();
    for (i, written) in store.append_all(&appends).await.into_iter().enumerate() {
        match written.unwrap() {
            AppendOutcome::Committed { .. } => assert!(i >= 10, "{i}"),
            AppendOutcome::Classified(classified) => {
                let is_judged = matches!(
                    classified.classes[..],
                    [SampleClass::Duplicate { judgement: Some(_), .. }]
                );
                assert!(i < 10 && is_judged, "{i}: {classified:?}");
            }
            refused @ AppendOutcome::Refused(_) => panic!("{refused:?}"),
        }
    }
    for tenant in ["a", "b", "c"] {
        assert_eq!(n_series(store, &Tenant::new(tenant)).await, 25);
    }
    for (i, key) in keys.iter().enumerate() {
        let stored = state(store, key).await;
        assert_eq!((stored.window.len(), stored.inbox.len()), (1, 0), "{i}");
    }
    assert_eq!(store.totals().await.unwrap()["samples accepted"], 75);
    let states = store.read_all(&keys.iter().collect::<Vec<_>>()).await;
    for (key, read) in keys.iter().zip(states) {
        assert_eq!(read.unwrap().unwrap(), state(store, key).await);
    }
}

pub(crate) async fn two_first_commits_do_not_both_succeed(store: &dyn Store) {
    let key = key("a");
    let waiting = store.append(&key, &[at(1, 1.0)], 0).await.unwrap().state.unwrap();
    assert_eq!(waiting.version, 0);
    let commit = commit_of(&waiting);
    assert!(matches!(store.commit(&key, &commit).await.unwrap(), CommitOutcome::Committed { .. }));
    assert!(matches!(store.commit(&key, &commit).await.unwrap(), CommitOutcome::Conflict(_)));
}

pub(crate) async fn a_stored_series_judges_like_one_in_memory(store: &dyn Store) {
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

/// Random interleavings of writers that stop between any two steps, while the configuration changes: no sample is lost
/// or judged twice.
pub(crate) async fn interleaved_writers_that_stop_lose_nothing(store: &dyn Store) {
    for seed in 0..12 {
        let key = key(&format!("m{seed}"));
        let mut random = Lcg(seed);
        let mut sent: BTreeSet<i64> = BTreeSet::new();
        let mut states: Vec<SeriesState> = Vec::new();
        for step in 0..60 {
            if random.below(6) == 0 {
                if random.below(2) == 0 {
                    store.put_config(&key, &own_config("ewma")).await.unwrap();
                } else {
                    store.remove_config(&key).await.unwrap();
                }
            } else if random.below(2) == 0 || states.is_empty() {
                let i = step + random.below(5) as i64;
                let appended = store.append(&key, &[at(i, i as f64)], 0).await.unwrap();
                if !matches!(appended.classes[..], [SampleClass::TooOld]) {
                    sent.insert(i * 1_000_000);
                }
                states.extend(appended.state);
            } else {
                // A writer continues; its state may be outdated, and it may stop right after.
                let state = states.swap_remove(random.below(states.len() as u64) as usize);
                if let CommitOutcome::Conflict(now) =
                    store.commit(&key, &commit_of(&state)).await.unwrap()
                {
                    states.extend((random.below(2) == 0 && !now.inbox.is_empty()).then_some(now));
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
        let stored: BTreeSet<i64> =
            last.window.iter().map(|judged| judged.sample.at_us()).collect();
        assert_eq!(stored, sent, "seed {seed}");
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

pub(crate) async fn the_band_of_each_judged_sample_is_stored(store: &dyn Store) {
    let key = key("a");
    write(store, &key, &wave(0..60)).await;
    // Optimistic, and by way of the inbox.
    let optimistic = optimistic_append(&key, &state(store, &key).await, &[at(60, 103.0)]);
    let OptimisticCommit { mut commit, .. } = optimistic.optimistic.clone().unwrap();
    assert!(matches!(append_one(store, &optimistic).await, AppendOutcome::Committed { .. }));
    let samples = [NewSample::gauge(Some(60_500_000), 101.0), at(61, 104.0)];
    let waiting = store.append(&key, &samples, 0).await.unwrap().state.unwrap();
    let second = commit_of(&waiting);
    store.commit(&key, &second).await.unwrap();
    commit.judgements.extend(second.judgements);
    let stored = state(store, &key).await.window;
    for judgement in &commit.judgements {
        let at_us = judgement.sample.at_us();
        let judged = stored.iter().find(|judged| judged.sample.at_us() == at_us).unwrap();
        assert_eq!(judged, &judgement.judged());
        let (range, exact) =
            (judged.range(judgement).unwrap(), judgement.verdict.expectation.unwrap());
        let error = (range.low - exact.low).abs().max((range.high - exact.high).abs());
        assert!(error < 0.03 * (exact.high - exact.low), "{range:?} is not {exact:?}");
    }
}
