//! Prometheus remote write 2.0: the message `io.prometheus.write.v2.Request`.
//!
//! Names and values are in a table of symbols, to which series refer by position. Field numbers are those of
//! `prompb/io/prometheus/write/v2/types.proto` of Prometheus.

use crate::batch::{BatchBuilder, IncomingBatch};
use crate::error::IntakeError;
use crate::limits::RequestLimits;
use crate::protobuf::Fields;
use crate::remote_write::histogram::HistogramSample;
use crate::remote_write::v1::sample;
use crate::remote_write::{SentLabels, SeriesWriter};

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
}

/// Reads the samples of a decompressed request.
pub(crate) fn read(body: &[u8], limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
    let symbols = symbols(body)?;
    let mut builder = BatchBuilder::new(limits);
    for field in Fields::of(body) {
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
    for field in Fields::of(body) {
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
    fields: Fields<'_>,
    symbols: &[Option<&str>],
    builder: &mut BatchBuilder<'_>,
) -> Result<(), IntakeError> {
    let mut labels = SentLabels::default();
    for field in fields.clone() {
        let field = field?;
        if field.number != series::LABELS_REFS {
            continue;
        }
        let mut references = field.varints()?;
        while let Some(name) = references.next() {
            // A name without a value counts as a symbol that is missing.
            let value = references.next().transpose()?.unwrap_or(u64::MAX);
            labels.push((symbol(symbols, name?), symbol(symbols, value)));
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

fn symbol<'a>(symbols: &[Option<&'a str>], reference: u64) -> Option<&'a str> {
    usize::try_from(reference).ok().and_then(|i| symbols.get(i).copied().flatten())
}
