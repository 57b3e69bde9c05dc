//! What this process did since it was last asked: for CloudWatch, which adds the numbers of processes up by itself.
//!
//! The totals in the store are those of all processes, and their latencies are buckets. Here is what one process saw,
//! under the names of the metrics, each latency as it was. Only a process whose journal somebody takes keeps one, or it
//! would grow without end.

use std::collections::BTreeMap;

use domain::Judgement;
use store::Class;

/// The name of a metric, with its labels.
pub(crate) type Name = (&'static str, Vec<(&'static str, String)>);

/// What happened, by metric.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Journal {
    pub(crate) counts: BTreeMap<Name, u64>,
    /// Each latency, in seconds.
    pub(crate) seconds: BTreeMap<Name, Vec<f64>>,
}

impl Journal {
    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.seconds.is_empty()
    }

    pub(crate) fn count(&mut self, metric: &'static str, labels: &[(&'static str, &str)], n: u64) {
        if n > 0 {
            *self.counts.entry(name(metric, labels)).or_default() += n;
        }
    }

    pub(crate) fn time(
        &mut self,
        metric: &'static str,
        labels: &[(&'static str, &str)],
        seconds: f64,
    ) {
        self.seconds.entry(name(metric, labels)).or_default().push(seconds);
    }

    /// Notes what became of appended samples, as the store counts it.
    pub(crate) fn note_classes(&mut self, classes: &[Class]) {
        for outcome in classes.iter().filter_map(outcome) {
            self.count("samples_total", &[("outcome", outcome)], 1);
        }
    }

    /// Notes what was said of committed samples, as the store counts it.
    pub(crate) fn note_judgements(&mut self, judgements: &[Judgement]) {
        for judgement in judgements {
            self.count("late_samples_total", &[], u64::from(judgement.late));
            let expectation = judgement.verdict.expectation;
            if let Some(expectation) = expectation.filter(|_| judgement.verdict.is_anomaly()) {
                self.count("anomalies_total", &[("signal", expectation.signal.as_str())], 1);
            }
        }
    }
}

fn name(metric: &'static str, labels: &[(&'static str, &str)]) -> Name {
    (metric, labels.iter().map(|(label, value)| (*label, (*value).to_owned())).collect())
}

fn outcome(class: &Class) -> Option<&'static str> {
    match class {
        Class::Fresh { .. } => Some("accepted"),
        Class::Duplicate { .. } => Some("duplicate"),
        Class::Conflict { .. } => Some("conflict"),
        Class::TooOld => Some("too_old"),
        Class::Full => Some("full"),
        // Told by its code.
        Class::TooManySeries => None,
    }
}
