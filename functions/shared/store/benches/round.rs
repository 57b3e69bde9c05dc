//! Time of a writer's round in the store, append and commit, on the embedded store and on a real Redis.
//!
//! With Redis this is encoding of keys, members and memory, and one round trip for each step.
//!
//! `cargo bench --package store`; compare rows within one run. Nothing is judged here: the verdict is a constant.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use detector::{Detector, Judge};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use domain::{Judgement, Sample, Series};
use domain::{SHARDS_DEFAULT, SeriesKey, Tenant};
use store::testbed::{RedisServer, patient_options};
use store::{
    Commit, CommitOutcome, EmbeddedStore, MemoryPatch, NewSample, RedisStore, Store, Topology,
};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

/// 2024-11-20T00:00:00Z: each sample is a second later than the last.
static AT_US: AtomicI64 = AtomicI64::new(1_732_060_800_000_000);

fn now_us() -> i64 {
    AT_US.load(Ordering::Relaxed)
}

fn key() -> SeriesKey {
    let series = Series::new("bench", "rps", BTreeMap::new()).expect("the names are plain");
    SeriesKey::new(Tenant::default(), series)
}

/// A round of `n` samples, from the append to the reply of the commit.
async fn round(store: &dyn Store, judge: &mut Judge, n: usize) -> i64 {
    let samples: Vec<NewSample> = (0..n)
        .map(|i| {
            NewSample::gauge(
                Some(AT_US.fetch_add(1_000_000, Ordering::Relaxed)),
                400.0 + (i % 37) as f64,
            )
        })
        .collect();
    let key = key();
    let appended = store.append(&key, &samples, 0).await.expect("the store answers");
    let state = appended.state.expect("fresh samples wait");
    let judgements: Vec<Judgement> =
        state.inbox.iter().map(|sample: &Sample| judge.judge(*sample)).collect();
    let memory = judge.memory();
    let commit = Commit {
        version: state.version,
        revision: 0,
        memory: MemoryPatch::whole(&memory.encode()),
        cursor_us: memory.cursor_us.unwrap_or_default(),
        floor_us: memory.floor_us,
        judgements,
        episode_update: store::EpisodeUpdate::default(),
    };
    match store.commit(&key, &commit).await.expect("the store answers") {
        CommitOutcome::Committed { version } => version,
        CommitOutcome::Conflict(_) => panic!("no other writer commits"),
    }
}

fn rounds(bencher: Bencher<'_, '_>, store: &dyn Store, n: usize) {
    let runtime = Runtime::new().expect("a runtime can be started");
    let mut judge = Judge::new(Detector::default());
    for _ in 0..=200 / n {
        runtime.block_on(round(store, &mut judge, n));
    }
    bencher
        .counter(ItemsCount::new(n))
        .bench_local(|| runtime.block_on(round(store, &mut judge, black_box(n))));
}

#[divan::bench(args = [1, 10, 100])]
fn embedded(bencher: Bencher<'_, '_>, n: usize) {
    rounds(bencher, &EmbeddedStore::new(now_us), n);
}

#[divan::bench(args = [1, 10, 100])]
fn redis(bencher: Bencher<'_, '_>, n: usize) {
    let server = RedisServer::start();
    let options = patient_options(server.url(), Topology::Single, SHARDS_DEFAULT);
    rounds(bencher, &RedisStore::new(&options).expect("the address is one"), n);
}
