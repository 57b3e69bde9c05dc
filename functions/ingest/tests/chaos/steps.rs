//! Aborts between each two steps of a writer, with a warm and with a cold cache of series.

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

/// Judges the pending samples of aborted writers, as the sweep of `analyze` does.
async fn sweep(url: &str) {
    let vars = [("REDIS_URL", url), ("TIDEMARK_DETECTOR", DETECTOR)];
    let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::from_env(vars.into_iter()).unwrap();
    let service = Service::new(store_for(&config, StoreScope::Shared).unwrap(), &config);
    let swept = service.sweep().await.unwrap();
    assert_eq!(swept.failed, 0, "{swept:?}");
}

/// The number of 80 samples of each series that are left if a process aborts at each step during the second 20.
struct Remaining {
    /// Capacity of the cache of series, in bytes.
    known_bytes_max: &'static str,
    n_pending: usize,
    acknowledged: [u64; 4],
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sample_is_lost_between_two_steps_and_a_sweep_judges_pending_samples() {
    // After `appended` and `judged` samples are pending.
    abort_at_each_step(Remaining {
        known_bytes_max: "0",
        n_pending: 2,
        acknowledged: [60, 80, 80, 80],
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_optimistic_write_stores_all_samples_or_none() {
    abort_at_each_step(Remaining {
        known_bytes_max: "16777216",
        n_pending: 0,
        acknowledged: [60, 80, 60, 80],
    })
    .await;
}

async fn abort_at_each_step(remaining: Remaining) {
    let redis = RedisServer::start();
    let url = redis.url();
    let mut client = Client::default();
    let n_series = STEPS.len();
    let mut requests = 0;
    for (series, step) in STEPS.iter().enumerate() {
        let die_at = format!("{step}:2");
        let known = ("TIDEMARK_JUDGE_CACHE_BYTES_MAX", remaining.known_bytes_max);
        let mut process = Process::start(&url, &[("CHAOS_DIE_AT", &die_at), known]);
        for batch in [0..60, 60..80] {
            let body = json!(batch.map(|i| sample(series, i)).collect::<Vec<_>>()).to_string();
            let answer = client.ingest(process.address, &body).await;
            assert_eq!(answer.is_ok(), requests % 2 == 0, "{step}: {answer:?}");
            requests += 1;
        }
        wait_for("the process has exited", async || process.ended()).await;
    }
    let pending = |store: store::RedisStore| async move {
        store::SweepQueues::pending(&store, 10).await.unwrap().len()
    };
    assert_eq!(pending(store(&url, Topology::Single)).await, remaining.n_pending);
    sweep(&url).await;
    // Samples that were not appended are missing; the others are stored once, although never acknowledged.
    let held = balance(&store(&url, Topology::Single), &remaining.acknowledged).await;

    let process = Process::start(&url, &[]);
    for series in 0..n_series {
        let body = json!((0..80).map(|i| sample(series, i)).collect::<Vec<_>>()).to_string();
        let answer = client.ingest(process.address, &body).await.unwrap();
        let fresh = 80 - remaining.acknowledged[series];
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
    .print("abort between two steps");
}
