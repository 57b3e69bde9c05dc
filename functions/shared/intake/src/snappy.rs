//! Decodes the block format of Snappy, which Prometheus sends.
//!
//! The first bytes of a block declare its decoded length, which is checked against the bound before memory of that length
//! is allocated.

use std::io;

use crate::error::IntakeError;

/// Decodes a block of at most `len_max` bytes.
pub(crate) fn decode(packed: &[u8], len_max: usize) -> Result<Vec<u8>, IntakeError> {
    let corrupt = |error: snap::Error| IntakeError::EncodingCorrupt {
        coding: "snappy",
        source: io::Error::other(error),
    };
    let len = snap::raw::decompress_len(packed).map_err(corrupt)?;
    if len > len_max {
        return Err(IntakeError::UnpackedTooLarge(len_max));
    }
    snap::raw::Decoder::new().decompress_vec(packed).map_err(corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(body: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(body).unwrap()
    }

    #[test]
    fn a_block_is_decoded_up_to_its_bound() {
        let body = b"samples ".repeat(100);
        assert_eq!(decode(&encode(&body), body.len()).unwrap(), body);
        let error = decode(&encode(&body), body.len() - 1).unwrap_err();
        assert_eq!(error.code(), "unpacked_too_large");
        assert!(decode(&encode(b""), 0).unwrap().is_empty());
    }

    #[test]
    fn a_declared_length_of_4_gb_is_not_allocated() {
        let error = decode(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0], 20 << 20).unwrap_err();
        assert_eq!(error.code(), "unpacked_too_large");
        let error = decode(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], 20 << 20).unwrap_err();
        assert_eq!(error.code(), "encoding_corrupt");
    }

    #[test]
    fn every_truncation_is_an_error() {
        let packed = encode(&b"samples ".repeat(100));
        for len in 0..packed.len() {
            let error = decode(&packed[..len], 1 << 20).unwrap_err();
            assert_eq!(error.code(), "encoding_corrupt", "{len}");
        }
    }
}
