//! OpenTelemetry metrics (OTLP): what both encodings have in common.
//!
//! | of the metric | samples | kind |
//! |---|---|---|
//! | gauge, cumulative sum that may fall | its value | gauge |
//! | cumulative sum that only grows | its value | counter with its start |
//! | delta sum | its value by the seconds since its start | gauge |
//! | histogram, exponential histogram, summary | `<name>_count` and `<name>_sum`, as sums | as sums |
//! | histogram, exponential histogram of a delta | `<name>_mean`, `<name>_p50`, `<name>_p95`, `<name>_p99` | gauge |
//! | quantile of a summary | its value, with the label `quantile` | gauge |
//!
//! The resource attribute `service.name` is the source. Labels are the attributes of the data point, of the scope with
//! `otel.scope.name`, and of the resource; where an inner attribute has the same name, that of the scope or the resource
//! is named `scope.<name>` or `resource.<name>`. Resource attributes of the process, the container, the operating system and
//! the versions of the service and the SDK are left out: they would name new series at each restart or update.
//!
//! Summaries of a CloudWatch metric stream are those of one minute: they become what its JSON format becomes.

pub(crate) mod binary;
mod buckets;
mod cloudwatch;
pub(crate) mod delimited;
pub(crate) mod json;

use std::collections::BTreeMap;

use domain::sample::AT_US_MAX;
use domain::series::{LABELS_MAX, SERIES_LEN_MAX, SOURCE_DEFAULT, SeriesError};
use domain::{SampleKind, Series};

use crate::batch::{BatchBuilder, IncomingSample};
use crate::code::RejectionCode;
use crate::error::IntakeError;
use crate::otlp::buckets::Buckets;
use crate::otlp::cloudwatch::MinuteSummary;
use crate::sample_fault::{SampleFault, quoted};
use crate::source;

/// Attribute that becomes the source.
const SERVICE_NAME: &str = "service.name";

/// Beginnings of the names of resource attributes that are left out.
const LEFT_OUT: [&str; 5] = ["process.", "telemetry.", "os.", "container.id", "service.version"];

/// Label with the name of the scope.
const SCOPE_NAME: &str = "otel.scope.name";

/// Most attributes that are read of a resource, a scope or a data point.
const ATTRIBUTES_READ_MAX: usize = 2 * LABELS_MAX;

/// Most quantiles that are read of a summary.
const QUANTILES_READ_MAX: usize = 100;

/// Quantiles of the observations of a delta, with the ends of their names.
const QUANTILES: [(&str, f64); 3] = [("_p50", 0.5), ("_p95", 0.95), ("_p99", 0.99)];

/// Flag of a data point that was due and has no value.
const NO_RECORDED_VALUE: u64 = 1;

/// Attributes of a resource, a scope or a data point, up to their bound.
#[derive(Debug, Clone, Default)]
struct Attributes {
    values: BTreeMap<String, String>,
    n_sent: usize,
    len: usize,
    /// Beginnings of the names that are left out.
    left_out: &'static [&'static str],
    fault: Option<SampleFault>,
}

impl Attributes {
    fn of_resource() -> Self {
        Self { left_out: &LEFT_OUT, ..Self::default() }
    }

    /// Adds an attribute; what no series could have is not kept, since it would be copied for each data point.
    fn push(&mut self, name: &str, value: String) {
        if self.left_out.iter().any(|left_out| name.starts_with(left_out)) {
            return;
        }
        self.n_sent += 1;
        self.len += name.len() + value.len();
        if self.values.len() >= ATTRIBUTES_READ_MAX || self.len > SERIES_LEN_MAX {
            return;
        }
        if self.values.insert(name.to_owned(), value).is_some() {
            let detail = format!("attribute {} is given twice", quoted(name));
            self.fault = Some(SampleFault::new(RejectionCode::SampleMalformed, detail));
        }
    }

    fn check(&self) -> Result<(), SampleFault> {
        if self.n_sent > ATTRIBUTES_READ_MAX {
            return Err(SeriesError::LabelsTooMany(self.n_sent).into());
        }
        if self.len > SERIES_LEN_MAX {
            return Err(SeriesError::SeriesTooLong(self.len).into());
        }
        self.fault.clone().map_or(Ok(()), Err)
    }
}

/// Resource and scope of some metrics.
#[derive(Debug)]
struct Origin<'a> {
    resource: &'a Attributes,
    scope: Attributes,
    scope_name: String,
}

impl<'a> Origin<'a> {
    fn new(resource: &'a Attributes) -> Self {
        Self { resource, scope: Attributes::default(), scope_name: String::new() }
    }

    /// The series of a metric with these attributes.
    fn series(&self, metric: &str, attributes: &Attributes) -> Result<Series, SampleFault> {
        for attributes in [self.resource, &self.scope, attributes] {
            attributes.check()?;
        }
        let mut labels = attributes.values.clone();
        let mut add = |prefix: &str, name: &str, value: &str| {
            let is_taken = labels.contains_key(name);
            let name = if is_taken { format!("{prefix}.{name}") } else { name.to_owned() };
            labels.entry(name).or_insert_with(|| value.to_owned());
        };
        if !self.scope_name.is_empty() {
            add("scope", SCOPE_NAME, &self.scope_name);
        }
        for (name, value) in &self.scope.values {
            add("scope", name, value);
        }
        let service = self.resource.values.get(SERVICE_NAME).map(String::as_str);
        let source = source::of_sender(service);
        for (name, value) in &self.resource.values {
            let is_source = source.is_some() && name == SERVICE_NAME;
            if !is_source {
                add("resource", name, value);
            }
        }
        Ok(Series::new(source.unwrap_or(SOURCE_DEFAULT), metric, labels)?)
    }
}

