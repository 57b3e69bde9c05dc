//! Renders metrics as Prometheus text, version 0.0.4.
//!
//! The store holds the totals of all processes, so every replica renders the same numbers. Only the circuit breakers
//! and the reachability of the store are those of the rendering process.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};
use prometheus::{Encoder, TextEncoder};
use store::{CircuitCounts, Instance, StoreGauges};

use crate::clock::clock_ahead;
use crate::metrics::name::{FUNCTIONS, MetricName};
use crate::metrics::totals::LATENCY_BUCKETS_S;

/// Instances with gauges of their own, busiest first; beyond this number an instance is only counted.
const INSTANCES_LISTED_MAX: usize = 500;

/// Renders the state of this process: its version and its view of the store.
pub(crate) fn render_process(
    is_up: bool,
    circuits: CircuitCounts,
) -> Result<String, prometheus::Error> {
    let version = labeled_gauge(MetricName::BuildInfo, &[env!("CARGO_PKG_VERSION")], 1.0);
    encode(&[
        family(MetricName::BuildInfo, vec![version]),
        gauge(MetricName::StoreUp, f64::from(u8::from(is_up))),
        gauge(MetricName::StoreCircuitsOpen, circuits.n_open as f64),
        gauge(MetricName::StoreCircuits, circuits.n as f64),
        gauge(MetricName::ClockAhead, clock_ahead().as_secs_f64()),
    ])
}

/// Renders the size of the store: series, backlog, and series with unsaved episodes.
pub(crate) fn render_gauges(
    gauges: &StoreGauges,
    n_unsaved: u64,
) -> Result<String, prometheus::Error> {
    let optional = |metric, value: Option<u64>| value.map(|value| gauge(metric, value as f64));
    let known = [
        optional(MetricName::SeriesMax, gauges.n_series_max),
        optional(MetricName::StoreMemory, gauges.memory.used_bytes),
        optional(MetricName::StoreMemoryMax, gauges.memory.max_bytes),
    ];
    let mut families = vec![
        gauge(MetricName::Series, gauges.n_series as f64),
        gauge(MetricName::BacklogSeries, gauges.n_pending as f64),
        gauge(MetricName::BacklogOldest, gauges.oldest_pending_us as f64 / 1e6),
        gauge(MetricName::EpisodesUnsaved, n_unsaved as f64),
    ];
    families.extend(known.into_iter().flatten());
    encode(&families)
}

/// Renders the running processes: their number by function, and the load of the busiest.
pub(crate) fn render_instances(mut instances: Vec<Instance>) -> Result<String, prometheus::Error> {
    let mut n_of: BTreeMap<&str, u64> = FUNCTIONS.iter().map(|name| (*name, 0)).collect();
    for instance in &instances {
        if let Some(n) = n_of.get_mut(instance.function.as_str()) {
            *n += 1;
        }
    }
    let counts =
        n_of.iter().map(|(name, n)| labeled_gauge(MetricName::Instances, &[name], *n as f64));
    let counts = counts.collect();
    instances.sort_by_cached_key(|instance| {
        let load = (instance.n_requests, instance.n_connections);
        (Reverse(load), instance.function.clone(), instance.name.clone())
    });
    instances.truncate(INSTANCES_LISTED_MAX);
    let listed = |metric: MetricName, number: fn(&Instance) -> u64| {
        let gauge = |instance: &Instance| {
            let labels = [instance.function.as_str(), &instance.name];
            labeled_gauge(metric, &labels, number(instance) as f64)
        };
        family(metric, instances.iter().map(gauge).collect())
    };
    encode(&[
        family(MetricName::Instances, counts),
        listed(MetricName::HttpConnections, |instance| instance.n_connections),
        listed(MetricName::HttpRequestsInFlight, |instance| instance.n_requests),
    ])
}

/// Renders the totals of all processes.
pub(crate) fn render_totals(totals: &BTreeMap<String, u64>) -> Result<String, prometheus::Error> {
    let families = MetricName::shared().map(|metric| match metric.kind() {
        MetricType::HISTOGRAM => histogram(metric, totals),
        _ => counter(metric, totals),
    });
    encode(&families.collect::<Vec<_>>())
}

