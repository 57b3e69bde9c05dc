//! Result of reading a request: samples, and rejected samples with their reasons.
//!
//! Both are bounded while they are built, so that an oversized body costs no more than one of the largest size.

use domain::{SampleKind, Series};
use serde::Serialize;

use crate::code::RejectionCode;
use crate::error::IntakeError;
use crate::limits::RequestLimits;
use crate::sample_fault::{SampleFault, clip};

/// Longest metric that a rejection quotes, in bytes: 10,000 rejections fit in the 6 MB of an answer on Lambda.
const METRIC_QUOTED_LEN_MAX: usize = 128;

/// One sample as sent.
///
/// Its time may be missing; the store then assigns the first free microsecond at receipt.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingSample {
    /// Index of its object in the request, from 0; values of one object share it.
    pub index: usize,
    /// Series of the sample.
    pub series: Series,
    /// Microseconds since the Unix epoch, in `0..=AT_US_MAX`; `None` if the sender gave no time.
    pub at_us: Option<i64>,
    /// Finite value of a magnitude that its kind accepts.
    pub value: f64,
    /// Meaning of the value.
    pub kind: SampleKind,
}

impl IncomingSample {
    /// Rejects the sample after parsing.
    pub fn reject(&self, code: RejectionCode, detail: impl Into<String>) -> RejectedSample {
        let metric = Some(self.series.metric().to_owned());
        RejectedSample { index: self.index, metric, code, detail: detail.into() }
    }
}

/// Rejected sample of a request, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RejectedSample {
    /// Index of its object in the request, from 0.
    pub index: usize,
    /// Metric as sent, truncated to 128 bytes; `None` if the object has none.
    pub metric: Option<String>,
    /// Reason for programs.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub code: RejectionCode,
    /// Reason for people: the value found, and the value expected.
    pub detail: String,
}

/// Samples of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IncomingBatch {
    /// Valid samples, in the order of the request.
    pub samples: Vec<IncomingSample>,
    /// Invalid samples, in the order of the request.
    pub rejected: Vec<RejectedSample>,
    /// Counts of all else in the request.
    pub extras: BatchExtras,
}

/// Counts of all else in a request of another product: beside the samples that are stored or rejected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchExtras {
    /// Samples that are stored or rejected, other than those of native histograms.
    pub n_samples: usize,
    /// Values that are none, such as NaN and markers of the end of a series.
    pub n_absent: usize,
    /// Native histograms without a value.
    pub n_absent_histograms: usize,
    /// Samples above the limit of a request, which are not read.
    pub n_unread: usize,
    /// Exemplars, which are not stored.
    pub n_exemplars: usize,
    /// Indexes of native histograms, of each of which there are two samples.
    pub histograms: Vec<usize>,
}

impl IncomingBatch {
    /// Number of samples read, valid or not.
    pub fn n_read(&self) -> usize {
        self.samples.len() + self.rejected.len()
    }

    /// Length of the names of all samples, in bytes.
    pub(crate) fn names_len(&self) -> usize {
        self.samples.iter().map(|sample| names_len(&sample.series)).sum()
    }
}

/// Builds a batch within the limits of a request.
#[derive(Debug)]
pub(crate) struct BatchBuilder<'l> {
    batch: IncomingBatch,
    limits: &'l RequestLimits,
    n_objects: usize,
    names_len: usize,
}

impl<'l> BatchBuilder<'l> {
    pub(crate) fn new(limits: &'l RequestLimits) -> Self {
        Self { batch: IncomingBatch::default(), limits, n_objects: 0, names_len: 0 }
    }

    pub(crate) fn finish(self) -> IncomingBatch {
        self.batch
    }

    /// Largest number of samples.
    pub(crate) fn n_samples_max(&self) -> usize {
        self.limits.n_samples_max
    }

    /// True if one more object of at most `n_samples` fits.
    pub(crate) fn has_room(&self, n_samples: usize) -> bool {
        self.batch.n_read() + n_samples <= self.limits.n_samples_max
    }