/// Relation of the values of a metric to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Temporality {
    #[default]
    Unspecified,
    Delta,
    Cumulative,
}

impl Temporality {
    fn of_number(number: u64) -> Self {
        match number {
            1 => Self::Delta,
            2 => Self::Cumulative,
            _ => Self::Unspecified,
        }
    }
}

/// Kind of the data points of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Gauge,
    Sum { temporality: Temporality, is_monotonic: bool },
    Histogram { temporality: Temporality },
    Summary,
}

/// A data point of any shape.
#[derive(Debug, Clone, Default)]
struct Point {
    attributes: Attributes,
    start_ns: u64,
    time_ns: u64,
    flags: u64,
    value: Option<f64>,
    count: u64,
    sum: Option<f64>,
    quantiles: Vec<(f64, f64)>,
    buckets: Buckets,
}

/// One value of a data point.
struct PointValue {
    suffix: &'static str,
    quantile: Option<f64>,
    value: f64,
    kind: SampleKind,
}

impl PointValue {
    fn new(suffix: &'static str, value: f64, kind: SampleKind) -> Self {
        Self { suffix, quantile: None, value, kind }
    }
}

impl Point {
    fn push_quantile(&mut self, quantile: f64, value: f64) {
        if self.quantiles.len() < QUANTILES_READ_MAX {
            self.quantiles.push((quantile, value));
        }
    }

    fn at_us(&self) -> Result<i64, SampleFault> {
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
    fn values(&self, shape: Shape) -> Result<Vec<PointValue>, SampleFault> {
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

    /// Number and sum of observations; of a delta also what they were like, since its buckets are those of its time
    /// alone. Those of a cumulative histogram are of all time since its start.
    fn histogram(&self, temporality: Temporality) -> Result<Vec<PointValue>, SampleFault> {
        self.buckets.check(self.count)?;
        let mut values = self.totals(temporality)?;
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
                let started_at_us = i64::try_from(self.start_ns / 1_000).ok().filter(|at| *at > 0);
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

/// Adds a data point of a metric to the batch.
fn push(
    builder: &mut BatchBuilder<'_>,
    origin: &Origin<'_>,
    (metric, shape): (&str, Shape),
    point: &Point,
) -> Result<(), IntakeError> {
    let is_delta = shape == Shape::Histogram { temporality: Temporality::Delta };
    let is_metric_stream =
        shape == Shape::Summary && cloudwatch::is_metric_stream(&origin.resource.values);
    let n_more = if is_delta { 1 + QUANTILES.len() } else { usize::from(is_metric_stream) };
    if !builder.has_room(2 + n_more + point.quantiles.len()) {
        builder.extras().n_unread += 1;
        return Ok(());
    }
    if point.flags & NO_RECORDED_VALUE != 0 {
        builder.extras().n_absent += 1;
        return Ok(());
    }
    let samples = samples(origin, metric, shape, point);
    if samples.as_ref().is_ok_and(Vec::is_empty) {
        builder.extras().n_absent += 1;
        return Ok(());
    }
    let index = builder.next_index();
    builder.extras().n_samples += 1;
    match samples {
        Ok(samples) => samples
            .into_iter()
            .try_for_each(|sample| builder.accept(IncomingSample { index, ..sample })),
        Err(fault) => builder.reject(index, Some(metric), fault),
    }
}

fn samples(
    origin: &Origin<'_>,
    metric: &str,
    shape: Shape,
    point: &Point,
) -> Result<Vec<IncomingSample>, SampleFault> {
    if shape == Shape::Summary && cloudwatch::is_metric_stream(&origin.resource.values) {
        return minute_summary(origin, point);
    }
    let at_us = point.at_us()?;
    let mut samples = Vec::new();
    for PointValue { suffix, quantile, value, kind } in point.values(shape)? {
        let series = match quantile {
            None if suffix.is_empty() => origin.series(metric, &point.attributes)?,
            None => origin.series(&format!("{metric}{suffix}"), &point.attributes)?,
            Some(quantile) => {
                let mut attributes = point.attributes.clone();
                attributes.push("quantile", quantile.to_string());
                origin.series(metric, &attributes)?
            }
        };
        let value = kind.check_value(value)?;
        samples.push(IncomingSample { index: 0, series, at_us: Some(at_us), value, kind });
    }
    Ok(samples)
}

/// The samples of a data point of a CloudWatch metric stream.
fn minute_summary(origin: &Origin<'_>, point: &Point) -> Result<Vec<IncomingSample>, SampleFault> {
    origin.resource.check()?;
    point.attributes.check()?;
    let start = Point { time_ns: point.start_ns, ..Point::default() };
    let summary = MinuteSummary {
        resource: &origin.resource.values,
        attributes: &point.attributes.values,
        at_us: start.at_us()?,
        count: point.count,
        sum: point.sum,
        quantiles: &point.quantiles,
    };
    summary.samples()
}

#[cfg(test)]
mod tests;
