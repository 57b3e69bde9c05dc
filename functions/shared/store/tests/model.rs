//! Compares each store with a simple model, over random interleavings of writers that append, commit, stop and resend.
//!
//! The model has the accepted samples, the judged ones among them, and floor and version of the last commit. After every
//! step the whole state of the store must equal the model.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::{BTreeMap, BTreeSet};

use detector::{DeployedDetector, Detector, Judge, Memory};
use domain::{Sample, SampleKind, Series};
use domain::{SeriesKey, Tenant};
use proptest::prelude::*;
use store::testbed::{RedisServer, patient_options};
use store::{
    Append, AppendOutcome, Commit, CommitOutcome, EmbeddedStore, EpisodeUpdate, MemoryPatch,
    NewSample, OnRefusal, OptimisticCommit, ReceiptUpdate, RedisStore, SampleClass, SeriesState,
    Store, Topology, totals,
};
use tokio::runtime::Runtime;

const DEPLOYED: DeployedDetector = DeployedDetector { detector: Detector::ALL[1], generation: 1 };

/// Least number of samples in a window, if so many were judged.
const WINDOW_LEN_MIN: usize = 128;

const N_WRITERS: usize = 3;

/// Next step of a writer.
#[derive(Debug, Clone)]
enum Step {
    /// Appends samples, and stores the returned state.
    Append { writer: usize, samples: Vec<(i64, u8)> },
    /// Appends its last samples again.
    Replay { writer: usize },
    /// Appends no samples, with its cached version.
    AppendNone { writer: usize },
    /// Judges its state, and commits.
    Commit { writer: usize },
    /// Judges samples on its last commit, and appends them with an optimistic commit.
    AppendOptimistic { writer: usize, samples: Vec<(i64, u8)>, on_refusal: OnRefusal },
    /// Stops, and loses its state.
    Stop { writer: usize },
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
    let on_refusal = || prop::sample::select(vec![OnRefusal::Append, OnRefusal::Return]);
    prop_oneof![
        5 => (writer(), samples()).prop_map(|(writer, samples)| Step::Append { writer, samples }),
        2 => writer().prop_map(|writer| Step::Replay { writer }),
        1 => writer().prop_map(|writer| Step::AppendNone { writer }),
        6 => writer().prop_map(|writer| Step::Commit { writer }),
        6 => (writer(), samples(), on_refusal()).prop_map(|(writer, samples, on_refusal)| {
            Step::AppendOptimistic { writer, samples, on_refusal }
        }),
        1 => writer().prop_map(|writer| Step::Stop { writer }),
    ]
}

fn new_sample((i, value): (i64, u8)) -> NewSample {
    let usual = if i % 29 == 28 { 900.0 } else { 100.0 + (i % 7) as f64 };
    NewSample {
        kind: kind(i * 1_000_000),
        ..NewSample::gauge(Some(i * 1_000_000), usual + f64::from(value))
    }
}

/// Kind of the sample of a time: every second stretch of 100 seconds is of a counter.
fn kind(at_us: i64) -> SampleKind {
    let is_counter = at_us / 100_000_000 % 2 == 1;
    if is_counter {
        SampleKind::Counter { started_at_us: Some(at_us / 2) }
    } else {
        SampleKind::Gauge
    }
}

/// Expected state of a store.
#[derive(Debug, Default)]
struct Model {
    waiting: BTreeMap<i64, f64>,
    judged: BTreeMap<i64, f64>,
    anomalies: BTreeSet<i64>,
    floor_us: Option<i64>,
    version: i64,
}

impl Model {
    /// Expected classes; the flag is true for a judged duplicate.
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

    /// Appends and commits if the store must accept an optimistic commit; returns true in that case.
    fn append_optimistic(&mut self, samples: &[NewSample], commit: &Commit) -> bool {
        if commit.version != self.version || !self.waiting.is_empty() {
            return false;
        }
        let classes = self.append(samples);
        assert!(classes.iter().all(|class| *class == ("fresh", false)), "{classes:?}");
        self.commit(commit)
    }

