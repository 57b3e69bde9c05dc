//! What a request turns into: samples, and the reasons why some are none.
//!
//! Both halves are bounded while they are built, not afterwards, so that a body which holds too
//! much costs no more than one which holds just enough.

use domain::Series;
use domain::series::NAME_LEN_MAX;
use serde::Serialize;

use crate::code::RejectionCode;
use crate::error::IntakeError;
use crate::fault::{Fault, clip};
use crate::limits::Limits;

/// One sample as sent.
///
/// It is no [`domain::Sample`] yet, since its time may be missing: the store then gives it the
/// first free microsecond at receipt.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingSample {
    /// Position of its object in the request, from 0. Values of one object share it.
    pub index: usize,
    /// What was measured, where.
    pub series: Series,
    /// Microseconds since the Unix epoch, in `0..=AT_US_MAX`; `None` when the sender gave no time.
    pub at_us: Option<i64>,
    /// The value; finite and of accepted magnitude.
    pub value: f64,
}

impl IncomingSample {
    /// Why this sample was not accepted after all.
    pub fn reject(&self, code: RejectionCode, detail: impl Into<String>) -> RejectedSample {
        let metric = Some(self.series.metric().to_owned());
        RejectedSample { index: self.index, metric, code, detail: detail.into() }
    }
}

/// Why one sample of a request was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedSample {
    /// Position of its object in the request, from 0.
    pub index: usize,
    /// The metric as sent, cut to the length of a name; `None` when the object names none.
    pub metric: Option<String>,
    /// The reason, as a program reads it.
    pub code: RejectionCode,
    /// The reason, as a person reads it: what was found and what is wanted.
    pub detail: String,
}

/// The samples of a request, good and bad; together they are the samples read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IncomingBatch {
    /// Samples that the store may be asked to take, in the order of the request.
    pub samples: Vec<IncomingSample>,
    /// The others, in the order of the request.
    pub rejected: Vec<RejectedSample>,
}

impl IncomingBatch {
    /// How many samples were read.
    pub fn n_read(&self) -> usize {
        self.samples.len() + self.rejected.len()
    }
}

/// A batch that grows within its limits.
#[derive(Debug)]
pub(crate) struct Builder<'l> {
    batch: IncomingBatch,
    limits: &'l Limits,
    n_objects: usize,
    names_len: usize,
}

impl<'l> Builder<'l> {
    pub(crate) fn new(limits: &'l Limits) -> Self {
        Self { batch: IncomingBatch::default(), limits, n_objects: 0, names_len: 0 }
    }

    pub(crate) fn finish(self) -> IncomingBatch {
        self.batch
    }

    /// Most samples that the batch may hold.
    pub(crate) fn n_samples_max(&self) -> usize {
        self.limits.n_samples_max
    }

    /// The index of the next object of the request.
    pub(crate) fn next_index(&mut self) -> usize {
        let index = self.n_objects;
        self.n_objects += 1;
        index
    }

    /// Takes a sample.
    pub(crate) fn accept(&mut self, incoming: IncomingSample) -> Result<(), IntakeError> {
        self.check_room()?;
        self.names_len += names_len(&incoming.series);
        if self.names_len > self.limits.unpacked_bytes_max {
            return Err(IntakeError::UnpackedTooLarge { len_max: self.limits.unpacked_bytes_max });
        }
        self.batch.samples.push(incoming);
        Ok(())
    }

    /// Notes why a sample is none.
    pub(crate) fn reject(
        &mut self,
        index: usize,
        metric: Option<&str>,
        fault: Fault,
    ) -> Result<(), IntakeError> {
        self.check_room()?;
        let metric = metric.map(|metric| clip(metric.to_owned(), NAME_LEN_MAX));
        self.batch.rejected.push(RejectedSample {
            index,
            metric,
            code: fault.code,
            detail: fault.detail,
        });
        Ok(())
    }

    /// Fails once the body holds more samples than it may.
    fn check_room(&self) -> Result<(), IntakeError> {
        let n_samples_max = self.limits.n_samples_max;
        if self.batch.n_read() >= n_samples_max {
            Err(IntakeError::TooManySamples { n_samples_max })
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
        IncomingSample { index: 0, series, at_us: None, value: 1.0 }
    }

    #[test]
    fn accepted_and_rejected_samples_share_one_bound() {
        let limits = Limits { n_samples_max: 2, ..Limits::default() };
        let mut builder = Builder::new(&limits);
        builder.accept(incoming()).unwrap();
        builder.reject(1, None, Fault::new(RejectionCode::MetricMissing, "")).unwrap();
        assert_eq!(builder.accept(incoming()).unwrap_err().code(), "too_many_samples");
        assert_eq!(builder.finish().n_read(), 2);
    }

    #[test]
    fn names_share_one_bound() {
        let limits = Limits { unpacked_bytes_max: 2 * "checkoutrps".len(), ..Limits::default() };
        let mut builder = Builder::new(&limits);
        builder.accept(incoming()).unwrap();
        builder.accept(incoming()).unwrap();
        assert_eq!(builder.accept(incoming()).unwrap_err().code(), "unpacked_too_large");
    }

    #[test]
    fn a_rejection_does_not_echo_a_long_metric() {
        let limits = Limits::default();
        let mut builder = Builder::new(&limits);
        builder
            .reject(0, Some(&"m".repeat(1000)), Fault::new(RejectionCode::NameTooLong, ""))
            .unwrap();
        assert_eq!(builder.finish().rejected[0].metric, Some("m".repeat(NAME_LEN_MAX) + "…"));
    }

    #[test]
    fn a_rejection_is_written_as_documented() {
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
