//! Prometheus remote write 1.0 and 2.0: what both versions have in common.
//!
//! A series is named by its labels: `__name__` is the metric, and `job` the source. Each sample is checked by itself: a
//! series without a name, or with a label given twice, rejects its samples, and no others. Labels in another order than
//! sorted are the same series.
//!
//! Samples are counters by the metadata of their request, or without any by the end of the name.

mod histogram;
mod metric_type;
mod sent_sample;
pub(crate) mod v1;
pub(crate) mod v2;

use std::collections::BTreeMap;

use domain::Series;
use domain::series::{LABELS_MAX, SOURCE_DEFAULT, SeriesError};

use crate::batch::{BatchBuilder, IncomingSample};
use crate::code::RejectionCode;
use crate::error::IntakeError;
use crate::protobuf::ProtobufError;
use crate::remote_write::histogram::HistogramSample;
use crate::remote_write::metric_type::MetricType;
use crate::remote_write::sent_sample::SentSample;
use crate::sample_fault::{SampleFault, quoted};
use crate::source;

/// Label with the name of the metric.
const NAME_LABEL: &str = "__name__";

/// Label that becomes the source.
const JOB_LABEL: &str = "job";

/// Most labels that are read of one series: the metric and the source are no labels of the series that they name.
const LABELS_READ_MAX: usize = LABELS_MAX + 2;

impl From<ProtobufError> for IntakeError {
    fn from(error: ProtobufError) -> Self {
        Self::MessageMalformed(error.to_string())
    }
}

/// Label of a series as sent; `None` for a text that is not UTF-8 or not in the table of symbols.
type SentLabel<'a> = (Option<&'a str>, Option<&'a str>);

/// Collects the labels of one series, up to their bound.
#[derive(Debug, Default)]
struct SentLabels<'a> {
    labels: Vec<SentLabel<'a>>,
    n_sent: usize,
}

impl<'a> SentLabels<'a> {
    fn push(&mut self, label: SentLabel<'a>) {
        self.n_sent += 1;
        if self.labels.len() < LABELS_READ_MAX {
            self.labels.push(label);
        }
    }

    /// The name of the metric, if it was sent.
    fn metric(&self) -> Option<&'a str> {
        let (_, value) = self.labels.iter().find(|(name, _)| *name == Some(NAME_LABEL))?;
        *value
    }

    /// The series that the labels name.
    fn series(&self) -> Result<Series, SampleFault> {
        if self.n_sent > LABELS_READ_MAX {
            return Err(SeriesError::LabelsTooMany(self.n_sent).into());
        }
        let mut labels = BTreeMap::new();
        for (name, value) in &self.labels {
            let (Some(name), Some(value)) = (name, value) else {
                let detail = "a label is not UTF-8, or no entry of the table of symbols";
                return Err(SampleFault::new(RejectionCode::NameInvalid, detail));
            };
            if labels.insert(*name, *value).is_some() {
                let detail = format!("label {} is given twice", quoted(name));
                return Err(SampleFault::new(RejectionCode::SampleMalformed, detail));
            }
        }
        // An empty value is the same as no label.
        labels.retain(|_, value| !value.is_empty());
        let Some(metric) = labels.remove(NAME_LABEL) else {
            let detail = format!("label `{NAME_LABEL}` is missing: wanted the name of the metric");
            return Err(SampleFault::new(RejectionCode::MetricMissing, detail));
        };
        let job = source::of_sender(labels.get(JOB_LABEL).copied());
        if job.is_some() {
            labels.remove(JOB_LABEL);
        }
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Ok(Series::new(job.unwrap_or(SOURCE_DEFAULT), metric, labels.collect())?)
    }
}

/// The series of some samples, or the reason to reject them.
struct SampleCollector<'b, 'l> {
    builder: &'b mut BatchBuilder<'l>,
    metric: String,
    is_counter: bool,
    series: Result<Series, SampleFault>,
}

impl<'b, 'l> SampleCollector<'b, 'l> {
    fn new(
        builder: &'b mut BatchBuilder<'l>,
        labels: &SentLabels<'_>,
        metric_type: MetricType,
    ) -> Self {
        let metric = labels.metric().unwrap_or_default().to_owned();
        let is_counter = metric_type.is_counter(&metric);
        Self { builder, metric, is_counter, series: labels.series() }
    }

    /// Adds a sample; a value that is none, such as a staleness marker, is only counted.
    fn push(&mut self, sent: SentSample) -> Result<(), IntakeError> {
        if !self.builder.has_room(1) {
            self.builder.extras().n_unread += 1;
            return Ok(());
        }
        let sample = match &self.series {
            Ok(_) if !sent.value.is_finite() => {
                self.builder.extras().n_absent += 1;
                return Ok(());
            }
            Ok(series) => sent.incoming(series, self.is_counter),
            Err(fault) => Err(fault.clone()),
        };
        let index = self.builder.next_index();
        self.builder.extras().n_samples += 1;
        match sample {
            Ok(sample) => self.builder.accept(IncomingSample { index, ..sample }),
            Err(fault) => self.builder.reject(index, Some(&self.metric), fault),
        }
    }

