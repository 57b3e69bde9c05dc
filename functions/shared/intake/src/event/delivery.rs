//! Samples of events that one HTTP request delivers, in bounds of one request.
//!
//! An event that cannot be read is rejected by itself: the others are kept.

use crate::batch::{IncomingBatch, RejectedSample};
use crate::code::RejectionCode;
use crate::error::IntakeError;
use crate::limits::RequestLimits;

/// Collects the samples of the events of a request. The index of a sample becomes that of its event.
#[derive(Debug)]
pub(crate) struct DeliveryBuilder<'l> {
    batch: IncomingBatch,
    limits: &'l RequestLimits,
    n_events: usize,
    names_len: usize,
}

impl<'l> DeliveryBuilder<'l> {
    pub(crate) fn new(limits: &'l RequestLimits) -> Self {
        Self { batch: IncomingBatch::default(), limits, n_events: 0, names_len: 0 }
    }

    pub(crate) fn finish(self) -> IncomingBatch {
        self.batch
    }

    /// The limits of the next event: what the events before have left.
    pub(crate) fn limits(&self) -> RequestLimits {
        RequestLimits {
            n_samples_max: self.limits.n_samples_max.saturating_sub(self.batch.n_read()),
            unpacked_bytes_max: self.limits.unpacked_bytes_max.saturating_sub(self.names_len),
            ..*self.limits
        }
    }

    /// Adds the samples of the next event, or the reason why it cannot be read.
    pub(crate) fn add(
        &mut self,
        samples: Result<IncomingBatch, IntakeError>,
    ) -> Result<(), IntakeError> {
        let index = self.n_events;
        self.n_events += 1;
        let batch = match samples {
            Ok(batch) => batch,
            Err(IntakeError::UnpackedTooLarge(_)) => {
                return Err(IntakeError::UnpackedTooLarge(self.limits.unpacked_bytes_max));
            }
            Err(IntakeError::TooManySamples(_)) => {
                return Err(IntakeError::TooManySamples(self.limits.n_samples_max));
            }
            Err(error) => {
                let (code, detail) = (RejectionCode::SampleMalformed, error.to_string());
                let rejected = vec![RejectedSample { index, metric: None, code, detail }];
                IncomingBatch { rejected, ..IncomingBatch::default() }
            }
        };
        if self.batch.n_read() + batch.n_read() > self.limits.n_samples_max {
            return Err(IntakeError::TooManySamples(self.limits.n_samples_max));
        }
        self.names_len += batch.names_len();
        let samples = batch.samples.into_iter().map(|mut sample| {
            sample.index = index;
            sample
        });
        self.batch.samples.extend(samples);
        let rejected = batch.rejected.into_iter();
        self.batch.rejected.extend(rejected.map(|sample| RejectedSample { index, ..sample }));
        Ok(())
    }
}

/// Rejects samples that have no time: at its receipt, each delivery of the event would store another sample.
pub(crate) fn require_times(batch: &mut IncomingBatch, wanted: &str) {
    if batch.samples.iter().all(|sample| sample.at_us.is_some()) {
        return;
    }
    let (timed, untimed) =
        std::mem::take(&mut batch.samples).into_iter().partition(|sample| sample.at_us.is_some());
    batch.samples = timed;
    let untimed: Vec<crate::IncomingSample> = untimed;
    let detail = format!("the sample has no time: wanted {wanted}");
    let rejected =
        untimed.iter().map(|sample| sample.reject(RejectionCode::TimeInvalid, detail.clone()));
    batch.rejected.extend(rejected);
}
