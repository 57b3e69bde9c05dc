//! Compares both stores after every step of generated histories: writers, configurations, deletions, limits, lost keys.
//!
//! The embedded store runs the crate `protocol`, the Redis store the Lua scripts. `DIFFERENTIAL_CASES` sets the number of
//! histories, `DIFFERENTIAL_SEED` repeats those of an earlier run, which prints its seed.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use detector::{DeployedDetector, Detector, SeriesConfig};
use domain::{
    EpisodeRecord, Judgement, ObservationCount, Sample, SampleKind, Series, SeriesKey, Tenant,
};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use protocol::SeriesPart;
use store::testbed::{RedisServer, judged, patient_options};
use store::{
    Append, AppendOutcome, Commit, CommitOutcome, EmbeddedStore, NewSample, OnRefusal,
    OptimisticCommit, PastRange, ReceiptUpdate, RedisStore, SampleClass, SeriesState, Store,
    StoreLimits, Topology,
};
use tokio::runtime::Builder;

const N_SHARDS: u16 = 2;

/// Histories of a run.
const CASES: u32 = 10_000;

/// Seed of a run unless `DIFFERENTIAL_SEED` is another: a change is tested with the same histories as the code before it.
const SEED: u64 = 2026;

/// Three series of one tenant, which may have two, and one of another.
const SERIES: [(&str, &str); 4] = [("t", "a"), ("t", "b"), ("t", "c"), ("u", "a")];

const LIMITS: StoreLimits =
    StoreLimits { tenant_series_max: 2, tenant_percent: 100, memory_bytes: None };

const N_WRITERS: usize = 2;

/// Next step of one of two writers of a series, or a change of the series by another.
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
        on_refusal: OnRefusal,
    },
    Lose(SeriesPart),
    /// Sets a detector, and all samples to a kind.
    Configure {
        is_counter: bool,
    },
    Unconfigure,
    Forget,
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let part = prop::sample::select(vec![
        SeriesPart::Inbox,
        SeriesPart::Window,
        SeriesPart::Anomalies,
        SeriesPart::Episodes,
        SeriesPart::Memory,
    ]);
    let writer = || 0..N_WRITERS;
    let on_refusal = || prop::sample::select(vec![OnRefusal::Append, OnRefusal::Return]);
    // Most lists are short; some exceed the window of 128 samples with a second one.
    let values = || prop_oneof![6 => prop::collection::vec(0..9_u8, 0..16), 1 => prop::collection::vec(0..9_u8, 60..120)];
    let step = prop_oneof![
        8 => (writer(), 0..200_i64, values())
            .prop_map(|(writer, from_s, values)| Step::Append { writer, from_s, values }),
        10 => writer().prop_map(|writer| Step::Commit { writer }),
        8 => (writer(), values(), on_refusal()).prop_map(|(writer, values, on_refusal)| {
            Step::AppendOptimistic { writer, values, on_refusal }
        }),
        2 => part.prop_map(Step::Lose),
        1 => any::<bool>().prop_map(|is_counter| Step::Configure { is_counter }),
        1 => Just(Step::Unconfigure),
        1 => Just(Step::Forget),
    ];
    // Most steps of a history are on one series.
    (prop_oneof![6 => Just(0_usize), 1 => Just(1), 1 => Just(2), 1 => Just(3)], step)
}

/// A detector whose window is the shortest, and one whose window is longer than the shortest.
fn detectors() -> impl Strategy<Value = Detector> {
    let long = "zscore:window=1000,threshold=3".parse().unwrap();
    prop::sample::select(vec![Detector::ALL[1], long])
}

fn samples(from_s: i64, values: &[u8]) -> Vec<NewSample> {
    let value = |value: u8| if value == 8 { 900.0 } else { f64::from(value) };
    let sample = |(at_s, n): (i64, &u8)| NewSample {
        kind: kind(at_s),
        ..NewSample::gauge(Some(at_s * 1_000_000), value(*n))
    };
    (from_s..).zip(values).map(sample).collect()
}

/// Kind of the sample of a second: some stretches are of counters, and some of these restart; some are of means.
fn kind(at_s: i64) -> SampleKind {
    match at_s / 20 % 4 {
        1 => SampleKind::Counter { started_at_us: None },
        2 => SampleKind::Counter { started_at_us: Some(at_s / 7 * 7_000_000 - 500_000) },
        3 => {
            let started_at_us = Some(at_s / 13 * 13_000_000).filter(|_| at_s % 3 > 0);
            let count = ObservationCount::new(at_s.unsigned_abs() % 17 * 5, started_at_us);
            SampleKind::Mean(count.unwrap())
        }
        _ => SampleKind::Gauge,
    }
}

