//! InfluxDB line protocol: `measurement,tag=value field=1,other=2i 1732060800000000000`.
//!
//! Each field with a number is a sample of the metric `<measurement>_<field>`, or of `<measurement>` if the field is named
//! `value`. Tags are labels, and the tag `host` is the source. Fields with a text are no samples, and true is 1. Lines are
//! independent: a malformed one rejects only itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str;

use domain::series::{LABELS_MAX, SOURCE_DEFAULT, SeriesError};
use domain::{Sample, SampleKind, Series};

use crate::batch::{BatchBuilder, IncomingBatch, IncomingSample};
use crate::code::RejectionCode;
use crate::error::IntakeError;
use crate::limits::RequestLimits;
use crate::sample_fault::{SampleFault, quoted};
use crate::source;

/// Tag that becomes the source.
const SOURCE_TAG: &str = "host";

/// Field whose metric is the measurement.
const VALUE_FIELD: &str = "value";

/// Unit of the times of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimePrecision {
    /// By magnitude: below 5e9 seconds, below 5e12 milliseconds, below 5e15 microseconds, else nanoseconds.
    Auto,
    /// Nanoseconds.
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
}

impl TimePrecision {
    /// Reads the names that the versions of InfluxDB use.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "auto" => Self::Auto,
            "n" | "ns" | "nanosecond" => Self::Nanoseconds,
            "u" | "us" | "\u{b5}" | "microsecond" => Self::Microseconds,
            "ms" | "millisecond" => Self::Milliseconds,
            "s" | "second" => Self::Seconds,
            "m" => Self::Minutes,
            "h" => Self::Hours,
            _ => return None,
        })
    }

    /// Unix microseconds of a time in this unit; `None` past 64 bits.
    fn us_of(self, time: i64) -> Option<i64> {
        match self {
            Self::Auto => {
                let unit = match time.unsigned_abs() {
                    ..5_000_000_000 => Self::Seconds,
                    5_000_000_000..5_000_000_000_000 => Self::Milliseconds,
                    5_000_000_000_000..5_000_000_000_000_000 => Self::Microseconds,
                    _ => Self::Nanoseconds,
                };
                unit.us_of(time)
            }
            Self::Nanoseconds => Some(time.div_euclid(1_000)),
            Self::Microseconds => Some(time),
            Self::Milliseconds => time.checked_mul(1_000),
            Self::Seconds => time.checked_mul(1_000_000),
            Self::Minutes => time.checked_mul(60_000_000),
            Self::Hours => time.checked_mul(3_600_000_000),
        }
    }
}

/// Reads the samples of all lines; the index of a sample is the number of its line, from 0, without those that are blank
/// or a comment.
pub(crate) fn read(
    body: &[u8],
    precision: TimePrecision,
    limits: &RequestLimits,
) -> Result<IncomingBatch, IntakeError> {
    let mut builder = BatchBuilder::new(limits);
    for line in (Lines { rest: body }) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if !builder.has_room(1) {
            builder.extras().n_unread += 1;
            continue;
        }
        let index = builder.next_index();
        let read = match str::from_utf8(line) {
            Ok(line) => read_line(line, precision),
            Err(_) => Err(malformed("a line is not UTF-8".to_owned())),
        };
        match read {
            Ok(line) => push(index, line, &mut builder)?,
            Err(fault) => {
                builder.extras().n_samples += 1;
                builder.reject(index, None, fault)?;
            }
        }
    }
    Ok(builder.finish())
}

/// Splits a body at the line feeds that are not in the quotes of a text.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let is_comment = self.rest.trim_ascii_start().starts_with(b"#");
        let (mut is_quoted, mut is_escaped, mut in_fields) = (false, false, false);
        let end = self.rest.iter().position(|byte| {
            let was_escaped = std::mem::take(&mut is_escaped);
            match byte {
                b'\n' => return !is_quoted,
                b'\\' => is_escaped = !was_escaped,
                b' ' => in_fields |= !was_escaped,
                // Quotes mean a text in the fields only, which follow the first space.
                b'"' if in_fields && !is_comment => is_quoted ^= !was_escaped,
                _ => {}
            }
            false
        });
        // A quote without its end must not swallow the lines that follow.
        let end = end.or_else(|| self.rest.iter().position(|byte| *byte == b'\n'));
        let (line, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.get(1..).unwrap_or_default();
        Some(line)
    }
}

/// A line, of which the numbers are not yet checked.
struct Line<'a> {
    measurement: Cow<'a, str>,
    tags: BTreeMap<String, String>,
    fields: Vec<(Cow<'a, str>, FieldValue)>,
    at_us: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum FieldValue {
    Number(f64),
    Text,
}

fn read_line(line: &str, precision: TimePrecision) -> Result<Line<'_>, SampleFault> {
    let (key, rest) = split(line, ' ', false);
    let (fields, time) = split(rest.trim_start_matches(' '), ' ', true);
    let (measurement, tags) = split(key, ',', false);
    let mut line = Line {
        measurement: unescaped(measurement),
        tags: BTreeMap::new(),
        fields: Vec::new(),
        at_us: at_us(time.trim_matches(' '), precision)?,
    };
    let mut n_tags = 0;
    for tag in parts(tags, false) {
        n_tags += 1;
        if n_tags > LABELS_MAX + 1 {
            continue;
        }
        let (name, value) = split(tag, '=', false);
        if name.is_empty() || value.is_empty() {
            return Err(malformed(format!("tag {} has no name or no value", quoted(tag))));
        }
        let name = unescaped(name).into_owned();
        if line.tags.contains_key(&name) {
            return Err(malformed(format!("tag {} is given twice", quoted(&name))));
        }
        line.tags.insert(name, unescaped(value).into_owned());
    }
    if n_tags > LABELS_MAX + 1 {
        return Err(SeriesError::LabelsTooMany(n_tags).into());
    }
    for field in parts(fields, true) {
        let (name, value) = split(field, '=', false);
        line.fields.push((unescaped(name), field_value(name, value)?));
    }
    if line.measurement.is_empty() || line.fields.is_empty() {
        return Err(malformed(format!(
            "{} is no line: wanted `measurement,tag=value field=1 time`",
            quoted(key)
        )));
    }
    Ok(line)
}

