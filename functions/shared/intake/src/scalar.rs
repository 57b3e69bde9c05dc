//! Parses the JSON text of one field as a number, a string or labels.
//!
//! Fields are the texts that were sent: the standard library parses numbers exactly, and errors quote the sender.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use domain::SampleKind;
use domain::series::{LABELS_MAX, SeriesError};

use crate::code::RejectionCode;
use crate::entries::{self, JsonString};
use crate::error::problem;
use crate::literal::is_not_finite;
use crate::sample_fault::{SampleFault, quoted};

/// Type of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonKind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl JsonKind {
    /// Type of a text that is one JSON value, by its first byte.
    pub(crate) fn of(raw: &str) -> Self {
        match raw.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'"') => Self::String,
            Some(b'[') => Self::Array,
            Some(b'{') => Self::Object,
            _ => Self::Number,
        }
    }
}

impl fmt::Display for JsonKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        })
    }
}

/// True for a number, in quotes or not, or for the name of a non-finite number.
pub(crate) fn is_number(raw: &str) -> bool {
    JsonKind::of(raw) == JsonKind::Number
        || quoted_number(raw).is_some()
        || is_not_finite_string(raw)
}

/// Parses the value of a sample of a kind: a number, which may be in quotes as times and labels may.
pub(crate) fn value(raw: &str, kind: SampleKind) -> Result<f64, SampleFault> {
    if is_not_finite_string(raw) {
        let detail = format!("value {} is not finite: wanted a finite number", quoted(raw));
        return Err(SampleFault::new(RejectionCode::ValueNotFinite, detail));
    }
    let json_kind = JsonKind::of(raw);
    let number = if json_kind == JsonKind::Number { raw.parse().ok() } else { quoted_number(raw) };
    let Some(value) = number else {
        let detail = format!("value {} is {json_kind}: wanted a number like 12.5", quoted(raw));
        return Err(SampleFault::new(RejectionCode::ValueNotNumber, detail));
    };
    Ok(kind.check_value(value)?)
}

/// Number of a string such as `"12.5"`; names of non-finite numbers are none.
fn quoted_number(raw: &str) -> Option<f64> {
    let text = raw.strip_prefix('"')?.strip_suffix('"')?.trim_ascii();
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if is_decimal { text.parse().ok() } else { None }
}

/// Parses a string.
pub(crate) fn text<'a>(field: &str, raw: &'a str) -> Result<Cow<'a, str>, SampleFault> {
    let kind = JsonKind::of(raw);
    if kind != JsonKind::String {
        return Err(malformed(format!("`{field}` is {kind}, not the wanted string")));
    }
    let text: JsonString<'a> = serde_json::from_str(raw).map_err(|error| {
        malformed(format!("`{field}` is not a valid string: {}", problem(&error)))
    })?;
    Ok(text.0)
}

/// Parses the labels of a series; numbers and booleans become their texts.
pub(crate) fn labels(raw: &str) -> Result<BTreeMap<String, String>, SampleFault> {
    let kind = JsonKind::of(raw);
    if kind != JsonKind::Object {
        return Err(malformed(format!("`labels` is {kind}: wanted an object of strings")));
    }
    let mut labels = BTreeMap::new();
    let mut n_labels = 0;
    let mut added = Ok(());
    let each = |name: Cow<'_, str>, raw: &str| {
        n_labels += 1;
        // Labels beyond the bound are only counted.
        if n_labels <= LABELS_MAX && added.is_ok() {
            added = add_label(&mut labels, name, raw);
        }
    };
    entries::read(raw, each).map_err(|error| {
        malformed(format!("`labels` is not a valid object: {}", problem(&error)))
    })?;
    if n_labels > LABELS_MAX {
        return Err(SeriesError::LabelsTooMany(n_labels).into());
    }
    added.map(|()| labels)
}

fn add_label(
    labels: &mut BTreeMap<String, String>,
    name: Cow<'_, str>,
    raw: &str,
) -> Result<(), SampleFault> {
    let value = match JsonKind::of(raw) {
        JsonKind::String => text("labels", raw)?.into_owned(),
        JsonKind::Number | JsonKind::Boolean => raw.to_owned(),
        kind => {
            return Err(malformed(format!("label {} is {kind}: wanted a string", quoted(&name))));
        }
    };
    if labels.contains_key(name.as_ref()) {
        return Err(malformed(format!("label {} is given twice", quoted(&name))));
    }
    labels.insert(name.into_owned(), value);
    Ok(())
}

fn is_not_finite_string(raw: &str) -> bool {
    raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).is_some_and(is_not_finite)
}

