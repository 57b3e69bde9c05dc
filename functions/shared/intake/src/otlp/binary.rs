//! OTLP as Protocol Buffers: the message `opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest`.
//!
//! Field numbers are those of `opentelemetry/proto/metrics/v1/metrics.proto` and its imports. What describes a data point
//! may follow it in the bytes, so each message is read twice.

use base64::prelude::{BASE64_STANDARD, Engine};

use crate::batch::{BatchBuilder, IncomingBatch};
use crate::error::IntakeError;
use crate::limits::RequestLimits;
use crate::otlp::attributes::{Attributes, check_depth, label};
use crate::otlp::buckets::{Buckets, ExponentialBuckets};
use crate::otlp::point::{Point, Shape, Temporality};
use crate::otlp::{Origin, push};
use crate::protobuf::{ProtobufError, ProtobufField, ProtobufFields, zigzag};

/// Reads the samples of a decompressed request.
pub(crate) fn read(body: &[u8], limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
    let mut builder = BatchBuilder::new(limits);
    read_message(body, &mut builder)?;
    Ok(builder.finish())
}

/// Reads the samples of one message.
pub(super) fn read_message(
    message: &[u8],
    builder: &mut BatchBuilder<'_>,
) -> Result<(), IntakeError> {
    for resource_metrics in ProtobufFields::of(message) {
        let resource_metrics = resource_metrics?;
        if resource_metrics.number == 1 {
            read_resource(&resource_metrics.fields()?, builder)?;
        }
    }
    Ok(())
}

fn read_resource(
    fields: &ProtobufFields<'_>,
    builder: &mut BatchBuilder<'_>,
) -> Result<(), IntakeError> {
    let mut attributes = Attributes::of_resource();
    for resource in fields.numbered(1) {
        read_attributes(&resource?.fields()?, 1, &mut attributes)?;
    }
    for scope_metrics in fields.numbered(2) {
        let scope_metrics = scope_metrics?.fields()?;
        let mut origin = Origin::new(&attributes);
        for scope in scope_metrics.numbered(1) {
            let scope = scope?.fields()?;
            for name in scope.numbered(1) {
                text(&name?)?.clone_into(&mut origin.scope_name);
            }
            read_attributes(&scope, 3, &mut origin.scope)?;
        }
        for metric in scope_metrics.numbered(2) {
            read_metric(&metric?.fields()?, &origin, builder)?;
        }
    }
    Ok(())
}

fn read_metric(
    fields: &ProtobufFields<'_>,
    origin: &Origin<'_>,
    builder: &mut BatchBuilder<'_>,
) -> Result<(), IntakeError> {
    let mut name = "";
    for field in fields.numbered(1) {
        name = text(&field?)?;
    }
    for data in fields.clone() {
        let data = data?;
        if !matches!(data.number, 5 | 7 | 9 | 10 | 11) {
            continue;
        }
        let points = data.fields()?;
        let shape = shape(data.number, &points)?;
        for point in points.numbered(1) {
            let point = read_point(&point?.fields()?, data.number)?;
            push(builder, origin, (name, shape), &point)?;
        }
    }
    Ok(())
}

/// The shape of the data with this number in `Metric`.
fn shape(number: u32, data: &ProtobufFields<'_>) -> Result<Shape, ProtobufError> {
    let (mut temporality, mut is_monotonic) = (Temporality::default(), false);
    for field in data.clone() {
        let field = field?;
        match field.number {
            2 => temporality = Temporality::of_number(field.varint()?),
            3 => is_monotonic = field.varint()? != 0,
            _ => {}
        }
    }
    Ok(match number {
        7 => Shape::Sum { temporality, is_monotonic },
        9 | 10 => Shape::Histogram { temporality },
        11 => Shape::Summary,
        _ => Shape::Gauge,
    })
}

/// Reads a data point of the data with this number in `Metric`, which determines the meaning of some fields.
fn read_point(fields: &ProtobufFields<'_>, data: u32) -> Result<Point, IntakeError> {
    let mut point = Point::default();
    let attributes = match data {
        9 => 9,
        10 => 1,
        _ => 7,
    };
    read_attributes(fields, attributes, &mut point.attributes)?;
    for field in fields.clone() {
        let field = field?;
        match (data, field.number) {
            (_, 2) => point.start_ns = field.fixed64()?,
            (_, 3) => point.time_ns = field.fixed64()?,
            (5 | 7, 4) => point.value = Some(field.double()?),
            (5 | 7, 6) => point.value = Some(field.fixed64()?.cast_signed() as f64),
            (5 | 7 | 11, 8) | (9 | 10, 10) => point.flags = field.varint()?,
            (9..=11, 4) => point.count = field.fixed64()?,
            (9..=11, 5) => point.sum = Some(field.double()?),
            (11, 6) => read_quantile(&field.fields()?, &mut point)?,
            (9 | 10, _) => read_buckets(data, &field, &mut point.buckets)?,
            _ => {}
        }
    }
    Ok(point)
}

