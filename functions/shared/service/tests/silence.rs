//! Series that fall silent, and their episodes, over the embedded store and over a real Redis.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

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

/// A deployment, and the store below it.
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

/// Sends samples of these seconds before now; answers how many are anomalies.
async fn send(service: &Service, seconds_ago: impl Iterator<Item = i64>) -> usize {
    let now_us = now_us();
    let incoming = |(index, ago)| IncomingSample {
        index,
        series: series(),
        at_us: Some(now_us - ago * 1_000_000),
        value: 100.0 + (ago % 7) as f64,
    };
    let samples: Vec<IncomingSample> = seconds_ago.enumerate().map(incoming).collect();
    let n = samples.len();
    let batch = IncomingBatch { samples, rejected: Vec::new() };
    let answer = service.ingest(&Tenant::default(), batch, VerdictFilter::Anomalies).await;
    assert_eq!(answer.accepted, n, "{answer:?}");
    answer.verdicts.len()
}

async fn metric(service: &Service, line: &str) {
    let text = service.metrics().await.unwrap();
    assert!(text.lines().any(|it| it == line), "{line} in {text}");
}

async fn a_silence_is_told_once_and_ended_by_the_next_sample(vars: &[(&str, &str)]) {
    let (service, store) = deployment(vars);
    // Over the embedded store a second deployment would see nothing.
    let other = if vars.is_empty() { service.clone() } else { deployment(vars).0 };
    stopped(&service, store.as_ref()).await;
    let (one, two) = tokio::join!(service.sweep(), other.sweep());
    assert_eq!(one.unwrap().silent + two.unwrap().silent, 1, "several sweeps tell it once");
    assert_eq!(service.sweep().await.unwrap().checked, 0, "and nobody looks again");

    let tenant = Tenant::default();
    let told = service.analyze(&tenant, series()).await.unwrap();
    let cursor_us = told.last.as_ref().unwrap().timestamp;
    assert_eq!(told.silent_since, Some(cursor_us));
    let episode = told.episode.unwrap();
    assert_eq!((episode.state, episode.signal, episode.samples), ("silent", "gap", 0));
    assert_eq!((episode.start, told.anomaly_count), (cursor_us, 0));
    metric(&service, "silences_total 1").await;
    metric(&service, r#"anomalies_total{signal="gap"} 0"#).await;

    assert_eq!(send(&service, [0].into_iter()).await, 1);
    metric(&service, r#"anomalies_total{signal="gap"} 1"#).await;
    let told = service.analyze(&tenant, series()).await.unwrap();
    assert_eq!((told.silent_since, told.anomaly_count), (None, 1));
    let page = service.list_episodes(&tenant, series(), ALL).await.unwrap();
    assert_eq!(page.episodes.len(), 1, "the silence and the gap are one episode");
    assert_eq!((page.episodes[0].start, page.episodes[0].samples), (cursor_us, 1));
    assert_eq!((page.episodes[0].state, page.episodes[0].signal), ("open", "gap"));
    metric(&service, "silences_total 1").await;
}

/// A series of one sample a second that stopped two minutes ago, and at which it is time to look.
async fn stopped(service: &Service, store: &dyn Store) {
    send(service, (120..420).rev()).await;
    forget_waits(store).await;
    store.reschedule_silence_check(&key(), SilenceCheck::At(0)).await.unwrap();
}

/// Makes the memory that of a series whose samples were received at once: those of a test all come late.
async fn forget_waits(store: &dyn Store) {
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
async fn a_silence_is_told_once_over_the_embedded_store() {
    a_silence_is_told_once_and_ended_by_the_next_sample(&[]).await;
}

#[tokio::test]
async fn a_silence_is_told_once_over_redis() {
    let redis = RedisServer::start();
    a_silence_is_told_once_and_ended_by_the_next_sample(&[("REDIS_URL", &redis.url())]).await;
}

#[tokio::test]
async fn where_nobody_listens_for_gaps_an_episode_ends_without_a_silence() {
    let (service, store) = deployment(&[("TIDEMARK_DETECTOR", "zscore:window=50,threshold=3")]);
    send(&service, (120..420).rev()).await;
    let tenant = Tenant::default();
    let spike = IncomingSample {
        index: 0,
        series: series(),
        at_us: Some(now_us() - 119_000_000),
        value: 9_000.0,
    };
    let batch = IncomingBatch { samples: vec![spike], rejected: Vec::new() };
    let answer = service.ingest(&tenant, batch, VerdictFilter::Anomalies).await;
    assert_eq!(answer.verdicts.len(), 1, "{answer:?}");
    let page = service.list_episodes(&tenant, series(), ALL).await.unwrap();
    assert_eq!(page.episodes.iter().map(|it| it.state).collect::<Vec<_>>(), ["open"]);

    forget_waits(store.as_ref()).await;
    store.reschedule_silence_check(&key(), SilenceCheck::At(0)).await.unwrap();
    let swept = service.sweep().await.unwrap();
    assert_eq!((swept.checked, swept.silent), (1, 0));
    let page = service.list_episodes(&tenant, series(), ALL).await.unwrap();
    let told: Vec<_> = page.episodes.iter().map(|it| (it.state, it.samples)).collect();
    assert_eq!(told, [("over", 1)]);
    let told = service.analyze(&tenant, series()).await.unwrap();
    assert_eq!((told.silent_since, told.anomaly_count), (None, 1));
    metric(&service, "silences_total 0").await;
    assert_eq!(service.sweep().await.unwrap().checked, 0, "and nobody looks again");
}

#[tokio::test]
async fn a_pause_that_is_usual_is_no_silence() {
    let (service, store) = deployment(&[]);
    send(&service, (120..420).rev()).await;
    store.reschedule_silence_check(&key(), SilenceCheck::At(0)).await.unwrap();
    let swept = service.sweep().await.unwrap();
    assert_eq!(
        (swept.checked, swept.silent),
        (1, 0),
        "all samples of this sender come two minutes late"
    );
    assert_eq!(service.sweep().await.unwrap().checked, 0, "the next look is when it would be one");
}

#[tokio::test]
async fn a_series_that_is_forgotten_or_maintenance_is_not_told() {
    let (service, store) = deployment(&[]);
    stopped(&service, store.as_ref()).await;
    let maintenance = r#"{"maintenance":[{"from":0,"until":4102444800000,"reason":"for good"}]}"#;
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
