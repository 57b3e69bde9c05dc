//! Writing: verdicts, outcomes, concurrent writers, failures of the store.

use std::sync::Arc;
use std::time::Duration;

use detector::{Detector, Judge};
use domain::{Sample, Tenant};
use futures_util::future::join_all;
use intake::RejectionCode;
use service::answers::SampleAnswer;
use service::{Service, StoreScope, now_us, store_for};
use store::testbed::RedisServer;

use crate::deployment::{
    analyze, batch_of, config, fleet, minute, replica, send, series, service, value, wave,
};

fn judged_offline(n: i64) -> Judge {
    let mut judge = Judge::new(Detector::default());
    for i in 0..n {
        judge.judge(Sample::new(minute(i), value(i)).unwrap());
    }
    judge
}

/// Verdicts, scores and bands equal those of the detector, bit for bit.
async fn verdicts_equal_the_detectors(service: &Service) {
    let mut judge = Judge::new(Detector::default());
    let mut from = 0;
    for len in [1, 7, 300, 512, 1_200, 2_000] {
        let answer = send(service, wave(from..from + len)).await;
        assert_eq!(answer.accepted, len as usize);
        for (verdict, i) in answer.verdicts.iter().zip(from..) {
            let judgement = judge.judge(Sample::new(minute(i), value(i)).unwrap());
            assert_eq!(verdict.sample, SampleAnswer::of(&judgement), "minute {i}");
        }
        from += len;
    }
}

