//! Counts answers: by stage for the report, by second for the charts.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Maximum latency of the histogram, in microseconds: ten minutes.
const LATENCY_MAX_US: u64 = 600_000_000;

/// Significant digits of a latency.
const DIGITS: u8 = 3;

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    /// An answer.
    Answered {
        /// The HTTP status.
        status: u16,
        /// Accepted samples, from the answer.
        n_accepted: u64,
    },
    /// No answer; the cause, of a bounded set.
    Failed(&'static str),
}

/// Counts of a period.
#[derive(Debug, Clone)]
pub(crate) struct RequestCounts {
    /// Latency of 2xx answers from the due time.
    pub(crate) latency_us: Histogram<u64>,
    /// Requests that were due.
    pub(crate) n_due: u64,
    /// 2xx answers.
    pub(crate) n_ok: u64,
    /// Samples in requests with a 2xx answer.
    pub(crate) n_samples: u64,
    /// Accepted samples, from the answers.
    pub(crate) n_accepted: u64,
    /// Errors by status or cause.
    pub(crate) errors: BTreeMap<RequestFault, u64>,
}

/// A status other than 2xx, or the cause of a missing answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RequestFault {
    Status(u16),
    Failure(&'static str),
}

impl std::fmt::Display for RequestFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Failure(why) => f.write_str(why),
        }
    }
}

impl RequestCounts {
    fn new() -> Self {
        let latency_us = Histogram::new_with_max(LATENCY_MAX_US, DIGITS)
            .expect("bounds and digits are constants that fit");
        Self { latency_us, n_due: 0, n_ok: 0, n_samples: 0, n_accepted: 0, errors: BTreeMap::new() }
    }

    fn record(&mut self, latency: Duration, n_samples: u32, outcome: RequestOutcome) {
        let fault = match outcome {
            RequestOutcome::Answered { status: 200..=299, n_accepted } => {
                self.n_ok += 1;
                self.n_samples += u64::from(n_samples);
                self.n_accepted += n_accepted;
                self.latency_us.saturating_record(latency.as_micros() as u64);
                return;
            }
            RequestOutcome::Answered { status, .. } => RequestFault::Status(status),
            RequestOutcome::Failed(why) => RequestFault::Failure(why),
        };
        *self.errors.entry(fault).or_default() += 1;
    }

    /// Requests without a 2xx answer.
    pub(crate) fn n_errors(&self) -> u64 {
        self.errors.values().sum()
    }

    fn clear(&mut self) {
        self.latency_us.reset();
        (self.n_due, self.n_ok, self.n_samples, self.n_accepted) = (0, 0, 0, 0);
        self.errors.clear();
    }
}

/// All counts of a load.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Counts by stage.
    pub(crate) stages: Vec<RequestCounts>,
    /// Counts since the last clear.
    pub(crate) current: RequestCounts,
}

impl Tally {
    pub(crate) fn new(n_stages: usize) -> Self {
        Self { stages: vec![RequestCounts::new(); n_stages], current: RequestCounts::new() }
    }

    /// Counts a due request.
    pub(crate) fn due(&mut self, stage: usize) {
        self.stages[stage].n_due += 1;
        self.current.n_due += 1;
    }

    /// Counts the outcome of a request.
    pub(crate) fn record(
        &mut self,
        stage: usize,
        latency: Duration,
        n_samples: u32,
        outcome: RequestOutcome,
    ) {
        self.stages[stage].record(latency, n_samples, outcome);
        self.current.record(latency, n_samples, outcome);
    }

    /// Passes the counts since the last call to `read`, and clears them.
    pub(crate) fn take<T>(&mut self, read: impl FnOnce(&RequestCounts) -> T) -> T {
        let result = read(&self.current);
        self.current.clear();
        result
    }

    /// Sum of the stages for which `includes` is true.
    pub(crate) fn sum(&self, includes: impl Fn(usize) -> bool) -> RequestCounts {
        let mut sum = RequestCounts::new();
        for (_, window) in self.stages.iter().enumerate().filter(|(stage, _)| includes(*stage)) {
            sum.latency_us.add(&window.latency_us).expect("all histograms have the same bounds");
            sum.n_due += window.n_due;
            sum.n_ok += window.n_ok;
            sum.n_samples += window.n_samples;
            sum.n_accepted += window.n_accepted;
            for (fault, n) in &window.errors {
                *sum.errors.entry(*fault).or_default() += n;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_answers_have_a_latency_and_all_others_are_errors() {
        let mut tally = Tally::new(2);
        let ms = Duration::from_millis;
        let ok = RequestOutcome::Answered { status: 200, n_accepted: 9 };
        tally.record(0, ms(10), 10, ok);
        tally.record(1, ms(20), 10, ok);
        // Refusals are fast, and would reduce the latency.
        tally.record(1, ms(1), 10, RequestOutcome::Answered { status: 503, n_accepted: 0 });
        tally.record(1, ms(1_000), 10, RequestOutcome::Failed("timeout"));
        let all = tally.sum(|_| true);
        assert_eq!((all.n_ok, all.n_samples, all.n_accepted, all.n_errors()), (2, 20, 18, 2));
        assert_eq!((all.latency_us.min(), all.latency_us.len()), (10_000, 2));
        let faults: Vec<String> = all.errors.keys().map(RequestFault::to_string).collect();
        assert_eq!(faults, ["503", "timeout"]);
        assert_eq!(tally.sum(|stage| stage == 0).n_ok, 1);
        assert_eq!((tally.take(|now| now.n_ok), tally.take(|now| now.n_ok)), (2, 0));
    }
}
