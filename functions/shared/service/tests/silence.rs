//! Silent series and their episodes, with the memory store and with a real Redis.

#![expect(clippy::unwrap_used, reason = "a test stops at the first unexpected result")]

use std::collections::BTreeMap;
use std::sync::Arc;

use detector::SilenceCheck;
use domain::Series;
use domain::{SeriesKey, Tenant};
use intake::{IncomingBatch, IncomingSample};
use service::{Config, Service, StoreScope, VerdictFilter, now_us, store_for};
use store::testbed::RedisServer;
use store::{PastRange, Store};

const ALL: PastRange = PastRange { since_us: 0, before_us: None, limit: 100 };

/// Starts a deployment; returns its store too.
fn deployment(vars: &[(&str, &str)]) -> (Service, Arc<dyn Store>) {
    let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = Config::from_env(vars).unwrap();
    let store = store_for(&config, StoreScope::Process).unwrap();
    (Service::new(Arc::clone(&store), &config), store)
}

fn series() -> Series {
    Series::new("checkout", "rps", BTreeMap::new()).unwrap()
}

fn key() -> SeriesKey {
    SeriesKey::new(Tenant::default(), series())
}

/// Sends one sample for each of these seconds before now; returns the number of anomalies.
async fn send(service: &Service, seconds_ago: impl Iterator<Item = i64>) -> usize {
    let now_us = now_us();
    let incoming = |(index, ago)| IncomingSample {
        index,
        series: series(),
        at_us: Some(now_us - ago * 1_000_000),
        value: 100.0 + (ago % 7) as f64,
        kind: domain::SampleKind::Gauge,
    };
    let samples: Vec<IncomingSample> = seconds_ago.enumerate().map(incoming).collect();
    let n = samples.len();
    let batch = IncomingBatch { samples, ..IncomingBatch::default() };
    let answer = service.ingest(&Tenant::default(), batch, VerdictFilter::Anomalies).await;
    assert_eq!(answer.accepted, n, "{answer:?}");
    answer.verdicts.len()
}

async fn metric(service: &Service, line: &str) {
    let text = service.metrics().await.unwrap();
    assert!(text.lines().any(|other| other == line), "{line} in {text}");
}