    /// Adds number, sum and mean of a native histogram, each to a series of its own.
    fn push_histogram(&mut self, histogram: &HistogramSample) -> Result<(), IntakeError> {
        if !self.builder.has_room(3) {
            self.builder.extras().n_unread += 1;
            return Ok(());
        }
        let parts = match &self.series {
            Ok(_) if histogram.is_stale() => {
                self.builder.extras().n_absent_histograms += 1;
                return Ok(());
            }
            Ok(series) => histogram.samples(series),
            Err(fault) => Err(fault.clone()),
        };
        let index = self.builder.next_index();
        self.builder.extras().histograms.push(index);
        match parts {
            Ok(parts) => {
                for sample in parts {
                    self.builder.accept(IncomingSample { index, ..sample })?;
                }
                Ok(())
            }
            Err(fault) => self.builder.reject(index, Some(&self.metric), fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{ObservationCount, SampleKind};
    use prost::Message;

    use super::*;
    use crate::batch::IncomingBatch;
    use crate::limits::RequestLimits;
    use crate::testbed::remote_write::{
        Exemplar, Histogram, STALE_MARKER, TimeSeries, WriteRequestMessage, sample, series,
    };

    const UP: [(&str, &str); 3] =
        [("__name__", "up"), ("instance", "localhost:9090"), ("job", "node")];

    /// Reads a request as each version.
    fn read(request: &WriteRequestMessage, limits: &RequestLimits) -> IncomingBatch {
        let v1 = v1::read(&request.encode_to_vec(), limits).unwrap();
        let v2 = v2::read(&request.to_v2(0).encode_to_vec(), limits).unwrap();
        assert_eq!(v1, v2);
        v1
    }

    fn batch(timeseries: Vec<TimeSeries>) -> IncomingBatch {
        read(&WriteRequestMessage::of(timeseries), &RequestLimits::default())
    }

    fn name(source: &str, metric: &str, labels: &[(&str, &str)]) -> Series {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Series::new(source, metric, labels.collect()).unwrap()
    }

    fn codes(batch: &IncomingBatch) -> Vec<(usize, &'static str)> {
        batch.rejected.iter().map(|rejected| (rejected.index, rejected.code.as_str())).collect()
    }

    #[test]
    fn name_is_the_metric_and_job_the_source() {
        let batch = batch(vec![series(&UP, vec![sample(1_732_060_800_123, 1.5)])]);
        let wanted = IncomingSample {
            index: 0,
            series: name("node", "up", &[("instance", "localhost:9090")]),
            at_us: Some(1_732_060_800_123_000),
            value: 1.5,
            kind: SampleKind::Gauge,
        };
        assert_eq!((batch.samples, batch.rejected), (vec![wanted], vec![]));
        assert_eq!(batch.extras.n_samples, 1);
    }

    #[test]
    fn labels_name_one_series_only() {
        let of = |labels: &[(&str, &str)]| {
            let labels = [&[("__name__", "up")], labels].concat();
            batch(vec![series(&labels, vec![sample(0, 1.0)])]).samples.remove(0).series
        };
        assert_eq!(of(&[]), name("default", "up", &[]));
        assert_eq!(of(&[("job", "default")]), name("default", "up", &[("job", "default")]));
        assert_eq!(of(&[("job", "a\nb")]), name("default", "up", &[("job", "a\nb")]));
        assert_eq!(of(&[("job", ""), ("zone", "")]), name("default", "up", &[]));
        let long = "j".repeat(300);
        assert_eq!(of(&[("job", &long)]), name("default", "up", &[("job", &long)]));
        // Labels out of order are sorted.
        assert_eq!(of(&[("zone", "a"), ("job", "x")]), name("x", "up", &[("zone", "a")]));
        assert_eq!(of(&[("job name", "größe ✓")]).labels()["job name"], "größe ✓");
    }

    #[test]
    fn an_invalid_series_rejects_its_own_samples() {
        let many: Vec<String> = (0..67).map(|i| format!("l{i:02}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "v")).collect();
        let samples = vec![sample(1, 1.0), sample(2, 2.0)];
        let series = |labels: &[(&str, &str)]| series(labels, samples.clone());
        let batch = batch(vec![
            series(&UP),
            series(&[("job", "node")]),
            series(&[("__name__", "")]),
            series(&[("__name__", "up"), ("a", "1"), ("a", "1")]),
            series(&[("__name__", "up"), ("", "1")]),
            series(&[("__name__", "u\tp")]),
            series(&many),
        ]);
        let wanted = [
            "metric_missing",
            "metric_missing",
            "sample_malformed",
            "name_invalid",
            "name_invalid",
            "labels_too_many",
        ];
        let wanted: Vec<_> = (2..).zip(wanted.iter().flat_map(|code| [*code, *code])).collect();
        assert_eq!(codes(&batch), wanted);
        assert_eq!(batch.samples.len(), 2);
    }

    #[test]
    fn all_labels_of_a_full_series_are_read() {
        let many: Vec<String> = (0..64).map(|i| format!("l{i:02}")).collect();
        let many = many.iter().map(|name| (name.as_str(), "v"));
        let labels: Vec<(&str, &str)> = many.chain([("__name__", "up"), ("job", "a")]).collect();
        let batch = batch(vec![series(&labels, vec![sample(1, 1.0)])]);
        assert_eq!(batch.samples[0].series.labels().len(), 64);
    }

    #[test]
    fn a_value_that_is_none_is_neither_stored_nor_rejected() {
        let values = [STALE_MARKER, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        let samples = values.map(|value| sample(1, value)).into();
        let batch = batch(vec![series(&UP, samples), series(&UP, vec![sample(2, 3.0)])]);
        assert_eq!((batch.samples.len(), batch.rejected.len(), batch.extras.n_absent), (1, 0, 4));
        assert_eq!(batch.samples[0].index, 0);
    }

    #[test]
    fn a_value_or_time_out_of_range_is_rejected() {
        let samples = vec![sample(1, 1e21), sample(-1, 1.0), sample(i64::MAX, 1.0), sample(2, 2.0)];
        let batch = batch(vec![series(&UP, samples)]);
        let wanted = [(0, "value_too_large"), (1, "time_invalid"), (2, "time_invalid")];
        assert_eq!(codes(&batch), wanted);
        assert_eq!(batch.samples.len(), 1);
    }

    #[test]
    fn samples_past_the_limit_are_counted() {
        let samples: Vec<_> = (0..9).map(|i| sample(i, 1.0)).collect();
        let limits = RequestLimits { n_samples_max: 4, ..RequestLimits::default() };
        let batch = read(&WriteRequestMessage::of(vec![series(&UP, samples)]), &limits);
        assert_eq!(batch.samples.len() + batch.extras.n_unread, 9);
        assert_eq!(batch.samples.len(), 4);
    }

    #[test]
    fn a_histogram_is_number_sum_and_mean() {
        let histogram = |count, sum, timestamp| Histogram {
            count_int: Some(count),
            sum,
            zero_count_int: Some(1),
            // Buckets of 2, 3 and 1 observations.
            positive_deltas: vec![2, 1, -2],
            negative_deltas: vec![4],
            timestamp,
            ..Histogram::default()
        };
        let float = Histogram { count_float: Some(2.5), sum: 5.0, ..Histogram::default() };
        let all = TimeSeries {
            histograms: vec![
                histogram(11, 2.5, 1),
                histogram(12, 2.5, 2),
                histogram(11, STALE_MARKER, 3),
                float,
            ],
            exemplars: vec![Exemplar::default()],
            ..series(&UP, vec![])
        };
        let batch = batch(vec![all]);
        let samples = batch.samples.iter().map(|s| (s.index, s.series.metric(), s.value));
        let wanted = [
            (0, "up_count", 11.0),
            (0, "up_sum", 2.5),
            (0, "up_mean", 2.5),
            // Rates of observations have no whole number.
            (2, "up_count", 2.5),
            (2, "up_sum", 5.0),
        ];
        assert_eq!(samples.collect::<Vec<_>>(), wanted);
        let mean = SampleKind::Mean(ObservationCount::new(11, None).unwrap());
        assert_eq!(batch.samples[2].kind, mean);
        assert_eq!(codes(&batch), [(1, "sample_malformed")]);
        assert_eq!(batch.extras.histograms, [0, 1, 2]);
        assert_eq!((batch.extras.n_absent_histograms, batch.extras.n_exemplars), (1, 1));
    }

    #[test]
    fn a_malformed_message_is_an_error() {
        let limits = RequestLimits::default();
        let request = WriteRequestMessage::of(vec![series(&UP, vec![sample(1, 1.0)])]);
        let bytes = request.encode_to_vec();
        for len in 1..bytes.len() {
            assert_eq!(v1::read(&bytes[..len], &limits).unwrap_err().code(), "body_malformed");
        }
        let mut request = request.to_v2(0);
        request.symbols[0] = "not empty".to_owned();
        let error = v2::read(&request.encode_to_vec(), &limits).unwrap_err();
        assert_eq!(error.to_string(), "body is malformed: the first symbol is not empty");
        assert!(v1::read(&[], &limits).unwrap().samples.is_empty());
        assert!(v2::read(&[], &limits).unwrap().samples.is_empty());
    }

    #[test]
    fn a_reference_to_no_symbol_rejects_its_series() {
        let limits = RequestLimits::default();
        let request = WriteRequestMessage::of(vec![series(&UP, vec![sample(1, 1.0)])]);
        for references in [vec![1, 99], vec![1, 2, 3], vec![u32::MAX; 2]] {
            let mut request = request.to_v2(0);
            request.timeseries.push(request.timeseries[0].clone());
            request.timeseries[0].labels_refs = references;
            let batch = v2::read(&request.encode_to_vec(), &limits).unwrap();
            assert_eq!((codes(&batch), batch.samples.len()), (vec![(0, "name_invalid")], 1));
        }
    }
}
