//! Configuration of single series.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use detector::{DeployedDetector, Judge};
use domain::{Sample, Tenant};
use futures_util::future::join_all;
use intake::RejectionCode;
use service::{ConfigRequest, Service, StoreScope, VerdictFilter, store_for};
use store::testbed::RedisServer;

use crate::deployment::{
    analyze, batch_of, config, minute, replica, send, series, service, value, wave,
};

async fn configure(service: &Service, body: &str) -> service::answers::ConfigAnswer {
    let request = ConfigRequest::parse(body.as_bytes()).unwrap();
    service.configure(&Tenant::default(), series("rps"), request).await.unwrap()
}

async fn unconfigure(service: &Service) {
    service.unconfigure(&Tenant::default(), series("rps")).await.unwrap();
}

/// A maintenance window of all time.
const MAINTENANCE: &str =
    r#"{"maintenance":[{"from":0,"until":"2200-01-01T00:00:00Z","reason":"drill"}]}"#;

#[tokio::test]
async fn a_configuration_applies_at_once_on_every_replica_during_writes() {
    let server = RedisServer::start();
    let replicas = [replica(&server), replica(&server), replica(&server)];
    send(&replicas[0], wave(0..300)).await;
    let (next, is_over) = (AtomicI64::new(300), AtomicBool::new(false));
    let sample = |value: f64| {
        let i = next.fetch_add(1, Ordering::Relaxed);
        batch_of("rps", [(Some(minute(i)), value + (i % 7) as f64)])
    };
    // Writes without a pause keep a judge cached on one replica, so only changes by another outdate it.
    let busy = (0..12).map(|writer| {
        let (service, sample, is_over) = (&replicas[0], &sample, &is_over);
        async move {
            // Staggered, or all writers would share one round.
            tokio::time::sleep(Duration::from_millis(writer)).await;
            while !is_over.load(Ordering::Relaxed) {
                send(service, sample(300.0)).await;
            }
        }
    });
    let changes = async {
        let (mut n_windows, mut n_anomalies) = (0, 0);
        for round in 0..20_usize {
            let is_in_maintenance = round % 2 == 0;
            if is_in_maintenance {
                configure(&replicas[1 + round % 2], MAINTENANCE).await;
            } else {
                unconfigure(&replicas[1 + round % 2]).await;
            }
            // Alternate between the busy replica and all replicas.
            let service = |i| &replicas[if round % 4 < 2 { 0 } else { i % 3_usize }];
            // Each larger than all before: a repeated spike becomes normal.
            let spike = 1e4 * 3_f64.powi(round as i32);
            let spikes = (0..9).map(|i| send(service(i), sample(spike)));
            for answer in join_all(spikes).await {
                for verdict in answer.verdicts {
                    let kind = verdict.sample.verdict;
                    n_windows += usize::from(kind == Some("maintenance"));
                    n_anomalies += usize::from(kind == Some("anomaly"));
                    let wrong = if is_in_maintenance { "anomaly" } else { "maintenance" };
                    assert_ne!(kind, Some(wrong), "round {round}: {verdict:?}");
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(
            n_windows > 10 && n_anomalies > 10,
            "{n_windows} maintenance, {n_anomalies} anomalies"
        );
    };
    tokio::join!(join_all(busy), changes);
}

/// Reads the stored state of the series.
async fn stored(server: &RedisServer) -> store::SeriesState {
    let store = store_for(&config(&[("REDIS_URL", &server.url())]), StoreScope::Shared).unwrap();
    let key = domain::SeriesKey::new(Tenant::default(), series("rps"));
    store.read(&key).await.unwrap().unwrap()
}

/// Restores the judge of a stored series under `deployed`.
fn restored(deployed: DeployedDetector, state: &store::SeriesState) -> Judge {
    let config = state.config.as_ref().map(|stored| stored.config.clone()).unwrap_or_default();
    let memory = state.memory.as_deref();
    Judge::restore_configured(deployed, &config, memory, state.window.clone()).unwrap()
}

#[tokio::test]
async fn deployments_side_by_side_migrate_a_configured_series_once_each_way() {
    let server = RedisServer::start();
    let url = server.url();
    let lower = replica(&server);
    let zscore = ("TIDEMARK_DETECTOR", "zscore");
    let higher = service(&[("REDIS_URL", &url), zscore, ("TIDEMARK_DETECTOR_GENERATION", "1")]);
    let deployed = DeployedDetector { detector: "zscore".parse().unwrap(), generation: 1 };
    send(&higher, wave(0..200)).await;

    let (put, back) = (200, 300);
    for (from, until) in [(put, back), (back, 400)] {
        if from == put {
            let answer = configure(&lower, r#"{"detector":"ewma:alpha=0.2,threshold=5"}"#).await;
            assert!(answer.configured && answer.own_detector && answer.revision > 0);
            assert_eq!(answer.detector, "ewma:alpha=0.2,threshold=5");
        } else {
            unconfigure(&lower).await;
        }
        // One migration, and no further one while the deployments take turns.
        let mut offline = restored(deployed, &stored(&server).await);
        assert_eq!(offline.origin(), detector::MemoryOrigin::Migrated);
        for i in from..until {
            let service = if i % 2 == 0 { &higher } else { &lower };
            assert_eq!(send(service, wave(i..i + 1)).await.accepted, 1);
            offline.judge(Sample::new(minute(i), value(i)).unwrap());
        }
        let state = stored(&server).await;
        let mut memory = detector::Memory::decode(&state.memory.unwrap()).unwrap();
        memory.version = offline.memory().version;
        memory.silence = offline.memory().silence; // Depends on the clock.
        assert_eq!(&memory, offline.memory());
        assert_eq!(memory.counters.judged, until as u64);
        for service in [&lower, &higher] {
            let analyzed = analyze(service).await;
            assert_eq!((analyzed.configured, analyzed.own_detector), (from == put, from == put));
            assert_eq!(analyzed.detector, memory.detector.to_string());
        }
    }
}

#[tokio::test]
async fn a_configured_detector_is_no_mismatch() {
    let server = RedisServer::start();
    let one = replica(&server);
    let other = service(&[("REDIS_URL", &server.url()), ("TIDEMARK_DETECTOR", "zscore")]);
    send(&one, wave(0..50)).await;
    assert_eq!(send(&other, wave(50..51)).await.rejected[0].code, RejectionCode::DetectorMismatch);
    configure(&one, r#"{"detector":"robust:window=40,threshold=4"}"#).await;
    for i in 51..71 {
        let service = if i % 2 == 0 { &one } else { &other };
        assert_eq!(send(service, wave(i..i + 1)).await.rejected.len(), 0);
    }
    assert_eq!(analyze(&other).await.detector, "robust:window=40,threshold=4");
}

#[tokio::test]
async fn an_anomaly_in_maintenance_is_marked_and_not_counted() {
    let server = RedisServer::start();
    for service in [service(&[]), replica(&server)] {
        send(&service, wave(0..200)).await;
        let before = analyze(&service).await;
        let answer = configure(&service, MAINTENANCE).await;
        assert!(answer.configured && !answer.own_detector);
        assert_eq!((answer.maintenance.len(), answer.maintenance[0].reason.as_str()), (1, "drill"));
        let spike = || batch_of("rps", [(Some(minute(200)), 90_000.0)]);
        let answer = send(&service, spike()).await;
        let point = &answer.verdicts[0].sample;
        assert_eq!((point.verdict, point.signal), (Some("maintenance"), Some("deviation")));
        assert!(point.reason.as_ref().unwrap().contains("maintenance"));
        let again = send(&service, spike()).await;
        assert_eq!((again.duplicates, again.verdicts[0].sample.verdict), (1, Some("maintenance")));
        let anomalies = VerdictFilter::Anomalies;
        let filtered = service.ingest(&Tenant::default(), spike(), anomalies).await;
        assert!(filtered.verdicts.is_empty());

        let after = analyze(&service).await;
        assert_eq!(after.last.unwrap().verdict, Some("maintenance"));
        assert_eq!((after.anomaly_count, after.episode), (before.anomaly_count, None));
        assert_eq!((after.anomalies, after.configured), (before.anomalies, true));
        let metrics = service.metrics().await.unwrap();
        let total = format!("anomalies_total{{signal=\"deviation\"}} {}", before.anomaly_count);
        assert!(metrics.contains(&total), "{metrics}");

        unconfigure(&service).await;
        let loud = send(&service, batch_of("rps", [(Some(minute(201)), 1e9)])).await;
        assert_eq!(loud.verdicts[0].sample.verdict, Some("anomaly"));
    }
}

#[tokio::test]
async fn a_series_may_be_configured_before_its_first_sample() {
    let server = RedisServer::start();
    for service in [service(&[]), replica(&server)] {
        let tenant = Tenant::default();
        let unknown = service.series_config(&tenant, series("rps")).await.unwrap_err();
        assert!(unknown.is_not_found());
        assert!(service.unconfigure(&tenant, series("rps")).await.unwrap_err().is_not_found());
        let put = configure(&service, r#"{"detector":"zscore:window=40,threshold=3"}"#).await;
        assert_eq!(service.series_config(&tenant, series("rps")).await.unwrap(), put);
        assert!(service.analyze(&tenant, series("rps")).await.unwrap_err().is_not_found());
        assert_eq!(service.summary(&tenant, None).await.unwrap().series_count, 0);
        send(&service, wave(0..30)).await;
        assert_eq!(analyze(&service).await.detector, "zscore:window=40,threshold=3");
        service.forget(&tenant, series("rps")).await.unwrap();
        assert!(service.series_config(&tenant, series("rps")).await.unwrap_err().is_not_found());
    }
}

#[tokio::test]
async fn a_configuration_costs_no_round_trip() {
    let server = RedisServer::start();
    let service = replica(&server);
    configure(&service, r#"{"detector":"zscore:window=40,threshold=3"}"#).await;
    for i in 0..40 {
        send(&service, wave(i..i + 1)).await;
    }
    let metrics = service.metrics().await.unwrap();
    // The first sample takes two appends, since the series is not new; each other one takes one. The configuration is a
    // read, since feedback stays, and a commit.
    for (operation, n) in [("append", 41), ("commit", 1), ("read", 1)] {
        let count =
            format!("store_command_duration_seconds_count{{operation=\"{operation}\"}} {n}");
        assert!(metrics.contains(&count), "{count} in {metrics}");
    }
}

#[tokio::test]
async fn an_impossible_detector_is_refused() {
    let service = service(&[]);
    let request = ConfigRequest::parse(br#"{"detector":"zscore","season":"day"}"#).unwrap();
    let error = service.configure(&Tenant::default(), series("rps"), request).await.unwrap_err();
    assert!(error.is_unacceptable() && !error.is_unavailable());
    assert!(error.to_string().contains("`season`"), "{error}");
}
