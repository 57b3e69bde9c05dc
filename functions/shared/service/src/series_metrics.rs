//! Gauges of single series, as Prometheus text: what the last verdict of each said.
//!
//! Only of so many series as are asked for, of one tenant, the worst first and then those that received a sample last.
//! Nothing is judged: a scrape every few seconds must cost as good as nothing.

use std::collections::BTreeSet;

use detector::Memory;
use domain::Series;
use domain::{SeriesKey, Tenant};
use prometheus::proto::Metric;
use store::SeriesSummary;

use crate::error::ServiceError;
use crate::metrics::{MetricName, encode, family, labeled_gauge};
use crate::service::Service;
use crate::store_metrics::StoreOperation;

impl Service {
    /// Gauges of at most `limit` series of a tenant.
    pub async fn series_metrics(
        &self,
        tenant: &Tenant,
        limit: usize,
    ) -> Result<String, ServiceError> {
        let mut keys = self
            .totals()
            .measure(StoreOperation::List, self.store().worst(tenant, None, limit))
            .await?
            .items;
        if keys.len() < limit {
            let told: BTreeSet<SeriesKey> = keys.iter().cloned().collect();
            let recent = self
                .totals()
                .measure(StoreOperation::List, self.store().recent(tenant, limit))
                .await?;
            keys.extend(recent.into_iter().filter(|key| !told.contains(key)));
            keys.truncate(limit);
        }
        let glances =
            self.totals().measure(StoreOperation::Read, self.store().summaries(&keys)).await?;
        Ok(render(&keys, &glances)?)
    }
}

fn render(keys: &[SeriesKey], glances: &[SeriesSummary]) -> Result<String, prometheus::Error> {
    let mut metrics: [Vec<Metric>; MetricName::PER_SERIES.len()] = Default::default();
    for (key, glance) in keys.iter().zip(glances) {
        // A series that expired stays in the indexes for a while.
        let Some(memory) = glance.memory.as_deref().and_then(Memory::decode) else { continue };
        let labels = labels_of(key.series());
        let series = key.series();
        let values = [key.tenant().as_str(), series.source(), series.metric(), &labels];
        let gauges = MetricName::PER_SERIES.into_iter().zip(numbers(&memory, glance));
        for (metrics, (metric, value)) in metrics.iter_mut().zip(gauges) {
            metrics.extend(value.map(|value| labeled_gauge(metric, &values, value)));
        }
    }
    let families = MetricName::PER_SERIES.into_iter().zip(metrics);
    let families: Vec<_> = families.map(|(metric, metrics)| family(metric, metrics)).collect();
    encode(&families)
}

/// What each gauge tells of a series; none where the last verdict does not say.
fn numbers(memory: &Memory, glance: &SeriesSummary) -> [Option<f64>; MetricName::PER_SERIES.len()] {
    let last = memory.last.as_ref();
    let expectation = last.and_then(|it| it.verdict.expectation);
    [
        last.map(|it| it.sample.value()),
        expectation.map(|it| it.value),
        expectation.map(|it| it.low),
        expectation.map(|it| it.high),
        last.map(|it| it.verdict.score),
        last.map(|it| f64::from(u8::from(it.verdict.is_anomaly()))),
        Some(glance.n_anomalies as f64),
    ]
}

/// The labels of a series as one text, `path=/b,zone=a`, which no other labels have.
///
/// Prometheus refuses a scrape in which two series have one name, so what separates labels is escaped in values.
fn labels_of(series: &Series) -> String {
    let plain = |value: &str| value.replace('%', "%25").replace(',', "%2C");
    let labels: Vec<String> =
        series.labels().iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
    labels.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> String {
        let labels = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        labels_of(&Series::new("checkout", "rps", labels.collect()).unwrap())
    }

    #[test]
    fn labels_that_differ_have_texts_that_differ() {
        let one = labels(&[("a", "1,b=2")]);
        assert_eq!(one, "a=1%2Cb=2");
        assert_ne!(one, labels(&[("a", "1"), ("b", "2")]));
        assert_ne!(one, labels(&[("a", "1%2Cb=2")]));
        assert_eq!(labels(&[("zone", "a"), ("path", "/b=c")]), "path=/b=c,zone=a");
    }
}