/// Reads a field of a histogram that is about its buckets.
fn read_buckets(
    data: u32,
    field: &ProtobufField<'_>,
    buckets: &mut Buckets,
) -> Result<(), ProtobufError> {
    match (data, field.number) {
        (9, 6) => buckets.counts.extend(field.fixed64s()?),
        (9, 7) => buckets.bounds.extend(field.fixed64s()?.into_iter().map(f64::from_bits)),
        (9, 11) | (10, 12) => buckets.min = Some(field.double()?),
        (9, 12) | (10, 13) => buckets.max = Some(field.double()?),
        (10, 6) => buckets.scale = sint32(field)?,
        (10, 7) => buckets.zero_count = field.fixed64()?,
        (10, 8) => read_exponential(&field.fields()?, &mut buckets.positive)?,
        (10, 9) => read_exponential(&field.fields()?, &mut buckets.negative)?,
        _ => {}
    }
    Ok(())
}

fn read_exponential(
    fields: &ProtobufFields<'_>,
    buckets: &mut ExponentialBuckets,
) -> Result<(), ProtobufError> {
    for field in fields.clone() {
        let field = field?;
        match field.number {
            1 => buckets.offset = sint32(&field)?,
            2 => {
                for count in field.varints()? {
                    buckets.counts.push(count?);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn sint32(field: &ProtobufField<'_>) -> Result<i32, ProtobufError> {
    // The value of a longer number is cut to 32 bits, as Protocol Buffers demand.
    Ok(zigzag(field.varint()?) as i32)
}

fn read_quantile(fields: &ProtobufFields<'_>, point: &mut Point) -> Result<(), ProtobufError> {
    let (mut quantile, mut value) = (0.0, 0.0);
    for field in fields.clone() {
        let field = field?;
        match field.number {
            1 => quantile = field.double()?,
            2 => value = field.double()?,
            _ => {}
        }
    }
    point.push_quantile(quantile, value);
    Ok(())
}

/// Reads the `KeyValue`s in the fields with this number.
fn read_attributes(
    fields: &ProtobufFields<'_>,
    number: u32,
    attributes: &mut Attributes,
) -> Result<(), IntakeError> {
    for key_value in fields.numbered(number) {
        let (name, value) = key_value_of(&key_value?.fields()?)?;
        let value = value.map(|value| json_of(&value, 0)).transpose()?;
        attributes.push(name, label(value.unwrap_or_default()));
    }
    Ok(())
}

/// Key and value of a `KeyValue`.
fn key_value_of<'a>(
    fields: &ProtobufFields<'a>,
) -> Result<(&'a str, Option<ProtobufFields<'a>>), IntakeError> {
    let (mut name, mut value) = ("", None);
    for field in fields.clone() {
        let field = field?;
        match field.number {
            1 => name = text(&field)?,
            2 => value = Some(field.fields()?),
            _ => {}
        }
    }
    Ok((name, value))
}

/// The value of an `AnyValue`, which is this deep in an attribute.
fn json_of(value: &ProtobufFields<'_>, depth: usize) -> Result<serde_json::Value, IntakeError> {
    check_depth(depth)?;
    let mut json = serde_json::Value::Null;
    for field in value.clone() {
        let field = field?;
        json = match field.number {
            1 => text(&field)?.into(),
            2 => (field.varint()? != 0).into(),
            3 => field.int64()?.into(),
            4 => field.double()?.into(),
            5 => {
                let elements = field.fields()?;
                let element = |element: Result<ProtobufField<'_>, ProtobufError>| {
                    json_of(&element?.fields()?, depth + 1)
                };
                elements.numbered(1).map(element).collect::<Result<_, _>>()?
            }
            6 => {
                let mut map = serde_json::Map::new();
                for entry in field.fields()?.numbered(1) {
                    let (name, value) = key_value_of(&entry?.fields()?)?;
                    let value = value.map(|value| json_of(&value, depth + 1)).transpose()?;
                    map.insert(name.to_owned(), value.unwrap_or_default());
                }
                map.into()
            }
            7 => BASE64_STANDARD.encode(field.bytes()?).into(),
            _ => continue,
        };
    }
    Ok(json)
}

fn text<'a>(field: &ProtobufField<'a>) -> Result<&'a str, IntakeError> {
    field.text()?.ok_or_else(|| IntakeError::MessageMalformed("a string is not UTF-8".to_owned()))
}
