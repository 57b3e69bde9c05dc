//! OTLP as JSON: the same messages with names in lower camel case.
//!
//! Whole numbers of 64 bits may be strings, and unknown fields are ignored, as the specification demands. Objects and
//! lists are visited without a tree in memory; what describes a data point may follow it, so each is visited twice.

use std::borrow::Cow;
use std::fmt;
use std::str;

use serde::Deserializer;
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::batch::{BatchBuilder, IncomingBatch};
use crate::entries::{self, JsonString};
use crate::error::{IntakeError, problem};
use crate::limits::RequestLimits;
use crate::otlp::buckets::ExponentialBuckets;
use crate::otlp::{Attributes, Origin, Point, Shape, Temporality, push};
use crate::sample_fault::quoted;
use crate::scalar::JsonKind;

/// Reads the samples of a decompressed request.
pub(crate) fn read(body: &[u8], limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
    let text = str::from_utf8(body)
        .map_err(|_| IntakeError::MessageMalformed("the body is not UTF-8".to_owned()))?;
    let mut builder = BatchBuilder::new(limits);
    elements_of(text, "resourceMetrics", |resource_metrics| {
        read_resource(resource_metrics, &mut builder)
    })?;
    Ok(builder.finish())
}

fn read_resource(text: &str, builder: &mut BatchBuilder<'_>) -> Result<(), IntakeError> {
    let mut attributes = Attributes::of_resource();
    fields(text, |name, raw| match name {
        "resource" if !is_null(raw) => read_attributes(raw, &mut attributes),
        _ => Ok(()),
    })?;
    elements_of(text, "scopeMetrics", |scope_metrics| {
        let mut origin = Origin::new(&attributes);
        fields(scope_metrics, |name, raw| match name {
            "scope" if !is_null(raw) => {
                fields(raw, |name, raw| match name {
                    "name" => {
                        origin.scope_name = string(name, raw)?.into_owned();
                        Ok(())
                    }
                    _ => Ok(()),
                })?;
                read_attributes(raw, &mut origin.scope)
            }
            _ => Ok(()),
        })?;
        elements_of(scope_metrics, "metrics", |metric| read_metric(metric, &origin, builder))
    })
}

fn read_metric(
    text: &str,
    origin: &Origin<'_>,
    builder: &mut BatchBuilder<'_>,
) -> Result<(), IntakeError> {
    let mut metric = Cow::Borrowed("");
    fields(text, |name, raw| {
        if name == "name" {
            metric = Cow::Owned(string(name, raw)?.into_owned());
        }
        Ok(())
    })?;
    fields(text, |data, raw| {
        let is_data =
            matches!(data, "gauge" | "sum" | "histogram" | "exponentialHistogram" | "summary");
        if !is_data || is_null(raw) {
            return Ok(());
        }
        let shape = shape(data, raw)?;
        elements_of(raw, "dataPoints", |point| {
            push(builder, origin, (&metric, shape), &read_point(point)?)
        })
    })
}

fn shape(data: &str, text: &str) -> Result<Shape, IntakeError> {
    let (mut temporality, mut is_monotonic) = (Temporality::default(), false);
    fields(text, |name, raw| {
        match name {
            "aggregationTemporality" => {
                temporality = match raw {
                    r#""AGGREGATION_TEMPORALITY_DELTA""# => Temporality::Delta,
                    r#""AGGREGATION_TEMPORALITY_CUMULATIVE""# => Temporality::Cumulative,
                    _ => Temporality::of_number(whole(name, raw)?),
                }
            }
            "isMonotonic" => is_monotonic = raw == "true",
            _ => {}
        }
        Ok(())
    })?;
    Ok(match data {
        "sum" => Shape::Sum { temporality, is_monotonic },
        "histogram" | "exponentialHistogram" => Shape::Histogram { temporality },
        "summary" => Shape::Summary,
        _ => Shape::Gauge,
    })
}

