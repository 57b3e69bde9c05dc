//! Collects metrics of this process for CloudWatch, which itself adds up the numbers of all processes.
//!
//! Unlike the totals in the store it holds each latency as measured, not in buckets.

use std::collections::BTreeMap;

use domain::Judgement;
use store::SampleClass;

use crate::metrics::name::MetricName;

/// A metric with its labels and their values.
pub(crate) type LabeledMetric = (MetricName, Vec<(&'static str, String)>);

/// Counts and latencies since the buffer was last taken.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EmfBuffer {
    pub(crate) counts: BTreeMap<LabeledMetric, u64>,
    /// Latencies in seconds.
    pub(crate) seconds: BTreeMap<LabeledMetric, Vec<f64>>,
}

impl EmfBuffer {
    pub(crate) fn count(&mut self, metric: MetricName, labels: &[(&'static str, &str)], n: u64) {
        if n > 0 {
            *self.counts.entry(with_labels(metric, labels)).or_default() += n;
        }
    }

    pub(crate) fn time(
        &mut self,
        metric: MetricName,
        labels: &[(&'static str, &str)],
        seconds: f64,
    ) {
        self.seconds.entry(with_labels(metric, labels)).or_default().push(seconds);
    }

    /// Counts appended samples by outcome, as the store does.
    pub(crate) fn note_classes(&mut self, classes: &[SampleClass]) {
        for outcome in classes.iter().filter_map(SampleClass::outcome) {
            self.count(MetricName::Samples, &[("outcome", outcome)], 1);
        }
    }

    /// Counts committed verdicts, as the store does.
    pub(crate) fn note_judgements(&mut self, judgements: &[Judgement]) {
        for judgement in judgements {
            self.count(MetricName::LateSamples, &[], u64::from(judgement.late));
            if let Some(signal) = judgement.verdict.anomaly_signal() {
                self.count(MetricName::Anomalies, &[("signal", signal.as_str())], 1);
            }
        }
    }
}

fn with_labels(metric: MetricName, labels: &[(&'static str, &str)]) -> LabeledMetric {
    (metric, labels.iter().map(|(label, value)| (*label, (*value).to_owned())).collect())
}
