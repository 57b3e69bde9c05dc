//! Counts requests, latencies and starts in this process until they are added to the totals in the store.
//!
//! Functions scale to zero, so a counter in a process is soon lost. The store counts samples and anomalies itself,
//! exactly; the counts here are flushed to it about once a second.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use alert::{Alert, SeriesAlerts};
use intake::Trigger;

use crate::metrics::emf_buffer::EmfBuffer;
use crate::metrics::name::{MetricName, NotificationResult, RecordResult, StoreOperation};

/// Upper bounds of the latency buckets, in seconds: from a warm answer of the memory store to the deadline.
pub(crate) const LATENCY_BUCKETS_S: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Statuses whose counters start from 0 for each route: success, and the failures that alerts use.
const STATUSES_DECLARED: [u16; 4] = [200, 500, 503, 504];

/// Facts about one served request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RequestFacts {
    /// Function that served it.
    pub function: &'static str,
    /// HTTP method.
    pub method: &'static str,
    /// Route as declared, never the path as sent.
    pub route: &'static str,
    /// HTTP status of the answer.
    pub status: u16,
    /// Duration in seconds.
    pub seconds: f64,
}

/// Counts of this process since the last flush.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    counts: Mutex<ProcessCounts>,
    /// Present only if something empties it regularly.
    emf: Option<Mutex<EmfBuffer>>,
}