fn read_point(text: &str) -> Result<Point, IntakeError> {
    let mut point = Point::default();
    read_attributes(text, &mut point.attributes)?;
    fields(text, |name, raw| {
        if is_null(raw) {
            return Ok(());
        }
        match name {
            "startTimeUnixNano" => point.start_ns = whole(name, raw)?,
            "timeUnixNano" => point.time_ns = whole(name, raw)?,
            "flags" => point.flags = whole(name, raw)?,
            "count" => point.count = whole(name, raw)?,
            "asDouble" | "asInt" => point.value = Some(number(name, raw)?),
            "sum" => point.sum = Some(number(name, raw)?),
            "min" => point.buckets.min = Some(number(name, raw)?),
            "max" => point.buckets.max = Some(number(name, raw)?),
            "scale" => point.buckets.scale = number(name, raw)? as i32,
            "zeroCount" => point.buckets.zero_count = whole(name, raw)?,
            "bucketCounts" => return read_counts(name, raw, &mut point.buckets.counts),
            "explicitBounds" => {
                return elements(raw, |bound| {
                    point.buckets.bounds.push(number(name, bound)?);
                    Ok(())
                });
            }
            "positive" => return read_exponential(raw, &mut point.buckets.positive),
            "negative" => return read_exponential(raw, &mut point.buckets.negative),
            "quantileValues" => {
                return elements(raw, |quantile| read_quantile(quantile, &mut point));
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(point)
}

fn read_exponential(text: &str, buckets: &mut ExponentialBuckets) -> Result<(), IntakeError> {
    fields(text, |name, raw| {
        match name {
            "offset" => buckets.offset = number(name, raw)? as i32,
            "bucketCounts" if !is_null(raw) => return read_counts(name, raw, &mut buckets.counts),
            _ => {}
        }
        Ok(())
    })
}

fn read_counts(name: &str, list: &str, counts: &mut Vec<u64>) -> Result<(), IntakeError> {
    elements(list, |count| {
        counts.push(whole(name, count)?);
        Ok(())
    })
}

fn read_quantile(text: &str, point: &mut Point) -> Result<(), IntakeError> {
    let (mut quantile, mut value) = (0.0, 0.0);
    fields(text, |name, raw| {
        match name {
            "quantile" => quantile = number(name, raw)?,
            "value" => value = number(name, raw)?,
            _ => {}
        }
        Ok(())
    })?;
    point.push_quantile(quantile, value);
    Ok(())
}

/// Reads the field `attributes` of an object.
fn read_attributes(text: &str, attributes: &mut Attributes) -> Result<(), IntakeError> {
    elements_of(text, "attributes", |key_value| {
        let (mut key, mut label) = (String::new(), String::new());
        fields(key_value, |name, raw| {
            match name {
                "key" => key = string(name, raw)?.into_owned(),
                "value" if !is_null(raw) => {
                    fields(raw, |kind, raw| {
                        label = label_of(kind, raw)?;
                        Ok(())
                    })?;
                }
                _ => {}
            }
            Ok(())
        })?;
        attributes.push(&key, label);
        Ok(())
    })
}

/// The text of an `AnyValue`: a string itself, a list or map as its JSON.
fn label_of(kind: &str, raw: &str) -> Result<String, IntakeError> {
    match JsonKind::of(raw) {
        // A whole number is a string.
        JsonKind::String => Ok(string(kind, raw)?.into_owned()),
        _ => Ok(raw.to_owned()),
    }
}

fn is_null(raw: &str) -> bool {
    JsonKind::of(raw) == JsonKind::Null
}

fn string<'a>(name: &str, raw: &'a str) -> Result<Cow<'a, str>, IntakeError> {
    let text = serde_json::from_str::<JsonString<'a>>(raw);
    text.map(|text| text.0).map_err(|_| wrong(name, raw, "a string"))
}

/// A whole number, which may be in quotes.
fn whole(name: &str, raw: &str) -> Result<u64, IntakeError> {
    unquoted(raw).parse().map_err(|_| wrong(name, raw, "a whole number"))
}

/// A number, which may be in quotes, or the name of one that is not finite.
fn number(name: &str, raw: &str) -> Result<f64, IntakeError> {
    unquoted(raw).parse().map_err(|_| wrong(name, raw, "a number"))
}

fn unquoted(raw: &str) -> &str {
    raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw)
}

fn wrong(name: &str, raw: &str, wanted: &str) -> IntakeError {
    IntakeError::MessageMalformed(format!("`{name}` is {}: wanted {wanted}", quoted(raw)))
}

/// Calls `each` with the name and the text of each field of an object, until it fails.
fn fields<'a>(
    text: &'a str,
    mut each: impl FnMut(&str, &'a str) -> Result<(), IntakeError>,
) -> Result<(), IntakeError> {
    let mut read = Ok(());
    entries::read(text, |name, raw| {
        if read.is_ok() {
            read = each(&name, raw);
        }
    })
    .map_err(|error| malformed(&error))?;
    read
}

/// Calls `each` with each element of a field that is a list, or missing or null.
fn elements_of<'a>(
    text: &'a str,
    field: &str,
    mut each: impl FnMut(&'a str) -> Result<(), IntakeError>,
) -> Result<(), IntakeError> {
    fields(
        text,
        |name, raw| {
            if name == field && !is_null(raw) { elements(raw, &mut each) } else { Ok(()) }
        },
    )
}

/// Calls `each` with the text of each element of a list, until it fails.
fn elements<'a>(
    text: &'a str,
    mut each: impl FnMut(&'a str) -> Result<(), IntakeError>,
) -> Result<(), IntakeError> {
    let mut read = Ok(());
    let visit = |raw| {
        if read.is_ok() {
            read = each(raw);
        }
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    EachElement(visit).deserialize(&mut deserializer).map_err(|error| malformed(&error))?;
    read
}

fn malformed(error: &serde_json::Error) -> IntakeError {
    IntakeError::MessageMalformed(problem(error))
}

/// Calls its function with the text of each element of the next list.
struct EachElement<F>(F);

impl<'de, F: FnMut(&'de str)> DeserializeSeed<'de> for EachElement<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(&'de str)> Visitor<'de> for EachElement<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(raw) = list.next_element::<&'de RawValue>()? {
            (self.0)(raw.get());
        }
        Ok(())
    }
}
