//! Declares each metric once: name, kind, labels and help text.
//!
//! Labels are bounded: no tenant and no series, except in the gauges of single series that an exporter serves on
//! request.

use intake::Trigger;
use prometheus::proto::MetricType;

/// Every function, as in the label `function`.
pub const FUNCTIONS: [&str; 7] =
    ["analyze", "exporter", "ingest", "ingest-stream", "notifier", "standalone", "sweeper"];

/// Outcomes of a sample in the store.
const SAMPLE_OUTCOMES: [&str; 5] = ["accepted", "duplicate", "conflict", "too_old", "full"];

/// Operations of the history.
const HISTORY_OPERATIONS: [&str; 6] = ["save", "read", "forget", "ready", "backup", "restore"];

const SERIES_LABELS: &[&str] = &["tenant", "source", "metric", "labels"];

/// Operation of the store, as in the label `operation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum StoreOperation {
    /// Append samples, with or without a commit.
    Append,
    /// Write anything else to series.
    Commit,
    /// Read known series.
    Read,
    /// List series.
    List,
    /// Lease tokens of a rate limit.
    Lease,
}

impl StoreOperation {
    const ALL: [Self; 5] = [Self::Append, Self::Commit, Self::Read, Self::List, Self::Lease];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Commit => "commit",
            Self::Read => "read",
            Self::List => "list",
            Self::Lease => "lease",
        }
    }
}

/// Result of one record of a queue or a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordResult {
    /// All its samples are stored.
    Stored,
    /// Processing failed; a second delivery may succeed.
    Retried,
    /// Not storable, however often delivered.
    Poisoned,
}

impl RecordResult {
    /// Every result.
    pub const ALL: [Self; 3] = [Self::Stored, Self::Retried, Self::Poisoned];

    /// Value of the label `result`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Retried => "retried",
            Self::Poisoned => "poisoned",
        }
    }
}

/// Result of a message to a receiver of alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotificationResult {
    /// The receiver took it.
    Delivered,
    /// The receiver did not take it; the message is sent again, unless it is given up.
    Failed,
    /// The message is not sent any more.
    GivenUp,
}

impl NotificationResult {
    /// Every result.
    pub(crate) const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::GivenUp];

    /// Value of the label `result`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

macro_rules! metrics {
    ($($variant:ident: $kind:ident $name:literal $labels:expr, $help:literal;)*) => {
        /// A metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum MetricName {
            $(#[doc = $help] $variant,)*
        }

        impl MetricName {
            /// Every metric, in the order of the exposition.
            const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Name as Prometheus and CloudWatch show it.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub(crate) fn kind(self) -> MetricType {
                match self { $(Self::$variant => MetricType::$kind,)* }
            }

            pub(crate) fn labels(self) -> &'static [&'static str] {
                match self { $(Self::$variant => $labels,)* }
            }

            pub(crate) fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)* }
            }
        }
    };
}