/// Counts with keys that need no allocation per request; [`Totals::take`] builds the text keys once per flush.
#[derive(Debug, Default)]
struct ProcessCounts {
    by_field: BTreeMap<String, u64>,
    /// By function, method, route and status.
    requests: HashMap<(&'static str, &'static str, &'static str, u16), u64>,
    /// By function, method and route.
    request_times: HashMap<[&'static str; 3], LatencyCounts>,
    operations: HashMap<StoreOperation, LatencyCounts>,
}

/// Number of durations in each bucket, and their sum.
#[derive(Debug, Default)]
struct LatencyCounts {
    buckets: [u64; LATENCY_BUCKETS_S.len() + 1],
    us: u64,
}

impl LatencyCounts {
    fn add(&mut self, seconds: f64) {
        let bucket = LATENCY_BUCKETS_S.iter().position(|end| seconds <= *end);
        self.buckets[bucket.unwrap_or(LATENCY_BUCKETS_S.len())] += 1;
        self.us += (seconds * 1e6) as u64;
    }

    fn write(&self, metric: MetricName, labels: &[&str], counts: &mut ProcessCounts) {
        let labels = labels.join(" ");
        for (bucket, n) in self.buckets.iter().enumerate().filter(|(_, n)| **n > 0) {
            counts.add(metric, &[&labels, &bucket.to_string()], *n);
        }
        counts.add(metric, &[&labels, "us"], self.us);
    }
}

impl ProcessCounts {
    fn add(&mut self, metric: MetricName, labels: &[&str], n: u64) {
        let field = [&[metric.total()], labels].concat().join(" ");
        *self.by_field.entry(field).or_default() += n;
    }

    fn into_totals(mut self) -> BTreeMap<String, u64> {
        for ((function, method, route, status), n) in std::mem::take(&mut self.requests) {
            let labels = [function, method, route, &status.to_string()];
            self.add(MetricName::HttpRequests, &labels, n);
        }
        for (labels, times) in std::mem::take(&mut self.request_times) {
            times.write(MetricName::HttpRequestDuration, &labels, &mut self);
        }
        for (operation, times) in std::mem::take(&mut self.operations) {
            times.write(MetricName::StoreCommandDuration, &[operation.as_str()], &mut self);
        }
        self.by_field
    }
}

impl Totals {
    /// Creates totals that also fill an EMF buffer; the caller must take it regularly, or it grows without bound.
    pub(crate) fn with_emf() -> Self {
        Self { emf: Some(Mutex::default()), ..Self::default() }
    }

    /// Takes the EMF buffer; `None` if there is none.
    pub(crate) fn take_emf(&self) -> Option<EmfBuffer> {
        let emf = self.emf.as_ref()?;
        Some(std::mem::take(&mut *emf.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Records in the EMF buffer, if there is one, what the store counts by itself.
    pub(crate) fn note(&self, note: impl FnOnce(&mut EmfBuffer)) {
        if let Some(emf) = &self.emf {
            note(&mut emf.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Counts a request.
    pub(crate) fn count_request(&self, facts: &RequestFacts) {
        let RequestFacts { function, method, route, status, seconds } = *facts;
        let mut counts = self.lock();
        *counts.requests.entry((function, method, route, status)).or_default() += 1;
        counts.request_times.entry([function, method, route]).or_default().add(seconds);
        drop(counts);
        self.note(|emf| {
            let labels = [("route", route), ("status", &status.to_string())];
            emf.count(MetricName::HttpRequests, &labels, 1);
            emf.time(MetricName::HttpRequestDuration, &labels[..1], seconds);
        });
    }

    /// Starts the counters of a route from 0.
    pub(crate) fn declare_request(&self, function: &str, method: &str, route: &str) {
        let mut counts = self.lock();
        for status in STATUSES_DECLARED {
            let labels = [function, method, route, &status.to_string()];
            counts.add(MetricName::HttpRequests, &labels, 0);
        }
        counts.add(MetricName::HttpRequestDuration, &[function, method, route, "us"], 0);
    }

    /// Counts the start of a process.
    pub(crate) fn count_cold_start(&self, function: &str) {
        self.lock().add(MetricName::ColdStarts, &[function], 1);
        self.note(|emf| emf.count(MetricName::ColdStarts, &[], 1));
    }

    /// Counts a store operation, its duration and its failure.
    pub(crate) fn count_operation(&self, operation: StoreOperation, seconds: f64, is_failed: bool) {
        let mut counts = self.lock();
        counts.operations.entry(operation).or_default().add(seconds);
        if is_failed {
            counts.add(MetricName::StoreErrors, &[operation.as_str()], 1);
        }
        drop(counts);
        self.note(|emf| {
            emf.time(MetricName::StoreCommandDuration, &[], seconds);
            emf.count(MetricName::StoreErrors, &[], u64::from(is_failed));
        });
    }

    /// Counts a failed operation of the history.
    pub(crate) fn count_history_error(&self, operation: &'static str) {
        self.lock().add(MetricName::HistoryErrors, &[operation], 1);
    }

    /// Counts the changes of alerts between two states of a series.
    pub(crate) fn count_alert_changes(&self, before: &SeriesAlerts, after: &SeriesAlerts) {
        for alert in &after.alerts {
            let known = before.alerts.iter().find(|other| other.start_us == alert.start_us);
            let revision = known.map_or(0, Alert::revision);
            for change in alert.changes.iter().filter(|change| change.revision > revision) {
                self.lock().add(MetricName::Alerts, &[change.phase.as_str()], 1);
                self.note(|emf| {
                    emf.count(MetricName::Alerts, &[("phase", change.phase.as_str())], 1);
                });
            }
        }
    }

    /// Starts the counters of a receiver of alerts from 0.
    pub(crate) fn declare_notifications(&self, receiver: &str) {
        for result in NotificationResult::ALL {
            self.lock().add(MetricName::Notifications, &[receiver, result.as_str()], 0);
        }
    }

    /// Counts a message to a receiver of alerts.
    pub(crate) fn count_notification(&self, receiver: &str, result: NotificationResult) {
        self.lock().add(MetricName::Notifications, &[receiver, result.as_str()], 1);
        self.note(|emf| {
            let labels = [("receiver", receiver), ("result", result.as_str())];
            emf.count(MetricName::Notifications, &labels, 1);
        });
    }

    /// Counts shards that lost acknowledged samples.
    pub(crate) fn count_losses(&self, n_shards: u64) {
        self.lock().add(MetricName::StoreLosses, &[], n_shards);
        self.note(|emf| emf.count(MetricName::StoreLosses, &[], n_shards));
    }

    /// Counts rejected samples.
    pub(crate) fn count_rejected(&self, code: intake::RejectionCode, n: u64) {
        self.lock().add(MetricName::SamplesRejected, &[code.as_str()], n);
        self.note(|emf| emf.count(MetricName::SamplesRejected, &[("code", code.as_str())], n));
    }

    /// Counts samples that a rule dropped.
    pub(crate) fn count_not_selected(&self, rule: &str, n: u64) {
        self.lock().add(MetricName::SamplesNotSelected, &[rule], n);
        self.note(|emf| emf.count(MetricName::SamplesNotSelected, &[("rule", rule)], n));
    }

    /// Counts records of an event.
    pub(crate) fn count_records(&self, trigger: Trigger, result: RecordResult, n: u64) {
        let (trigger, result) = (trigger.as_str(), result.as_str());
        self.lock().add(MetricName::StreamRecords, &[trigger, result], n);
        self.note(|emf| {
            let labels = [("trigger", trigger), ("result", result)];
            emf.count(MetricName::StreamRecords, &labels, n);
        });
    }

    /// Counts samples refused because the inbox of their series stayed full after all retries.
    pub(crate) fn count_full(&self, n: u64) {
        self.lock().add(MetricName::Samples, &["full"], n);
        self.note(|emf| emf.count(MetricName::Samples, &[("outcome", "full")], n));
    }

    /// Takes all counts; [`Totals::give_back`] returns them if they could not be saved.
    pub(crate) fn take(&self) -> BTreeMap<String, u64> {
        let counts = std::mem::take(&mut *self.lock());
        counts.into_totals()
    }

    /// Returns counts that could not be saved.
    pub(crate) fn give_back(&self, totals: BTreeMap<String, u64>) {
        let by_field = &mut self.lock().by_field;
        for (field, n) in totals {
            *by_field.entry(field).or_default() += n;
        }
    }

    fn lock(&self) -> MutexGuard<'_, ProcessCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
