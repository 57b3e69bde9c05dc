//! Metrics: totals that live in the store, rendered as Prometheus text.
//!
//! Functions come and go, so a counter in a process says little: samples and anomalies are counted inside the
//! store's own steps, exactly; requests and latencies are added up here and flushed. Any replica renders the
//! same totals; only whether the store answers is told of the process itself. Every name and label set is declared in this file and exported from 0; no label is unbounded.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use detector::Head;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};
use prometheus::{Encoder, TextEncoder};
use store::Circuits;

/// Upper ends of the latency buckets, in seconds: from a warm answer of the embedded store to the deadline.
const SECONDS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What becomes of samples in a store.
const OUTCOMES: [&str; 5] = ["accepted", "duplicate", "conflict", "too_old", "full"];

/// Steps of a store that are timed.
pub(crate) const OPERATIONS: [&str; 5] = ["append", "commit", "read", "list", "lease"];

/// What is known of one served request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RequestFacts {
    /// The function that served it.
    pub function: &'static str,
    /// Its method.
    pub method: &'static str,
    /// Its route, as declared: never the path as sent.
    pub route: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Totals of this process that have not been added to the store's yet.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    // A `std::sync::Mutex` and not a Tokio one: it is never held over a wait.
    unsaved: Mutex<BTreeMap<String, u64>>,
}

impl Totals {
    /// Counts a request.
    pub(crate) fn count_request(&self, facts: &RequestFacts) {
        let RequestFacts { function, method, route, status, seconds } = facts;
        let mut totals = self.lock();
        *totals.entry(format!("requests {function} {method} {route} {status}")).or_default() += 1;
        observe(&mut totals, &format!("request_seconds {function} {method} {route}"), *seconds);
    }

    /// Makes a route known, so that its counter starts from 0.
    pub(crate) fn declare_request(&self, function: &str, method: &str, route: &str) {
        self.lock().entry(format!("requests {function} {method} {route} 200")).or_default();
    }

    /// Counts a step of the store, and whether it failed.
    pub(crate) fn count_operation(&self, operation: &'static str, seconds: f64, is_failed: bool) {
        let mut totals = self.lock();
        observe(&mut totals, &format!("store_seconds {operation}"), seconds);
        if is_failed {
            *totals.entry(format!("store_errors {operation}")).or_default() += 1;
        }
    }

    /// Counts samples that were refused before the store saw them.
    pub(crate) fn count_rejected(&self, code: intake::Code, n: u64) {
        *self.lock().entry(format!("rejected {code}")).or_default() += n;
    }

