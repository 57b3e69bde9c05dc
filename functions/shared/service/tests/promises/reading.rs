//! Reading: lists, summary, metrics, learning progress.

use std::collections::BTreeSet;

use domain::Tenant;
use intake::RejectionCode;
use service::ServiceError;
use store::testbed::RedisServer;

use crate::deployment::{analyze, batch_of, fleet, minute, replica, send, series, service, wave};

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
    let analyzed = analyze(&service).await;
    assert_eq!(times.len() as u64, analyzed.anomaly_count);
    let unknown = service.analyze(&Tenant::default(), series("nothing")).await.unwrap_err();
    assert!(matches!(unknown, ServiceError::NotFound));
}

#[tokio::test]
async fn a_series_in_a_body_is_judged_like_a_stored_one_and_not_stored() {
    let service = service(&[]);
    let stored = send(&service, wave(0..500)).await;
    let body = service.analyze_body(wave(0..500), None);
    assert_eq!(body.verdicts, stored.verdicts);
    let summary = service.summary(&Tenant::new("empty"), None).await.unwrap();
    assert_eq!((summary.series_count, summary.worst.len()), (0, 0));
    let untimed = service.analyze_body(batch_of("rps", [(None, 1.0)]), None);
    assert_eq!(untimed.rejected[0].code, RejectionCode::TimeInvalid);
}

#[tokio::test]
async fn the_summary_lists_anomalous_series_and_tenants_see_only_their_own() {
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
async fn all_replicas_render_the_same_totals() {
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
async fn learning_has_its_progress_and_an_estimated_end() {
    let service = service(&[("TIDEMARK_DETECTOR", "zscore:window=50,threshold=3")]);
    let first = send(&service, wave(0..12)).await;
    let progress: Vec<_> = first.verdicts.iter().map(|verdict| verdict.learning.unwrap()).collect();
    assert_eq!((progress[0].seen, progress[0].ready_at), (1, None));
    for (i, learning) in progress.iter().enumerate().skip(1) {
        assert_eq!((learning.ready, learning.seen, learning.needed), (false, i + 1, 30));
        assert_eq!(learning.ready_at, Some(minute(29)));
    }
    let analyzed = analyze(&service).await;
    assert_eq!(analyzed.learning, progress[11]);
    // A duplicate has no progress: it is not stored.
    assert_eq!(send(&service, wave(11..12)).await.verdicts[0].learning, None);
    let rest = send(&service, wave(12..31)).await;
    let last = rest.verdicts[17].learning.unwrap();
    assert_eq!((last.ready, last.ready_at), (true, None));
    assert_eq!(rest.verdicts[18].learning, None);
    assert!(analyze(&service).await.learning.ready);
}
