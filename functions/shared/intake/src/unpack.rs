//! Decodes the content encoding of a body, within bounds.
//!
//! A compressed kilobyte can contain a gigabyte, so the decoder is stopped as soon as its output exceeds the limit.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;

use crate::error::IntakeError;
use crate::limits::RequestLimits;
use crate::sample_fault::clip;

/// Most consecutive encodings: one by an agent and one by a proxy.
const CODINGS_MAX: usize = 2;

/// Largest window of a zstd frame, as a power of two: the 8 MiB that RFC 8878 requires of every decoder. By default, the
/// decoder allocates up to 128 MiB if the frame header claims so.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Longest content encoding that an error quotes, in bytes.
const QUOTED_LEN_MAX: usize = 100;

/// Decodes a `Content-Encoding` of identity, gzip or zstd, or a list of at most two of them.
///
/// Several gzip members or zstd frames are one body. An empty body is valid in every encoding; parsing then reports it.
pub fn unpack<'a>(
    body: &'a [u8],
    content_encoding: Option<&str>,
    limits: &RequestLimits,
) -> Result<Cow<'a, [u8]>, IntakeError> {
    if body.len() > limits.body_bytes_max {
        return Err(IntakeError::BodyTooLarge { len: body.len(), len_max: limits.body_bytes_max });
    }
    let len_max = limits.unpacked_bytes_max;
    let codings = codings(content_encoding.unwrap_or_default())?;
    if body.is_empty() {
        return Ok(Cow::Borrowed(body));
    }
    let mut unpacked = Cow::Borrowed(body);
    for coding in codings.iter().rev() {
        unpacked = Cow::Owned(coding.decode(&unpacked, len_max)?);
    }
    if unpacked.len() > len_max {
        return Err(IntakeError::UnpackedTooLarge(len_max));
    }
    Ok(unpacked)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContentCoding {
    Gzip,
    Zstd,
}

/// Encodings other than identity, in the order in which the sender applied them.
fn codings(content_encoding: &str) -> Result<Vec<ContentCoding>, IntakeError> {
    let unknown =
        || IntakeError::EncodingUnknown(clip(content_encoding.to_owned(), QUOTED_LEN_MAX));
    let mut codings = Vec::new();
    for name in content_encoding.split(',').map(str::trim) {
        match name.to_ascii_lowercase().as_str() {
            "" | "identity" => {}
            "gzip" | "x-gzip" => codings.push(ContentCoding::Gzip),
            "zstd" => codings.push(ContentCoding::Zstd),
            _ => return Err(unknown()),
        }
    }
    if codings.len() > CODINGS_MAX { Err(unknown()) } else { Ok(codings) }
}

impl ContentCoding {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    fn decode(self, packed: &[u8], len_max: usize) -> Result<Vec<u8>, IntakeError> {
        let unpacked = match self {
            Self::Gzip => read_at_most(MultiGzDecoder::new(packed), len_max),
            Self::Zstd => unzstd(packed, len_max),
        };
        let unpacked = unpacked
            .map_err(|source| IntakeError::EncodingCorrupt { coding: self.name(), source })?;
        if unpacked.len() > len_max {
            Err(IntakeError::UnpackedTooLarge(len_max))
        } else {
            Ok(unpacked)
        }
    }
}

fn unzstd(packed: &[u8], len_max: usize) -> io::Result<Vec<u8>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    read_at_most(decoder, len_max)
}

