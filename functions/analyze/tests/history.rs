//! Transfer of episodes to the history: real processes over a real Redis and a stand-in for DynamoDB that validates as
//! AWS does, killed between any two steps.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

mod process;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::testbed::{DynamoServer, StandIn};
use domain::Series;
use domain::{SeriesKey, Tenant};
use intake::{IncomingBatch, IncomingSample};
use process::{Analyze, DETECTOR};
use service::{Config, Service, StoreScope, VerdictFilter, store_for};
use store::testbed::RedisServer;
use store::{PastRange, Store};

const TABLE: &str = "tidemark-episodes";
const ALL: PastRange = PastRange { since_us: 0, before_us: None, limit: 1_000 };

/// A writer of samples, which uses Redis only.
fn ingest(redis: &RedisServer) -> (Service, Arc<dyn Store>) {
    let vars = [("REDIS_URL", redis.url()), ("TIDEMARK_DETECTOR", DETECTOR.to_owned())];
    let config =
        Config::from_env(vars.into_iter().map(|(name, value)| (name.to_owned(), value))).unwrap();
    let store = store_for(&config, StoreScope::Shared).unwrap();
    (Service::new(Arc::clone(&store), &config), store)
}

fn series() -> Series {
    Series::new("checkout", "rps", BTreeMap::new()).unwrap()
}

fn key() -> SeriesKey {
    SeriesKey::new(Tenant::default(), series())
}

/// Sends a sample for each minute of `range`; each fiftieth is an outlier.
async fn send(service: &Service, range: std::ops::Range<i64>) {
    let incoming = |minute: i64| IncomingSample {
        index: minute as usize,
        series: series(),
        at_us: Some(1_732_060_800_000_000 + minute * 60_000_000),
        value: if minute % 50 == 49 { 900.0 } else { 100.0 + (minute % 7) as f64 },
        kind: domain::SampleKind::Gauge,
    };
    let batch =
        IncomingBatch { samples: range.map(incoming).collect(), ..IncomingBatch::default() };
    let answer = service.ingest(&Tenant::default(), batch, VerdictFilter::None).await;
    assert!(answer.rejected.is_empty(), "{:?}", answer.rejected);
}

/// Keys of the items that the table should contain: one for each episode in the store.
async fn expected_keys(store: &dyn Store) -> Vec<(String, String)> {
    let episodes = store.episodes(&key(), ALL).await.unwrap();
    let start = |start_us: i64| ("default#checkout/rps".to_owned(), format!("{start_us:016}"));
    episodes.iter().rev().map(|episode| start(episode.record.start_us)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_redis_and_history_saves_each_episode_once() {
    let (redis, table) = (RedisServer::start(), DynamoServer::start(StandIn::Dynalite));
    table.create_table(TABLE).await;
    let vars = table.vars(TABLE);
    let (service, store) = ingest(&redis);
    // From the first sweep on, writers mark the episodes that the history lacks.
    assert_eq!(Analyze::start(&redis, &vars).sweep().unwrap()["episodes_saved"], 0);

    for round in 0..3 {
        send(&service, round * 200..(round + 1) * 200).await;
        // It crashes with two episodes in the table, before any of them is marked as saved.
        let crashing = [vars.clone(), vec![("CHAOS_DIE_AT", "saved:2".to_owned())]].concat();
        let mut crashing = Analyze::start(&redis, &crashing);
        assert_eq!(crashing.sweep(), None);
        assert!(!crashing.child.wait().unwrap().success());
        assert_eq!(store.n_unsaved_episodes().await.unwrap(), 1);
        // Two sweeps at once have the result of one.
        let replicas = [Analyze::start(&redis, &vars), Analyze::start(&redis, &vars)];
        std::thread::scope(|scope| {
            for replica in &replicas {
                scope.spawn(|| assert_eq!(replica.sweep().unwrap()["unsaved"], 0));
            }
        });
        assert_eq!(store.n_unsaved_episodes().await.unwrap(), 0);
        assert_eq!(table.keys(TABLE).await, expected_keys(store.as_ref()).await);
    }

    // Episodes that Redis lost are read from the table, page by page, unchanged.
    let analyze = Analyze::start(&redis, &vars);
    let path = "GET /episodes?source=checkout&metric=rps";
    let before = analyze.ask(path).unwrap();
    assert_eq!(before["episodes"].as_array().unwrap().len(), 12);
    assert!(store.forget(&key()).await.unwrap());
    let mut after = analyze.ask(&format!("{path}&limit=5")).unwrap();
    let mut episodes = after["episodes"].as_array().unwrap().clone();
    while let Some(next) = after["next"].as_str() {
        after = analyze.ask(&format!("{path}&limit=5&cursor={next}")).unwrap();
        episodes.extend(after["episodes"].as_array().unwrap().iter().cloned());
    }
    // The store reported the last one as open; an episode that is unknown to the store is over.
    let mut expected = before["episodes"].as_array().unwrap().clone();
    expected[0]["state"] = "over".into();
    assert_eq!(episodes, expected);

    let path = "GET /anomalies?source=checkout&metric=rps";
    let mut page = analyze.ask(&format!("{path}&limit=5")).unwrap();
    let mut peaks = page["anomalies"].as_array().unwrap().clone();
    while let Some(next) = page["next"].as_str() {
        page = analyze.ask(&format!("{path}&limit=5&cursor={next}")).unwrap();
        peaks.extend(page["anomalies"].as_array().unwrap().iter().cloned());
    }
    assert_eq!(peaks.len(), 12);
    for (peak, episode) in peaks.iter().zip(&episodes) {
        assert_eq!(peak["timestamp"], episode["peak"]["timestamp"]);
        assert_eq!(peak["episode"]["start"], episode["start"]);
    }
    // Deleting a series deletes its items.
    send(&service, 0..60).await;
    analyze.ask("DELETE /series?source=checkout&metric=rps");
    assert_eq!(table.keys(TABLE).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_history_is_reported_and_fails_nothing() {
    let redis = RedisServer::start();
    let table = DynamoServer::start(StandIn::Dynalite);
    table.create_table(TABLE).await;
    let vars = table.vars(TABLE);
    let analyze = Analyze::start(&redis, &vars);
    assert_eq!(analyze.ask("GET /readyz").unwrap()["history"], "ready");
    analyze.sweep().unwrap();
    let (service, store) = ingest(&redis);
    send(&service, 0..200).await;

    drop(table);
    let ready = analyze.ask("GET /readyz").unwrap();
    assert_eq!(
        (&ready["status"], &ready["history"]),
        (&"ready".into(), &"history_unavailable".into())
    );
    let swept = analyze.sweep().unwrap();
    assert_eq!((&swept["unsaved"], &swept["episodes_saved"]), (&1.into(), &0.into()));
    send(&service, 200..400).await;
    let page = analyze.ask("GET /episodes?source=checkout&metric=rps").unwrap();
    assert_eq!(page["episodes"].as_array().unwrap().len(), 8);
    assert_eq!((&page["incomplete"], page["next"].is_string()), (&true.into(), true));
    assert_eq!(store.n_unsaved_episodes().await.unwrap(), 1);
    let metrics = service.metrics().await.unwrap();
    assert!(metrics.contains("\nepisodes_unsaved 1\n"), "{metrics}");

    let table = DynamoServer::start(StandIn::Moto);
    table.create_table(TABLE).await;
    let analyze = Analyze::start(&redis, &table.vars(TABLE));
    assert_eq!(analyze.sweep().unwrap()["episodes_saved"], 8);
    assert_eq!(table.keys(TABLE).await, expected_keys(store.as_ref()).await);
}
