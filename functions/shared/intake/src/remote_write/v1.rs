//! Prometheus remote write 1.0: the message `prometheus.WriteRequest`.
//!
//! Field numbers are those of `prompb/remote.proto` and `prompb/types.proto` of Prometheus.

use std::collections::HashMap;

use crate::batch::{BatchBuilder, IncomingBatch};
use crate::error::IntakeError;
use crate::limits::RequestLimits;
use crate::protobuf::{ProtobufError, ProtobufFields};
use crate::remote_write::histogram::HistogramSample;
use crate::remote_write::metric_type::{MetricType, family};
use crate::remote_write::sent_sample::SentSample;
use crate::remote_write::{SampleCollector, SentLabels};

/// Fields of `WriteRequest`.
mod request {
    pub(super) const TIMESERIES: u32 = 1;
    pub(super) const METADATA: u32 = 3;
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
    let metadata = metadata(body)?;
    let mut builder = BatchBuilder::new(limits);
    for field in ProtobufFields::of(body) {
        let field = field?;
        if field.number == request::TIMESERIES {
            read_series(field.fields()?, &metadata, &mut builder)?;
        }
    }
    Ok(builder.finish())
}

/// Types of the metric families that the request describes; Prometheus sends most metadata in requests of their own.
fn metadata(body: &[u8]) -> Result<HashMap<&str, MetricType>, IntakeError> {
    let mut types = HashMap::new();
    for field in ProtobufFields::of(body) {
        let field = field?;
        if field.number != request::METADATA {
            continue;
        }
        let (mut metric_type, mut name) = (MetricType::default(), None);
        for field in field.fields()? {
            let field = field?;
            match field.number {
                1 => metric_type = MetricType::of_number(field.varint()?),
                2 => name = field.text()?,
                _ => {}
            }
        }
        types.extend(name.map(|name| (name, metric_type)));
    }
    Ok(types)
}

fn read_series(
    fields: ProtobufFields<'_>,
    metadata: &HashMap<&str, MetricType>,
    builder: &mut BatchBuilder<'_>,
) -> Result<(), IntakeError> {
    let mut labels = SentLabels::default();
    for field in fields.clone() {
        let field = field?;
        if field.number == series::LABELS {
            labels.push(label(field.fields()?)?);
        }
    }
    let metric = labels.metric().unwrap_or_default();
    let metric_type = metadata.get(metric).or_else(|| metadata.get(family(metric)));
    let metric_type = metric_type.copied().unwrap_or_default();
    let mut writer = SampleCollector::new(builder, &labels, metric_type);
    for field in fields {
        let field = field?;
        match field.number {
            series::SAMPLES => {
                writer.push(SentSample::read(field.fields()?)?)?;
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
fn label(fields: ProtobufFields<'_>) -> Result<(Option<&str>, Option<&str>), ProtobufError> {
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
