//! Use case: renders gauges of single series as Prometheus text.
//!
//! At most the requested number of series of one tenant: first those with the highest decayed anomaly score, then the
//! most recently received; a listed series stays for ten minutes. Nothing is judged, so that frequent scrapes stay cheap.

mod listing;

use std::collections::{BTreeMap, BTreeSet};

use detector::Memory;
use domain::{Judgement, Series, SeriesKey, Tenant};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prometheus::proto::Metric;
use store::SeriesSummary;

use crate::error::ServiceError;
use crate::metrics::{MetricName, StoreOperation, encode, family, labeled_gauge};
use crate::service::Service;

pub(crate) use listing::Listing;

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
        }
        let keys = self.listing().choose(tenant, &keys, limit);
        let summaries = self.store().summaries(&keys);
        let summaries = self.measure(StoreOperation::Read, summaries).await?;
        Ok(render(&keys, &summaries)?)
    }
}

fn render(keys: &[SeriesKey], summaries: &[SeriesSummary]) -> Result<String, prometheus::Error> {
    let mut gauges: BTreeMap<MetricName, Vec<Metric>> = BTreeMap::new();
    for (key, summary) in keys.iter().zip(summaries) {
        // An expired series stays in the indexes for a while.
        let Some(memory) = summary.memory.as_deref().and_then(Memory::decode) else { continue };
        let series = key.series();
        let labels = joined_labels(series);
        let labels = [key.tenant().as_str(), series.source(), series.metric(), &labels];
        for (metric, value) in values_of(&memory, summary) {
            let gauge = value.map(|value| labeled_gauge(metric, &labels, value));
            gauges.entry(metric).or_default().extend(gauge);
        }
    }
    let families: Vec<_> =
        gauges.into_iter().map(|(metric, gauges)| family(metric, gauges)).collect();
    encode(&families)
}

/// Returns the values of the gauges of a series; `None` if its last verdict lacks one.
fn values_of(memory: &Memory, summary: &SeriesSummary) -> [(MetricName, Option<f64>); 7] {
    let last = memory.last.as_ref();
    let expectation = last.and_then(|last| last.verdict.expectation);
    let is_anomaly = |last: &Judgement| f64::from(u8::from(last.verdict.is_anomaly()));
    [
        (MetricName::SeriesValue, last.and_then(Judgement::judged_value)),
        (MetricName::SeriesExpected, expectation.map(|expectation| expectation.value)),
        (MetricName::SeriesBandLower, expectation.map(|expectation| expectation.low)),
        (MetricName::SeriesBandUpper, expectation.map(|expectation| expectation.high)),
        (MetricName::SeriesScore, last.map(|last| last.verdict.score)),
        (MetricName::SeriesAnomaly, last.map(is_anomaly)),
        (MetricName::SeriesAnomalies, Some(summary.n_anomalies as f64)),
    ]
}

/// Joins the labels of a series into one unambiguous text such as `path=/b,zone=a`.
///
/// Prometheus refuses a scrape with two equal series, so the separators are escaped, `=` in names only; so are control
/// characters, on which tools fail that read the text.
fn joined_labels(series: &Series) -> String {
    let labels: Vec<String> = series
        .labels()
        .iter()
        .map(|(name, value)| format!("{}={}", escaped(name, "%,="), escaped(value, "%,")))
        .collect();
    labels.join(",")
}

/// A text with these characters and control characters percent-encoded.
fn escaped(text: &str, separators: &str) -> String {
    let escape = |c: char| {
        let is_escaped = separators.contains(c) || c.is_control();
        if is_escaped { percent_encoded(c) } else { c.to_string() }
    };
    text.chars().map(escape).collect()
}

fn percent_encoded(c: char) -> String {
    utf8_percent_encode(c.encode_utf8(&mut [0; 4]), NON_ALPHANUMERIC).to_string()
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
        assert_ne!(labels(&[("a", "b=c")]), labels(&[("a=b", "c")]));
        assert_ne!(labels(&[("a", "1,b=2")]), labels(&[("a", "1"), ("b", "2")]));
        assert_eq!(labels(&[("job name,=%", "✓")]), "job name%2C%3D%25=✓");
        assert_eq!(labels(&[("a", "\0\n\u{7f}\u{85}ä")]), "a=%00%0A%7F%C2%85ä");
    }
}
