//! Native histograms of Prometheus remote write, of which number, sum and mean of observations are kept.
//!
//! All become series of their own, `<metric>_count` and `<metric>_sum`, as those of a classic histogram, and `<metric>_mean`.
//! The buckets are read only to check that they add up to the number.

use domain::{ObservationCount, SampleKind, Series};

use crate::batch::IncomingSample;
use crate::code::RejectionCode;
use crate::protobuf::{ProtobufError, ProtobufField, ProtobufFields, zigzag};
use crate::remote_write::sent_sample::SentSample;
use crate::sample_fault::SampleFault;

/// `ResetHint` of a histogram whose numbers may fall.
const GAUGE_HINT: u64 = 3;

/// A `Histogram`, which has the same fields in both versions.
#[derive(Debug, Default)]
pub(crate) struct HistogramSample {
    at_ms: i64,
    start_ms: i64,
    /// True if the numbers may fall.
    is_gauge: bool,
    count: f64,
    sum: f64,
    /// Numbers of whole observations; a histogram of rates has fractions instead, whose sum is not exact.
    whole: Option<WholeCounts>,
}

#[derive(Debug, Default)]
struct WholeCounts {
    count: u64,
    in_buckets: u64,
}

impl HistogramSample {
    pub(crate) fn read(fields: ProtobufFields<'_>) -> Result<Self, ProtobufError> {
        let mut histogram = Self::default();
        let (mut count, mut zero_count, mut in_buckets) = (None, 0_u64, 0_u64);
        for field in fields {
            let field = field?;
            match field.number {
                1 => count = Some(field.varint()?),
                2 => histogram.count = field.double()?,
                3 => histogram.sum = field.double()?,
                6 => zero_count = field.varint()?,
                9 | 12 => in_buckets = in_buckets.saturating_add(observations(&field)?),
                14 => histogram.is_gauge = field.varint()? == GAUGE_HINT,
                15 => histogram.at_ms = field.int64()?,
                17 => histogram.start_ms = field.int64()?,
                _ => {}
            }
        }
        if let Some(count) = count {
            let in_buckets = in_buckets.saturating_add(zero_count);
            histogram.count = count as f64;
            histogram.whole = Some(WholeCounts { count, in_buckets });
        }
        Ok(histogram)
    }

    /// True for a staleness marker, or a sum that is no number.
    pub(crate) fn is_stale(&self) -> bool {
        !self.sum.is_finite() || !self.count.is_finite()
    }

    /// The samples of the series of the number, of the sum, and of the mean, if the observations are counted in whole.
    pub(crate) fn samples(&self, series: &Series) -> Result<Vec<IncomingSample>, SampleFault> {
        if let Some(WholeCounts { count, in_buckets }) = self.whole
            && count != in_buckets
        {
            let detail = format!(
                "histogram has `{count}` observations, and `{in_buckets}` in its buckets: wanted the same"
            );
            return Err(SampleFault::new(RejectionCode::SampleMalformed, detail));
        }
        let part = |suffix: &str, value| {
            let metric = format!("{}{suffix}", series.metric());
            let series = Series::new(series.source(), metric, series.labels().clone())?;
            let sample = SentSample { value, at_ms: self.at_ms, start_ms: self.start_ms };
            sample.incoming(&series, !self.is_gauge)
        };
        let mut samples = vec![part("_count", self.count)?, part("_sum", self.sum)?];
        let counted = self.whole.as_ref().filter(|_| !self.is_gauge);
        let started_at_us = samples[0].kind.started_at_us();
        let observations = counted.and_then(|of| ObservationCount::new(of.count, started_at_us));
        if let Some(observations) = observations {
            samples.push(IncomingSample {
                kind: SampleKind::Mean(observations),
                ..part("_mean", self.sum)?
            });
        }
        Ok(samples)
    }
}

/// Sum of the buckets, each sent as the difference to the one before.
fn observations(deltas: &ProtobufField<'_>) -> Result<u64, ProtobufError> {
    let (mut bucket, mut sum) = (0_i64, 0_u64);
    for delta in deltas.varints()? {
        bucket = bucket.saturating_add(zigzag(delta?));
        sum = sum.saturating_add(u64::try_from(bucket).unwrap_or_default());
    }
    Ok(sum)
}
