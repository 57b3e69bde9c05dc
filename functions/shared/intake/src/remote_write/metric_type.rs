//! The type of a metric, by its metadata or else by its name.

/// Ends of the names of counters, by the conventions of Prometheus and OpenMetrics.
const COUNTER_SUFFIXES: [&str; 4] = ["_total", "_count", "_sum", "_bucket"];

/// Ends of the names of the counters that a histogram or a summary consists of.
const PART_SUFFIXES: [&str; 3] = ["_count", "_sum", "_bucket"];

/// `MetricType` of the metadata, whose numbers are the same in both versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum MetricType {
    #[default]
    Unknown,
    Counter,
    /// A gauge, a gauge histogram, an info or a state set.
    Gauge,
    /// A histogram or a summary.
    Parts,
}

impl MetricType {
    pub(super) fn of_number(number: u64) -> Self {
        match number {
            1 => Self::Counter,
            2 | 4 | 6 | 7 => Self::Gauge,
            3 | 5 => Self::Parts,
            _ => Self::Unknown,
        }
    }

    /// True if the samples of a metric of this name are those of a counter.
    pub(super) fn is_counter(self, metric: &str) -> bool {
        match self {
            Self::Counter => true,
            Self::Gauge => false,
            Self::Parts => ends_with_any(metric, &PART_SUFFIXES),
            Self::Unknown => ends_with_any(metric, &COUNTER_SUFFIXES),
        }
    }
}

/// The name of the family that a metric may be a part of.
pub(super) fn family(metric: &str) -> &str {
    COUNTER_SUFFIXES.iter().find_map(|suffix| metric.strip_suffix(suffix)).unwrap_or(metric)
}

fn ends_with_any(metric: &str, suffixes: &[&str]) -> bool {
    suffixes.iter().any(|suffix| metric.len() > suffix.len() && metric.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_comes_before_the_name() {
        let cases = [
            (0, "http_requests_total", true),
            (0, "request_seconds_bucket", true),
            (0, "request_seconds_sum", true),
            (0, "up", false),
            (0, "_total", false),
            (9, "http_requests_total", true),
            (1, "requests", true),
            (2, "jobs_total", false),
            (3, "request_seconds_count", true),
            (5, "request_seconds", false),
            (4, "queue_bucket", false),
            (6, "build_info", false),
            (7, "state_count", false),
        ];
        for (number, metric, expected) in cases {
            assert_eq!(MetricType::of_number(number).is_counter(metric), expected, "{metric}");
        }
        assert_eq!((family("a_total"), family("a_bucket"), family("up")), ("a", "a", "up"));
    }
}
