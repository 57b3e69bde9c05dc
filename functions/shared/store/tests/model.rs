//! A store against a model that a reader can take in at once: random interleavings of writers that append, commit, die
//! and send again.
//!
//! The model knows what was accepted, what of it is judged, and what the last commit said of floor and version. After
//! every step the whole state of the store must follow from it.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::{BTreeMap, BTreeSet};

use detector::{DeployedDetector, Detector, Judge, Memory};
use domain::{Sample, Series};
use domain::{SeriesKey, Tenant};
use proptest::prelude::*;
use store::testbed::{RedisServer, patient_options};
use store::{
    Append, AppendOutcome, Commit, CommitOutcome, EmbeddedStore, EpisodeUpdate, MemoryPatch,
    NewSample, OptimisticCommit, ReceiptUpdate, RedisStore, SampleClass, SeriesState, Store,
    Topology, totals,
};
use tokio::runtime::Runtime;

const DEPLOYED: DeployedDetector = DeployedDetector { detector: Detector::ALL[1], generation: 1 };

/// Samples that a window keeps at least, if there are so many.
const KEPT_MIN: usize = 128;

const N_WRITERS: usize = 3;

/// What a writer does next.
#[derive(Debug, Clone)]
enum Step {
    /// Appends samples, and holds the state that it is answered.
    Append { writer: usize, samples: Vec<(i64, u8)> },
    /// Appends its last samples again.
    Replay { writer: usize },
    /// Asks with the version that it knows; what it held it has no more.
    AskKnown { writer: usize },
    /// Judges what it holds, and commits.
    Commit { writer: usize },
    /// Judges samples on what it stored last, and appends and commits them at once, if that is still how it is.
    Ahead { writer: usize, samples: Vec<(i64, u8)> },
    /// Dies, with all that it holds.
    Die { writer: usize },
}

