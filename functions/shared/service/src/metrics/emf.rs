//! Writes metrics as CloudWatch embedded metric format (EMF): JSON log lines that CloudWatch turns into metrics.
//!
//! Names equal those of `/metrics`; labels become dimensions, besides the function. A line holds one value of each metric
//! and dimension, so a second outcome of samples starts another line.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::metrics::emf_buffer::{EmfBuffer, LabeledMetric};

/// Limit of the format: values of one metric in one line.
const VALUES_MAX: usize = 100;

/// Limit of the format: metrics of one directive.
const METRICS_MAX: usize = 100;

/// Members shared by all lines of an invocation.
#[derive(Debug)]
pub struct EmfContext<'a> {
    /// CloudWatch namespace of the metrics.
    pub namespace: &'a str,
    /// Function: a dimension of each metric.
    pub function: &'a str,
    /// End of the invocation in Unix microseconds.
    pub at_us: i64,
    /// Members that are no metrics but are useful to search the log by.
    pub properties: Vec<(&'static str, Value)>,
}

/// Renders a buffer as log lines.
///
/// Thins out more than 100 latencies of a metric evenly by rank; the minimum and the maximum stay.
pub fn emf_lines(buffer: &EmfBuffer, context: &EmfContext<'_>) -> Vec<String> {
    let counts = buffer.counts.iter().map(|(metric, n)| (metric, "Count", json!(n)));
    let seconds = buffer
        .seconds
        .iter()
        .map(|(metric, all)| (metric, "Seconds", json!(thinned(all, VALUES_MAX))));
    let mut lines: Vec<EmfLine> = Vec::new();
    for (metric, unit, value) in counts.chain(seconds) {
        if let Some(line) = lines.iter_mut().find(|line| line.has_room_for(metric)) {
            line.add(metric, unit, value);
        } else {
            let mut line = EmfLine::default();
            line.add(metric, unit, value);
            lines.push(line);
        }
    }
    lines.into_iter().map(|line| line.render(context)).collect()
}

/// Sorts the values and picks at most `n_max` of them, evenly by rank.
fn thinned(values: &[f64], n_max: usize) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    if sorted.len() <= n_max {
        return sorted;
    }
    let last = sorted.len() - 1;
    (0..n_max).map(|i| sorted[i * last / (n_max - 1)]).collect()
}

/// A log line under construction.
#[derive(Debug, Default)]
struct EmfLine {
    members: Map<String, Value>,
    /// Metrics with their units, by their dimensions.
    directives: BTreeMap<Vec<&'static str>, Vec<(&'static str, &'static str)>>,
}

impl EmfLine {
    fn has_room_for(&self, (metric, labels): &LabeledMetric) -> bool {
        !self.members.contains_key(metric.as_str())
            && labels.iter().all(|(label, value)| {
                self.members.get(*label).is_none_or(|other| other.as_str() == Some(value.as_str()))
            })
            && self.members.len() < METRICS_MAX
    }

    fn add(&mut self, (metric, labels): &LabeledMetric, unit: &'static str, value: Value) {
        self.members.insert(metric.as_str().to_owned(), value);
        for (label, value) in labels {
            self.members.insert((*label).to_owned(), json!(value));
        }
        let dimensions = labels.iter().map(|(label, _)| *label).collect();
        self.directives.entry(dimensions).or_default().push((metric.as_str(), unit));
    }