/// Reads up to one byte more than the bound, which shows that the bound is exceeded.
fn read_at_most(decoder: impl Read, len_max: usize) -> io::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    decoder.take((len_max as u64).saturating_add(1)).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const BODY: &[u8] = br#"{"source":"checkout","metric":"rps","value":812.5}"#;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(body: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(body, 0).unwrap()
    }

    fn code(body: &[u8], content_encoding: &str, limits: &RequestLimits) -> &'static str {
        unpack(body, Some(content_encoding), limits).unwrap_err().code()
    }

    #[test]
    fn each_encoding_is_decoded() {
        let cases = [
            (None, BODY.to_vec()),
            (Some(""), BODY.to_vec()),
            (Some("identity"), BODY.to_vec()),
            (Some("gzip"), gzip(BODY)),
            (Some("X-GZIP"), gzip(BODY)),
            (Some("zstd"), zstd(BODY)),
            (Some("gzip, zstd"), zstd(&gzip(BODY))),
            (Some("zstd,gzip"), gzip(&zstd(BODY))),
            (Some("identity, gzip, identity, gzip"), gzip(&gzip(BODY))),
        ];
        for (content_encoding, body) in cases {
            let unpacked = unpack(&body, content_encoding, &RequestLimits::default()).unwrap();
            assert_eq!(*unpacked, *BODY, "{content_encoding:?}");
        }
    }

    #[test]
    fn a_body_without_encoding_is_not_copied() {
        assert!(matches!(unpack(BODY, None, &RequestLimits::default()).unwrap(), Cow::Borrowed(_)));
    }

    #[test]
    fn several_members_are_one_body() {
        let limits = RequestLimits::default();
        let (head, tail) = BODY.split_at(20);
        for (content_encoding, packed) in [
            ("gzip", [gzip(head), gzip(tail)].concat()),
            ("zstd", [zstd(head), zstd(tail)].concat()),
        ] {
            assert_eq!(*unpack(&packed, Some(content_encoding), &limits).unwrap(), *BODY);
        }
    }

    #[test]
    fn unknown_encodings_are_errors() {
        for content_encoding in ["br", "deflate", "gzip, br", "gzip gzip", "gzip,gzip,gzip"] {
            assert_eq!(
                code(BODY, content_encoding, &RequestLimits::default()),
                "encoding_unknown",
                "{content_encoding}"
            );
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        for (content_encoding, packed) in [("gzip", gzip(BODY)), ("zstd", zstd(BODY))] {
            for len in 1..packed.len() {
                let cut = packed.get(..len).unwrap();
                assert_eq!(
                    code(cut, content_encoding, &RequestLimits::default()),
                    "encoding_corrupt",
                    "{len}"
                );
            }
        }
    }

    #[test]
    fn corruption_and_trailing_bytes_are_errors() {
        let limits = RequestLimits::default();
        let mut wrong_checksum = gzip(BODY);
        let at = wrong_checksum.len() - 8;
        wrong_checksum[at] ^= 1;
        assert_eq!(code(&wrong_checksum, "gzip", &limits), "encoding_corrupt");
        assert_eq!(code(BODY, "gzip", &limits), "encoding_corrupt");
        assert_eq!(code(BODY, "zstd", &limits), "encoding_corrupt");
        assert_eq!(
            code(&[gzip(BODY), BODY.to_vec()].concat(), "gzip", &limits),
            "encoding_corrupt"
        );
        assert_eq!(
            code(&[zstd(BODY), BODY.to_vec()].concat(), "zstd", &limits),
            "encoding_corrupt"
        );
        assert_eq!(code(&zstd(BODY), "zstd, gzip", &limits), "encoding_corrupt");
    }

    #[test]
    fn bounds_are_inclusive_and_checked_while_decoding() {
        let limits = RequestLimits { unpacked_bytes_max: 1000, ..RequestLimits::default() };
        for pack in [gzip, zstd] {
            let content_encoding =
                if pack(BODY).starts_with(&[0x1f, 0x8b]) { "gzip" } else { "zstd" };
            assert_eq!(
                unpack(&pack(&[b' '; 1000]), Some(content_encoding), &limits).unwrap().len(),
                1000
            );
            assert_eq!(code(&pack(&[b' '; 1001]), content_encoding, &limits), "unpacked_too_large");
            // The end of the bomb is missing, but decoding stops before it.
            let mut bomb = pack(&vec![b' '; 10 << 20]);
            bomb.truncate(bomb.len() - 1);
            assert_eq!(code(&bomb, content_encoding, &limits), "unpacked_too_large");
        }
        assert_eq!(code(&[b' '; 1001], "identity", &limits), "unpacked_too_large");
    }

    #[test]
    fn the_body_is_bounded_as_sent() {
        let limits = RequestLimits { body_bytes_max: BODY.len() - 1, ..RequestLimits::default() };
        assert_eq!(code(BODY, "gzip", &limits), "body_too_large");
        let limits = RequestLimits { body_bytes_max: BODY.len(), ..RequestLimits::default() };
        assert!(unpack(BODY, None, &limits).is_ok());
    }

    #[test]
    fn a_bomb_inside_a_bomb_is_bounded_at_each_step() {
        let packed = gzip(&gzip(&vec![b' '; 20 << 20]));
        assert_eq!(code(&packed, "gzip, gzip", &RequestLimits::default()), "unpacked_too_large");
    }

    #[test]
    fn a_huge_window_is_not_allocated() {
        // Frame header of RFC 8878: magic number, no content size, window of 2^(10 + 17) bytes.
        let header = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x01, 0x00, 0x00];
        assert_eq!(code(&header, "zstd", &RequestLimits::default()), "encoding_corrupt");
    }

    #[test]
    fn an_empty_body_stays_empty() {
        for content_encoding in ["identity", "gzip", "zstd"] {
            assert!(
                unpack(b"", Some(content_encoding), &RequestLimits::default()).unwrap().is_empty()
            );
        }
    }
}
