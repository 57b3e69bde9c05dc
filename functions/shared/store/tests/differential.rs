//! Compares both stores after every step of generated histories, in which keys of the series get lost.
//!
//! The embedded store runs the crate `protocol`, the Redis store the Lua scripts.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};

use detector::{DeployedDetector, Detector, EpisodeChanges, Judge};
use domain::{Judgement, Sample, Series, SeriesKey, Tenant};
use proptest::prelude::*;
use protocol::SeriesPart;
use store::testbed::{RedisServer, patient_options};
use store::{
    Append, AppendOutcome, Commit, CommitOutcome, EmbeddedStore, EpisodeUpdate, MemoryPatch,
    NewSample, OptimisticCommit, PastRange, ReceiptUpdate, RedisStore, SeriesState, Store,
    Topology,
};
use tokio::runtime::Runtime;

const N_SHARDS: u16 = 4;

/// Next step of one of two writers, or the loss of a part of the series.
#[derive(Debug, Clone)]
enum Step {
    /// Appends samples, and stores the returned state.
    Append {
        writer: usize,
        from_s: i64,
        values: Vec<u8>,
    },
    /// Judges its state, and commits.
    Commit {
        writer: usize,
    },
    /// Appends samples with a commit that was judged on its state.
    AppendOptimistic {
        writer: usize,
        values: Vec<u8>,
    },
    Lose(SeriesPart),
}

fn step() -> impl Strategy<Value = Step> {
    let part = prop::sample::select(vec![
        SeriesPart::Inbox,
        SeriesPart::Window,
        SeriesPart::Anomalies,
        SeriesPart::Episodes,
        SeriesPart::Memory,
    ]);
    let values = || prop::collection::vec(0..9_u8, 0..120);
    prop_oneof![
        4 => (0..2_usize, 0..400_i64, values())
            .prop_map(|(writer, from_s, values)| Step::Append { writer, from_s, values }),
        5 => (0..2_usize).prop_map(|writer| Step::Commit { writer }),
        3 => (0..2_usize, values())
            .prop_map(|(writer, values)| Step::AppendOptimistic { writer, values }),
        1 => part.prop_map(Step::Lose),
    ]
}

/// A detector whose window is the shortest, and one whose window is longer than the shortest.
fn detectors() -> impl Strategy<Value = Detector> {
    let long = "zscore:window=1000,threshold=3".parse().unwrap();
    prop::sample::select(vec![Detector::ALL[1], long])
}

fn samples(from_s: i64, values: &[u8]) -> Vec<NewSample> {
    let value = |value: u8| if value == 8 { 900.0 } else { f64::from(value) };
    let sample =
        |(at_s, n): (i64, &u8)| NewSample { at_us: Some(at_s * 1_000_000), value: value(*n) };
    (from_s..).zip(values).map(sample).collect()
}

fn key() -> SeriesKey {
    SeriesKey::new(Tenant::default(), Series::new("twin", "m", BTreeMap::new()).unwrap())
}

/// The commit of samples judged on a state.
fn judged(detector: Detector, state: &SeriesState, samples: &[Sample]) -> Commit {
    let deployed = DeployedDetector { detector, generation: 1 };
    let mut judge =
        Judge::restore(deployed, state.memory.as_deref(), state.window.clone()).unwrap();
    let mut changes = EpisodeChanges::since(judge.memory());
    let judge_one = |sample: &Sample| {
        let judgement = judge.judge(*sample);
        changes.record(judge.memory());
        judgement
    };
    let judgements: Vec<Judgement> = samples.iter().map(judge_one).collect();
    let memory = judge.memory();
    let (episodes, is_notable) = (changes.records().to_vec(), changes.is_notable());
    Commit {
        version: state.version,
        revision: 0,
        memory: MemoryPatch::whole(&memory.encode()),
        cursor_us: memory.cursor_us.unwrap(),
        floor_us: memory.floor_us,
        judgements,
        episode_update: EpisodeUpdate { episodes, is_notable, ..EpisodeUpdate::default() },
    }
}

/// One of the two stores, with the states of its writers.
struct Twin<'a> {
    store: &'a dyn Store,
    lose: &'a dyn Fn(SeriesPart),
    detector: Detector,
    states: [SeriesState; 2],
}