metrics! {
    HttpRequests: COUNTER "http_requests_total" &["function", "method", "route", "status"],
        "HTTP requests served.";
    HttpRequestDuration: HISTOGRAM "http_request_duration_seconds" &["function", "method", "route"],
        "Time to serve an HTTP request.";
    Samples: COUNTER "samples_total" &["outcome"],
        "Samples by their outcome in the store.";
    SamplesRejected: COUNTER "samples_rejected_total" &["code"],
        "Samples rejected, by error code.";
    SamplesNotSelected: COUNTER "samples_not_selected_total" &["rule"],
        "Samples that a rule dropped before they were stored, by the name of the rule.";
    StreamRecords: COUNTER "stream_records_total" &["trigger", "result"],
        "Records received from queues and streams, by result.";
    LateSamples: COUNTER "late_samples_total" &[],
        "Samples judged after a newer sample of their series.";
    Anomalies: COUNTER "anomalies_total" &["signal"],
        "Anomalies detected, by signal.";
    CommitConflicts: COUNTER "commit_conflicts_total" &[],
        "Commits rejected because another writer changed the series first.";
    StoreCommandDuration: HISTOGRAM "store_command_duration_seconds" &["operation"],
        "Duration of a store operation.";
    StoreErrors: COUNTER "store_errors_total" &["operation"],
        "Store operations that failed.";
    ColdStarts: COUNTER "cold_starts_total" &["function"],
        "Processes started.";
    Silences: COUNTER "silences_total" &[],
        "Series that fell silent.";
    Alerts: COUNTER "alerts_total" &["phase"],
        "Changes of alerts, by the phase that began.";
    Notifications: COUNTER "notifications_total" &["receiver", "result"],
        "Messages to receivers of alerts, by result.";
    EpisodesLost: COUNTER "episodes_lost_total" &[],
        "Episodes dropped from the store before the history saved them.";
    StoreLosses: COUNTER "store_losses_total" &[],
        "Times that a process found fewer samples in a shard than the store had acknowledged.";
    HistoryErrors: COUNTER "history_errors_total" &["operation"],
        "History operations that failed.";
    Series: GAUGE "series" &[],
        "Series in the store.";
    SeriesMax: GAUGE "series_max" &[],
        "Series that the store can hold; absent if its memory is not known.";
    StoreMemory: GAUGE "store_memory_bytes" &[],
        "Memory in use by the store; absent if it is not known.";
    StoreMemoryMax: GAUGE "store_memory_max_bytes" &[],
        "Memory that the store may use; absent if it is not known.";
    BacklogSeries: GAUGE "backlog_series" &[],
        "Series with samples not yet judged.";
    BacklogOldest: GAUGE "backlog_oldest_seconds" &[],
        "Age of the oldest sample not yet judged.";
    Instances: GAUGE "instances" &["function"],
        "Processes that serve requests, or did within the last 30 seconds.";
    HttpConnections: GAUGE "http_connections" &["function", "instance"],
        "Open HTTP connections.";
    HttpRequestsInFlight: GAUGE "http_requests_in_flight" &["function", "instance"],
        "HTTP requests being served.";
    EpisodesUnsaved: GAUGE "episodes_unsaved" &[],
        "Series with episodes not yet saved to the history.";
    BuildInfo: GAUGE "build_info" &["version"],
        "Version of this process; the value is always 1.";
    StoreUp: GAUGE "store_up" &[],
        "1 if the store answers this process, else 0.";
    StoreCircuitsOpen: GAUGE "store_circuits_open" &[],
        "Open circuit breakers: shards of the store that this process does not call after failures.";
    StoreCircuits: GAUGE "store_circuits" &[],
        "Circuit breakers of this process, one per shard of the store.";
    ClockAhead: GAUGE "clock_ahead_seconds" &[],
        "Time by which this process is ahead of its clock, which jumped back; 0 otherwise.";
    SeriesValue: GAUGE "series_value" SERIES_LABELS,
        "Newest value of the series.";
    SeriesExpected: GAUGE "series_expected" SERIES_LABELS,
        "Expected value of the newest sample.";
    SeriesBandLower: GAUGE "series_band_lower" SERIES_LABELS,
        "Lower bound of the normal range.";
    SeriesBandUpper: GAUGE "series_band_upper" SERIES_LABELS,
        "Upper bound of the normal range.";
    SeriesScore: GAUGE "series_score" SERIES_LABELS,
        "Score of the newest verdict.";
    SeriesAnomaly: GAUGE "series_anomaly" SERIES_LABELS,
        "1 if the newest verdict is an anomaly, else 0.";
    SeriesAnomalies: GAUGE "series_anomalies" SERIES_LABELS,
        "Stored anomalies of the series.";
}

impl MetricName {
    /// Metrics whose totals are shared through the store, in the order of the exposition: all but the gauges.
    pub(crate) fn shared() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|metric| metric.kind() != MetricType::GAUGE)
    }

    /// Name of its total in the store, followed there by the values of its labels.
    pub(crate) fn total(self) -> &'static str {
        match self {
            Self::LateSamples => store::totals::LATE,
            _ => self.as_str().strip_suffix("_total").unwrap_or(self.as_str()),
        }
    }

    /// Label values that exist from the start, so that each counter starts from 0.
    pub(crate) fn known_labels(self) -> Vec<String> {
        let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        match self {
            Self::Samples => owned(&SAMPLE_OUTCOMES),
            Self::SamplesRejected => {
                owned(&intake::RejectionCode::ALL.map(intake::RejectionCode::as_str))
            }
            Self::StreamRecords => stream_labels(),
            Self::Anomalies => owned(&domain::Signal::ALL.map(domain::Signal::as_str)),
            Self::StoreCommandDuration | Self::StoreErrors => {
                owned(&StoreOperation::ALL.map(StoreOperation::as_str))
            }
            Self::Alerts => owned(&["firing", "resolved"]),
            Self::ColdStarts => owned(&FUNCTIONS),
            Self::HistoryErrors => owned(&HISTORY_OPERATIONS),
            _ if self.labels().is_empty() => vec![String::new()],
            _ => Vec::new(),
        }
    }
}

fn stream_labels() -> Vec<String> {
    let results = |trigger: &Trigger| {
        RecordResult::ALL.map(|result| format!("{} {}", trigger.as_str(), result.as_str()))
    };
    Trigger::ALL.iter().flat_map(results).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_that_the_store_counts_have_the_names_of_their_metrics() {
        for (metric, total) in [
            (MetricName::Samples, store::totals::SAMPLES),
            (MetricName::LateSamples, store::totals::LATE),
            (MetricName::Anomalies, store::totals::ANOMALIES),
            (MetricName::Silences, store::totals::SILENCES),
            (MetricName::EpisodesLost, store::totals::EPISODES_LOST),
            (MetricName::CommitConflicts, store::totals::CONFLICTS),
        ] {
            assert_eq!(metric.total(), total);
        }
    }
}
