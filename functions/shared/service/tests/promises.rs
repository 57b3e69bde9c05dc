//! What a sender may rely on, over the embedded store and over a real Redis.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use detector::{DeployedDetector, Detector, Judge};
use domain::Tenant;
use domain::{Sample, Series};
use intake::{IncomingBatch, IncomingSample, RejectionCode};
use service::{
    Config, ConfigRequest, IngestAnswer, Service, ServiceError, StoreScope, VerdictFilter, now_us,
    store_for,
};
use store::testbed::RedisServer;

fn config(vars: &[(&str, &str)]) -> Config {
    Config::from_env(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        .unwrap()
}

fn service(vars: &[(&str, &str)]) -> Service {
    let config = config(vars);
    Service::new(store_for(&config, StoreScope::Process).unwrap(), &config)
}

fn replica(server: &RedisServer) -> Service {
    service(&[("REDIS_URL", &server.url())])
}

fn series(metric: &str) -> Series {
    Series::new("checkout", metric, BTreeMap::new()).unwrap()
}

/// Minute `i` of a past day.
fn minute(i: i64) -> i64 {
    1_700_000_000_000_000 + i * 60_000_000
}

/// A daily wave with a spike each 97th minute.
fn value(i: i64) -> f64 {
    let phase = (i % 1_440) as f64 / 1_440.0 * std::f64::consts::TAU;
    let noise = ((i * 7_919) % 1_009) as f64 / 1_009.0;
    (300.0 + 90.0 * phase.sin() + 12.0 * noise) * if i % 97 == 96 { 1.9 } else { 1.0 }
}

fn batch_of(metric: &str, samples: impl IntoIterator<Item = (Option<i64>, f64)>) -> IncomingBatch {
    let incoming =
        |(index, (at_us, value))| IncomingSample { index, series: series(metric), at_us, value };
    IncomingBatch {
        samples: samples.into_iter().enumerate().map(incoming).collect(),
        rejected: Vec::new(),
    }
}

fn wave(range: std::ops::Range<i64>) -> IncomingBatch {
    batch_of("rps", range.map(|i| (Some(minute(i)), value(i))))
}

/// One sample of each of ten thousand series.
fn fleet() -> IncomingBatch {
    let incoming = |index| {
        let series = Series::new("fleet", format!("m{index}"), BTreeMap::new()).unwrap();
        IncomingSample { index, series, at_us: Some(minute(0)), value: 1.0 }
    };
    IncomingBatch { samples: (0..10_000).map(incoming).collect(), rejected: Vec::new() }
}

async fn send(service: &Service, batch: IncomingBatch) -> IngestAnswer {
    let n_read = batch.n_read();
    let answer = service.ingest(&Tenant::default(), batch, VerdictFilter::All).await;
    assert_eq!(answer.n_read(), n_read);
    answer
}

fn judged_offline(n: i64) -> Judge {
    let mut judge = Judge::new(Detector::default());
    for i in 0..n {
        judge.judge(Sample::new(minute(i), value(i)).unwrap());
    }
    judge
}

/// Verdicts, scores and bands that came back are those of the detector, bit for bit.
async fn verdicts_equal_the_detectors(service: &Service) {
    let mut judge = Judge::new(Detector::default());
    let mut from = 0;
    for len in [1, 7, 300, 512, 1_200, 2_000] {
        let answer = send(service, wave(from..from + len)).await;
        assert_eq!(answer.accepted, len as usize);
        for (verdict, i) in answer.verdicts.iter().zip(from..) {
            let judgement = judge.judge(Sample::new(minute(i), value(i)).unwrap());
            assert_eq!(
                verdict.sample,
                service::answers::SampleAnswer::of(&judgement),
                "minute {i}"
            );
        }
        from += len;
    }
}

#[tokio::test]
async fn verdicts_over_the_embedded_store_equal_the_detectors() {
    for known_bytes_max in ["0", "16777216"] {
        verdicts_equal_the_detectors(&service(&[(
            "TIDEMARK_JUDGE_CACHE_BYTES_MAX",
            known_bytes_max,
        )]))
        .await;
    }
}

#[tokio::test]
async fn verdicts_over_redis_equal_the_detectors() {
    let server = RedisServer::start();
    verdicts_equal_the_detectors(&replica(&server)).await;
}

#[tokio::test]
async fn a_request_sent_three_times_changes_nothing_after_the_first() {
    let server = RedisServer::start();
    let service = replica(&server);
    // A hundred windows of fifty.
    let first = send(&service, wave(0..5_000)).await;
    assert_eq!((first.accepted, first.duplicates, first.too_old), (5_000, 0, 0));
    let told = service.analyze(&Tenant::default(), series("rps")).await.unwrap();
    for _ in 0..2 {
        let again = send(&service, wave(0..5_000)).await;
        assert_eq!((again.accepted, again.rejected.len()), (0, 0));
        assert_eq!((again.duplicates, again.too_old), (128, 5_000 - 128));
        for (stored, said) in again.verdicts.iter().zip(&first.verdicts[5_000 - 128..]) {
            assert_eq!(
                (stored.sample.verdict, stored.sample.score),
                (said.sample.verdict, said.sample.score)
            );
            assert!(stored.sample.verdict != Some("anomaly") || stored == said);
        }
        assert_eq!(service.analyze(&Tenant::default(), series("rps")).await.unwrap(), told);
    }
}

#[tokio::test]
async fn another_value_at_the_same_time_is_a_conflict() {
    let service = service(&[]);
    send(&service, wave(0..10)).await;
    let answer =
        send(&service, batch_of("rps", [(Some(minute(5)), 1.0), (Some(minute(10)), 2.0)])).await;
    assert_eq!((answer.accepted, answer.rejected.len()), (1, 1));
    assert_eq!((answer.rejected[0].code, answer.rejected[0].index), (RejectionCode::Conflict, 0));
    assert!(!answer.is_all_rejected());
}

#[tokio::test]
async fn a_late_sample_is_kept_judged_and_marked() {
    let service = service(&[]);
    send(&service, wave(0..200)).await;
    let answer = send(&service, batch_of("rps", [(Some(minute(150) + 1), 9_000.0)])).await;
    assert_eq!((answer.accepted, answer.late), (1, 1));
    assert!(answer.verdicts[0].sample.late);
    assert_eq!(answer.verdicts[0].sample.verdict, Some("anomaly"));
    let told = service.analyze(&Tenant::default(), series("rps")).await.unwrap();
    assert_eq!((told.late_count, told.last.unwrap().timestamp), (1, minute(199)));
    let again = send(&service, batch_of("rps", [(Some(minute(150) + 1), 9_000.0)])).await;
    assert_eq!(again.verdicts, answer.verdicts);
}

#[tokio::test]
async fn a_time_too_far_ahead_is_refused_and_the_rest_kept() {
    let service = service(&[]);
    let answer = send(
        &service,
        batch_of("rps", [(Some(now_us() + 60_000_000), 1.0), (Some(now_us()), 1.0)]),
    )
    .await;
    assert_eq!((answer.accepted, answer.rejected[0].code), (1, RejectionCode::TimeAhead));
}

#[tokio::test]
async fn samples_without_a_time_never_conflict() {
    let server = RedisServer::start();
    let service = replica(&server);
    let sends = (0..40).map(|_| send(&service, batch_of("rps", [(None, 1.0); 20])));
    let answers = futures_util::future::join_all(sends).await;
    assert_eq!(answers.iter().map(|answer| answer.accepted).sum::<usize>(), 800);
    let told = service.analyze(&Tenant::default(), series("rps")).await.unwrap();
    assert_eq!((told.judged_count, told.pending), (800, 0));
}

#[tokio::test]
async fn many_writers_on_three_replicas_store_each_sample_once() {
    let server = RedisServer::start();
    let replicas = [replica(&server), replica(&server), replica(&server)];
    let n = 2_000;
    // Batches of 10, dealt out so that neighbors travel at the same time to different replicas.
    let sends = (0..8).map(|writer| {
        let service = &replicas[writer % 3];
        async move {
            let mut sums = [0; 4];
            let mut from = writer as i64 * 10;
            while from < n {
                let answer = send(service, wave(from..from + 10)).await;
                let sum = [answer.accepted, answer.late, answer.duplicates, answer.too_old];
                sums.iter_mut().zip(sum).for_each(|(total, part)| *total += part);
                from += 80;
            }
            sums
        }
    });
    let sums = futures_util::future::join_all(sends).await;
    let [accepted, late, duplicates, too_old] =
        sums.iter().fold([0; 4], |a, b| std::array::from_fn(|i| a[i] + b[i]));
    assert_eq!((accepted + too_old, duplicates), (n as usize, 0));
    let told = replicas[0].analyze(&Tenant::default(), series("rps")).await.unwrap();
    assert_eq!(told.judged_count, accepted as u64);
    // Of a sample that another writer judged, and whose place in the window is gone, lateness is not known.
    assert!(late as u64 <= told.late_count);
    let offline = judged_offline(n);
    let window: Vec<Sample> =
        offline.window().judged().iter().map(|judged| judged.sample).collect();
    let state = store_for(&config(&[("REDIS_URL", &server.url())]), StoreScope::Shared).unwrap();
    let stored = state
        .read(&domain::SeriesKey::new(Tenant::default(), series("rps")))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.window.iter().map(|judged| judged.sample).collect::<Vec<_>>(), window);
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_nobody() {
    let server = RedisServer::start();
    let service = Arc::new(replica(&server));
    let mut sends = Vec::new();
    for i in 0..200 {
        let service = Arc::clone(&service);
        let send = tokio::spawn(async move { send(&service, wave(i..i + 1)).await });
        if i % 2 == 0 {
            send.abort();
        } else {
            sends.push(send);
        }
    }
    for send in sends {
        let answer = send.await.unwrap();
        assert_eq!(answer.accepted + answer.too_old, 1);
    }
}

#[tokio::test]
async fn what_a_dead_writer_left_is_judged_by_the_next_reader_or_sweep() {
    let server = RedisServer::start();
    let service = replica(&server);
    let store = store_for(&config(&[("REDIS_URL", &server.url())]), StoreScope::Shared).unwrap();
    for metric in ["rps", "cpu", "latency"] {
        let key = domain::SeriesKey::new(Tenant::default(), series(metric));
        store
            .append(&key, &[store::NewSample { at_us: Some(minute(1)), value: 1.0 }], 0)
            .await
            .unwrap();
    }
    let told = service.analyze(&Tenant::default(), series("rps")).await.unwrap();
    assert_eq!((told.pending, told.judged_count), (0, 1));
    let swept = service.sweep().await.unwrap();
    assert_eq!((swept.series, swept.judged, swept.failed), (2, 2, 0));
    assert_eq!(service.sweep().await.unwrap().series, 0);
}

#[tokio::test]
async fn a_store_that_is_away_is_told_by_code_and_a_resend_is_safe() {
    let mut server = RedisServer::start();
    let service = replica(&server);
    send(&service, wave(0..50)).await;
    server.stop();
    let answer = send(&service, wave(50..60)).await;
    assert!(answer.is_store_unavailable());
    assert!(answer.rejected.iter().all(|it| it.code == RejectionCode::StoreUnavailable));
    assert!(service.ready().await.unwrap_err().is_unavailable());
    server.start_again();
    let mut resent = send(&service, wave(50..60)).await;
    for _ in 0..100 {
        if !resent.is_store_unavailable() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        resent = send(&service, wave(50..60)).await;
    }
    assert_eq!(resent.accepted, 10);
    service.ready().await.unwrap();
}

#[tokio::test]
async fn two_detectors_of_one_generation_are_an_error_and_not_a_fight() {
    let server = RedisServer::start();
    let one = replica(&server);
    let url = server.url();
    let other = service(&[("REDIS_URL", &url), ("TIDEMARK_DETECTOR", "zscore")]);
    send(&one, wave(0..50)).await;
    one.ready().await.unwrap();
    assert_eq!(other.ready().await.unwrap_err().code(), "detector_mismatch");
    let answer = send(&other, wave(50..51)).await;
    assert_eq!(answer.rejected[0].code, RejectionCode::DetectorMismatch);
    let higher = [
        ("REDIS_URL", url.as_str()),
        ("TIDEMARK_DETECTOR", "zscore"),
        ("TIDEMARK_DETECTOR_GENERATION", "1"),
    ];
    let higher = service(&higher);
    send(&higher, wave(51..60)).await;
    send(&one, wave(60..70)).await;
    let told = one.analyze(&Tenant::default(), series("rps")).await.unwrap();
    assert!(told.detector.starts_with("zscore"));
    assert_eq!(told.judged_count, 70);
}

#[tokio::test]
async fn ten_thousand_series_come_in_one_request_and_page_by_page() {
    let service = service(&[]);
    let answer = send(&service, fleet()).await;
    assert_eq!(answer.accepted, 10_000);
    let (mut names, mut cursor) = (BTreeSet::new(), None::<String>);
    loop {
        let page = service.list_series(&Tenant::default(), cursor.as_deref(), 999).await.unwrap();
        names.extend(page.series.into_iter().map(|listed| listed.series.metric));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(names.len(), 10_000);
}

#[tokio::test]
async fn anomalies_page_from_the_newest_to_the_oldest() {
    let service = service(&[]);
    send(&service, wave(0..3_000)).await;
    let (mut times, mut before_us) = (Vec::new(), None);
    loop {
        let range = store::PastRange { since_us: 0, before_us, limit: 4 };
        let page = service.list_anomalies(&Tenant::default(), series("rps"), range).await.unwrap();
        times.extend(page.anomalies.iter().map(|anomaly| anomaly.sample.timestamp));
        before_us = page.next.map(|next| next.parse().unwrap());
        if before_us.is_none() {
            break;
        }
    }
    assert!(times.is_sorted_by(|a, b| a > b));
    let told = service.analyze(&Tenant::default(), series("rps")).await.unwrap();
    assert_eq!(times.len() as u64, told.anomaly_count);
    let unknown = service.analyze(&Tenant::default(), series("nothing")).await.unwrap_err();
    assert!(matches!(unknown, ServiceError::NotFound));
}

#[tokio::test]
async fn a_series_in_a_body_is_judged_as_the_stored_one_and_stored_nowhere() {
    let service = service(&[]);
    let stored = send(&service, wave(0..500)).await;
    let body = service.analyze_body(wave(0..500), None);
    assert_eq!(body.verdicts, stored.verdicts);
    let told = service.summary(&Tenant::new("nobody"), None).await.unwrap();
    assert_eq!((told.series_count, told.worst.len()), (0, 0));
    let untimed = service.analyze_body(batch_of("rps", [(None, 1.0)]), None);
    assert_eq!(untimed.rejected[0].code, RejectionCode::TimeInvalid);
}

#[tokio::test]
async fn the_summary_names_the_worst_and_tenants_see_only_their_own() {
    let service = service(&[]);
    send(&service, wave(0..1_000)).await;
    let summary = service.summary(&Tenant::default(), None).await.unwrap();
    assert_eq!((summary.series_count, summary.worst.len()), (1, 1));
    assert!(summary.worst[0].anomaly_count > 5);
    let other = Tenant::new("other");
    assert_eq!(service.summary(&other, None).await.unwrap().series_count, 0);
    assert!(service.analyze(&other, series("rps")).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn metrics_of_all_replicas_are_the_same_totals() {
    let server = RedisServer::start();
    let (one, other) = (replica(&server), replica(&server));
    send(&one, wave(0..300)).await;
    send(&other, wave(300..400)).await;
    send(&other, wave(390..400)).await;
    other.flush().await;
    for service in [one, other] {
        let text = service.metrics().await.unwrap();
        assert!(text.contains("samples_total{outcome=\"accepted\"} 400"), "{text}");
        assert!(text.contains("samples_total{outcome=\"duplicate\"} 10"), "{text}");
    }
}

#[tokio::test]
async fn ten_thousand_series_come_over_redis_in_one_request() {
    let server = RedisServer::start();
    let service = replica(&server);
    let answer = send(&service, fleet()).await;
    assert_eq!((answer.accepted, answer.rejected.len()), (10_000, 0));
}

#[tokio::test]
async fn a_long_request_that_failed_at_its_start_loses_nothing_when_it_is_sent_again() {
    let mut server = RedisServer::start();
    // The first part has failed before the server is back; the others might still be tried.
    let service = service(&[("REDIS_URL", &server.url()), ("REDIS_RESPONSE_TIMEOUT_MS", "100")]);
    send(&service, wave(0..10)).await;
    server.stop();
    let restart = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        server.start_again();
    };
    let ((), first) = tokio::join!(restart, send(&service, wave(0..5_000)));
    assert!(first.is_store_unavailable());
    let mut resent = send(&service, wave(0..5_000)).await;
    for _ in 0..100 {
        if !resent.is_store_unavailable() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        resent = send(&service, wave(0..5_000)).await;
    }
    let told = service.analyze(&Tenant::default(), series("rps")).await.unwrap();
    assert_eq!((resent.rejected.len(), told.judged_count), (0, 5_000));
}

async fn configure(service: &Service, body: &str) -> service::answers::ConfigAnswer {
    let request = ConfigRequest::parse(body.as_bytes()).unwrap();
    service.configure(&Tenant::default(), series("rps"), request).await.unwrap()
}

async fn unconfigure(service: &Service) {
    service.unconfigure(&Tenant::default(), series("rps")).await.unwrap();
}

async fn told(service: &Service) -> service::answers::AnalyzeAnswer {
    service.analyze(&Tenant::default(), series("rps")).await.unwrap()
}

/// All time there is.
const MUTED: &str =
    r#"{"maintenance":[{"from":0,"until":"2200-01-01T00:00:00Z","reason":"drill"}]}"#;

#[tokio::test]
async fn a_configuration_counts_at_once_on_every_replica_in_the_midst_of_writing() {
    let server = RedisServer::start();
    let replicas = [replica(&server), replica(&server), replica(&server)];
    send(&replicas[0], wave(0..300)).await;
    let (next, is_over) = (AtomicI64::new(300), AtomicBool::new(false));
    let sample = |value: f64| {
        let i = next.fetch_add(1, Ordering::Relaxed);
        batch_of("rps", [(Some(minute(i)), value + (i % 7) as f64)])
    };
    // Writers without a pause, so that one replica always holds a judge, and only the change of another outdates it.
    let busy = (0..12).map(|writer| {
        let (service, sample, is_over) = (&replicas[0], &sample, &is_over);
        async move {
            // Not in step, or all would wait for one round and none for the next.
            tokio::time::sleep(Duration::from_millis(writer)).await;
            while !is_over.load(Ordering::Relaxed) {
                send(service, sample(300.0)).await;
            }
        }
    });
    let changes = async {
        let (mut n_windows, mut n_told) = (0, 0);
        for round in 0..20_usize {
            let is_in_maintenance = round % 2 == 0;
            if is_in_maintenance {
                configure(&replicas[1 + round % 2], MUTED).await;
            } else {
                unconfigure(&replicas[1 + round % 2]).await;
            }
            // By the busy one alone, and by all of them.
            let service = |i| &replicas[if round % 4 < 2 { 0 } else { i % 3_usize }];
            // Each larger than all before: what came often enough is no anomaly.
            let spike = 1e4 * 3_f64.powi(round as i32);
            let spikes = (0..9).map(|i| send(service(i), sample(spike)));
            for answer in futures_util::future::join_all(spikes).await {
                for verdict in answer.verdicts {
                    let kind = verdict.sample.verdict;
                    n_windows += usize::from(kind == Some("maintenance"));
                    n_told += usize::from(kind == Some("anomaly"));
                    let wrong = if is_in_maintenance { "anomaly" } else { "maintenance" };
                    assert_ne!(kind, Some(wrong), "round {round}: {verdict:?}");
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(n_windows > 10 && n_told > 10, "{n_windows} maintenance, {n_told} told");
    };
    tokio::join!(futures_util::future::join_all(busy), changes);
}

/// The memory and window of the series, as they are stored.
async fn stored(server: &RedisServer) -> store::SeriesState {
    let store = store_for(&config(&[("REDIS_URL", &server.url())]), StoreScope::Shared).unwrap();
    let key = domain::SeriesKey::new(Tenant::default(), series("rps"));
    store.read(&key).await.unwrap().unwrap()
}

/// The judge of a stored series, as `deployed` would restore it.
fn restored(deployed: DeployedDetector, state: &store::SeriesState) -> Judge {
    let config = state.config.as_ref().map(|it| it.config.clone()).unwrap_or_default();
    let memory = state.memory.as_deref();
    Judge::restore_configured(deployed, &config, memory, state.window.clone()).unwrap()
}

#[tokio::test]
async fn deployments_side_by_side_migrate_a_configured_series_once_and_back_once() {
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
        // One migration, and no other for as long as the two take turns.
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
        memory.silence = offline.memory().silence; // When samples were received is the clock's to say.
        assert_eq!(&memory, offline.memory());
        assert_eq!(memory.counters.judged, until as u64);
        for service in [&lower, &higher] {
            let told = told(service).await;
            assert_eq!((told.configured, told.own_detector), (from == put, from == put));
            assert_eq!(told.detector, memory.detector.to_string());
        }
    }
}

#[tokio::test]
async fn no_mismatch_arises_from_a_configuration() {
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
    assert_eq!(told(&other).await.detector, "robust:window=40,threshold=4");
}

#[tokio::test]
async fn a_maintenance_anomaly_is_told_as_maintenance_and_counted_nowhere() {
    let server = RedisServer::start();
    for service in [service(&[]), replica(&server)] {
        send(&service, wave(0..200)).await;
        let before = told(&service).await;
        let answer = configure(&service, MUTED).await;
        assert!(answer.configured && !answer.own_detector);
        assert_eq!((answer.maintenance.len(), answer.maintenance[0].reason.as_str()), (1, "drill"));
        let spike = || batch_of("rps", [(Some(minute(200)), 90_000.0)]);
        let said = send(&service, spike()).await;
        let point = &said.verdicts[0].sample;
        assert_eq!((point.verdict, point.signal), (Some("maintenance"), Some("deviation")));
        assert!(point.reason.as_ref().unwrap().contains("maintenance"));
        let again = send(&service, spike()).await;
        assert_eq!((again.duplicates, again.verdicts[0].sample.verdict), (1, Some("maintenance")));
        let anomalies = VerdictFilter::Anomalies;
        let quiet = service.ingest(&Tenant::default(), spike(), anomalies).await;
        assert!(quiet.verdicts.is_empty());

        let after = told(&service).await;
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
        assert_eq!(told(&service).await.detector, "zscore:window=40,threshold=3");
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
    // The first sample is appended and committed, each other one both at once; one commit is the configuration.
    for (operation, n) in [("append", 40), ("commit", 1 + 1), ("read", 0)] {
        let count =
            format!("store_command_duration_seconds_count{{operation=\"{operation}\"}} {n}");
        assert!(metrics.contains(&count), "{count} in {metrics}");
    }
}

#[tokio::test]
async fn a_detector_is_wanted_that_can_be() {
    let service = service(&[]);
    let request = ConfigRequest::parse(br#"{"detector":"zscore","season":"day"}"#).unwrap();
    let error = service.configure(&Tenant::default(), series("rps"), request).await.unwrap_err();
    assert!(error.is_unacceptable() && !error.is_unavailable());
    assert!(error.to_string().contains("`season`"), "{error}");
}

#[tokio::test]
async fn learning_says_how_far_it_is_and_when_it_will_be_done() {
    let service = service(&[("TIDEMARK_DETECTOR", "zscore:window=50,threshold=3")]);
    let first = send(&service, wave(0..12)).await;
    let progress: Vec<_> = first.verdicts.iter().map(|it| it.learning.unwrap()).collect();
    assert_eq!((progress[0].seen, progress[0].ready_at), (1, None));
    for (i, learning) in progress.iter().enumerate().skip(1) {
        assert_eq!((learning.ready, learning.seen, learning.needed), (false, i + 1, 30));
        assert_eq!(learning.ready_at, Some(minute(29)));
    }
    let told_then = told(&service).await;
    assert_eq!(told_then.learning, progress[11]);
    // What was said earlier is repeated without a progress that was never stored.
    assert_eq!(send(&service, wave(11..12)).await.verdicts[0].learning, None);
    let rest = send(&service, wave(12..31)).await;
    let last = rest.verdicts[17].learning.unwrap();
    assert_eq!((last.ready, last.ready_at), (true, None));
    assert_eq!(rest.verdicts[18].learning, None);
    assert!(told(&service).await.learning.ready);
}

#[tokio::test]
async fn replicas_share_the_rate_and_the_series_of_a_tenant() {
    let server = RedisServer::start();
    let url = server.url();
    let replica = || {
        service(&[
            ("REDIS_URL", &url),
            ("TIDEMARK_TENANT_SAMPLES_PER_S_MAX", "1"),
            ("TIDEMARK_SAMPLES_MAX", "1000"),
            ("TIDEMARK_TENANT_SERIES_MAX", "3"),
        ])
    };
    let (one, two) = (replica(), replica());
    let tenant = Tenant::default();
    one.admit(&tenant, 600).await.unwrap();
    two.admit(&tenant, 300).await.unwrap();
    let error = one.admit(&tenant, 500).await.unwrap_err();
    assert_eq!(error.code(), "rate_exceeded");
    one.admit(&Tenant::new("other"), 1_000).await.unwrap();

    let mut codes = Vec::new();
    for i in 0..6_i32 {
        let replica = if i % 2 == 0 { &one } else { &two };
        let answer = send(replica, batch_of(&format!("m{i}"), [(Some(minute(0)), 1.0)])).await;
        codes.extend(answer.rejected.iter().map(|it| it.code));
    }
    assert_eq!(codes, [RejectionCode::TooManySeries; 3]);
}

#[tokio::test]
async fn small_requests_do_not_each_ask_the_store_for_their_rate() {
    let server = RedisServer::start();
    let replica = replica(&server);
    for _ in 0..500 {
        replica.admit(&Tenant::default(), 1).await.unwrap();
    }
    let stats = server.cli(&["INFO", "commandstats"]);
    let calls = stats.lines().find_map(|it| it.strip_prefix("cmdstat_evalsha:calls=")).unwrap();
    let n_calls: u64 = calls.split(',').next().unwrap().parse().unwrap();
    assert!(n_calls <= 2, "{n_calls}");
}
