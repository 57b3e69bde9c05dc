//! OpenTelemetry metrics (OTLP): what both encodings have in common.
//!
//! | of the metric | samples | kind |
//! |---|---|---|
//! | gauge, cumulative sum that may fall | its value | gauge |
//! | cumulative sum that only grows | its value | counter with its start |
//! | delta sum | its value by the seconds since its start | gauge |
//! | histogram, exponential histogram, summary | `<name>_count` and `<name>_sum`, as sums | as sums |
//! | cumulative histogram, exponential or not | `<name>_mean` | sum with the number of observations |
//! | histogram, exponential histogram of a delta | `<name>_mean`, `<name>_p50`, `<name>_p95`, `<name>_p99` | gauge |
//! | quantile of a summary | its value, with the label `quantile` | gauge |
//!
//! The resource attribute `service.name` is the source. Labels are the attributes of the data point, of the scope with
//! `otel.scope.name`, and of the resource; where an inner attribute has the same name, that of the scope or the resource
//! is named `scope.<name>` or `resource.<name>`. Resource attributes of the process, the container, the operating system and
//! the versions of the service and the SDK are left out: they would name new series at each restart or update.
//!
//! Summaries of a CloudWatch metric stream are those of one minute: they become what its JSON format becomes.

mod attributes;
pub(crate) mod binary;
mod buckets;
mod cloudwatch;
pub(crate) mod delimited;
pub(crate) mod json;
mod point;

use domain::Series;
use domain::series::SOURCE_DEFAULT;

use crate::batch::{BatchBuilder, IncomingSample};
use crate::error::IntakeError;
use crate::otlp::attributes::Attributes;
use crate::otlp::cloudwatch::MinuteSummary;
use crate::otlp::point::{Point, PointValue, QUANTILES, Shape, Temporality};
use crate::sample_fault::SampleFault;
use crate::source;

/// Attribute that becomes the source.
const SERVICE_NAME: &str = "service.name";

/// Label with the name of the scope.
const SCOPE_NAME: &str = "otel.scope.name";

/// Flag of a data point that was due and has no value.
const NO_RECORDED_VALUE: u64 = 1;

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

/// Adds a data point of a metric to the batch.
fn push(
    builder: &mut BatchBuilder<'_>,
    origin: &Origin<'_>,
    (metric, shape): (&str, Shape),
    point: &Point,
) -> Result<(), IntakeError> {
    let is_metric_stream =
        shape == Shape::Summary && cloudwatch::is_metric_stream(&origin.resource.values);
    let n_samples_max = match shape {
        Shape::Gauge | Shape::Sum { .. } => 1,
        Shape::Histogram { temporality: Temporality::Delta } => 3 + QUANTILES.len(),
        Shape::Histogram { .. } => 3,
        Shape::Summary => 2 + usize::from(is_metric_stream) + point.quantiles.len(),
    };
    if !builder.has_room(n_samples_max) {
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
