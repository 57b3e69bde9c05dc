//! Prometheus remote write 2.0: the message `io.prometheus.write.v2.Request`.
//!
//! Names and values are in a table of symbols, to which series refer by position. Field numbers are those of
//! `prompb/io/prometheus/write/v2/types.proto` of Prometheus.

use crate::batch::{BatchBuilder, IncomingBatch};
use crate::error::IntakeError;
use crate::limits::RequestLimits;
use crate::protobuf::{ProtobufError, ProtobufFields};
use crate::remote_write::histogram::HistogramSample;
use crate::remote_write::metric_type::MetricType;
use crate::remote_write::sent_sample::SentSample;
use crate::remote_write::{SampleCollector, SentLabels};

/// Most symbols of a request: 10,000 samples with a dozen names and values each that no other has.
const SYMBOLS_MAX: usize = 1 << 18;

/// Fields of `Request`.
mod request {
    pub(super) const SYMBOLS: u32 = 4;
    pub(super) const TIMESERIES: u32 = 5;
}

/// Fields of `TimeSeries`.
mod series {
    pub(super) const LABELS_REFS: u32 = 1;
    pub(super) const SAMPLES: u32 = 2;
    pub(super) const HISTOGRAMS: u32 = 3;
    pub(super) const EXEMPLARS: u32 = 4;
    pub(super) const METADATA: u32 = 5;
    /// Start of all samples, in drafts before that of each sample.
    pub(super) const CREATED: u32 = 6;
}

/// Reads the samples of a decompressed request.
pub(crate) fn read(body: &[u8], limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
    let symbols = symbols(body)?;
    let mut builder = BatchBuilder::new(limits);
    for field in ProtobufFields::of(body) {
        let field = field?;
        if field.number == request::TIMESERIES {
            read_series(field.fields()?, &symbols, &mut builder)?;
        }
    }
    Ok(builder.finish())
}

/// The table of symbols; `None` for one that is not UTF-8.
fn symbols(body: &[u8]) -> Result<Vec<Option<&str>>, IntakeError> {
    let mut symbols = Vec::new();
    for field in ProtobufFields::of(body) {
        let field = field?;
        if field.number != request::SYMBOLS {
            continue;
        }
        if symbols.len() == SYMBOLS_MAX {
            let problem = format!("the table has more than {SYMBOLS_MAX} symbols");
            return Err(IntakeError::MessageMalformed(problem));
        }
        symbols.push(field.text()?);
    }
    if symbols.first().is_some_and(|first| *first != Some("")) {
        let problem = "the first symbol is not empty".to_owned();
        return Err(IntakeError::MessageMalformed(problem));
    }
    Ok(symbols)
}

fn read_series(
    fields: ProtobufFields<'_>,
    symbols: &[Option<&str>],
    builder: &mut BatchBuilder<'_>,
) -> Result<(), IntakeError> {
    let (mut labels, mut metric_type, mut created_ms) =
        (SentLabels::default(), MetricType::default(), 0);
    for field in fields.clone() {
        let field = field?;
        match field.number {
            series::LABELS_REFS => {
                let mut references = field.varints()?;
                while let Some(name) = references.next() {
                    // A name without a value counts as a symbol that is missing.
                    let value = references.next().transpose()?.unwrap_or(u64::MAX);
                    labels.push((symbol(symbols, name?), symbol(symbols, value)));
                }
            }
            series::METADATA => metric_type = metric_type_of(field.fields()?)?,
            series::CREATED => created_ms = field.int64()?,
            _ => {}
        }
    }
    let mut writer = SampleCollector::new(builder, &labels, metric_type);
    for field in fields {
        let field = field?;
        match field.number {
            series::SAMPLES => {
                let sample = SentSample::read(field.fields()?)?;
                let start_ms = if sample.start_ms == 0 { created_ms } else { sample.start_ms };
                writer.push(SentSample { start_ms, ..sample })?;
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

/// The type in a `Metadata`.
fn metric_type_of(fields: ProtobufFields<'_>) -> Result<MetricType, ProtobufError> {
    let mut metric_type = MetricType::default();
    for field in fields {
        let field = field?;
        if field.number == 1 {
            metric_type = MetricType::of_number(field.varint()?);
        }
    }
    Ok(metric_type)
}

fn symbol<'a>(symbols: &[Option<&'a str>], reference: u64) -> Option<&'a str> {
    usize::try_from(reference).ok().and_then(|i| symbols.get(i).copied().flatten())
}