#[tokio::test]
async fn verdicts_with_the_memory_store_equal_the_detectors() {
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
    let analyzed = analyze(&service).await;
    for _ in 0..2 {
        let again = send(&service, wave(0..5_000)).await;
        assert_eq!((again.accepted, again.rejected.len()), (0, 0));
        assert_eq!((again.duplicates, again.too_old), (128, 5_000 - 128));
        for (stored, first) in again.verdicts.iter().zip(&first.verdicts[5_000 - 128..]) {
            assert_eq!(
                (stored.sample.verdict, stored.sample.score),
                (first.sample.verdict, first.sample.score)
            );
            assert!(stored.sample.verdict != Some("anomaly") || stored == first);
        }
        assert_eq!(analyze(&service).await, analyzed);
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
async fn a_late_sample_is_stored_judged_and_marked() {
    let service = service(&[]);
    send(&service, wave(0..200)).await;
    let answer = send(&service, batch_of("rps", [(Some(minute(150) + 1), 9_000.0)])).await;
    assert_eq!((answer.accepted, answer.late), (1, 1));
    assert!(answer.verdicts[0].sample.late);
    assert_eq!(answer.verdicts[0].sample.verdict, Some("anomaly"));
    let analyzed = analyze(&service).await;
    assert_eq!((analyzed.late_count, analyzed.last.unwrap().timestamp), (1, minute(199)));
    let again = send(&service, batch_of("rps", [(Some(minute(150) + 1), 9_000.0)])).await;
    assert_eq!(again.verdicts, answer.verdicts);
}

#[tokio::test]
async fn a_time_in_the_future_is_rejected_and_the_rest_stored() {
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
    let answers = join_all(sends).await;
    assert_eq!(answers.iter().map(|answer| answer.accepted).sum::<usize>(), 800);
    let analyzed = analyze(&service).await;
    assert_eq!((analyzed.judged_count, analyzed.pending), (800, 0));
}

#[tokio::test]
async fn many_writers_on_three_replicas_store_each_sample_once() {
    let server = RedisServer::start();
    let replicas = [replica(&server), replica(&server), replica(&server)];
    let n = 2_000;
    // Batches of 10: adjacent ones go to different replicas at the same time.
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
    let sums = join_all(sends).await;
    let [accepted, late, duplicates, too_old] =
        sums.iter().fold([0; 4], |a, b| std::array::from_fn(|i| a[i] + b[i]));
    assert_eq!((accepted + too_old, duplicates), (n as usize, 0));
    let analyzed = analyze(&replicas[0]).await;
    assert_eq!(analyzed.judged_count, accepted as u64);
    // Lateness is unknown for samples that another writer judged and the window has dropped.
    assert!(late as u64 <= analyzed.late_count);
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

/// Calls of the store by this process, and by others as far as they have added their counts.
async fn n_calls(service: &Service, operation: &str) -> u64 {
    let name = format!("store_command_duration_seconds_count{{operation=\"{operation}\"}} ");
    let metrics = service.metrics().await.unwrap();
    metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}

/// Replicas in turn on one series: each finds its cached judge out of date, and continues from the returned state.
#[tokio::test]
async fn a_series_that_another_replica_wrote_costs_one_call_more() {
    let server = RedisServer::start();
    let replicas = [replica(&server), replica(&server)];
    let mut judge = Judge::new(Detector::default());
    for i in 0..300 {
        let answer = send(&replicas[i as usize % 2], wave(i..i + 1)).await;
        let judgement = judge.judge(Sample::new(minute(i), value(i)).unwrap());
        assert_eq!(answer.verdicts[0].sample, SampleAnswer::of(&judgement), "minute {i}");
    }
    replicas[1].metrics().await.unwrap(); // Adds its counts to those of the store.
    let service = &replicas[0];
    // Only the first call of all finds the series as expected.
    assert_eq!(n_calls(service, "append").await, 1 + 299 * 2);
    assert_eq!((n_calls(service, "commit").await, n_calls(service, "read").await), (0, 0));
}

/// A process that does not know a series reads it, and stores the samples with their verdicts.
#[tokio::test]
async fn an_unknown_series_costs_a_read_and_one_call() {
    let server = RedisServer::start();
    send(&replica(&server), wave(0..100)).await;
    let mut judge = judged_offline(100);
    let unknown = replica(&server);
    // Its first series is assumed to be new.
    send(&unknown, batch_of("cpu", [(Some(minute(0)), 1.0)])).await;
    send(&unknown, batch_of("cpu", [(Some(minute(0)), 1.0)])).await;
    let (n_appends, n_reads) = (n_calls(&unknown, "append").await, n_calls(&unknown, "read").await);
    let answer = send(&unknown, wave(100..101)).await;
    let judgement = judge.judge(Sample::new(minute(100), value(100)).unwrap());
    assert_eq!(answer.verdicts[0].sample, SampleAnswer::of(&judgement));
    let calls = (n_calls(&unknown, "append").await, n_calls(&unknown, "read").await);
    assert_eq!((calls.0 - n_appends) + (calls.1 - n_reads), 2);
    assert_eq!(n_calls(&unknown, "commit").await, 0);
}

#[tokio::test]
async fn a_client_that_disconnects_cancels_no_other() {
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
async fn samples_of_a_crashed_writer_are_judged_by_the_next_reader_or_sweep() {
    let server = RedisServer::start();
    let service = replica(&server);
    let store = store_for(&config(&[("REDIS_URL", &server.url())]), StoreScope::Shared).unwrap();
    for metric in ["rps", "cpu", "latency"] {
        let key = domain::SeriesKey::new(Tenant::default(), series(metric));
        store.append(&key, &[store::NewSample::gauge(Some(minute(1)), 1.0)], 0).await.unwrap();
    }
    let analyzed = analyze(&service).await;
    assert_eq!((analyzed.pending, analyzed.judged_count), (0, 1));
    let swept = service.sweep().await.unwrap();
    assert_eq!((swept.series, swept.judged, swept.failed), (2, 2, 0));
    assert_eq!(service.sweep().await.unwrap().series, 0);
}

#[tokio::test]
async fn an_unavailable_store_has_a_code_and_a_resend_is_safe() {
    let mut server = RedisServer::start();
    let service = replica(&server);
    send(&service, wave(0..50)).await;
    server.stop();
    let answer = send(&service, wave(50..60)).await;
    assert!(answer.is_store_unavailable());
    assert!(
        answer.rejected.iter().all(|rejected| rejected.code == RejectionCode::StoreUnavailable)
    );
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
async fn two_detectors_of_one_generation_are_an_error() {
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
    let analyzed = analyze(&one).await;
    assert!(analyzed.detector.starts_with("zscore"));
    assert_eq!(analyzed.judged_count, 70);
}

#[tokio::test]
async fn ten_thousand_series_come_over_redis_in_one_request() {
    let server = RedisServer::start();
    let service = replica(&server);
    let answer = send(&service, fleet()).await;
    assert_eq!((answer.accepted, answer.rejected.len()), (10_000, 0));
}

#[tokio::test]
async fn a_long_request_that_failed_at_its_start_loses_nothing_on_a_resend() {
    let mut server = RedisServer::start();
    // The first part fails before the server is back; the others could still succeed.
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
    let analyzed = analyze(&service).await;
    assert_eq!((resent.rejected.len(), analyzed.judged_count), (0, 5_000));
}
