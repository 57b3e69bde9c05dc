//! A journal as lines of CloudWatch's embedded metric format: JSON in the log, of which CloudWatch makes metrics.
//!
//! The names are those of `/metrics`; labels are dimensions, beside the function, which all have. A line holds one value
//! of each metric and of each dimension, so almost always one is enough; what it cannot hold, say a second outcome of
//! samples, goes into the next.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::journal::{Journal, Name};

/// Most values of one metric in one line, as the format has it.
const VALUES_MAX: usize = 100;

/// Most metrics of one directive, as the format has it.
const METRICS_MAX: usize = 100;

/// What all lines of an invocation have in common.
#[derive(Debug)]
pub struct Head<'a> {
    /// The namespace of the metrics.
    pub namespace: &'a str,
    /// The function, a dimension of each metric.
    pub function: &'a str,
    /// When it ended, in microseconds.
    pub at_us: i64,
    /// What is no metric, and what a person searches the log by.
    pub properties: Vec<(&'static str, Value)>,
}

/// The lines of a journal.
///
/// Of more than a hundred latencies
/// every n-th is told, by rank, the least and the longest among them.
pub fn lines(journal: &Journal, head: &Head<'_>) -> Vec<String> {
    let counts = journal.counts.iter().map(|(name, n)| (name, "Count", json!(n)));
    let seconds = journal
        .seconds
        .iter()
        .map(|(name, all)| (name, "Seconds", json!(thinned(all, VALUES_MAX))));
    let mut lines: Vec<Line> = Vec::new();
    for (name, unit, value) in counts.chain(seconds) {
        let place = lines.iter().position(|line| line.has_room_for(name));
        let place = place.unwrap_or_else(|| {
            lines.push(Line::default());
            lines.len() - 1
        });
        lines[place].add(name, unit, value);
    }
    lines.into_iter().map(|line| line.finish(head)).collect()
}

/// At most `n_max` of the values, sorted, evenly spread by rank.
fn thinned(values: &[f64], n_max: usize) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    if sorted.len() <= n_max {
        return sorted;
    }
    let last = sorted.len() - 1;
    (0..n_max).map(|i| sorted[i * last / (n_max - 1)]).collect()
}

/// One line while it is filled.
#[derive(Debug, Default)]
struct Line {
    members: Map<String, Value>,
    /// Metrics with their units, by their dimensions.
    directives: BTreeMap<Vec<&'static str>, Vec<(&'static str, &'static str)>>,
}

impl Line {
    fn has_room_for(&self, (metric, labels): &Name) -> bool {
        !self.members.contains_key(*metric)
            && labels.iter().all(|(label, value)| {
                self.members.get(*label).is_none_or(|it| it.as_str() == Some(value.as_str()))
            })
            && self.members.len() < METRICS_MAX
    }

    fn add(&mut self, (metric, labels): &Name, unit: &'static str, value: Value) {
        self.members.insert((*metric).to_owned(), value);
        for (label, value) in labels {
            self.members.insert((*label).to_owned(), json!(value));
        }
        let dimensions = labels.iter().map(|(label, _)| *label).collect();
        self.directives.entry(dimensions).or_default().push((metric, unit));
    }

    fn finish(mut self, head: &Head<'_>) -> String {
        let directive = |(dimensions, metrics): (&Vec<&str>, &Vec<(&str, &str)>)| {
            let dimensions: Vec<&str> =
                std::iter::once("function").chain(dimensions.iter().copied()).collect();
            let metrics: Vec<Value> =
                metrics.iter().map(|(name, unit)| json!({ "Name": name, "Unit": unit })).collect();
            json!({ "Namespace": head.namespace, "Dimensions": [dimensions], "Metrics": metrics })
        };
        let directives: Vec<Value> = self.directives.iter().map(directive).collect();
        for (name, value) in &head.properties {
            self.members.entry(*name).or_insert_with(|| value.clone());
        }
        self.members.insert("function".to_owned(), json!(head.function));
        let metadata = json!({ "Timestamp": head.at_us / 1_000, "CloudWatchMetrics": directives });
        self.members.insert("_aws".to_owned(), metadata);
        Value::Object(self.members).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(journal: &Journal) -> Vec<Value> {
        let head = Head {
            namespace: "Tidemark",
            function: "ingest",
            at_us: 1_732_060_800_123_456,
            properties: vec![("request_id", json!("r1"))],
        };
        let lines = lines(journal, &head);
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn an_invocation_is_one_line() {
        let mut journal = Journal::default();
        journal.count("http_requests_total", &[("route", "/ingest"), ("status", "200")], 1);
        journal.time("http_request_duration_seconds", &[("route", "/ingest")], 0.004);
        journal.count("samples_total", &[("outcome", "accepted")], 12);
        journal.time("store_command_duration_seconds", &[], 0.002);
        journal.time("store_command_duration_seconds", &[], 0.001);
        let wanted = json!({
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
        assert_eq!(line(&journal), [wanted]);
    }

    #[test]
    fn what_a_line_cannot_hold_goes_into_the_next() {
        let mut journal = Journal::default();
        for (outcome, n) in [("accepted", 3), ("duplicate", 2), ("too_old", 1)] {
            journal.count("samples_total", &[("outcome", outcome)], n);
        }
        journal.count("late_samples_total", &[], 1);
        let lines = line(&journal);
        let told: Vec<_> = lines.iter().map(|it| (&it["outcome"], &it["samples_total"])).collect();
        let wanted = [("accepted", 3), ("duplicate", 2), ("too_old", 1)]
            .map(|it| (json!(it.0), json!(it.1)));
        assert_eq!(told, wanted.each_ref().map(|it| (&it.0, &it.1)));
        assert_eq!(lines.iter().filter(|it| it["late_samples_total"] == 1).count(), 1);
    }

    #[test]
    fn of_many_latencies_the_ends_are_told() {
        let values: Vec<f64> = (0..1_234).rev().map(f64::from).collect();
        let told = thinned(&values, VALUES_MAX);
        assert_eq!((told.len(), told[0], told[99]), (100, 0.0, 1_233.0));
        assert!(told.is_sorted());
        assert_eq!(thinned(&[2.0, 1.0], VALUES_MAX), [1.0, 2.0]);
    }

    #[test]
    fn nothing_is_no_line() {
        assert!(line(&Journal::default()).is_empty());
    }
}
