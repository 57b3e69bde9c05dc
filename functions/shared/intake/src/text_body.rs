//! Bodies of our own formats, JSON and NDJSON: what both have in common.

use crate::batch::{BatchBuilder, IncomingBatch};
use crate::error::IntakeError;
use crate::limits::RequestLimits;
use crate::{json, ndjson};

/// Byte order mark that some editors and spreadsheets write before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the samples of a JSON body.
pub(crate) fn read_json(body: &[u8], limits: &RequestLimits) -> Result<IncomingBatch, IntakeError> {
    json::read(text(body)?, limits)
}

/// Reads the samples of an NDJSON body.
pub(crate) fn read_ndjson(
    body: &[u8],
    limits: &RequestLimits,
) -> Result<IncomingBatch, IntakeError> {
    let mut builder = BatchBuilder::new(limits);
    ndjson::read(text(body)?, &mut builder)?;
    Ok(builder.finish())
}

/// The body without its byte order mark.
fn text(body: &[u8]) -> Result<&[u8], IntakeError> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Err(IntakeError::BodyEmpty);
    }
    if let Some(problem) = other_encoding(body) {
        return Err(IntakeError::BodyMalformed { line: 1, column: 1, problem: problem.to_owned() });
    }
    Ok(body)
}

/// Problem of a body whose first bytes are those of a compression or of another character set.
fn other_encoding(body: &[u8]) -> Option<&'static str> {
    let problem = match body {
        [0x1f, 0x8b, ..] => "body looks like gzip: wanted the header `content-encoding: gzip`",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            "body looks like zstd: wanted the header `content-encoding: zstd`"
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => {
            "body looks like UTF-16: wanted UTF-8"
        }
        _ => return None,
    };
    Some(problem)
}
