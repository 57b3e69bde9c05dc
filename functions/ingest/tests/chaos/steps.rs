//! Death between any two steps of a writer, one after the other: of one that knows its series, and of one that does not.

use serde_json::json;
use service::{Config, Service, StoreScope, store_for};
use store::Topology;
use store::testbed::RedisServer;

use crate::account::{balance, store};
use crate::client::Client;
use crate::kill::STEPS;
use crate::kit::wait_for;
use crate::process::{DETECTOR, Process};
use crate::report::Row;
use crate::workload::sample;

/// Judges what dead writers left, as the sweep of `analyze` does.
async fn sweep(url: &str) {
    let vars = [("REDIS_URL", url), ("TIDEMARK_DETECTOR", DETECTOR)];
    let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::from_env(vars.into_iter()).unwrap();
    let service = Service::new(store_for(&config, StoreScope::Shared).unwrap(), &config);
    let swept = service.sweep().await.unwrap();
    assert_eq!(swept.failed, 0, "{swept:?}");
}

/// What is left of 80 samples of each series, the second 20 of which came to a process that died at each step.
struct Left {
    /// Bytes of series that the process may know.
    known_bytes_max: &'static str,
    n_pending: usize,
    acknowledged: [u64; 4],
}

#[tokio::test(flavor = "multi_thread")]
async fn between_any_two_steps_nothing_is_lost_and_a_sweep_judges_what_waits() {
    // After `appended` and `judged` something waits.
    die_at_each_step(Left { known_bytes_max: "0", n_pending: 2, acknowledged: [60, 80, 80, 80] })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_judged_ahead_is_stored_whole_or_not_at_all() {
    die_at_each_step(Left {
        known_bytes_max: "16777216",
        n_pending: 0,
        acknowledged: [60, 80, 60, 80],
    })
    .await;
}

async fn die_at_each_step(left: Left) {
    let redis = RedisServer::start();
    let url = redis.url();
    let mut client = Client::default();
    let n_series = STEPS.len();
    let mut requests = 0;
    for (series, step) in STEPS.iter().enumerate() {
        let die_at = format!("{step}:2");
        let known = ("TIDEMARK_JUDGE_CACHE_BYTES_MAX", left.known_bytes_max);
        let mut process = Process::start(&url, &[("CHAOS_DIE_AT", &die_at), known]);
        for batch in [0..60, 60..80] {
            let body = json!(batch.map(|i| sample(series, i)).collect::<Vec<_>>()).to_string();
            let answer = client.ingest(process.address, &body).await;
            assert_eq!(answer.is_ok(), requests % 2 == 0, "{step}: {answer:?}");
            requests += 1;
        }
        wait_for("the process has died", async || process.ended()).await;
    }
    let pending = |store: store::RedisStore| async move {
        store::SeriesStore::pending(&store, 10).await.unwrap().len()
    };
    assert_eq!(pending(store(&url, Topology::Single)).await, left.n_pending);
    sweep(&url).await;
    // What was not appended is not there; the rest is, exactly once, although nobody was told.
    let held = balance(&store(&url, Topology::Single), &left.acknowledged).await;

    let process = Process::start(&url, &[]);
    for series in 0..n_series {
        let body = json!((0..80).map(|i| sample(series, i)).collect::<Vec<_>>()).to_string();
        let answer = client.ingest(process.address, &body).await.unwrap();
        let fresh = 80 - left.acknowledged[series];
        assert_eq!((answer.status, &answer.body["accepted"]), (200, &json!(fresh)));
        assert_eq!(answer.body["duplicates"], json!(80 - fresh));
    }
    let again = balance(&store(&url, Topology::Single), &[80; 4]).await;
    Row {
        faults: n_series as u64,
        requests: requests + n_series as u64,
        acknowledged: 320,
        lost: held.lost + again.lost,
        doubled: held.doubled + again.doubled,
        ..Row::default()
    }
    .tell("death between two steps");
}
