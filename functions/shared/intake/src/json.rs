//! JSON format: an object, an array of objects, `{"samples":[...]}`, or consecutive objects.
//!
//! Elements are read one by one, without a tree or a list of them in memory. A syntax error fails the whole body, since
//! the start of the next sample is then unknown.

use std::{fmt, str};

use serde::Deserializer as _;
use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use crate::batch::{BatchBuilder, IncomingBatch};
use crate::error::IntakeError;
use crate::limits::RequestLimits;
use crate::object_fields::ObjectFields;
use crate::sample_fault::quoted;
use crate::{literal, ndjson, object, unknown_keys};

/// Reads the samples of a JSON body; on a syntax error, retries with bare literals quoted.
pub(crate) fn read(body: &[u8], limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
    let text = str::from_utf8(body).map_err(|error| not_utf8(body, error.valid_up_to()))?;
    let malformed = match read_text(text, limits) {
        Err(error @ IntakeError::BodyMalformed { .. }) => error,
        read => return read,
    };
    let Some(quoted) = literal::quote(text) else { return Err(malformed) };
    read_text(&quoted, limits).map_err(|error| match error {
        IntakeError::BodyMalformed { line, column, problem } => {
            let column = literal::unquoted_column(text, line, column);
            IntakeError::BodyMalformed { line, column, problem }
        }
        other => other,
    })
}

fn not_utf8(body: &[u8], at: usize) -> IntakeError {
    let valid = body.get(..at).unwrap_or_default();
    let mut lines = valid.rsplit(|&byte| byte == b'\n');
    let column = lines.next().unwrap_or_default().len() + 1;
    IntakeError::BodyMalformed {
        line: lines.count() + 1,
        column,
        problem: "wanted UTF-8".to_owned(),
    }
}

fn read_text(text: &str, limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
    let mut builder = BatchBuilder::new(limits);
    match text.trim_ascii_start().chars().next() {
        Some('[') => read_array(text, &mut builder)?,
        Some('{') => read_object(text, &mut builder)?,
        first => return Err(not_json(first.unwrap_or_default())),
    }
    Ok(builder.finish())
}

/// Error for a text of another format, such as CSV or `metric=value`.
fn not_json(first: char) -> IntakeError {
    let problem =
        format!("body begins with `{first}`: wanted a JSON object or an array of objects");
    IntakeError::BodyMalformed { line: 1, column: 1, problem }
}

/// Reads a body that begins with an object: one sample, an envelope of samples, or the first of several objects.
fn read_object(text: &str, builder: &mut BatchBuilder<'_>) -> Result<(), IntakeError> {
    let mut deserializer = Deserializer::from_str(text);
    let fields = ObjectFields::read_next(&mut deserializer, builder.n_samples_max())?;
    if deserializer.end().is_err() {
        return read_sequence(text, builder);
    }
    let Some(samples) = fields.samples() else { return object::push(&fields, builder) };
    check_envelope(&fields)?;
    read_array(samples, builder)
}

/// Rejects keys beside `samples` that would have no effect, but could be meant for each sample; others are ignored.
fn check_envelope(fields: &ObjectFields<'_>) -> Result<(), IntakeError> {
    let problem = if let Some(field) = fields.field_of_sample() {
        format!("`{field}` beside `samples` has no effect: wanted `{field}` in each sample")
    } else if let Some(key) = fields.repeated_other() {
        format!("key {} is given twice", quoted(key))
    } else if let Err(fault) = unknown_keys::check_envelope(fields) {
        format!("beside `samples`, {}", fault.detail)
    } else {
        return Ok(());
    };
    Err(IntakeError::BodyMalformed { line: 1, column: 1, problem })
}

/// Reads several objects: as NDJSON if the first line is one object, else as values in any layout.
fn read_sequence(text: &str, builder: &mut BatchBuilder<'_>) -> Result<(), IntakeError> {
    let first_line = text.trim_ascii_start().lines().next().unwrap_or_default();
    if serde_json::from_str::<IgnoredAny>(first_line).is_ok() {
        return ndjson::read(text.as_bytes(), builder);
    }
    for raw in Deserializer::from_str(text).into_iter::<&RawValue>() {
        object::read(raw?.get(), builder)?;
    }
    Ok(())
}