fn key(series: usize) -> SeriesKey {
    let (tenant, metric) = SERIES[series];
    SeriesKey::new(Tenant::new(tenant), Series::new("twin", metric, BTreeMap::new()).unwrap())
}

/// The commit of samples judged on a state.
fn commit_of(detector: Detector, state: &SeriesState, samples: &[Sample]) -> Commit {
    judged(DeployedDetector { detector, generation: 1 }, state, samples).1
}

/// One of the two stores, with the states of its writers of each series.
struct Twin<'a> {
    store: &'a dyn Store,
    detector: Detector,
    states: [[SeriesState; N_WRITERS]; SERIES.len()],
}

impl Twin<'_> {
    fn new(store: &dyn Store, detector: Detector) -> Twin<'_> {
        Twin { store, detector, states: Default::default() }
    }

    /// Runs a step other than a loss; returns its outcome.
    async fn run(&mut self, series: usize, step: &Step) -> Outcome {
        let key = key(series);
        match step {
            Step::Append { writer, from_s, values } => {
                let samples = samples(*from_s, values);
                let append = Append { key, samples, cached_version: 0, optimistic: None };
                self.append(series, *writer, append).await
            }
            Step::Commit { writer } => self.commit(series, *writer).await,
            Step::AppendOptimistic { writer, values, on_refusal } if !values.is_empty() => {
                let state = &self.states[series][*writer];
                let append = self.optimistic(key, state, values, *on_refusal);
                self.append(series, *writer, append).await
            }
            Step::AppendOptimistic { .. } | Step::Lose(_) => Outcome::Nothing,
            Step::Configure { is_counter } => {
                let own = "zscore:window=40,threshold=3".parse().unwrap();
                let counter = SampleKind::Counter { started_at_us: None };
                let config = SeriesConfig::new(Some(own), Vec::new()).unwrap();
                let config = config.with_kind(is_counter.then_some(counter));
                let put = self.store.put_config(&key, &config).await;
                Outcome::Configured(put.err().map(|error| error.code()))
            }
            Step::Unconfigure => Outcome::Removed(self.store.remove_config(&key).await.unwrap()),
            Step::Forget => Outcome::Removed(self.store.forget(&key).await.unwrap()),
        }
    }

    /// Samples newer than the window, with their commit.
    fn optimistic(
        &self,
        key: SeriesKey,
        state: &SeriesState,
        values: &[u8],
        on_refusal: OnRefusal,
    ) -> Append {
        let newest = state.window.last().map_or(0, |judged| judged.sample.at_us() / 1_000_000);
        let samples = samples(newest + 1, values);
        let timed =
            |new: &NewSample| Sample::of_kind(new.at_us.unwrap(), new.value, new.kind).unwrap();
        let commit =
            commit_of(self.detector, state, &samples.iter().map(timed).collect::<Vec<_>>());
        // A writer does not judge early what its configuration changes.
        let is_as_sent =
            |(new, judgement): (&NewSample, &Judgement)| new.kind == judgement.sample.kind();
        let is_early = samples.iter().zip(&commit.judgements).all(is_as_sent);
        let optimistic = is_early.then_some(OptimisticCommit {
            commit,
            receipt: ReceiptUpdate::Write,
            on_refusal,
        });
        Append { key, samples, cached_version: 0, optimistic }
    }

    async fn append(&mut self, series: usize, writer: usize, append: Append) -> Outcome {
        let outcome = self.store.append_all(&[append]).await.pop().unwrap().unwrap();
        let (outcome, state) = match outcome {
            AppendOutcome::Classified(classified) => {
                let state = classified.state.unwrap_or_default();
                (Outcome::Classified(classified.classes, comparable(&state)), state)
            }
            AppendOutcome::Refused(now) => (Outcome::Refused(comparable(&now)), now),
            AppendOutcome::Committed { .. } => {
                let state = self.store.read(&key(series)).await.unwrap().unwrap();
                (Outcome::Committed, state)
            }
        };
        self.states[series][writer] = state;
        outcome
    }

    async fn commit(&mut self, series: usize, writer: usize) -> Outcome {
        let state = std::mem::take(&mut self.states[series][writer]);
        if state.inbox.is_empty() {
            return Outcome::Nothing;
        }
        let commit = commit_of(self.detector, &state, &state.inbox);
        match self.store.commit(&key(series), &commit).await.unwrap() {
            CommitOutcome::Committed { .. } => Outcome::Committed,
            CommitOutcome::Conflict(now) => {
                let outcome = Outcome::Conflict(comparable(&now));
                self.states[series][writer] = now;
                outcome
            }
        }
    }

    async fn snapshot(&self, series: usize) -> Snapshot {
        let (store, key) = (self.store, key(series));
        let range = PastRange { since_us: 0, before_us: None, limit: 1_000 };
        let (state, anomalies, episodes, counts, totals) = tokio::join!(
            store.read(&key),
            store.anomalies(&key, 0, 1_000),
            store.episodes(&key, range),
            store.tenant_counts(key.tenant()),
            store.totals()
        );
        Snapshot {
            state: comparable(&state.unwrap().unwrap_or_default()),
            anomalies: anomalies.unwrap(),
            episodes: episodes.unwrap().iter().map(|episode| episode.record).collect(),
            n_series: counts.unwrap().n_series,
            totals: totals.unwrap(),
        }
    }
}

