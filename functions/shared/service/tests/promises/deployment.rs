//! Deployments and batches that the tests share.

use std::collections::BTreeMap;

use domain::{SampleKind, Series, Tenant};
use intake::{IncomingBatch, IncomingSample};
use service::{Config, IngestAnswer, Service, StoreScope, VerdictFilter, store_for};
use store::testbed::RedisServer;

pub(crate) fn config(vars: &[(&str, &str)]) -> Config {
    Config::from_env(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        .unwrap()
}

pub(crate) fn service(vars: &[(&str, &str)]) -> Service {
    let config = config(vars);
    Service::new(store_for(&config, StoreScope::Process).unwrap(), &config)
}

pub(crate) fn replica(server: &RedisServer) -> Service {
    service(&[("REDIS_URL", &server.url())])
}

pub(crate) fn series(metric: &str) -> Series {
    Series::new("checkout", metric, BTreeMap::new()).unwrap()
}

/// Minute `i` of a past day.
pub(crate) fn minute(i: i64) -> i64 {
    1_700_000_000_000_000 + i * 60_000_000
}

/// A daily wave with a spike each 97th minute.
pub(crate) fn value(i: i64) -> f64 {
    let phase = (i % 1_440) as f64 / 1_440.0 * std::f64::consts::TAU;
    let noise = ((i * 7_919) % 1_009) as f64 / 1_009.0;
    (300.0 + 90.0 * phase.sin() + 12.0 * noise) * if i % 97 == 96 { 1.9 } else { 1.0 }
}

pub(crate) fn batch_of(
    metric: &str,
    samples: impl IntoIterator<Item = (Option<i64>, f64)>,
) -> IncomingBatch {
    let incoming = |(index, (at_us, value))| IncomingSample {
        index,
        series: series(metric),
        at_us,
        value,
        kind: SampleKind::Gauge,
    };
    IncomingBatch {
        samples: samples.into_iter().enumerate().map(incoming).collect(),
        ..IncomingBatch::default()
    }
}

pub(crate) fn wave(range: std::ops::Range<i64>) -> IncomingBatch {
    batch_of("rps", range.map(|i| (Some(minute(i)), value(i))))
}

/// One sample of each of ten thousand series.
pub(crate) fn fleet() -> IncomingBatch {
    let incoming = |index| {
        let series = Series::new("fleet", format!("m{index}"), BTreeMap::new()).unwrap();
        IncomingSample {
            index,
            series,
            at_us: Some(minute(0)),
            value: 1.0,
            kind: SampleKind::Gauge,
        }
    };
    IncomingBatch { samples: (0..10_000).map(incoming).collect(), ..IncomingBatch::default() }
}

pub(crate) async fn send(service: &Service, batch: IncomingBatch) -> IngestAnswer {
    let n_read = batch.n_read();
    let answer = service.ingest(&Tenant::default(), batch, VerdictFilter::All).await;
    assert_eq!(answer.n_read(), n_read);
    answer
}

/// Analyzes the series `rps`.
pub(crate) async fn analyze(service: &Service) -> service::answers::AnalyzeAnswer {
    service.analyze(&Tenant::default(), series("rps")).await.unwrap()
}
