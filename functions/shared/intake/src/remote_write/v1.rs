//! Prometheus remote write 1.0: the message `prometheus.WriteRequest`.
//!
//! Field numbers are those of `prompb/remote.proto` and `prompb/types.proto` of Prometheus.

use crate::batch::{BatchBuilder, IncomingBatch};
use crate::error::IntakeError;
use crate::limits::RequestLimits;
use crate::protobuf::{Fields, ProtobufError};
use crate::remote_write::histogram::HistogramSample;
use crate::remote_write::{SentLabels, SeriesWriter};

/// Fields of `WriteRequest`.
mod request {
    pub(super) const TIMESERIES: u32 = 1;
}

/// Fields of `TimeSeries`.
mod series {
    pub(super) const LABELS: u32 = 1;
    pub(super) const SAMPLES: u32 = 2;
    pub(super) const EXEMPLARS: u32 = 3;
    pub(super) const HISTOGRAMS: u32 = 4;
}

/// Reads the samples of a decompressed request.
pub(crate) fn read(body: &[u8], limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
    let mut builder = BatchBuilder::new(limits);
    for field in Fields::of(body) {
        let field = field?;
        if field.number == request::TIMESERIES {
            read_series(field.fields()?, &mut builder)?;
        }
    }
    Ok(builder.finish())
}

fn read_series(fields: Fields<'_>, builder: &mut BatchBuilder<'_>) -> Result<(), IntakeError> {
    let mut labels = SentLabels::default();
    for field in fields.clone() {
        let field = field?;
        if field.number == series::LABELS {
            labels.push(label(field.fields()?)?);
        }
    }
    let mut writer = SeriesWriter::new(builder, &labels);
    for field in fields {
        let field = field?;
        match field.number {
            series::SAMPLES => {
                let (at_ms, value) = sample(field.fields()?)?;
                writer.push(at_ms, value)?;
            }
            series::EXEMPLARS => writer.builder.extras().n_exemplars += 1,
            series::HISTOGRAMS => {
                writer.push_histogram(&HistogramSample::read(field.fields()?)?)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Name and value of a `Label`.
fn label(fields: Fields<'_>) -> Result<(Option<&str>, Option<&str>), ProtobufError> {
    let (mut name, mut value) = (Some(""), Some(""));
    for field in fields {
        let field = field?;
        match field.number {
            1 => name = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// Time in milliseconds and value of a `Sample`, which is the same in both versions.
pub(super) fn sample(fields: Fields<'_>) -> Result<(i64, f64), ProtobufError> {
    let (mut at_ms, mut value) = (0, 0.0);
    for field in fields {
        let field = field?;
        match field.number {
            1 => value = field.double()?,
            2 => at_ms = field.int64()?,
            _ => {}
        }
    }
    Ok((at_ms, value))
}