/// Outcome of a step.
#[derive(Debug, PartialEq)]
enum Outcome {
    Nothing,
    Classified(Vec<SampleClass>, SeriesState),
    Committed,
    Conflict(SeriesState),
    Refused(SeriesState),
    /// The code of the error, if it was refused.
    Configured(Option<&'static str>),
    /// True if something was removed.
    Removed(bool),
}

/// A series after a step, the number of series of its tenant, and the totals.
#[derive(Debug, PartialEq)]
struct Snapshot {
    state: SeriesState,
    anomalies: Vec<Judgement>,
    episodes: Vec<EpisodeRecord>,
    n_series: u64,
    totals: BTreeMap<String, u64>,
}

/// A state without its version and revision, which derive from the clock of the store.
fn comparable(state: &SeriesState) -> SeriesState {
    let mut state = state.clone();
    state.version = i64::from(state.version != 0);
    if let Some(version) = state.memory.as_mut().and_then(|memory| memory.get_mut(8..16)) {
        version.fill(0);
    }
    if let Some(config) = &mut state.config {
        config.revision = 0;
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

/// The number in a variable; `default` without it.
fn number(name: &str, default: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the arguments of this test")]
    let text = std::env::var(name);
    text.map_or(default, |text| text.parse().unwrap())
}

/// Runs `cases` histories from a seed on both stores; a history is shrunk to the shortest that fails.
fn run(cases: u32, seed: u64) {
    let server = RedisServer::start();
    let client = redis::Client::open(server.url()).unwrap();
    let admin = std::cell::RefCell::new(client.get_connection().unwrap());
    let command = |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(*word);
        });
        command.exec(&mut *admin.borrow_mut()).unwrap();
    };
    let options = patient_options(server.url(), Topology::Single, N_SHARDS);
    let redis = RedisStore::new(&options).unwrap().with_limits(LIMITS).always_counted();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let histories = (detectors(), prop::collection::vec(step(), 1..13));
    let result = TestRunner::new_with_rng(config, rng).run(&histories, |(detector, steps)| {
        command(&["FLUSHALL"]);
        let embedded = EmbeddedStore::new(clock).with_limits(LIMITS);
        let mut one = Twin::new(&embedded, detector);
        let mut other = Twin::new(&redis, detector);
        for (series, step) in &steps {
            if let Step::Lose(part) = step {
                let key = key(*series);
                embedded.lose(&key, *part);
                let (shard, path) = (key.shard(N_SHARDS), key.path());
                command(&["DEL", &format!("tm:{{{shard}}}:{path}:{}", name_of(*part))]);
            }
            let (here, there) = runtime
                .block_on(async { (one.run(*series, step).await, other.run(*series, step).await) });
            prop_assert_eq!(&here, &there, "after {:?}", step);
            if here == Outcome::Nothing && !matches!(step, Step::Lose(_)) {
                continue;
            }
            let (here, there) = runtime
                .block_on(async { (one.snapshot(*series).await, other.snapshot(*series).await) });
            prop_assert_eq!(here, there, "after {:?}", step);
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("DIFFERENTIAL_SEED={seed}: {failure}"));
}

#[test]
fn both_stores_agree_after_every_step() {
    let cases = number("DIFFERENTIAL_CASES", u64::from(CASES)) as u32;
    let seed = number("DIFFERENTIAL_SEED", SEED);
    println!("DIFFERENTIAL_CASES={cases} DIFFERENTIAL_SEED={seed}");
    // Two runs, each with a Redis of its own, use two processors.
    std::thread::scope(|scope| {
        scope.spawn(|| run(cases.div_ceil(2), seed));
        run(cases / 2, !seed);
    });
}