    /// Counts beside the samples.
    pub(crate) fn extras(&mut self) -> &mut BatchExtras {
        &mut self.batch.extras
    }

    /// Index of the next object of the request.
    pub(crate) fn next_index(&mut self) -> usize {
        let index = self.n_objects;
        self.n_objects += 1;
        index
    }

    /// Adds a valid sample.
    pub(crate) fn accept(&mut self, incoming: IncomingSample) -> Result<(), IntakeError> {
        self.check_room()?;
        self.names_len += names_len(&incoming.series);
        if self.names_len > self.limits.unpacked_bytes_max {
            return Err(IntakeError::UnpackedTooLarge(self.limits.unpacked_bytes_max));
        }
        self.batch.samples.push(incoming);
        Ok(())
    }

    /// Adds an invalid sample.
    pub(crate) fn reject(
        &mut self,
        index: usize,
        metric: Option<&str>,
        fault: SampleFault,
    ) -> Result<(), IntakeError> {
        self.check_room()?;
        let metric = metric.map(|metric| clip(metric.to_owned(), METRIC_QUOTED_LEN_MAX));
        self.batch.rejected.push(RejectedSample {
            index,
            metric,
            code: fault.code,
            detail: fault.detail,
        });
        Ok(())
    }

    /// Returns an error if the batch is full.
    fn check_room(&self) -> Result<(), IntakeError> {
        let n_samples_max = self.limits.n_samples_max;
        if self.batch.n_read() >= n_samples_max {
            Err(IntakeError::TooManySamples(n_samples_max))
        } else {
            Ok(())
        }
    }
}

fn names_len(series: &Series) -> usize {
    let labels: usize = series.labels().iter().map(|(name, value)| name.len() + value.len()).sum();
    series.source().len() + series.metric().len() + labels
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn incoming() -> IncomingSample {
        let series = Series::new("checkout", "rps", BTreeMap::new()).unwrap();
        IncomingSample { index: 0, series, at_us: None, value: 1.0, kind: SampleKind::Gauge }
    }

    #[test]
    fn accepted_and_rejected_samples_share_one_bound() {
        let limits = RequestLimits { n_samples_max: 2, ..RequestLimits::default() };
        let mut builder = BatchBuilder::new(&limits);
        builder.accept(incoming()).unwrap();
        builder.reject(1, None, SampleFault::new(RejectionCode::MetricMissing, "")).unwrap();
        assert_eq!(builder.accept(incoming()).unwrap_err().code(), "too_many_samples");
        assert_eq!(builder.finish().n_read(), 2);
    }

    #[test]
    fn names_share_one_bound() {
        let limits = RequestLimits {
            unpacked_bytes_max: 2 * "checkoutrps".len(),
            ..RequestLimits::default()
        };
        let mut builder = BatchBuilder::new(&limits);
        builder.accept(incoming()).unwrap();
        builder.accept(incoming()).unwrap();
        assert_eq!(builder.accept(incoming()).unwrap_err().code(), "unpacked_too_large");
    }

    #[test]
    fn a_rejection_truncates_a_long_metric() {
        let limits = RequestLimits::default();
        let mut builder = BatchBuilder::new(&limits);
        builder
            .reject(0, Some(&"m".repeat(1000)), SampleFault::new(RejectionCode::NameTooLong, ""))
            .unwrap();
        assert_eq!(
            builder.finish().rejected[0].metric,
            Some("m".repeat(METRIC_QUOTED_LEN_MAX) + "…")
        );
    }

    #[test]
    fn a_rejection_serializes_as_documented() {
        let rejection = RejectedSample {
            index: 3,
            metric: Some("rps".to_owned()),
            code: RejectionCode::ValueNotFinite,
            detail: "value `NaN` is not finite".to_owned(),
        };
        let json = serde_json::to_string(&rejection).unwrap();
        let detail = r#""detail":"value `NaN` is not finite""#;
        assert_eq!(
            json,
            format!(r#"{{"index":3,"metric":"rps","code":"value_not_finite",{detail}}}"#)
        );
    }
}
