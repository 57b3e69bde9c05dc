//! Payload of a record: decodes base64 and compression.

use std::borrow::Cow;
use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::error::IntakeError;
use crate::limits::RequestLimits;
use crate::unpack::unpack;

/// First bytes of gzip (RFC 1952).
const GZIP: &[u8] = b"\x1f\x8b";

/// First bytes of a zstd frame (RFC 8878).
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// First bytes of an aggregated record of the Kinesis Producer Library.
const AGGREGATED: &[u8] = b"\xf3\x89\x9a\xc2";

/// Payload as it is in the event.
#[derive(Debug)]
pub(super) enum Payload<'a> {
    /// Plain text.
    Text(Cow<'a, str>),
    /// Bytes in base64.
    Base64(Cow<'a, str>),
}

impl Payload<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Base64(text) => text,
        }
    }

    /// Decoded bytes; since no header names the encoding, their first bytes do.
    pub(super) fn unpack(&self, limits: &RequestLimits) -> Result<Cow<'_, [u8]>, IntakeError> {
        let bytes = match self {
            Self::Text(text) => return unpack(text.as_bytes(), None, limits),
            Self::Base64(text) => BASE64_STANDARD.decode(text.as_bytes()).map_err(not_base64)?,
        };
        let coding = if bytes.starts_with(GZIP) {
            Some("gzip")
        } else if bytes.starts_with(ZSTD) {
            Some("zstd")
        } else if bytes.starts_with(AGGREGATED) {
            let encoding = "aggregation of the Kinesis Producer Library".to_owned();
            return Err(IntakeError::EncodingUnknown(encoding));
        } else {
            None
        };
        Ok(Cow::Owned(unpack(&bytes, coding, limits)?.into_owned()))
    }
}

fn not_base64(error: base64::DecodeError) -> IntakeError {
    let source = io::Error::new(io::ErrorKind::InvalidData, error);
    IntakeError::EncodingCorrupt { coding: "base64", source }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn base64(bytes: &[u8]) -> Payload<'static> {
        Payload::Base64(BASE64_STANDARD.encode(bytes).into())
    }

    #[test]
    fn the_encoding_is_recognized_by_the_first_bytes() {
        let body = br#"{"rps":1}"#;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(body).unwrap();
        let zstd = zstd::stream::encode_all(&body[..], 0).unwrap();
        for sent in [body.to_vec(), gzip.finish().unwrap(), zstd] {
            assert_eq!(*base64(&sent).unpack(&RequestLimits::default()).unwrap(), *body);
        }
    }

    #[test]
    fn each_payload_that_does_not_decode_has_its_code() {
        let limits = RequestLimits { body_bytes_max: 40, ..RequestLimits::default() };
        let cases = [
            (Payload::Base64("%".into()), "encoding_corrupt"),
            (base64(b"\x1f\x8b\x08 cut"), "encoding_corrupt"),
            (base64(b"\xf3\x89\x9a\xc2\x0a"), "encoding_unknown"),
            (base64(&[b' '; 41]), "body_too_large"),
            (Payload::Text(" ".repeat(41).into()), "body_too_large"),
        ];
        for (payload, code) in cases {
            assert_eq!(payload.unpack(&limits).unwrap_err().code(), code, "{payload:?}");
        }
    }
}