    /// Commits if the store must accept it; returns true in that case.
    fn commit(&mut self, commit: &Commit) -> bool {
        if commit.version != self.version {
            return false;
        }
        for judgement in &commit.judgements {
            let (at_us, value) = (judgement.sample.at_us(), judgement.sample.value());
            assert_eq!(self.waiting.remove(&at_us), Some(value), "judged, but not accepted");
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
        self.judged
            .iter()
            .filter(|(at_us, _)| is_kept(at_us))
            .map(|(at, value)| (*at, *value))
            .collect()
    }
}

fn class_name(class: &SampleClass) -> (&'static str, bool) {
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

/// The commit of samples judged on a state.
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

/// The series as a writer committed it last.
#[derive(Debug)]
struct LastCommit {
    judge: Judge,
    version: i64,
}

impl LastCommit {
    /// The fresh ones among `samples`, in time order, with their optimistic commit.
    fn optimistic(&self, samples: &[NewSample]) -> Option<(Vec<NewSample>, Commit)> {
        let mut judge = self.judge.clone();
        let floor_us = judge.memory().floor_us;
        let fresh: BTreeMap<i64, f64> = samples
            .iter()
            .map(|sample| (sample.at_us.unwrap(), sample.value))
            .filter(|(at_us, _)| floor_us.is_none_or(|floor_us| *at_us > floor_us))
            .filter(|(at_us, _)| judge.window().at(*at_us).is_none())
            .collect();
        let samples: Vec<Sample> = fresh
            .iter()
            .map(|(at_us, value)| Sample::of_kind(*at_us, *value, kind(*at_us)).unwrap())
            .collect();
        let memory = Some(judge.memory().encode());
        let state = SeriesState { version: self.version, memory, ..SeriesState::default() };
        let commit = (!samples.is_empty()).then(|| judged(&mut judge, &state, &samples))?;
        let new = |(at_us, value)| NewSample { at_us: Some(at_us), value, kind: kind(at_us) };
        Some((fresh.into_iter().map(new).collect(), commit))
    }
}

#[derive(Debug, Default)]
struct Writer {
    sent: Vec<NewSample>,
    state: Option<SeriesState>,
    last: Option<LastCommit>,
}

fn key() -> SeriesKey {
    SeriesKey::new(Tenant::default(), Series::new("model", "m", BTreeMap::new()).unwrap())
}

async fn append(store: &dyn Store, model: &mut Model, writer: &mut Writer) {
    let appended = store.append(&key(), &writer.sent, 0).await.unwrap();
    let classes: Vec<_> = appended.classes.iter().map(class_name).collect();
    assert_eq!(classes, model.append(&writer.sent));
    assert_eq!(appended.state.is_some(), !model.waiting.is_empty());
    writer.state = appended.state;
}

async fn commit(store: &dyn Store, model: &mut Model, writer: &mut Writer) {
    let state = writer.state.take().filter(|state| !state.inbox.is_empty());
    let Some(state) = state else { return };
    let mut judge = restored(&state);
    let commit = judged(&mut judge, &state, &state.inbox);
    match (store.commit(&key(), &commit).await.unwrap(), model.commit(&commit)) {
        (CommitOutcome::Committed { version }, true) => {
            assert!(version > model.version);
            model.version = version;
            writer.last = Some(LastCommit { judge, version });
        }
        (CommitOutcome::Conflict(now), false) => writer.state = Some(now),
        (outcome, is_stored) => panic!("{outcome:?}, but the model stores it: {is_stored}"),
    }
}

async fn append_optimistic(
    store: &dyn Store,
    model: &mut Model,
    writer: &mut Writer,
    on_refusal: OnRefusal,
) {
    let optimistic = writer.last.as_ref().and_then(|last| last.optimistic(&writer.sent));
    let Some((samples, commit)) = optimistic else { return };
    let optimistic = Some(OptimisticCommit {
        commit: commit.clone(),
        receipt: ReceiptUpdate::Write,
        on_refusal,
    });
    let append = Append { key: key(), samples: samples.clone(), cached_version: 0, optimistic };
    let written = store.append_all(&[append]).await.pop().unwrap().unwrap();
    match (written, model.append_optimistic(&samples, &commit)) {
        (AppendOutcome::Committed { version }, true) => {
            assert_eq!(version, model.version + 1);
            model.version = version;
            // The writer continues from the stored state, which is the one it judged.
            let state = store.read(&key()).await.unwrap().unwrap();
            writer.last = Some(LastCommit { judge: restored(&state), version });
        }
        (AppendOutcome::Refused(now), false) => {
            // Nothing is stored, so nothing waits: this writer judges next.
            assert_eq!(on_refusal, OnRefusal::Return);
            assert!(model.waiting.is_empty() && now.inbox.is_empty());
            writer.last = Some(LastCommit { judge: restored(&now), version: now.version });
        }
        (AppendOutcome::Classified(appended), false) => {
            assert!(on_refusal == OnRefusal::Append || !model.waiting.is_empty());
            let classes: Vec<_> = appended.classes.iter().map(class_name).collect();
            assert_eq!(classes, model.append(&samples));
            assert_eq!(
                appended.state.as_ref().map(|state| state.is_cached),
                appended.state.as_ref().map(|_| false)
            );
            writer.last = None;
            writer.state = appended.state;
        }
        (outcome, is_stored) => panic!("{outcome:?}, but the model stores it: {is_stored}"),
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
            Step::AppendNone { writer } => {
                let cached_version = writers[*writer].last.as_ref().map_or(0, |last| last.version);
                let appended = store.append(&key(), &[], cached_version).await.unwrap();
                let is_cached = cached_version != 0 && cached_version == model.version;
                let returned = appended.state.map(|state| state.is_cached);
                assert_eq!(returned, (!model.waiting.is_empty()).then_some(is_cached));
            }
            Step::Commit { writer } => commit(store, &mut model, &mut writers[*writer]).await,
            Step::AppendOptimistic { writer, samples, on_refusal } => {
                writers[*writer].sent = samples.iter().copied().map(new_sample).collect();
                append_optimistic(store, &mut model, &mut writers[*writer], *on_refusal).await;
            }
            Step::Stop { writer } => writers[*writer] = Writer::default(),
        }
        check(store, &model).await;
    }
    // The last writer judges the samples that wait.
    let mut last = Writer::default();
    while !model.waiting.is_empty() {
        append(store, &mut model, &mut last).await;
        commit(store, &mut model, &mut last).await;
    }
    check(store, &model).await;
}

/// Asserts that the whole state of the store equals the model.
async fn check(store: &dyn Store, model: &Model) {
    let state = store.read(&key()).await.unwrap().unwrap_or_default();
    assert_eq!(state.version, model.version);
    let is_stored_as_sent = |sample: &Sample| sample.kind() == kind(sample.at_us());
    assert!(state.inbox.iter().all(is_stored_as_sent), "{:?}", state.inbox);
    assert!(state.window.iter().all(|judged| is_stored_as_sent(&judged.sample)));
    let inbox: BTreeMap<i64, f64> =
        state.inbox.iter().map(|sample| (sample.at_us(), sample.value())).collect();
    assert_eq!(inbox, model.waiting);
    let window: BTreeMap<i64, f64> =
        state.window.iter().map(|judged| (judged.sample.at_us(), judged.sample.value())).collect();
    assert_eq!(window, model.window());
    assert!(
        window.len() >= WINDOW_LEN_MIN.min(model.judged.len()),
        "{} in the window",
        window.len()
    );

    let memory = state.memory.as_deref().and_then(Memory::decode);
    let counters = memory.map(|memory| memory.counters).unwrap_or_default();
    assert_eq!(counters.judged, model.judged.len() as u64);
    assert_eq!(counters.anomalies, model.anomalies.len() as u64);
    let anomalies = store.anomalies(&key(), 0, 1_000).await.unwrap();
    let anomalies: Vec<i64> =
        anomalies.iter().rev().map(|anomaly| anomaly.sample.at_us()).collect();
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
    fn the_embedded_store_equals_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let store = EmbeddedStore::new(|| 1_700_000_000_000_000);
        Runtime::new().unwrap().block_on(run(&store, &steps));
    }
}

#[test]
fn redis_equals_the_model() {
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