/// Encodes families; leaves out empty ones, which the encoder refuses.
pub(crate) fn encode(families: &[MetricFamily]) -> Result<String, prometheus::Error> {
    let families: Vec<MetricFamily> =
        families.iter().filter(|family| !family.get_metric().is_empty()).cloned().collect();
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Finds the totals of `metric`, each with its label values.
fn stored(metric: MetricName, totals: &BTreeMap<String, u64>) -> impl Iterator<Item = (&str, u64)> {
    let fields = totals.iter().map(|(field, n)| (field.split_once(' ').unwrap_or((field, "")), *n));
    fields.filter(move |((name, _), _)| *name == metric.total()).map(|((_, labels), n)| (labels, n))
}

fn labeled<'a>(metric: MetricName, values: impl Iterator<Item = &'a str>) -> Metric {
    let pair = |(name, value): (&&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    let mut labeled = Metric::default();
    labeled.set_label(metric.labels().iter().zip(values).map(pair).collect());
    labeled
}

fn gauge(metric: MetricName, value: f64) -> MetricFamily {
    family(metric, vec![labeled_gauge(metric, &[], value)])
}

/// Builds one value of a gauge with its labels.
pub(crate) fn labeled_gauge(metric: MetricName, labels: &[&str], value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut labeled = labeled(metric, labels.iter().copied());
    labeled.set_gauge(gauge);
    labeled
}

/// Builds a metric family from all values of a metric.
pub(crate) fn family(metric: MetricName, values: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(metric.as_str().to_owned());
    family.set_help(metric.help().to_owned());
    family.set_field_type(metric.kind());
    family.set_metric(values);
    family
}

fn counter(metric: MetricName, totals: &BTreeMap<String, u64>) -> MetricFamily {
    let known = metric.known_labels();
    let mut values: BTreeMap<&str, u64> = known.iter().map(|labels| (labels.as_str(), 0)).collect();
    values.extend(stored(metric, totals));
    let value = |(labels, n): (&str, u64)| {
        let mut counter = Counter::default();
        counter.set_value(n as f64);
        let mut labeled = labeled(metric, labels.split(' '));
        labeled.set_counter(counter);
        labeled
    };
    family(metric, values.into_iter().map(value).collect())
}

/// Builds a histogram; the last label value of its totals is the bucket, or `us` for the sum in microseconds.
fn histogram(metric: MetricName, totals: &BTreeMap<String, u64>) -> MetricFamily {
    let mut cells: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    let known = metric.known_labels();
    for labels in &known {
        cells.entry(labels).or_default();
    }
    for (labels, n) in stored(metric, totals) {
        if let Some((labels, cell)) = labels.rsplit_once(' ') {
            cells.entry(labels).or_default().insert(cell, n);
        }
    }
    let value = |(labels, cells): (&str, BTreeMap<&str, u64>)| {
        let mut labeled = labeled(metric, labels.split(' '));
        labeled.set_histogram(buckets(&cells));
        labeled
    };
    family(metric, cells.into_iter().map(value).collect())
}

/// Builds cumulative buckets from the count of each bucket.
fn buckets(cells: &BTreeMap<&str, u64>) -> Histogram {
    let count_of = |cell: &str| cells.get(cell).copied().unwrap_or_default();
    let mut n_below = 0;
    let mut buckets = Vec::with_capacity(LATENCY_BUCKETS_S.len());
    for (i, end) in LATENCY_BUCKETS_S.iter().enumerate() {
        n_below += count_of(&i.to_string());
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*end);
        bucket.set_cumulative_count(n_below);
        buckets.push(bucket);
    }
    let mut histogram = Histogram::default();
    histogram.set_sample_count(n_below + count_of(&LATENCY_BUCKETS_S.len().to_string()));
    histogram.set_sample_sum(count_of("us") as f64 / 1e6);
    histogram.set_bucket(buckets);
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::totals::{RequestFacts, Totals};

    #[test]
    fn every_known_label_set_starts_from_zero() {
        let text = render_totals(&BTreeMap::new()).unwrap();
        for line in [
            r#"samples_total{outcome="accepted"} 0"#,
            r#"anomalies_total{signal="deviation"} 0"#,
            r#"samples_rejected_total{code="conflict"} 0"#,
            r#"store_errors_total{operation="append"} 0"#,
            r#"stream_records_total{trigger="kinesis",result="poisoned"} 0"#,
            "late_samples_total 0",
            r#"store_command_duration_seconds_count{operation="commit"} 0"#,
            r#"cold_starts_total{function="ingest"} 0"#,
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in {text}");
        }
    }

    #[test]
    fn requests_are_counted_with_their_latency() {
        let totals = Totals::default();
        let facts = RequestFacts {
            function: "ingest",
            method: "POST",
            route: "/ingest",
            status: 200,
            seconds: 0.003,
        };
        totals.declare_request("ingest", "GET", "/livez");
        totals.count_request(&facts);
        totals.count_request(&RequestFacts { seconds: 99.0, ..facts });
        let text = render_totals(&totals.take()).unwrap();
        let labels = r#"function="ingest",method="POST",route="/ingest""#;
        for line in [
            format!(r#"http_requests_total{{{labels},status="200"}} 2"#),
            format!(r#"http_request_duration_seconds_bucket{{{labels},le="0.0025"}} 0"#),
            format!(r#"http_request_duration_seconds_bucket{{{labels},le="0.005"}} 1"#),
            format!(r#"http_request_duration_seconds_bucket{{{labels},le="+Inf"}} 2"#),
            format!("http_request_duration_seconds_sum{{{labels}}} 99.003"),
            r#"http_requests_total{function="ingest",method="GET",route="/livez",status="200"} 0"#
                .to_owned(),
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in {text}");
        }
        assert!(totals.take().is_empty());
    }

    #[test]
    fn instances_are_counted_by_function_and_the_busiest_are_listed() {
        let instance = |function: &str, i: usize| Instance {
            function: function.to_owned(),
            name: format!("pod-{i}"),
            n_connections: 2,
            n_requests: i as u64,
        };
        let mut all: Vec<Instance> =
            (0..INSTANCES_LISTED_MAX + 7).map(|i| instance("ingest", i)).collect();
        all.push(instance("of-another-version", 0));
        let text = render_instances(all).unwrap();
        let busiest = INSTANCES_LISTED_MAX + 6;
        for line in [
            format!(r#"instances{{function="ingest"}} {}"#, INSTANCES_LISTED_MAX + 7),
            r#"instances{function="analyze"} 0"#.to_owned(),
            format!(
                r#"http_requests_in_flight{{function="ingest",instance="pod-{busiest}"}} {busiest}"#
            ),
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in {text}");
        }
        let n_listed = text.lines().filter(|line| line.starts_with("http_connections{")).count();
        assert_eq!(n_listed, INSTANCES_LISTED_MAX);
        assert!(!render_instances(Vec::new()).unwrap().contains("http_connections"));
    }
}