impl Twin<'_> {
    /// Runs a step; returns its outcome and the series after it.
    async fn run(&mut self, step: &Step) -> String {
        let outcome = match step {
            Step::Append { writer, from_s, values } => {
                let append = Append {
                    key: key(),
                    samples: samples(*from_s, values),
                    cached_version: 0,
                    optimistic: None,
                };
                self.append(*writer, append).await
            }
            Step::Commit { writer } => self.commit(*writer).await,
            Step::AppendOptimistic { writer, values } if !values.is_empty() => {
                let append = self.optimistic(&self.states[*writer], values);
                self.append(*writer, append).await
            }
            Step::AppendOptimistic { .. } => String::new(),
            Step::Lose(part) => {
                (self.lose)(*part);
                String::new()
            }
        };
        format!("{outcome}, {}", self.series().await)
    }

    /// Samples newer than the window, with their commit.
    fn optimistic(&self, state: &SeriesState, values: &[u8]) -> Append {
        let newest = state.window.last().map_or(0, |judged| judged.sample.at_us() / 1_000_000);
        let samples = samples(newest + 1, values);
        let timed = |new: &NewSample| Sample::new(new.at_us.unwrap(), new.value).unwrap();
        let commit = judged(self.detector, state, &samples.iter().map(timed).collect::<Vec<_>>());
        let optimistic = Some(OptimisticCommit { commit, receipt: ReceiptUpdate::Write });
        Append { key: key(), samples, cached_version: 0, optimistic }
    }

    async fn append(&mut self, writer: usize, append: Append) -> String {
        let outcome = self.store.append_all(&[append]).await.pop().unwrap().unwrap();
        match outcome {
            AppendOutcome::Classified(classified) => {
                let state = classified.state.unwrap_or_default();
                let text = format!("{:?} {:?}", classified.classes, comparable(&state));
                self.states[writer] = state;
                text
            }
            AppendOutcome::Committed { .. } => {
                self.states[writer] = self.store.read(&key()).await.unwrap().unwrap();
                "committed".to_owned()
            }
        }
    }

    async fn commit(&mut self, writer: usize) -> String {
        let state = std::mem::take(&mut self.states[writer]);
        if state.inbox.is_empty() {
            return String::new();
        }
        let commit = judged(self.detector, &state, &state.inbox);
        match self.store.commit(&key(), &commit).await.unwrap() {
            CommitOutcome::Committed { .. } => "committed".to_owned(),
            CommitOutcome::Conflict(now) => {
                let text = format!("{:?}", comparable(&now));
                self.states[writer] = now;
                text
            }
        }
    }

    /// State, anomalies, episodes and totals.
    async fn series(&self) -> String {
        let state = self.store.read(&key()).await.unwrap().unwrap_or_default();
        let anomalies = self.store.anomalies(&key(), 0, 1_000).await.unwrap();
        let range = PastRange { since_us: 0, before_us: None, limit: 1_000 };
        let episodes = self.store.episodes(&key(), range).await.unwrap();
        let records: Vec<_> = episodes.iter().map(|episode| episode.record).collect();
        let totals = self.store.totals().await.unwrap();
        format!("{:?}, {anomalies:?}, {records:?}, {totals:?}", comparable(&state))
    }
}

/// A state without its version, which derives from the clock of the store.
fn comparable(state: &SeriesState) -> impl Debug {
    let mut state = state.clone();
    state.version = i64::from(state.version != 0);
    if let Some(version) = state.memory.as_mut().and_then(|memory| memory.get_mut(8..16)) {
        version.fill(0);
    }
    state
}

/// A clock that advances at each reading, so that no version repeats after a loss.
fn clock() -> i64 {
    static NOW_US: AtomicI64 = AtomicI64::new(1_700_000_000_000_000);
    NOW_US.fetch_add(1_000, Ordering::Relaxed)
}

fn name_of(part: SeriesPart) -> &'static str {
    match part {
        SeriesPart::Inbox => "inbox",
        SeriesPart::Window => "window",
        SeriesPart::Anomalies => "anomalies",
        SeriesPart::Episodes => "episodes",
        SeriesPart::Memory => "memory",
    }
}

#[test]
fn both_stores_agree_after_every_step() {
    let server = RedisServer::start();
    let options = patient_options(server.url(), Topology::Single, N_SHARDS);
    let redis = RedisStore::new(&options).unwrap();
    let lose_key = |part: SeriesPart| {
        let name = server.cli(&["KEYS", &format!("*:{}", name_of(part))]);
        server.cli(&["DEL", &name]);
    };
    let runtime = Runtime::new().unwrap();
    let config = ProptestConfig { cases: 64, ..ProptestConfig::default() };
    proptest!(config, |(detector in detectors(), steps in prop::collection::vec(step(), 1..40))| {
        assert_eq!(server.cli(&["FLUSHALL"]), "OK");
        let embedded = EmbeddedStore::new(clock);
        let lose = |part| embedded.lose(&key(), part);
        let states = || [SeriesState::default(), SeriesState::default()];
        let mut one = Twin { store: &embedded, lose: &lose, detector, states: states() };
        let mut other = Twin { store: &redis, lose: &lose_key, detector, states: states() };
        for step in &steps {
            let (here, there) = runtime.block_on(async { (one.run(step).await, other.run(step).await) });
            prop_assert_eq!(here, there, "after {:?}", step);
        }
    });
}
