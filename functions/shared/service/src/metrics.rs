//! Totals of this process, until they are added to those in the store.
//!
//! Functions come and go, so a counter in a process says little: samples and anomalies are counted inside the
//! store's own steps, exactly; requests, latencies and starts are added up here and flushed. Each total has a name with
//! its labels behind it; `exposition` makes metrics of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use intake::Trigger;

use crate::journal::Journal;

/// Upper ends of the latency buckets, in seconds: from a warm answer of the embedded store to the deadline.
pub(crate) const SECONDS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Statuses whose counters of each route start from 0: success, and the failures that alarms are made of.
const STATUSES_DECLARED: [u16; 4] = [200, 500, 503, 504];

/// What becomes of a record of a queue or a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordResult {
    /// The store holds all its samples.
    Stored,
    /// It may be stored when it is delivered again.
    Retried,
    /// It can never be stored.
    Poisoned,
}

impl RecordResult {
    /// Every result.
    pub const ALL: [Self; 3] = [Self::Stored, Self::Retried, Self::Poisoned];

    /// Its name in metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Retried => "retried",
            Self::Poisoned => "poisoned",
        }
    }
}

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
    unsaved: Mutex<Unsaved>,
    /// Kept only where it is taken.
    journal: Option<Mutex<Journal>>,
}

/// What happens with each request is counted without a text, which is made of it once a second.
#[derive(Debug, Default)]
struct Unsaved {
    by_name: BTreeMap<String, u64>,
    /// By function, method, route and status.
    requests: HashMap<(&'static str, &'static str, &'static str, u16), u64>,
    /// By function, method and route.
    request_times: HashMap<[&'static str; 3], Times>,
    operations: HashMap<&'static str, Times>,
}

/// How many took how long, and all together.
#[derive(Debug, Default)]
struct Times {
    buckets: [u64; SECONDS.len() + 1],
    us: u64,
}

impl Times {
    fn add(&mut self, seconds: f64) {
        let bucket = SECONDS.iter().position(|end| seconds <= *end).unwrap_or(SECONDS.len());
        self.buckets[bucket] += 1;
        self.us += (seconds * 1e6) as u64;
    }

    fn write(&self, name: &str, totals: &mut BTreeMap<String, u64>) {
        for (bucket, n) in self.buckets.iter().enumerate().filter(|(_, n)| **n > 0) {
            *totals.entry(format!("{name} {bucket}")).or_default() += n;
        }
        *totals.entry(format!("{name} us")).or_default() += self.us;
    }
}

impl Unsaved {
    fn into_totals(self) -> BTreeMap<String, u64> {
        let mut totals = self.by_name;
        for ((function, method, route, status), n) in self.requests {
            *totals.entry(format!("requests {function} {method} {route} {status}")).or_default() +=
                n;
        }
        for ([function, method, route], times) in self.request_times {
            times.write(&format!("request_seconds {function} {method} {route}"), &mut totals);
        }
        for (operation, times) in self.operations {
            times.write(&format!("store_seconds {operation}"), &mut totals);
        }
        totals
    }
}

impl Totals {
    /// Totals beside which a journal is kept, for whoever takes it regularly.
    pub(crate) fn with_journal() -> Self {
        Self { journal: Some(Mutex::default()), ..Self::default() }
    }

    /// What happened since it was last taken; none where no journal is kept.
    pub(crate) fn take_journal(&self) -> Option<Journal> {
        let journal = self.journal.as_ref()?;
        Some(std::mem::take(&mut *journal.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Notes what the store counts by itself.
    pub(crate) fn note(&self, note: impl FnOnce(&mut Journal)) {
        if let Some(journal) = &self.journal {
            note(&mut journal.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Counts a request.
    pub(crate) fn count_request(&self, facts: &RequestFacts) {
        let RequestFacts { function, method, route, status, seconds } = facts;
        let mut totals = self.lock();
        *totals.requests.entry((function, method, route, *status)).or_default() += 1;
        totals.request_times.entry([function, method, route]).or_default().add(*seconds);
        drop(totals);
        self.note(|journal| {
            let (route, status) = (("route", *route), status.to_string());
            journal.count("http_requests_total", &[route, ("status", &status)], 1);
            journal.time("http_request_duration_seconds", &[route], *seconds);
        });
    }

    /// Makes a route known, so that its counters start from 0.
    pub(crate) fn declare_request(&self, function: &str, method: &str, route: &str) {
        let totals = &mut self.lock().by_name;
        for status in STATUSES_DECLARED {
            totals.entry(format!("requests {function} {method} {route} {status}")).or_default();
        }
        totals.entry(format!("request_seconds {function} {method} {route} us")).or_default();
    }

    /// Counts the start of a process.
    pub(crate) fn count_cold_start(&self, function: &str) {
        *self.lock().by_name.entry(format!("cold_starts {function}")).or_default() += 1;
        self.note(|journal| journal.count("cold_starts_total", &[], 1));
    }

    /// Counts a step of the store, and whether it failed.
    pub(crate) fn count_operation(&self, operation: &'static str, seconds: f64, is_failed: bool) {
        let mut totals = self.lock();
        totals.operations.entry(operation).or_default().add(seconds);
        if is_failed {
            *totals.by_name.entry(format!("store_errors {operation}")).or_default() += 1;
        }
        drop(totals);
        self.note(|journal| {
            journal.time("store_command_duration_seconds", &[], seconds);
            journal.count("store_errors_total", &[], u64::from(is_failed));
        });
    }

    /// Counts a failure of history.
    pub(crate) fn count_history_error(&self, operation: &'static str) {
        *self.lock().by_name.entry(format!("history_errors {operation}")).or_default() += 1;
    }

    /// Counts samples that were refused before the store saw them.
    pub(crate) fn count_rejected(&self, code: intake::RejectionCode, n: u64) {
        *self.lock().by_name.entry(format!("rejected {code}")).or_default() += n;
        self.note(|journal| journal.count("samples_rejected_total", &[("code", code.as_str())], n));
    }

    /// Counts records of an event, by what became of them.
    pub(crate) fn count_records(&self, trigger: Trigger, result: RecordResult, n: u64) {
        let (trigger, result) = (trigger.as_str(), result.as_str());
        *self.lock().by_name.entry(format!("records {trigger} {result}")).or_default() += n;
        self.note(|journal| {
            let labels = [("trigger", trigger), ("result", result)];
            journal.count("stream_records_total", &labels, n);
        });
    }

    /// Counts samples for which there was no room, however often it was tried.
    pub(crate) fn count_full(&self, n: u64) {
        *self.lock().by_name.entry("samples full".to_owned()).or_default() += n;
    }

    /// Takes what has not been saved; give back with [`Totals::give_back`] what could not be.
    pub(crate) fn take(&self) -> BTreeMap<String, u64> {
        let unsaved = std::mem::take(&mut *self.lock());
        unsaved.into_totals()
    }

    /// Puts back what could not be saved.
    pub(crate) fn give_back(&self, totals: BTreeMap<String, u64>) {
        let unsaved = &mut self.lock().by_name;
        for (field, n) in totals {
            *unsaved.entry(field).or_default() += n;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Unsaved> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
