//! A data point of any shape, and the values that become samples.

use domain::sample::AT_US_MAX;
use domain::{ObservationCount, SampleKind};

use crate::code::RejectionCode;
use crate::otlp::attributes::Attributes;
use crate::otlp::buckets::Buckets;
use crate::sample_fault::SampleFault;

/// Most quantiles that are read of a summary.
const QUANTILES_READ_MAX: usize = 100;

/// Quantiles of the observations of a delta, with the ends of their names.
pub(super) const QUANTILES: [(&str, f64); 3] = [("_p50", 0.5), ("_p95", 0.95), ("_p99", 0.99)];

/// Relation of the values of a metric to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Temporality {
    #[default]
    Unspecified,
    Delta,
    Cumulative,
}

impl Temporality {
    pub(super) fn of_number(number: u64) -> Self {
        match number {
            1 => Self::Delta,
            2 => Self::Cumulative,
            _ => Self::Unspecified,
        }
    }
}

/// Kind of the data points of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Gauge,
    Sum { temporality: Temporality, is_monotonic: bool },
    Histogram { temporality: Temporality },
    Summary,
}

/// A data point of any shape.
#[derive(Debug, Clone, Default)]
pub(super) struct Point {
    pub(super) attributes: Attributes,
    pub(super) start_ns: u64,
    pub(super) time_ns: u64,
    pub(super) flags: u64,
    pub(super) value: Option<f64>,
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) quantiles: Vec<(f64, f64)>,
    pub(super) buckets: Buckets,
}

/// One value of a data point.
pub(super) struct PointValue {
    pub(super) suffix: &'static str,
    pub(super) quantile: Option<f64>,
    pub(super) value: f64,
    pub(super) kind: SampleKind,
}

impl PointValue {
    fn new(suffix: &'static str, value: f64, kind: SampleKind) -> Self {
        Self { suffix, quantile: None, value, kind }
    }
}

impl Point {
    pub(super) fn push_quantile(&mut self, quantile: f64, value: f64) {
        if self.quantiles.len() < QUANTILES_READ_MAX {
            self.quantiles.push((quantile, value));
        }
    }

    pub(super) fn at_us(&self) -> Result<i64, SampleFault> {
        let at_us = i64::try_from(self.time_ns / 1_000).unwrap_or(i64::MAX);
        if self.time_ns == 0 || at_us > AT_US_MAX {
            let detail = format!(
                "time `{}` is missing or past 2255: wanted nanoseconds since 1970",
                self.time_ns
            );
            return Err(SampleFault::new(RejectionCode::TimeInvalid, detail));
        }
        Ok(at_us)
    }

    /// The values of a data point; none if it has none.
    pub(super) fn values(&self, shape: Shape) -> Result<Vec<PointValue>, SampleFault> {
        let gauge = |value| PointValue::new("", value, SampleKind::Gauge);
        let values = match shape {
            Shape::Gauge => self.value.map(gauge).into_iter().collect(),
            Shape::Sum { temporality: Temporality::Cumulative, is_monotonic: false } => {
                self.value.map(gauge).into_iter().collect()
            }
            Shape::Sum { temporality, .. } => {
                let sum = |value| self.total("", value, temporality);
                self.value.map(sum).transpose()?.into_iter().collect()
            }
            Shape::Histogram { temporality } => self.histogram(temporality)?,
            Shape::Summary => {
                let mut values = self.totals(Temporality::Cumulative)?;
                values.extend(self.quantiles.iter().map(|(quantile, value)| PointValue {
                    quantile: Some(*quantile),
                    ..gauge(*value)
                }));
                values
            }
        };
        Ok(values.into_iter().filter(|value| value.value.is_finite()).collect())
    }

    /// Number, sum and mean of observations; of a delta also their quantiles, since its buckets are those of its time
    /// alone. Those of a cumulative histogram are of all time since its start: only the mean of those after the sample
    /// before follows from totals.
    fn histogram(&self, temporality: Temporality) -> Result<Vec<PointValue>, SampleFault> {
        self.buckets.check(self.count)?;
        let mut values = self.totals(temporality)?;
        if temporality == Temporality::Cumulative {
            let observations = ObservationCount::new(self.count, self.started_at_us());
            let mean = |(sum, n)| PointValue::new("_mean", sum, SampleKind::Mean(n));
            values.extend(self.sum.zip(observations).map(mean));
        }
        if temporality != Temporality::Delta || self.count == 0 {
            return Ok(values);
        }
        let mut gauge = |suffix, value: Option<f64>| {
            values.extend(value.map(|value| PointValue::new(suffix, value, SampleKind::Gauge)));
        };
        gauge("_mean", self.sum.map(|sum| sum / self.count as f64));
        for (suffix, share) in QUANTILES {
            gauge(suffix, self.buckets.quantile(share));
        }
        Ok(values)
    }

    fn started_at_us(&self) -> Option<i64> {
        i64::try_from(self.start_ns / 1_000).ok().filter(|at_us| *at_us > 0)
    }

    /// Number and sum of observations.
    fn totals(&self, temporality: Temporality) -> Result<Vec<PointValue>, SampleFault> {
        let count = self.total("_count", self.count as f64, temporality)?;
        let sum = self.sum.map(|sum| self.total("_sum", sum, temporality)).transpose()?;
        Ok([count].into_iter().chain(sum).collect())
    }

    /// A total that only grows, or the rate of a difference.
    fn total(
        &self,
        suffix: &'static str,
        value: f64,
        temporality: Temporality,
    ) -> Result<PointValue, SampleFault> {
        match temporality {
            Temporality::Cumulative => {
                let started_at_us = self.started_at_us();
                Ok(PointValue::new(suffix, value, SampleKind::Counter { started_at_us }))
            }
            Temporality::Delta => {
                let elapsed_ns = self.time_ns.checked_sub(self.start_ns).filter(|ns| *ns > 0);
                let Some(elapsed_ns) = elapsed_ns.filter(|_| self.start_ns > 0) else {
                    let detail = "a delta has no start before its time: wanted `startTimeUnixNano`";
                    return Err(SampleFault::new(RejectionCode::SampleMalformed, detail));
                };
                Ok(PointValue::new(suffix, value / (elapsed_ns as f64 / 1e9), SampleKind::Gauge))
            }
            Temporality::Unspecified => {
                let detail =
                    "the aggregation temporality is unspecified: wanted delta or cumulative";
                Err(SampleFault::new(RejectionCode::SampleMalformed, detail))
            }
        }
    }
}