async fn a_silence_is_reported_once_and_ended_by_the_next_sample(vars: &[(&str, &str)]) {
    let (service, store) = deployment(vars);
    // A second deployment would not share the memory store.
    let other = if vars.is_empty() { service.clone() } else { deployment(vars).0 };
    stopped(&service, store.as_ref()).await;
    let (one, two) = tokio::join!(service.sweep(), other.sweep());
    assert_eq!(one.unwrap().silent + two.unwrap().silent, 1, "concurrent sweeps report it once");
    assert_eq!(service.sweep().await.unwrap().checked, 0, "no further check is due");

    let tenant = Tenant::default();
    let analyzed = service.analyze(&tenant, series()).await.unwrap();
    let cursor_us = analyzed.last.as_ref().unwrap().timestamp;
    assert_eq!(analyzed.silent_since, Some(cursor_us));
    let episode = analyzed.episode.unwrap();
    assert_eq!((episode.state, episode.signal, episode.samples), ("silent", "gap", 0));
    assert_eq!((episode.start, analyzed.anomaly_count), (cursor_us, 0));
    metric(&service, "silences_total 1").await;
    metric(&service, r#"anomalies_total{signal="gap"} 0"#).await;

    assert_eq!(send(&service, [0].into_iter()).await, 1);
    metric(&service, r#"anomalies_total{signal="gap"} 1"#).await;
    let analyzed = service.analyze(&tenant, series()).await.unwrap();
    assert_eq!((analyzed.silent_since, analyzed.anomaly_count), (None, 1));
    let page = service.list_episodes(&tenant, series(), ALL).await.unwrap();
    assert_eq!(page.episodes.len(), 1, "the silence and the gap are one episode");
    assert_eq!((page.episodes[0].start, page.episodes[0].samples), (cursor_us, 1));
    assert_eq!((page.episodes[0].state, page.episodes[0].signal), ("open", "gap"));
    metric(&service, "silences_total 1").await;
}

/// Creates a series of one sample a second that stopped two minutes ago, with a due silence check.
async fn stopped(service: &Service, store: &dyn Store) {
    send(service, (120..420).rev()).await;
    forget_delays(store).await;
    store.reschedule_silence_check(&key(), SilenceCheck::At(0)).await.unwrap();
}

/// Removes the delays of receipt from the memory: samples of a test all arrive late.
async fn forget_delays(store: &dyn Store) {
    let state = store.read(&key()).await.unwrap().unwrap();
    let mut memory = detector::Memory::decode(&state.memory.unwrap()).unwrap();
    memory.silence = detector::SilenceState::default();
    let commit = store::Commit {
        version: state.version,
        revision: 0,
        memory: store::MemoryPatch::whole(&memory.encode()),
        cursor_us: memory.cursor_us.unwrap(),
        floor_us: memory.floor_us,
        judgements: Vec::new(),
        episode_update: store::EpisodeUpdate::default(),
    };
    let committed = store.commit(&key(), &commit).await.unwrap();
    assert!(matches!(committed, store::CommitOutcome::Committed { .. }));
}

#[tokio::test]
async fn a_silence_is_reported_once_with_the_memory_store() {
    a_silence_is_reported_once_and_ended_by_the_next_sample(&[]).await;
}

#[tokio::test]
async fn a_silence_is_reported_once_with_redis() {
    let redis = RedisServer::start();
    a_silence_is_reported_once_and_ended_by_the_next_sample(&[("REDIS_URL", &redis.url())]).await;
}

#[tokio::test]
async fn a_detector_that_ignores_gaps_ends_an_episode_without_a_silence() {
    let (service, store) = deployment(&[("TIDEMARK_DETECTOR", "zscore:window=50,threshold=3")]);
    send(&service, (120..420).rev()).await;
    let tenant = Tenant::default();
    let spike = IncomingSample {
        index: 0,
        series: series(),
        at_us: Some(now_us() - 119_000_000),
        value: 9_000.0,
        kind: domain::SampleKind::Gauge,
    };
    let batch = IncomingBatch { samples: vec![spike], ..IncomingBatch::default() };
    let answer = service.ingest(&tenant, batch, VerdictFilter::Anomalies).await;
    assert_eq!(answer.verdicts.len(), 1, "{answer:?}");
    let page = service.list_episodes(&tenant, series(), ALL).await.unwrap();
    assert_eq!(page.episodes.iter().map(|episode| episode.state).collect::<Vec<_>>(), ["open"]);

    forget_delays(store.as_ref()).await;
    store.reschedule_silence_check(&key(), SilenceCheck::At(0)).await.unwrap();
    let swept = service.sweep().await.unwrap();
    assert_eq!((swept.checked, swept.silent), (1, 0));
    let page = service.list_episodes(&tenant, series(), ALL).await.unwrap();
    let states: Vec<_> =
        page.episodes.iter().map(|episode| (episode.state, episode.samples)).collect();
    assert_eq!(states, [("over", 1)]);
    let analyzed = service.analyze(&tenant, series()).await.unwrap();
    assert_eq!((analyzed.silent_since, analyzed.anomaly_count), (None, 1));
    metric(&service, "silences_total 0").await;
    assert_eq!(service.sweep().await.unwrap().checked, 0, "no further check is due");
}

#[tokio::test]
async fn a_usual_delay_is_no_silence() {
    let (service, store) = deployment(&[]);
    send(&service, (120..420).rev()).await;
    store.reschedule_silence_check(&key(), SilenceCheck::At(0)).await.unwrap();
    let swept = service.sweep().await.unwrap();
    assert_eq!(
        (swept.checked, swept.silent),
        (1, 0),
        "all samples of this sender arrive two minutes late"
    );
    assert_eq!(
        service.sweep().await.unwrap().checked,
        0,
        "the next check is due when it would be a silence"
    );
}

#[tokio::test]
async fn a_deleted_series_and_one_in_maintenance_are_not_reported() {
    let (service, store) = deployment(&[]);
    stopped(&service, store.as_ref()).await;
    let maintenance = r#"{"maintenance":[{"from":0,"until":4102444800000,"reason":"retired"}]}"#;
    let maintenance = service::ConfigRequest::parse(maintenance.as_bytes()).unwrap();
    service.configure(&Tenant::default(), series(), maintenance).await.unwrap();
    let swept = service.sweep().await.unwrap();
    assert_eq!((swept.checked, swept.silent), (1, 0));
    service.unconfigure(&Tenant::default(), series()).await.unwrap();
    store.reschedule_silence_check(&key(), SilenceCheck::At(0)).await.unwrap();
    service.forget(&Tenant::default(), series()).await.unwrap();
    let swept = service.sweep().await.unwrap();
    assert_eq!((swept.checked, swept.silent), (0, 0));
}
