//! Death between any two steps of a writer, one after the other.

use serde_json::json;
use service::{Config, Role, Service, store_for};
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
    let service = Service::new(store_for(&config, Role::Shared).unwrap(), &config);
    let swept = service.sweep().await.unwrap();
    assert_eq!(swept.failed, 0, "{swept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn between_any_two_steps_nothing_is_lost_and_a_sweep_judges_what_waits() {
    let redis = RedisServer::start();
    let url = redis.url();
    let mut client = Client::default();
    let n_series = STEPS.len();
    let mut requests = 0;
    for (series, step) in STEPS.iter().enumerate() {
        let die_at = format!("{step}:2");
        let mut process = Process::start(&url, &[("CHAOS_DIE_AT", &die_at)]);
        for batch in [0..60, 60..80] {
            let body = json!(batch.map(|i| sample(series, i)).collect::<Vec<_>>()).to_string();
            let answer = client.ingest(process.address, &body).await;
            assert_eq!(answer.is_ok(), requests % 2 == 0, "{step}: {answer:?}");
            requests += 1;
        }
        wait_for("the process has died", async || process.ended()).await;
    }
    let pending = |store: store::Redis| async move {
        store::SeriesStore::pending(&store, 10).await.unwrap().len()
    };
    assert_eq!(pending(store(&url, Topology::Single)).await, 2, "after `appended` and `judged`");
    sweep(&url).await;
    // What was not appended is not there; the rest is, exactly once, although nobody was told.
    let acknowledged = [60, 80, 80, 80];
    let held = balance(&store(&url, Topology::Single), &acknowledged).await;

    let process = Process::start(&url, &[]);
    for series in 0..n_series {
        let body = json!((0..80).map(|i| sample(series, i)).collect::<Vec<_>>()).to_string();
        let answer = client.ingest(process.address, &body).await.unwrap();
        let fresh = if series == 0 { 20 } else { 0 };
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