fn read_array(text: &str, builder: &mut BatchBuilder<'_>) -> Result<(), IntakeError> {
    let mut deserializer = Deserializer::from_str(text);
    let mut failure = None;
    let read = deserializer.deserialize_seq(ArrayElements { builder, failure: &mut failure });
    if let Some(failure) = failure {
        return Err(failure);
    }
    Ok(read.and_then(|()| deserializer.end())?)
}

/// Visitor that adds each element of an array to the batch.
///
/// A visitor can only return errors of the parser, so an error of the batch is returned in `failure`.
struct ArrayElements<'b, 'l> {
    builder: &'b mut BatchBuilder<'l>,
    failure: &'b mut Option<IntakeError>,
}

impl<'de> Visitor<'de> for ArrayElements<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(raw) = elements.next_element::<&'de RawValue>()? {
            if let Err(error) = object::read(raw.get(), self.builder) {
                *self.failure = Some(error);
                return Err(A::Error::custom("the batch is full"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::RejectionCode;

    fn batch(body: &str) -> IncomingBatch {
        read(body.as_bytes(), &RequestLimits::default()).unwrap()
    }

    fn values(body: &str) -> Vec<(usize, f64)> {
        batch(body).samples.iter().map(|sample| (sample.index, sample.value)).collect()
    }

    fn error(body: &[u8]) -> String {
        read(body, &RequestLimits::default()).unwrap_err().to_string()
    }

    #[test]
    fn every_form_of_a_body_is_read() {
        let cases: [(&str, &[(usize, f64)]); 14] = [
            (r#"{"rps":1}"#, &[(0, 1.0)]),
            (" \n{\"rps\":1}\n ", &[(0, 1.0)]),
            (r#"[{"rps":1},{"rps":2}]"#, &[(0, 1.0), (1, 2.0)]),
            (" [ ] ", &[]),
            (r#"{"samples":[{"rps":1},{"rps":2}]}"#, &[(0, 1.0), (1, 2.0)]),
            (r#"{"version":2,"samples":[],"count":0}"#, &[]),
            (r#"{"samples":3}"#, &[(0, 3.0)]),
            ("{\"rps\":1}\n{\"rps\":2}", &[(0, 1.0), (1, 2.0)]),
            ("{\"rps\":1}\n\n{broken\n{\"rps\":3}\n", &[(0, 1.0), (2, 3.0)]),
            (r#"{"rps":1}{"rps":2} {"rps":3}"#, &[(0, 1.0), (1, 2.0), (2, 3.0)]),
            ("{\n\"rps\":1\n}\n{\n\"rps\":2\n}\n", &[(0, 1.0), (1, 2.0)]),
            ("{\"rps\":NaN,\"cpu\":1}{\"rps\":2}", &[(0, 1.0), (1, 2.0)]),
            ("{\"rps\":1}\n{\"rps\":NaN}\n{\"rps\":3}", &[(0, 1.0), (2, 3.0)]),
            ("{\"rps\":NaN}\n{\"rps\":2}\n{oops", &[(1, 2.0)]),
        ];
        for (body, wanted) in cases {
            assert_eq!(values(body), wanted, "{body}");
        }
    }

    #[test]
    fn an_element_that_is_not_an_object_rejects_only_itself() {
        let body = r#"[1,"a",null,true,[],1e400,{"rps":1},{"\ud800":1},{}]"#;
        let batch = batch(body);
        assert_eq!(batch.samples[0].index, 6);
        let rejected: Vec<_> = batch.rejected.iter().map(|r| (r.index, r.code.as_str())).collect();
        let malformed = [0, 1, 2, 3, 4, 5, 7].map(|index| (index, "sample_malformed"));
        assert_eq!(rejected, [&malformed[..], &[(8, "metric_missing")]].concat());
    }

    #[test]
    fn a_bare_literal_rejects_only_its_sample() {
        let batch = batch(
            r#"[{"rps":NaN},{"rps":1},{"metric":"Infinity","value":-Infinity},{"rps":Infinity}]"#,
        );
        assert_eq!(batch.samples.len(), 1);
        let rejected: Vec<_> =
            batch.rejected.iter().map(|r| (r.index, r.metric.as_deref(), r.code)).collect();
        let wanted = [(0, Some("rps")), (2, Some("Infinity")), (3, Some("rps"))];
        assert_eq!(
            rejected,
            wanted.map(|(index, metric)| (index, metric, RejectionCode::ValueNotFinite))
        );
    }

    #[test]
    fn errors_name_the_position_in_the_body_as_sent() {
        let bodies: [&[u8]; 16] = [
            b"rps=1",
            b"5",
            b"null",
            b"[{\"rps\":1}",
            b"[{\"rps\":1},]",
            b"[{\"rps\":1}] x",
            b"[{\"rps\":NaN},\n {\"rps\":NaN,,}]",
            b"{\"rps\":1}}",
            b"{\"rps\":1,\n \"cpu\" 2}",
            b"{\"rps\":1} {\"rps\":2",
            b"[{\"rps\":1},\n{\"r\xff\":1}]",
            b"{\"source\":\"a\",\"samples\":[]}",
            b"{\"samples\":[],\"samples\":[]}",
            b"{\"samples\":[{\"rps\":1}],\"clock\":1732060800}",
            b"{\"samples\":[{\"rps\":1}],\"host\":\"a\"}",
            b"{NaN:1}",
        ];
        let errors: Vec<_> = bodies.map(error).into_iter().collect();
        insta::assert_snapshot!(errors.join("\n"), @r"
        body is malformed at line 1 column 1: body begins with `r`: wanted a JSON object or an array of objects
        body is malformed at line 1 column 1: body begins with `5`: wanted a JSON object or an array of objects
        body is malformed at line 1 column 1: body begins with `n`: wanted a JSON object or an array of objects
        body is malformed at line 1 column 10: EOF while parsing a list
        body is malformed at line 1 column 12: trailing comma
        body is malformed at line 1 column 13: trailing characters
        body is malformed at line 2 column 13: key must be a string in double quotes
        body is malformed at line 1 column 10: expected value
        body is malformed at line 2 column 8: expected `:`
        body is malformed at line 1 column 18: EOF while parsing an object
        body is malformed at line 2 column 4: wanted UTF-8
        body is malformed at line 1 column 1: `source` beside `samples` has no effect: wanted `source` in each sample
        body is malformed at line 1 column 1: key `samples` is given twice
        body is malformed at line 1 column 1: beside `samples`, key `clock` looks like a time, but is not read: wanted `timestamp`
        body is malformed at line 1 column 1: beside `samples`, key `host` is not part of the series: wanted its text as `source` or in `labels`
        body is malformed at line 1 column 2: key must be a string in double quotes
        ");
    }

    #[test]
    fn errors_quote_long_texts_only_in_part() {
        assert!(error(format!("{:?}", "a".repeat(1 << 20)).as_bytes()).len() < 300);
    }

    #[test]
    fn reading_ends_at_too_many_elements() {
        let limits = RequestLimits { n_samples_max: 2, ..RequestLimits::default() };
        // The syntax errors are after the third element and are not reached.
        for body in [
            "[{\"rps\":1},0,0,!",
            "{\"samples\":[0,0,0]}",
            "{\"a\":1}\n!\n!",
            "{\"a\":1}{}{}!",
            "[0,0,{},0]",
        ] {
            assert_eq!(
                read(body.as_bytes(), &limits).unwrap_err().code(),
                "too_many_samples",
                "{body}"
            );
        }
        assert_eq!(read(b"[0,{}]", &limits).unwrap().n_read(), 2);
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        let depth = 200_000;
        for open in ["[", "{\"a\":", "[{\"samples\":", "{\"samples\":["] {
            let body = open.repeat(depth);
            assert_eq!(
                read(body.as_bytes(), &RequestLimits::default()).unwrap_err().code(),
                "body_malformed",
                "{open}"
            );
        }
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(batch(&nested).rejected[0].code, RejectionCode::SampleMalformed);
        let labels = format!(r#"{{"rps":1,"labels":{{"a":{nested}}}}}"#);
        assert_eq!(batch(&labels).rejected[0].code, RejectionCode::SampleMalformed);
        let value = format!(r#"{{"metric":"rps","value":{nested}}}"#);
        assert_eq!(batch(&value).rejected[0].code, RejectionCode::ValueNotNumber);
    }
}