    fn render(mut self, context: &EmfContext<'_>) -> String {
        let directive = |(dimensions, metrics): (&Vec<&str>, &Vec<(&str, &str)>)| {
            let dimensions: Vec<&str> =
                std::iter::once("function").chain(dimensions.iter().copied()).collect();
            let metrics: Vec<Value> =
                metrics.iter().map(|(name, unit)| json!({ "Name": name, "Unit": unit })).collect();
            let namespace = context.namespace;
            json!({ "Namespace": namespace, "Dimensions": [dimensions], "Metrics": metrics })
        };
        let directives: Vec<Value> = self.directives.iter().map(directive).collect();
        for (name, value) in &context.properties {
            self.members.entry(*name).or_insert_with(|| value.clone());
        }
        self.members.insert("function".to_owned(), json!(context.function));
        let timestamp = context.at_us / 1_000;
        let metadata = json!({ "Timestamp": timestamp, "CloudWatchMetrics": directives });
        self.members.insert("_aws".to_owned(), metadata);
        Value::Object(self.members).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::name::MetricName;

    fn line(buffer: &EmfBuffer) -> Vec<Value> {
        let context = EmfContext {
            namespace: "Tidemark",
            function: "ingest",
            at_us: 1_732_060_800_123_456,
            properties: vec![("request_id", json!("r1"))],
        };
        let lines = emf_lines(buffer, &context);
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn an_invocation_is_one_line() {
        let mut buffer = EmfBuffer::default();
        buffer.count(MetricName::HttpRequests, &[("route", "/ingest"), ("status", "200")], 1);
        buffer.time(MetricName::HttpRequestDuration, &[("route", "/ingest")], 0.004);
        buffer.count(MetricName::Samples, &[("outcome", "accepted")], 12);
        buffer.time(MetricName::StoreCommandDuration, &[], 0.002);
        buffer.time(MetricName::StoreCommandDuration, &[], 0.001);
        let expected = json!({
            "_aws": { "Timestamp": 1_732_060_800_123_i64, "CloudWatchMetrics": [
                { "Namespace": "Tidemark", "Dimensions": [["function"]],
                  "Metrics": [{ "Name": "store_command_duration_seconds", "Unit": "Seconds" }] },
                { "Namespace": "Tidemark", "Dimensions": [["function", "outcome"]],
                  "Metrics": [{ "Name": "samples_total", "Unit": "Count" }] },
                { "Namespace": "Tidemark", "Dimensions": [["function", "route"]],
                  "Metrics": [{ "Name": "http_request_duration_seconds", "Unit": "Seconds" }] },
                { "Namespace": "Tidemark", "Dimensions": [["function", "route", "status"]],
                  "Metrics": [{ "Name": "http_requests_total", "Unit": "Count" }] },
            ]},
            "function": "ingest", "outcome": "accepted", "request_id": "r1", "route": "/ingest", "status": "200",
            "http_request_duration_seconds": [0.004], "http_requests_total": 1, "samples_total": 12,
            "store_command_duration_seconds": [0.001, 0.002],
        });
        assert_eq!(line(&buffer), [expected]);
    }

    #[test]
    fn a_second_value_of_a_label_starts_another_line() {
        let mut buffer = EmfBuffer::default();
        for (outcome, n) in [("accepted", 3), ("duplicate", 2), ("too_old", 1)] {
            buffer.count(MetricName::Samples, &[("outcome", outcome)], n);
        }
        buffer.count(MetricName::LateSamples, &[], 1);
        let lines = line(&buffer);
        let written: Vec<_> =
            lines.iter().map(|line| (&line["outcome"], &line["samples_total"])).collect();
        let expected = [("accepted", 3), ("duplicate", 2), ("too_old", 1)]
            .map(|(outcome, n)| (json!(outcome), json!(n)));
        assert_eq!(written, expected.each_ref().map(|(outcome, n)| (outcome, n)));
        assert_eq!(lines.iter().filter(|line| line["late_samples_total"] == 1).count(), 1);
    }

    #[test]
    fn the_minimum_and_maximum_of_many_latencies_are_kept() {
        let values: Vec<f64> = (0..1_234).rev().map(f64::from).collect();
        let written = thinned(&values, VALUES_MAX);
        assert_eq!((written.len(), written[0], written[99]), (100, 0.0, 1_233.0));
        assert!(written.is_sorted());
        assert_eq!(thinned(&[2.0, 1.0], VALUES_MAX), [1.0, 2.0]);
    }

    #[test]
    fn an_empty_buffer_writes_no_line() {
        assert!(line(&EmfBuffer::default()).is_empty());
    }
}
