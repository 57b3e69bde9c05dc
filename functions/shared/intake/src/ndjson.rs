//! NDJSON format: one JSON object per line.
//!
//! Lines are independent: a syntax error, even a byte that is not UTF-8, rejects only its own line.

use std::str;

use crate::batch::BatchBuilder;
use crate::code::RejectionCode;
use crate::error::{IntakeError, problem};
use crate::object_fields::ObjectFields;
use crate::sample_fault::SampleFault;
use crate::{literal, object};

/// Adds the samples of every line to the batch; blank lines have no index.
pub(crate) fn read(body: &[u8], builder: &mut BatchBuilder<'_>) -> Result<(), IntakeError> {
    for (at, line) in body.split(|&byte| byte == b'\n').enumerate() {
        if !line.trim_ascii().is_empty() {
            read_line(at + 1, line, builder)?;
        }
    }
    Ok(())
}

fn read_line(
    number: usize,
    line: &[u8],
    builder: &mut BatchBuilder<'_>,
) -> Result<(), IntakeError> {
    let text = match str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => return reject(number, error.valid_up_to() + 1, "wanted UTF-8", builder),
    };
    if let Some(fault) = object::not_an_object(text) {
        let detail = format!("line {number} column 1: {}", fault.detail);
        let index = builder.next_index();
        return builder.reject(index, None, SampleFault::new(fault.code, detail));
    }
    let quoted;
    let mut fields = ObjectFields::parse(text, builder.n_samples_max());
    if fields.is_err()
        && let Some(text) = literal::quote(text)
    {
        quoted = text;
        fields = ObjectFields::parse(&quoted, builder.n_samples_max());
    }
    match fields {
        Ok(fields) => object::push(&fields, builder),
        Err(error) => {
            let column = literal::unquoted_column(text, error.line(), error.column().max(1));
            reject(number, column, &problem(&error), builder)
        }
    }
}

fn reject(
    line: usize,
    column: usize,
    problem: &str,
    builder: &mut BatchBuilder<'_>,
) -> Result<(), IntakeError> {
    let index = builder.next_index();
    let detail = format!("line {line} column {column}: {problem}");
    builder.reject(index, None, SampleFault::new(RejectionCode::SampleMalformed, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::IncomingBatch;
    use crate::limits::RequestLimits;

    fn batch(body: &[u8]) -> IncomingBatch {
        let limits = RequestLimits::default();
        let mut builder = BatchBuilder::new(&limits);
        read(body, &mut builder).unwrap();
        builder.finish()
    }

    #[test]
    fn blank_lines_have_no_index_and_line_ends_do_not_matter() {
        let body = b"\n{\"rps\":1}\r\n  \r\n\t{\"rps\":2}\n{\"rps\":3,\"cpu\":4}";
        let read: Vec<_> = batch(body).samples.iter().map(|s| (s.index, s.value)).collect();
        assert_eq!(read, [(0, 1.0), (1, 2.0), (2, 3.0), (2, 4.0)]);
    }

    #[test]
    fn a_malformed_line_rejects_only_itself() {
        let lines: [&[u8]; 8] = [
            b"{\"rps\":1}",
            b"{\"rps\":2",
            b"[{\"rps\":3}]",
            b"rps=4",
            b"{\"rps\":5}{\"rps\":6}",
            b"{\"r\xffs\":7}",
            b"{\"rps\":NaN, \"cpu\":}",
            b"{\"rps\":8}",
        ];
        let batch = batch(&lines.join(&b'\n'));
        let accepted: Vec<_> = batch.samples.iter().map(|s| s.index).collect();
        assert_eq!(accepted, [0, 7]);
        assert!(
            batch
                .rejected
                .iter()
                .all(|r| r.code == RejectionCode::SampleMalformed && r.metric.is_none())
        );
        let details: Vec<_> =
            batch.rejected.iter().map(|r| format!("{}: {}", r.index, r.detail)).collect();
        insta::assert_snapshot!(details.join("\n"), @r##"
        1: line 2 column 8: EOF while parsing an object
        2: line 3 column 1: `[{"rps":3}]` is an array: wanted an object with `metric`, `timestamp` and `value`
        3: line 4 column 1: `rps=4` is not JSON: wanted an object with `metric`, `timestamp` and `value`
        4: line 5 column 10: trailing characters
        5: line 6 column 4: wanted UTF-8
        6: line 7 column 19: expected value
        "##);
    }

    #[test]
    fn a_bare_literal_rejects_only_its_value() {
        let batch = batch(
            b"{\"rps\":NaN,\"cpu\":1}\n{\"metric\":\"rps\",\"value\":-Infinity}\n{\"rps\":2}",
        );
        let accepted: Vec<_> = batch.samples.iter().map(|s| (s.index, s.series.metric())).collect();
        assert_eq!(accepted, [(0, "cpu"), (2, "rps")]);
        let rejected: Vec<_> =
            batch.rejected.iter().map(|r| (r.index, r.metric.as_deref(), r.code)).collect();
        assert_eq!(
            rejected,
            [
                (0, Some("rps"), RejectionCode::ValueNotFinite),
                (1, Some("rps"), RejectionCode::ValueNotFinite)
            ]
        );
    }

    #[test]
    fn reading_ends_at_too_many_lines() {
        let limits = RequestLimits { n_samples_max: 2, ..RequestLimits::default() };
        let error = read(b"{\"rps\":1}\n!\n!\n", &mut BatchBuilder::new(&limits)).unwrap_err();
        assert_eq!(error.code(), "too_many_samples");
    }
}
