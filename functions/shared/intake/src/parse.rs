//! Entry point: reads the samples of a body in a known format.

use crate::batch::IncomingBatch;
use crate::error::IntakeError;
use crate::format::BodyFormat;
use crate::limits::RequestLimits;
use crate::{cloud_event, firehose, line_protocol, otlp, remote_write, text_body};

/// Reads the samples of an unpacked body.
///
/// A well-formed body without samples, such as `[]`, is an empty batch: a sender may flush an empty buffer.
pub fn parse(
    body: &[u8],
    format: BodyFormat,
    limits: &RequestLimits,
) -> Result<IncomingBatch, IntakeError> {
    match format {
        BodyFormat::Json => text_body::read_json(body, limits),
        BodyFormat::Ndjson => text_body::read_ndjson(body, limits),
        BodyFormat::RemoteWriteV1 => remote_write::v1::read(body, limits),
        BodyFormat::RemoteWriteV2 => remote_write::v2::read(body, limits),
        BodyFormat::OtlpBinary => otlp::binary::read(body, limits),
        BodyFormat::OtlpJson => otlp::json::read(body, limits),
        BodyFormat::LineProtocol(precision) => line_protocol::read(body, precision, limits),
        BodyFormat::EventContent => cloud_event::read_content(body, limits),
        BodyFormat::StructuredEvent => cloud_event::read(body, limits),
        BodyFormat::EventBatch => cloud_event::read_batch(body, limits),
        BodyFormat::Firehose => firehose::read(body, limits),
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
    fn a_body_in_another_encoding_is_named() {
        let cases: [(&[u8], &str); 5] = [
            (b"\x1f\x8b\x08\x00", "content-encoding: gzip"),
            (b"\x28\xb5\x2f\xfd\x00", "content-encoding: zstd"),
            (b"\xff\xfe{\x00", "UTF-16"),
            (b"{\x00}\x00", "UTF-16"),
            (b"\x00{\x00}", "UTF-16"),
        ];
        for (body, words) in cases {
            for format in [BodyFormat::Json, BodyFormat::Ndjson] {
                let error = parse(body, format, &RequestLimits::default()).unwrap_err();
                assert_eq!(error.code(), "body_malformed");
                assert!(error.to_string().contains(words), "{error}");
            }
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