fn samples() -> impl Strategy<Value = Vec<(i64, u8)>> {
    // Few values differ from the usual one of their time, so that some are conflicts.
    let value = prop_oneof![12 => Just(0), 1 => Just(1)];
    (0..400_i64, 1..4_i64, prop::collection::vec(value, 1..60)).prop_map(
        |(from, stride, values)| {
            (0..).zip(values).map(|(i, value)| (from + i * stride, value)).collect()
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let writer = || 0..N_WRITERS;
    prop_oneof![
        5 => (writer(), samples()).prop_map(|(writer, samples)| Step::Append { writer, samples }),
        2 => writer().prop_map(|writer| Step::Replay { writer }),
        1 => writer().prop_map(|writer| Step::AskKnown { writer }),
        6 => writer().prop_map(|writer| Step::Commit { writer }),
        4 => (writer(), samples()).prop_map(|(writer, samples)| Step::Ahead { writer, samples }),
        1 => writer().prop_map(|writer| Step::Die { writer }),
    ]
}

fn new_sample((i, value): (i64, u8)) -> NewSample {
    let usual = if i % 29 == 28 { 900.0 } else { 100.0 + (i % 7) as f64 };
    NewSample { at_us: Some(i * 1_000_000), value: usual + f64::from(value) }
}

/// What a store must be.
#[derive(Debug, Default)]
struct Model {
    waiting: BTreeMap<i64, f64>,
    judged: BTreeMap<i64, f64>,
    anomalies: BTreeSet<i64>,
    floor_us: Option<i64>,
    version: i64,
}

impl Model {
    /// Classes as the store must tell them; a duplicate says whether it is judged.
    fn append(&mut self, samples: &[NewSample]) -> Vec<(&'static str, bool)> {
        let class = |sample: &NewSample| {
            let at_us = sample.at_us.unwrap();
            if self.floor_us.is_some_and(|floor_us| at_us <= floor_us) {
                return ("too_old", false);
            }
            let judged = self.judged.get(&at_us);
            match judged.or_else(|| self.waiting.get(&at_us)) {
                Some(stored) if *stored == sample.value => ("duplicate", judged.is_some()),
                Some(_) => ("conflict", false),
                None => {
                    self.waiting.insert(at_us, sample.value);
                    ("fresh", false)
                }
            }
        };
        samples.iter().map(class).collect()
    }

    /// Whether what was judged ahead must be stored at once; if so, it is as if it had been appended and committed.
    fn ahead(&mut self, samples: &[NewSample], commit: &Commit) -> bool {
        if commit.version != self.version || !self.waiting.is_empty() {
            return false;
        }
        let classes = self.append(samples);
        assert!(classes.iter().all(|class| *class == ("fresh", false)), "{classes:?}");
        self.commit(commit)
    }

    /// Whether a commit must succeed; if so, what it changes.
    fn commit(&mut self, commit: &Commit) -> bool {
        if commit.version != self.version {
            return false;
        }
        for judgement in &commit.judgements {
            let (at_us, value) = (judgement.sample.at_us(), judgement.sample.value());
            assert_eq!(self.waiting.remove(&at_us), Some(value), "judged, and never accepted");
            assert_eq!(self.judged.insert(at_us, value), None, "judged twice");
            if judgement.verdict.is_anomaly() {
                self.anomalies.insert(at_us);
            }
        }
        self.floor_us = commit.floor_us;
        true
    }

    fn window(&self) -> BTreeMap<i64, f64> {
        let is_kept = |at_us: &i64| self.floor_us.is_none_or(|floor_us| *at_us > floor_us);
        self.judged.iter().filter(|(at_us, _)| is_kept(at_us)).map(|(at, it)| (*at, *it)).collect()
    }
}

fn told(class: &SampleClass) -> (&'static str, bool) {
    match class {
        SampleClass::Fresh { .. } => ("fresh", false),
        SampleClass::Duplicate { judgement, .. } => ("duplicate", judgement.is_some()),
        SampleClass::Conflict { .. } => ("conflict", false),
        other => {
            assert_eq!(*other, SampleClass::TooOld);
            ("too_old", false)
        }
    }
}

/// What samples come to, and the bytes that change.
fn judged(judge: &mut Judge, state: &SeriesState, samples: &[Sample]) -> Commit {
    let judgements = samples.iter().map(|sample| judge.judge(*sample)).collect();
    let memory = judge.memory();
    let bytes = memory.encode();
    Commit {
        version: state.version,
        revision: state.revision(),
        memory: match &state.memory {
            Some(stored) if state.version != 0 => MemoryPatch::between(stored, &bytes),
            _ => MemoryPatch::whole(&bytes),
        },
        cursor_us: memory.cursor_us.unwrap(),
        floor_us: memory.floor_us,
        judgements,
        episode_update: EpisodeUpdate::default(),
    }
}

fn restored(state: &SeriesState) -> Judge {
    Judge::restore(DEPLOYED, state.memory.as_deref(), state.window.clone()).unwrap()
}

/// The series as a writer stored it last.
#[derive(Debug)]
struct Known {
    judge: Judge,
    version: i64,
}

impl Known {
    /// Those of some samples that are fresh to it, in time order, and what they come to.
    fn ahead(&self, samples: &[NewSample]) -> Option<(Vec<NewSample>, Commit)> {
        let mut judge = self.judge.clone();
        let floor_us = judge.memory().floor_us;
        let fresh: BTreeMap<i64, f64> = samples
            .iter()
            .map(|it| (it.at_us.unwrap(), it.value))
            .filter(|(at_us, _)| floor_us.is_none_or(|floor_us| *at_us > floor_us))
            .filter(|(at_us, _)| judge.window().at(*at_us).is_none())
            .collect();
        let samples: Vec<Sample> =
            fresh.iter().map(|(at_us, value)| Sample::new(*at_us, *value).unwrap()).collect();
        let memory = Some(judge.memory().encode());
        let state = SeriesState { version: self.version, memory, ..SeriesState::default() };
        let commit = (!samples.is_empty()).then(|| judged(&mut judge, &state, &samples))?;
        let new = |(at_us, value)| NewSample { at_us: Some(at_us), value };
        Some((fresh.into_iter().map(new).collect(), commit))
    }
}

#[derive(Debug, Default)]
struct Writer {
    sent: Vec<NewSample>,
    held: Option<SeriesState>,
    known: Option<Known>,
}

fn key() -> SeriesKey {
    SeriesKey::new(Tenant::default(), Series::new("model", "m", BTreeMap::new()).unwrap())
}

async fn append(store: &dyn Store, model: &mut Model, writer: &mut Writer) {
    let appended = store.append(&key(), &writer.sent, 0).await.unwrap();
    let classes: Vec<_> = appended.classes.iter().map(told).collect();
    assert_eq!(classes, model.append(&writer.sent));
    assert_eq!(appended.state.is_some(), !model.waiting.is_empty());
    writer.held = appended.state;
}

async fn commit(store: &dyn Store, model: &mut Model, writer: &mut Writer) {
    let Some(held) = writer.held.take().filter(|held| !held.inbox.is_empty()) else { return };
    let mut judge = restored(&held);
    let commit = judged(&mut judge, &held, &held.inbox);
    match (store.commit(&key(), &commit).await.unwrap(), model.commit(&commit)) {
        (CommitOutcome::Committed { version }, true) => {
            assert!(version > model.version);
            model.version = version;
            writer.known = Some(Known { judge, version });
        }
        (CommitOutcome::Conflict(now), false) => writer.held = Some(now),
        (committed, is_wanted) => panic!("{committed:?}, wanted {is_wanted}"),
    }
}

async fn ahead(store: &dyn Store, model: &mut Model, writer: &mut Writer) {
    let known = writer.known.as_ref().and_then(|known| known.ahead(&writer.sent));
    let Some((samples, commit)) = known else { return };
    let optimistic =
        Some(OptimisticCommit { commit: commit.clone(), receipt: ReceiptUpdate::Write });
    let append = Append { key: key(), samples: samples.clone(), cached_version: 0, optimistic };
    let written = store.append_all(&[append]).await.pop().unwrap().unwrap();
    match (written, model.ahead(&samples, &commit)) {
        (AppendOutcome::Committed { version }, true) => {
            assert_eq!(version, model.version + 1);
            model.version = version;
            // It goes on from what is stored, which is what it judged.
            let state = store.read(&key()).await.unwrap().unwrap();
            writer.known = Some(Known { judge: restored(&state), version });
        }
        (AppendOutcome::Classified(appended), false) => {
            let classes: Vec<_> = appended.classes.iter().map(told).collect();
            assert_eq!(classes, model.append(&samples));
            assert_eq!(
                appended.state.as_ref().map(|state| state.is_cached),
                appended.state.as_ref().map(|_| false)
            );
            writer.known = None;
            writer.held = appended.state;
        }
        (written, is_wanted) => panic!("{written:?}, wanted {is_wanted}"),
    }
}

async fn run(store: &dyn Store, steps: &[Step]) {
    let mut model = Model::default();
    let mut writers: [Writer; N_WRITERS] = Default::default();
    for step in steps {
        match step {
            Step::Append { writer, samples } => {
                writers[*writer].sent = samples.iter().copied().map(new_sample).collect();
                append(store, &mut model, &mut writers[*writer]).await;
            }
            Step::Replay { writer } => append(store, &mut model, &mut writers[*writer]).await,
            Step::AskKnown { writer } => {
                let cached_version = writers[*writer].known.as_ref().map_or(0, |it| it.version);
                let appended = store.append(&key(), &[], cached_version).await.unwrap();
                let is_cached = cached_version != 0 && cached_version == model.version;
                let told = appended.state.map(|state| state.is_cached);
                assert_eq!(told, (!model.waiting.is_empty()).then_some(is_cached));
            }
            Step::Commit { writer } => commit(store, &mut model, &mut writers[*writer]).await,
            Step::Ahead { writer, samples } => {
                writers[*writer].sent = samples.iter().copied().map(new_sample).collect();
                ahead(store, &mut model, &mut writers[*writer]).await;
            }
            Step::Die { writer } => writers[*writer] = Writer::default(),
        }
        check(store, &model).await;
    }
    // Whoever comes last judges what the others left.
    let mut last = Writer::default();
    while !model.waiting.is_empty() {
        append(store, &mut model, &mut last).await;
        commit(store, &mut model, &mut last).await;
    }
    check(store, &model).await;
}

/// The whole of the store is what the model says.
async fn check(store: &dyn Store, model: &Model) {
    let state = store.read(&key()).await.unwrap().unwrap_or_default();
    assert_eq!(state.version, model.version);
    let inbox: BTreeMap<i64, f64> =
        state.inbox.iter().map(|sample| (sample.at_us(), sample.value())).collect();
    assert_eq!(inbox, model.waiting);
    let window: BTreeMap<i64, f64> =
        state.window.iter().map(|it| (it.sample.at_us(), it.sample.value())).collect();
    assert_eq!(window, model.window());
    assert!(window.len() >= KEPT_MIN.min(model.judged.len()), "{} are kept", window.len());

    let memory = state.memory.as_deref().and_then(Memory::decode);
    let counters = memory.map(|memory| memory.counters).unwrap_or_default();
    assert_eq!(counters.judged, model.judged.len() as u64);
    assert_eq!(counters.anomalies, model.anomalies.len() as u64);
    let anomalies = store.anomalies(&key(), 0, 1_000).await.unwrap();
    let anomalies: Vec<i64> = anomalies.iter().rev().map(|it| it.sample.at_us()).collect();
    assert!(anomalies.iter().eq(&model.anomalies), "{anomalies:?}, not {:?}", model.anomalies);
    assert_eq!(store.pending(10).await.unwrap().is_empty(), model.waiting.is_empty());

    let totals = store.totals().await.unwrap();
    let count = |start: &str| -> u64 {
        totals.iter().filter(|(name, _)| name.starts_with(start)).map(|(_, n)| n).sum()
    };
    let n_accepted = (model.waiting.len() + model.judged.len()) as u64;
    assert_eq!(count(&format!("{} accepted", totals::SAMPLES)), n_accepted);
    assert_eq!(count(totals::ANOMALIES), model.anomalies.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_embedded_store_is_what_the_model_says(steps in prop::collection::vec(step(), 1..60)) {
        let store = EmbeddedStore::new(|| 1_700_000_000_000_000);
        Runtime::new().unwrap().block_on(run(&store, &steps));
    }
}

#[test]
fn redis_is_what_the_model_says() {
    let server = RedisServer::start();
    let runtime = Runtime::new().unwrap();
    let options = patient_options(server.url(), Topology::Single, 4);
    let store = RedisStore::new(&options).unwrap();
    let config = ProptestConfig { cases: 32, ..ProptestConfig::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..40))| {
        assert_eq!(server.cli(&["FLUSHALL"]), "OK");
        runtime.block_on(run(&store, &steps));
    });
}
