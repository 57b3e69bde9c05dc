//! What came back, counted: by stage for the report, by second for the charts.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest latency that is told apart, in microseconds: ten minutes.
const LATENCY_MAX_US: u64 = 600_000_000;

/// Significant digits of a latency.
const DIGITS: u8 = 3;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With an answer.
    Answered {
        /// The HTTP status.
        status: u16,
        /// Samples that the deployment says it took.
        n_accepted: u64,
    },
    /// Without one; why, of a bounded set.
    Failed(&'static str),
}

/// Counts of a stretch of time.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    /// Of answers with a status of 2xx, from when the request was due.
    pub(crate) latency_us: Histogram<u64>,
    /// Requests that were due.
    pub(crate) n_due: u64,
    /// Answers with a status of 2xx.
    pub(crate) n_ok: u64,
    /// Samples in their requests.
    pub(crate) n_samples: u64,
    /// Samples that they say were accepted.
    pub(crate) n_accepted: u64,
    /// All that is not `n_ok`, by status or by what went wrong.
    pub(crate) errors: BTreeMap<Fault, u64>,
}

/// A status that is not 2xx, or what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Status(u16),
    Failure(&'static str),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Failure(why) => f.write_str(why),
        }
    }
}

impl Window {
    fn new() -> Self {
        let latency_us = Histogram::new_with_max(LATENCY_MAX_US, DIGITS)
            .expect("bounds and digits are constants that fit");
        Self { latency_us, n_due: 0, n_ok: 0, n_samples: 0, n_accepted: 0, errors: BTreeMap::new() }
    }

    fn record(&mut self, latency: Duration, n_samples: u32, outcome: Outcome) {
        let fault = match outcome {
            Outcome::Answered { status: 200..=299, n_accepted } => {
                self.n_ok += 1;
                self.n_samples += u64::from(n_samples);
                self.n_accepted += n_accepted;
                self.latency_us.saturating_record(latency.as_micros() as u64);
                return;
            }
            Outcome::Answered { status, .. } => Fault::Status(status),
            Outcome::Failed(why) => Fault::Failure(why),
        };
        *self.errors.entry(fault).or_default() += 1;
    }

    /// Requests that had no answer of 2xx.
    pub(crate) fn n_errors(&self) -> u64 {
        self.errors.values().sum()
    }

    fn clear(&mut self) {
        self.latency_us.reset();
        (self.n_due, self.n_ok, self.n_samples, self.n_accepted) = (0, 0, 0, 0);
        self.errors.clear();
    }
}

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Tally {
    /// By stage.
    pub(crate) stages: Vec<Window>,
    /// Since it was last cleared.
    pub(crate) current: Window,
}

impl Tally {
    pub(crate) fn new(n_stages: usize) -> Self {
        Self { stages: vec![Window::new(); n_stages], current: Window::new() }
    }

    /// A request is due.
    pub(crate) fn due(&mut self, stage: usize) {
        self.stages[stage].n_due += 1;
        self.current.n_due += 1;
    }

    /// A request ended.
    pub(crate) fn record(
        &mut self,
        stage: usize,
        latency: Duration,
        n_samples: u32,
        outcome: Outcome,
    ) {
        self.stages[stage].record(latency, n_samples, outcome);
        self.current.record(latency, n_samples, outcome);
    }

    /// What was counted since the last call.
    pub(crate) fn take<T>(&mut self, look: impl FnOnce(&Window) -> T) -> T {
        let seen = look(&self.current);
        self.current.clear();
        seen
    }

    /// The stages that `wanted` holds for, added up.
    pub(crate) fn sum(&self, wanted: impl Fn(usize) -> bool) -> Window {
        let mut sum = Window::new();
        for (_, window) in self.stages.iter().enumerate().filter(|(stage, _)| wanted(*stage)) {
            sum.latency_us.add(&window.latency_us).expect("all histograms have one form");
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
    fn only_what_was_served_has_a_latency_and_everything_else_is_an_error() {
        let mut tally = Tally::new(2);
        let ms = Duration::from_millis;
        let ok = Outcome::Answered { status: 200, n_accepted: 9 };
        tally.record(0, ms(10), 10, ok);
        tally.record(1, ms(20), 10, ok);
        // A refusal is fast, and would flatter the latency of what is served.
        tally.record(1, ms(1), 10, Outcome::Answered { status: 503, n_accepted: 0 });
        tally.record(1, ms(1_000), 10, Outcome::Failed("timeout"));
        let all = tally.sum(|_| true);
        assert_eq!((all.n_ok, all.n_samples, all.n_accepted, all.n_errors()), (2, 20, 18, 2));
        assert_eq!((all.latency_us.min(), all.latency_us.len()), (10_000, 2));
        let faults: Vec<String> = all.errors.keys().map(Fault::to_string).collect();
        assert_eq!(faults, ["503", "timeout"]);
        assert_eq!(tally.sum(|stage| stage == 0).n_ok, 1);
        assert_eq!((tally.take(|now| now.n_ok), tally.take(|now| now.n_ok)), (2, 0));
    }
}
