//! A sample of Prometheus remote write, with its time in milliseconds.

use domain::sample::AT_US_MAX;
use domain::{SampleError, SampleKind, Series};

use crate::batch::IncomingSample;
use crate::protobuf::{ProtobufError, ProtobufFields};
use crate::sample_fault::SampleFault;

/// Microseconds of a millisecond.
const US_PER_MS: i64 = 1_000;

/// A `Sample`; version 1.0 sends no start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SentSample {
    pub(super) value: f64,
    pub(super) at_ms: i64,
    /// 0 if the start is not known.
    pub(super) start_ms: i64,
}

impl SentSample {
    pub(super) fn read(fields: ProtobufFields<'_>) -> Result<Self, ProtobufError> {
        let mut sample = Self::default();
        for field in fields {
            let field = field?;
            match field.number {
                1 => sample.value = field.double()?,
                2 => sample.at_ms = field.int64()?,
                3 => sample.start_ms = field.int64()?,
                _ => {}
            }
        }
        Ok(sample)
    }

    /// The sample of a series, with index 0.
    pub(super) fn incoming(
        self,
        series: &Series,
        is_counter: bool,
    ) -> Result<IncomingSample, SampleFault> {
        // A time past 64 bits is as far out of range as the last one within them.
        let at_us = self.at_ms.saturating_mul(US_PER_MS);
        if !(0..=AT_US_MAX).contains(&at_us) {
            return Err(SampleError::TimeOutOfRange(at_us).into());
        }
        let kind = if is_counter {
            let started_at_us = self.start_ms.saturating_mul(US_PER_MS);
            let started_at_us = Some(started_at_us).filter(|at| (1..=AT_US_MAX).contains(at));
            SampleKind::Counter { started_at_us }
        } else {
            SampleKind::Gauge
        };
        let value = kind.check_value(self.value)?;
        Ok(IncomingSample { index: 0, series: series.clone(), at_us: Some(at_us), value, kind })
    }
}
