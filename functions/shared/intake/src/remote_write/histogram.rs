//! Native histograms of Prometheus remote write, of which the number and the sum of observations are kept.
//!
//! Both become series of their own, `<metric>_count` and `<metric>_sum`, as those of a classic histogram. The buckets are
//! read only to check that they add up to the number.

use domain::{Sample, Series};

use crate::code::RejectionCode;
use crate::protobuf::{Field, Fields, ProtobufError, zigzag};
use crate::sample_fault::SampleFault;

/// Microseconds of a millisecond.
const US_PER_MS: i64 = 1_000;

/// A sample at a time in milliseconds.
pub(super) fn sample_at(at_ms: i64, value: f64) -> Result<Sample, SampleFault> {
    // A time past 64 bits is as far out of range as the last one within them.
    Ok(Sample::new(at_ms.saturating_mul(US_PER_MS), value)?)
}

/// A `Histogram`, which has the same fields in both versions.
#[derive(Debug, Default)]
pub(crate) struct HistogramSample {
    at_ms: i64,
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
    pub(crate) fn read(fields: Fields<'_>) -> Result<Self, ProtobufError> {
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
                15 => histogram.at_ms = field.int64()?,
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

    /// The samples of the series of the number and of the sum.
    pub(crate) fn samples(&self, series: &Series) -> Result<[(Series, Sample); 2], SampleFault> {
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
            Ok::<_, SampleFault>((series, sample_at(self.at_ms, value)?))
        };
        Ok([part("_count", self.count)?, part("_sum", self.sum)?])
    }
}

/// Sum of the buckets, each sent as the difference to the one before.
fn observations(deltas: &Field<'_>) -> Result<u64, ProtobufError> {
    let (mut bucket, mut sum) = (0_i64, 0_u64);
    for delta in deltas.varints()? {
        bucket = bucket.saturating_add(zigzag(delta?));
        sum = sum.saturating_add(u64::try_from(bucket).unwrap_or_default());
    }
    Ok(sum)
}