fn malformed(detail: String) -> SampleFault {
    SampleFault::new(RejectionCode::SampleMalformed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(raw: &str) -> Result<f64, SampleFault> {
        super::value(raw, SampleKind::Gauge)
    }

    #[test]
    fn values_are_parsed_exactly() {
        let cases = [
            ("812.5", 812.5),
            ("0.1", 0.1),
            ("1e3", 1000.0),
            ("-1e15", -1e15),
            ("5e-324", 5e-324),
            ("1e-400", 0.0),
            ("-0", 0.0),
            ("0.30000000000000004440892098500626", 0.1 + 0.2),
            (r#""812.5""#, 812.5),
            (r#"" 1e3 ""#, 1000.0),
            (r#""+.5""#, 0.5),
        ];
        for (raw, wanted) in cases {
            assert_eq!(value(raw).unwrap().to_bits(), f64::to_bits(wanted), "{raw}");
        }
    }

    #[test]
    fn each_invalid_value_has_its_code() {
        let cases = [
            ("1e400", RejectionCode::ValueNotFinite),
            ("-1e400", RejectionCode::ValueNotFinite),
            (r#""NaN""#, RejectionCode::ValueNotFinite),
            (r#""Infinity""#, RejectionCode::ValueNotFinite),
            (r#""-Infinity""#, RejectionCode::ValueNotFinite),
            (r#""inf""#, RejectionCode::ValueNotFinite),
            ("1e21", RejectionCode::ValueTooLarge),
            ("200000000000000000000", RejectionCode::ValueTooLarge),
            (r#""12,5""#, RejectionCode::ValueNotNumber),
            (r#""1 200""#, RejectionCode::ValueNotNumber),
            (r#""0x10""#, RejectionCode::ValueNotNumber),
            (r#""12ms""#, RejectionCode::ValueNotNumber),
            (r#""-""#, RejectionCode::ValueNotNumber),
            (r#""1e21""#, RejectionCode::ValueTooLarge),
            (r#""1e400""#, RejectionCode::ValueNotFinite),
            (r#""\ud800""#, RejectionCode::ValueNotNumber),
            (r#""""#, RejectionCode::ValueNotNumber),
            ("null", RejectionCode::ValueNotNumber),
            ("true", RejectionCode::ValueNotNumber),
            ("{}", RejectionCode::ValueNotNumber),
            ("[1]", RejectionCode::ValueNotNumber),
        ];
        for (raw, code) in cases {
            assert_eq!(value(raw).unwrap_err().code, code, "{raw}");
        }
        assert_eq!(
            value(r#""12,5""#).unwrap_err().detail,
            r#"value `"12,5"` is a string: wanted a number like 12.5"#
        );
    }

    #[test]
    fn strings_are_unescaped_and_other_types_rejected() {
        assert_eq!(text("source", r#""a""#).unwrap(), "a");
        assert_eq!(text("source", r#""a\u002fb""#).unwrap(), "a/b");
        for raw in ["1", "true", "null", "[]", "{}", r#""\ud800""#] {
            assert_eq!(
                text("source", raw).unwrap_err().code,
                RejectionCode::SampleMalformed,
                "{raw}"
            );
        }
        assert_eq!(
            text("source", "1").unwrap_err().detail,
            "`source` is a number, not the wanted string"
        );
    }

    #[test]
    fn scalar_labels_become_texts() {
        let read = labels(r#"{"zone":"a","pod":7,"weight":1.50,"canary":true}"#).unwrap();
        let read: Vec<_> =
            read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, [("canary", "true"), ("pod", "7"), ("weight", "1.50"), ("zone", "a")]);
        assert!(labels("{}").unwrap().is_empty());
    }

    #[test]
    fn other_labels_are_rejected() {
        for raw in [
            r#"{"a":null}"#,
            r#"{"a":[]}"#,
            r#"{"a":{}}"#,
            r#"{"a":"1","a":"1"}"#,
            r#""a=b""#,
            "[]",
            "1",
        ] {
            assert_eq!(labels(raw).unwrap_err().code, RejectionCode::SampleMalformed, "{raw}");
        }
    }

    #[test]
    fn labels_beyond_the_bound_are_counted_but_not_stored() {
        let entries: Vec<_> = (0..1000).map(|i| format!(r#""l{i}":"v""#)).collect();
        let fault = labels(&format!("{{{}}}", entries.join(","))).unwrap_err();
        assert_eq!(fault.code, RejectionCode::LabelsTooMany);
        assert!(fault.detail.contains("1000"), "{}", fault.detail);
    }
}
