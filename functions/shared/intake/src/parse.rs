//! Entry point: reads the samples of a body in a known format.

use crate::batch::{BatchBuilder, IncomingBatch};
use crate::error::IntakeError;
use crate::format::BodyFormat;
use crate::limits::RequestLimits;
use crate::{json, ndjson};

/// Byte order mark that some editors and spreadsheets write before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the samples of an unpacked body.
///
/// A well-formed body without samples, such as `[]`, is an empty batch: a sender may flush an empty buffer.
pub fn parse(
    body: &[u8],
    format: BodyFormat,
    limits: &RequestLimits,
) -> Result<IncomingBatch, IntakeError> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Err(IntakeError::BodyEmpty);
    }
    match format {
        BodyFormat::Json => json::read(body, limits),
        BodyFormat::Ndjson => {
            let mut builder = BatchBuilder::new(limits);
            ndjson::read(body, &mut builder)?;
            Ok(builder.finish())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_without_content_is_empty() {
        for body in ["", " ", "\r\n\t\n", "\u{feff}", "\u{feff}\n"] {
            for format in [BodyFormat::Json, BodyFormat::Ndjson] {
                assert_eq!(
                    parse(body.as_bytes(), format, &RequestLimits::default()).unwrap_err().code(),
                    "body_empty"
                );
            }
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        for format in [BodyFormat::Json, BodyFormat::Ndjson] {
            let batch =
                parse("\u{feff}{\"rps\":1}".as_bytes(), format, &RequestLimits::default()).unwrap();
            assert_eq!(batch.samples.len(), 1);
        }
    }

    #[test]
    fn both_formats_read_the_same_samples_from_an_object() {
        let body = br#"{"source":"a","ts":1732060800,"rps":1,"cpu":"x","labels":{"zone":"b"}}"#;
        let [json, ndjson] = [BodyFormat::Json, BodyFormat::Ndjson]
            .map(|format| parse(body, format, &RequestLimits::default()));
        assert_eq!(json.unwrap(), ndjson.unwrap());
    }
}