fn push(index: usize, line: Line<'_>, builder: &mut BatchBuilder<'_>) -> Result<(), IntakeError> {
    let Line { measurement, mut tags, fields, at_us } = line;
    let host = source::of_sender(tags.get(SOURCE_TAG).map(String::as_str)).map(str::to_owned);
    if host.is_some() {
        tags.remove(SOURCE_TAG);
    }
    let source = host.as_deref().unwrap_or(SOURCE_DEFAULT);
    let mut is_empty = true;
    for (field, value) in fields {
        let FieldValue::Number(value) = value else { continue };
        if !builder.has_room(1) {
            builder.extras().n_unread += 1;
            continue;
        }
        let metric = match &*field {
            VALUE_FIELD => measurement.to_string(),
            field => format!("{measurement}_{field}"),
        };
        is_empty = false;
        builder.extras().n_samples += 1;
        let sample = Series::new(source, &*metric, tags.clone())
            .map_err(SampleFault::from)
            .and_then(|series| Ok((series, Sample::new(at_us.unwrap_or_default(), value)?)));
        match sample {
            Ok((series, sample)) => builder.accept(IncomingSample {
                index,
                series,
                at_us,
                value: sample.value(),
                kind: SampleKind::Gauge,
            })?,
            Err(fault) => builder.reject(index, Some(&metric), fault)?,
        }
    }
    if is_empty {
        builder.extras().n_absent += 1;
    }
    Ok(())
}

fn at_us(time: &str, precision: TimePrecision) -> Result<Option<i64>, SampleFault> {
    if time.is_empty() {
        return Ok(None);
    }
    let at_us = time.parse().ok().and_then(|time| precision.us_of(time));
    at_us.map(Some).ok_or_else(|| {
        let detail = format!("time {} is not a whole number of the wanted unit", quoted(time));
        SampleFault::new(RejectionCode::TimeInvalid, detail)
    })
}

fn field_value(name: &str, value: &str) -> Result<FieldValue, SampleFault> {
    if value.len() > 1 && value.starts_with('"') && value.ends_with('"') {
        return Ok(FieldValue::Text);
    }
    let number = match value {
        "t" | "T" | "true" | "True" | "TRUE" => Some(1.0),
        "f" | "F" | "false" | "False" | "FALSE" => Some(0.0),
        _ => decimal(value),
    };
    match number {
        Some(number) if !name.is_empty() => Ok(FieldValue::Number(number)),
        _ => {
            let detail = format!(
                "field {} is {}: wanted a number like 12.5 or 12i",
                quoted(name),
                quoted(value)
            );
            Err(SampleFault::new(RejectionCode::ValueNotNumber, detail))
        }
    }
}

/// A number, or a whole number with its suffix.
fn decimal(text: &str) -> Option<f64> {
    if let Some(whole) = text.strip_suffix(['i', 'u']) {
        return whole.parse::<i128>().ok().map(|whole| whole as f64);
    }
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if is_decimal { text.parse().ok() } else { None }
}

/// Splits a text at the first separator that is neither escaped nor, if texts are quoted, in quotes.
fn split(text: &str, separator: char, has_quotes: bool) -> (&str, &str) {
    let (mut is_escaped, mut is_quoted) = (false, false);
    for (at, c) in text.char_indices() {
        let was_escaped = std::mem::take(&mut is_escaped);
        match c {
            '\\' => is_escaped = !was_escaped,
            '"' if has_quotes => is_quoted ^= !was_escaped,
            c if c == separator && !was_escaped && !is_quoted => {
                let (head, tail) = text.split_at(at);
                return (head, tail.strip_prefix(separator).unwrap_or(tail));
            }
            _ => {}
        }
    }
    (text, "")
}

/// The parts of a text between commas.
fn parts(mut text: &str, has_quotes: bool) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let (part, rest) = split(text, ',', has_quotes);
        text = rest;
        Some(part)
    })
}

/// Removes the backslash before a comma, an equals sign or a space; any other one stays.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut unescaped = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let is_escape = c == '\\' && characters.peek().is_some_and(|next| ",= \\".contains(*next));
        unescaped.push(if is_escape { characters.next().unwrap_or(c) } else { c });
    }
    unescaped.into()
}

fn malformed(detail: String) -> SampleFault {
    SampleFault::new(RejectionCode::SampleMalformed, detail)
}

#[cfg(test)]
mod tests;
