//! Use case: renders gauges of single series as Prometheus text.
//!
//! At most the requested number of series of one tenant: first those with the highest decayed anomaly score, then the
//! most recently received. Nothing is judged, so that frequent scrapes stay cheap.

use std::collections::BTreeSet;

use detector::Memory;
use domain::{Series, SeriesKey, Tenant};
use prometheus::proto::Metric;
use store::SeriesSummary;

use crate::error::ServiceError;
use crate::metrics::{MetricName, StoreOperation, encode, family, labeled_gauge};
use crate::service::Service;

impl Service {
    /// Renders gauges of at most `limit` series of a tenant.
    pub async fn series_metrics(
        &self,
        tenant: &Tenant,
        limit: usize,
    ) -> Result<String, ServiceError> {
        let worst = self.store().worst(tenant, None, limit);
        let mut keys = self.measure(StoreOperation::List, worst).await?.items;
        if keys.len() < limit {
            let listed: BTreeSet<SeriesKey> = keys.iter().cloned().collect();
            let recent = self.store().recent(tenant, limit);
            let recent = self.measure(StoreOperation::List, recent).await?;
            keys.extend(recent.into_iter().filter(|key| !listed.contains(key)));
            keys.truncate(limit);
        }
        let summaries = self.store().summaries(&keys);
        let summaries = self.measure(StoreOperation::Read, summaries).await?;
        Ok(render(&keys, &summaries)?)
    }
}

fn render(keys: &[SeriesKey], summaries: &[SeriesSummary]) -> Result<String, prometheus::Error> {
    let mut values: [Vec<Metric>; MetricName::PER_SERIES.len()] = Default::default();
    for (key, summary) in keys.iter().zip(summaries) {
        // An expired series stays in the indexes for a while.
        let Some(memory) = summary.memory.as_deref().and_then(Memory::decode) else { continue };
        let series = key.series();
        let labels = joined_labels(series);
        let labels = [key.tenant().as_str(), series.source(), series.metric(), &labels];
        let gauges = MetricName::PER_SERIES.into_iter().zip(gauges_of(&memory, summary));
        for (values, (metric, value)) in values.iter_mut().zip(gauges) {
            values.extend(value.map(|value| labeled_gauge(metric, &labels, value)));
        }
    }
    let families = MetricName::PER_SERIES.into_iter().zip(values);
    let families: Vec<_> = families.map(|(metric, values)| family(metric, values)).collect();
    encode(&families)
}

/// Returns the gauges of a series in the order of [`MetricName::PER_SERIES`]; `None` if its last verdict lacks one.
fn gauges_of(
    memory: &Memory,
    summary: &SeriesSummary,
) -> [Option<f64>; MetricName::PER_SERIES.len()] {
    let last = memory.last.as_ref();
    let expectation = last.and_then(|last| last.verdict.expectation);
    [
        last.map(|last| last.sample.value()),
        expectation.map(|expectation| expectation.value),
        expectation.map(|expectation| expectation.low),
        expectation.map(|expectation| expectation.high),
        last.map(|last| last.verdict.score),
        last.map(|last| f64::from(u8::from(last.verdict.is_anomaly()))),
        Some(summary.n_anomalies as f64),
    ]
}

/// Joins the labels of a series into one unambiguous text such as `path=/b,zone=a`.
///
/// Prometheus refuses a scrape with two equal series, so the separator is escaped in values.
fn joined_labels(series: &Series) -> String {
    let escaped = |value: &str| value.replace('%', "%25").replace(',', "%2C");
    let labels: Vec<String> =
        series.labels().iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    labels.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> String {
        let labels = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        joined_labels(&Series::new("checkout", "rps", labels.collect()).unwrap())
    }

    #[test]
    fn different_labels_have_different_texts() {
        let one = labels(&[("a", "1,b=2")]);
        assert_eq!(one, "a=1%2Cb=2");
        assert_ne!(one, labels(&[("a", "1"), ("b", "2")]));
        assert_ne!(one, labels(&[("a", "1%2Cb=2")]));
        assert_eq!(labels(&[("zone", "a"), ("path", "/b=c")]), "path=/b=c,zone=a");
    }
}
