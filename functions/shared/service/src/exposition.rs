//! Metrics as Prometheus text: totals and gauges that live in the store, and what a process knows by itself.
//!
//! Any replica renders the same totals; only whether the store answers is told of the process itself. Every name and
//! label set is declared in this file and exported from 0; no label is unbounded.

use std::collections::BTreeMap;

use domain::Signal;
use intake::Trigger;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};
use prometheus::{Encoder, TextEncoder};
use store::{Circuits, Instance, Levels};

use crate::metrics::{RecordResult, SECONDS};

/// Every function, by the name of its label.
pub const FUNCTIONS: [&str; 6] =
    ["analyze", "exporter", "ingest", "ingest-stream", "standalone", "sweeper"];

/// What becomes of samples in a store.
const OUTCOMES: [&str; 5] = ["accepted", "duplicate", "conflict", "too_old", "full"];

/// Steps of a store that are timed.
const OPERATIONS: [&str; 5] = ["append", "commit", "read", "list", "lease"];

/// Most instances that are told apart, the busiest first; all of them are counted.
const INSTANCES_TOLD: usize = 500;

/// What is known without the store: whether it answers this process, and which parts of it are left alone.
pub(crate) fn render_own(is_up: bool, circuits: Circuits) -> Result<String, prometheus::Error> {
    let build = labeled_gauge(&["version"], &[env!("CARGO_PKG_VERSION")], 1.0);
    let families = [
        family("build_info", "The version of this process.", MetricType::GAUGE, vec![build]),
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

/// How much the store holds, as Prometheus text.
pub(crate) fn render_levels(levels: &Levels) -> Result<String, prometheus::Error> {
    let families = [
        gauge(
            "series",
            "Series that received a sample within the time that series are kept.",
            levels.n_series as f64,
        ),
        gauge(
            "backlog_series",
            "Series with samples that wait to be judged.",
            levels.n_pending as f64,
        ),
        gauge(
            "backlog_oldest_seconds",
            "How long the series that waits longest to be judged has waited.",
            levels.oldest_pending_us as f64 / 1e6,
        ),
    ];
    encode(&families)
}

/// How many series have episodes that history does not hold yet, as Prometheus text.
pub(crate) fn render_unsaved(n: u64) -> Result<String, prometheus::Error> {
    let help = "Series with episodes that history does not hold yet.";
    encode(&[gauge("episodes_unsaved", help, n as f64)])
}

/// Which processes serve, as Prometheus text.
pub(crate) fn render_instances(mut instances: Vec<Instance>) -> Result<String, prometheus::Error> {
    let mut n_of: BTreeMap<&str, u64> = FUNCTIONS.iter().map(|name| (*name, 0)).collect();
    for instance in &instances {
        if let Some(n) = n_of.get_mut(instance.function.as_str()) {
            *n += 1;
        }
    }
    let counted = n_of.iter().map(|(name, n)| labeled_gauge(&["function"], &[name], *n as f64));
    let counted = counted.collect();
    instances.sort_by_cached_key(|it| {
        (std::cmp::Reverse((it.n_requests, it.n_connections)), it.function.clone(), it.name.clone())
    });
    instances.truncate(INSTANCES_TOLD);
    let told = |number: fn(&Instance) -> u64| {
        let labels = ["function", "instance"];
        let of =
            |it: &Instance| labeled_gauge(&labels, &[&it.function, &it.name], number(it) as f64);
        instances.iter().map(of).collect()
    };
    let families = [
        family(
            "instances",
            "Processes that serve, or did within the last 30 seconds.",
            MetricType::GAUGE,
            counted,
        ),
        family(
            "http_connections",
            "Connections that are open.",
            MetricType::GAUGE,
            told(|it| it.n_connections),
        ),
        family(
            "http_requests_in_flight",
            "Requests that are being served.",
            MetricType::GAUGE,
            told(|it| it.n_requests),
        ),
    ];
    encode(&families)
}

/// The totals as Prometheus text, version 0.0.4.
pub(crate) fn render(totals: &BTreeMap<String, u64>) -> Result<String, prometheus::Error> {
    let signals = Signal::ALL.map(Signal::as_str);
    let codes = intake::RejectionCode::ALL.map(intake::RejectionCode::as_str);
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
        stream_records(totals),
        unlabeled(totals, ("late_samples_total", "Samples judged after a newer one."), "late"),
        counter(
            totals,
            ("anomalies_total", "Anomalies, by signal."),
            "anomalies",
            &["signal"],
            &signals,
        ),
        unlabeled(
            totals,
            ("commit_conflicts_total", "Commits that found another version or configuration."),
            "commit_conflicts",
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
        counter(
            totals,
            ("cold_starts_total", "Processes that were started."),
            "cold_starts",
            &["function"],
            &FUNCTIONS,
        ),
    ];
    encode(&[families.as_slice(), &of_episodes(totals)].concat())
}

/// What is counted of silence, and of bringing episodes to history.
fn of_episodes(totals: &BTreeMap<String, u64>) -> [MetricFamily; 3] {
    [
        counter(
            totals,
            ("silences_total", "Series that fell silent, each time once."),
            "silences",
            &[],
            &[""],
        ),
        counter(
            totals,
            ("episodes_lost_total", "Episodes dropped before history held them."),
            "episodes_lost",
            &[],
            &[""],
        ),
        counter(
            totals,
            ("history_errors_total", "Calls to history that failed."),
            "history_errors",
            &["operation"],
            &crate::history::OPERATIONS,
        ),
    ]
}

/// Writes families, without those that hold nothing, which the encoder takes for a mistake.
pub(crate) fn encode(families: &[MetricFamily]) -> Result<String, prometheus::Error> {
    let families: Vec<MetricFamily> =
        families.iter().filter(|family| !family.get_metric().is_empty()).cloned().collect();
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Records of queues and streams, by what became of them.
fn stream_records(totals: &BTreeMap<String, u64>) -> MetricFamily {
    let known: Vec<String> = Trigger::ALL
        .iter()
        .flat_map(|it| RecordResult::ALL.map(|end| format!("{} {}", it.as_str(), end.as_str())))
        .collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let name = ("stream_records_total", "Records of queues and streams, by what became of them.");
    counter(totals, name, "records", &["trigger", "result"], &known)
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

fn labeled<'a>(names: &[&str], values: impl Iterator<Item = &'a str>) -> Metric {
    let pair = |(name, value): (&&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    let mut metric = Metric::default();
    metric.set_label(names.iter().zip(values).map(pair).collect());
    metric
}

/// A gauge without labels.
fn gauge(name: &str, help: &str, value: f64) -> MetricFamily {
    family(name, help, MetricType::GAUGE, vec![labeled_gauge(&[], &[], value)])
}

/// One value of a gauge.
pub(crate) fn labeled_gauge(names: &[&str], values: &[&str], value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = labeled(names, values.iter().copied());
    metric.set_gauge(gauge);
    metric
}

/// A metric with all its label sets.
pub(crate) fn family(
    name: &str,
    help: &str,
    kind: MetricType,
    metrics: Vec<Metric>,
) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn unlabeled(
    totals: &BTreeMap<String, u64>,
    name_and_help: (&str, &str),
    stored: &str,
) -> MetricFamily {
    counter(totals, name_and_help, stored, &[], &[""])
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
        let mut metric = labeled(labels, values.split(' '));
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
        let mut metric = labeled(labels, values.split(' '));
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
    use crate::metrics::{RequestFacts, Totals};

    #[test]
    fn every_known_label_set_starts_from_zero() {
        let text = render(&BTreeMap::new()).unwrap();
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

    #[test]
    fn each_function_has_its_instances_and_the_busiest_are_told() {
        let instance = |function: &str, i: usize| Instance {
            function: function.to_owned(),
            name: format!("pod-{i}"),
            n_connections: 2,
            n_requests: i as u64,
        };
        let mut all: Vec<Instance> =
            (0..INSTANCES_TOLD + 7).map(|i| instance("ingest", i)).collect();
        all.push(instance("of-another-version", 0));
        let text = render_instances(all).unwrap();
        let busiest = INSTANCES_TOLD + 6;
        for line in [
            format!(r#"instances{{function="ingest"}} {}"#, INSTANCES_TOLD + 7),
            r#"instances{function="analyze"} 0"#.to_owned(),
            format!(
                r#"http_requests_in_flight{{function="ingest",instance="pod-{busiest}"}} {busiest}"#
            ),
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
        let n_told = text.lines().filter(|it| it.starts_with("http_connections{")).count();
        assert_eq!(n_told, INSTANCES_TOLD);
        assert!(!render_instances(Vec::new()).unwrap().contains("http_connections"));
    }
}
