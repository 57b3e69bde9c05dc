//! OTLP as JSON: the same messages with names in lower camel case.
//!
//! Whole numbers of 64 bits may be strings, null is a missing field, and unknown fields are ignored, as the specification
//! demands. Objects and lists are visited without a tree in memory; what describes a data point may follow it, so each is
//! visited twice.

use std::borrow::Cow;
use std::fmt;
use std::str;

use serde::Deserializer;
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::batch::{BatchBuilder, IncomingBatch};
use crate::entries::{self, JsonString};
use crate::error::{IntakeError, problem};
use crate::limits::RequestLimits;
use crate::otlp::attributes::{Attributes, check_depth, label};
use crate::otlp::buckets::ExponentialBuckets;
use crate::otlp::point::{Point, Shape, Temporality};
use crate::otlp::{Origin, push};
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
        "resource" => read_attributes(raw, &mut attributes),
        _ => Ok(()),
    })?;
    elements_of(text, "scopeMetrics", |scope_metrics| {
        let mut origin = Origin::new(&attributes);
        fields(scope_metrics, |name, raw| match name {
            "scope" => {
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
        if !is_data {
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
            "isMonotonic" => is_monotonic = boolean(name, raw)?,
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
        match name {
            "startTimeUnixNano" => point.start_ns = whole(name, raw)?,
            "timeUnixNano" => point.time_ns = whole(name, raw)?,
            "flags" => point.flags = whole(name, raw)?,
            "count" => point.count = whole(name, raw)?,
            "asDouble" => point.value = Some(number(name, raw)?),
            "asInt" => point.value = Some(whole::<i64>(name, raw)? as f64),
            "sum" => point.sum = Some(number(name, raw)?),
            "min" => point.buckets.min = Some(number(name, raw)?),
            "max" => point.buckets.max = Some(number(name, raw)?),
            "scale" => point.buckets.scale = whole(name, raw)?,
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
            "offset" => buckets.offset = whole(name, raw)?,
            "bucketCounts" => return read_counts(name, raw, &mut buckets.counts),
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
    elements_of(text, "attributes", |attribute| {
        let (key, value) = key_value_of(attribute, 0)?;
        attributes.push(&key, label(value));
        Ok(())
    })
}

/// Key and value of a `KeyValue`, whose value is this deep in an attribute.
fn key_value_of(text: &str, depth: usize) -> Result<(String, Value), IntakeError> {
    let (mut key, mut value) = (String::new(), Value::Null);
    fields(text, |name, raw| {
        match name {
            "key" => key = string(name, raw)?.into_owned(),
            "value" => value = json_of(raw, depth)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, value))
}

/// The value of an `AnyValue`, as that of the other encoding: both name the same series.
fn json_of(text: &str, depth: usize) -> Result<Value, IntakeError> {
    check_depth(depth)?;
    let mut value = Value::Null;
    fields(text, |kind, raw| {
        value = match kind {
            "stringValue" | "bytesValue" => string(kind, raw)?.into(),
            "boolValue" => boolean(kind, raw)?.into(),
            "intValue" => whole::<i64>(kind, raw)?.into(),
            "doubleValue" => number(kind, raw)?.into(),
            "arrayValue" => {
                let mut list = Vec::new();
                elements_of(raw, "values", |element| {
                    list.push(json_of(element, depth + 1)?);
                    Ok(())
                })?;
                list.into()
            }
            "kvlistValue" => {
                let mut map = serde_json::Map::new();
                elements_of(raw, "values", |entry| {
                    map.extend([key_value_of(entry, depth + 1)?]);
                    Ok(())
                })?;
                map.into()
            }
            _ => return Ok(()),
        };
        Ok(())
    })?;
    Ok(value)
}

fn string<'a>(name: &str, raw: &'a str) -> Result<Cow<'a, str>, IntakeError> {
    let text = serde_json::from_str::<JsonString<'a>>(raw);
    text.map(|text| text.0).map_err(|_| wrong(name, raw, "a string"))
}

fn boolean(name: &str, raw: &str) -> Result<bool, IntakeError> {
    raw.parse().map_err(|_| wrong(name, raw, "true or false"))
}

/// A whole number that its type can hold; it may be in quotes, and have an exponent or a fraction of zero.
fn whole<T: TryFrom<i128>>(name: &str, raw: &str) -> Result<T, IntakeError> {
    let text = unquoted(raw);
    let number = text.parse::<i128>().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        (number.fract() == 0.0).then_some(number as i128)
    });
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| wrong(name, raw, "a whole number"))
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

/// Calls `each` with the name and the text of each field of an object that is not null, until it fails.
fn fields<'a>(
    text: &'a str,
    mut each: impl FnMut(&str, &'a str) -> Result<(), IntakeError>,
) -> Result<(), IntakeError> {
    let mut read = Ok(());
    entries::read(text, |name, raw| {
        if read.is_ok() && JsonKind::of(raw) != JsonKind::Null {
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
    fields(text, |name, raw| if name == field { elements(raw, &mut each) } else { Ok(()) })
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