    /// Takes what has not been saved; give back with [`Totals::give_back`] what could not be.
    pub(crate) fn take(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.lock())
    }

    /// Puts back what could not be saved.
    pub(crate) fn give_back(&self, totals: BTreeMap<String, u64>) {
        let mut unsaved = self.lock();
        for (field, n) in totals {
            *unsaved.entry(field).or_default() += n;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn observe(totals: &mut BTreeMap<String, u64>, name: &str, seconds: f64) {
    let bucket = SECONDS.iter().position(|end| seconds <= *end).unwrap_or(SECONDS.len());
    *totals.entry(format!("{name} {bucket}")).or_default() += 1;
    *totals.entry(format!("{name} us")).or_default() += (seconds * 1e6) as u64;
}

/// What is known without the store: whether it answers this process, and which parts of it are left alone.
pub(crate) fn render_own(is_up: bool, circuits: Circuits) -> Result<String, prometheus::Error> {
    let gauge = |name: &str, help: &str, value: f64| {
        let (mut gauge, mut metric) = (Gauge::default(), Metric::default());
        gauge.set_value(value);
        metric.set_gauge(gauge);
        family(name, help, MetricType::GAUGE, vec![metric])
    };
    let families = [
        gauge("store_up", "Whether the store answers this process.", f64::from(u8::from(is_up))),
        gauge(
            "store_circuits_open",
            "Parts of the store that this process leaves alone as they did not answer.",
            circuits.n_open as f64,
        ),
        gauge("store_circuits", "Parts of the store, each with its circuit.", circuits.n as f64),
    ];
    encode(&families)
}

/// The totals as Prometheus text, version 0.0.4.
pub(crate) fn render(totals: &BTreeMap<String, u64>) -> Result<String, prometheus::Error> {
    let heads = Head::ALL.map(Head::as_str);
    let codes = intake::Code::ALL.map(intake::Code::as_str);
    let requests = &REQUEST_LABELS;
    let families = [
        counter(totals, ("http_requests_total", "Requests served."), "requests", requests, &[]),
        histogram(
            totals,
            ("http_request_duration_seconds", "Time to serve a request."),
            "request_seconds",
            &requests[..3],
            &[],
        ),
        counter(
            totals,
            ("samples_total", "Samples, by what the store did."),
            "samples",
            &["outcome"],
            &OUTCOMES,
        ),
        counter(
            totals,
            ("samples_rejected_total", "Samples refused, by code."),
            "rejected",
            &["code"],
            &codes,
        ),
        counter(
            totals,
            ("late_samples_total", "Samples judged after a newer one."),
            "late",
            &[],
            &[""],
        ),
        counter(
            totals,
            ("anomalies_total", "Anomalies, by the head that spoke."),
            "anomalies",
            &["head"],
            &heads,
        ),
        counter(
            totals,
            ("commit_conflicts_total", "Commits that found another version or configuration."),
            "commit_conflicts",
            &[],
            &[""],
        ),
        histogram(
            totals,
            ("store_command_duration_seconds", "Time of a step of the store."),
            "store_seconds",
            &["operation"],
            &OPERATIONS,
        ),
        counter(
            totals,
            ("store_errors_total", "Steps of the store that failed."),
            "store_errors",
            &["operation"],
            &OPERATIONS,
        ),
    ];
    let families: Vec<MetricFamily> =
        families.into_iter().filter(|family| !family.get_metric().is_empty()).collect();
    encode(&families)
}

fn encode(families: &[MetricFamily]) -> Result<String, prometheus::Error> {
    let mut text = Vec::new();
    TextEncoder::new().encode(families, &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

const REQUEST_LABELS: [&str; 4] = ["function", "method", "route", "status"];

/// The totals whose name is `name`, by what follows it; those of `known` are there from 0.
fn by_labels<'a>(
    totals: &'a BTreeMap<String, u64>,
    name: &str,
    known: &[&'a str],
) -> BTreeMap<&'a str, u64> {
    let mut found: BTreeMap<&str, u64> = known.iter().map(|labels| (*labels, 0)).collect();
    for (field, n) in totals {
        let (head, labels) = field.split_once(' ').unwrap_or((field, ""));
        if head == name {
            found.insert(labels, *n);
        }
    }
    found
}

fn labeled(names: &[&str], values: &str) -> Metric {
    let pair = |(name, value): (&&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    let mut metric = Metric::default();
    metric.set_label(names.iter().zip(values.split(' ')).map(pair).collect());
    metric
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn counter(
    totals: &BTreeMap<String, u64>,
    (name, help): (&str, &str),
    stored: &str,
    labels: &[&str],
    known: &[&str],
) -> MetricFamily {
    let metric = |(values, n): (&str, u64)| {
        let mut counter = Counter::default();
        counter.set_value(n as f64);
        let mut metric = labeled(labels, values);
        metric.set_counter(counter);
        metric
    };
    let metrics = by_labels(totals, stored, known).into_iter().map(metric).collect();
    family(name, help, MetricType::COUNTER, metrics)
}

fn histogram(
    totals: &BTreeMap<String, u64>,
    (name, help): (&str, &str),
    stored: &str,
    labels: &[&str],
    known: &[&str],
) -> MetricFamily {
    let mut cells: BTreeMap<&str, BTreeMap<&str, u64>> =
        known.iter().map(|values| (*values, BTreeMap::new())).collect();
    for (values, n) in by_labels(totals, stored, &[]) {
        if let Some((values, cell)) = values.rsplit_once(' ') {
            cells.entry(values).or_default().insert(cell, n);
        }
    }
    let metric = |(values, cells): (&str, BTreeMap<&str, u64>)| {
        let mut metric = labeled(labels, values);
        metric.set_histogram(buckets(&cells));
        metric
    };
    family(name, help, MetricType::HISTOGRAM, cells.into_iter().map(metric).collect())
}

/// The buckets of a histogram, each with what lies at or below its end, from the counts of each.
fn buckets(cells: &BTreeMap<&str, u64>) -> Histogram {
    let count_of = |cell: &str| cells.get(cell).copied().unwrap_or_default();
    let mut n_below = 0;
    let mut buckets = Vec::with_capacity(SECONDS.len());
    for (i, end) in SECONDS.iter().enumerate() {
        n_below += count_of(&i.to_string());
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*end);
        bucket.set_cumulative_count(n_below);
        buckets.push(bucket);
    }
    let mut histogram = Histogram::default();
    histogram.set_sample_count(n_below + count_of(&SECONDS.len().to_string()));
    histogram.set_sample_sum(count_of("us") as f64 / 1e6);
    histogram.set_bucket(buckets);
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_label_set_starts_from_zero() {
        let text = render(&BTreeMap::new()).unwrap();
        for line in [
            r#"samples_total{outcome="accepted"} 0"#,
            r#"anomalies_total{head="deviation"} 0"#,
            r#"samples_rejected_total{code="conflict"} 0"#,
            r#"store_errors_total{operation="append"} 0"#,
            "late_samples_total 0",
            r#"store_command_duration_seconds_count{operation="commit"} 0"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
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
        let text = render(&totals.take()).unwrap();
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
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
        assert!(totals.take().is_empty());
    }
}
