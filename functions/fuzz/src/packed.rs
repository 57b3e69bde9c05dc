//! Compressed bodies: decode within the limit, or are an error.

use intake::{RequestLimits, unpack};

/// Limits that a short decompression bomb can reach.
const LIMITS: RequestLimits =
    RequestLimits { n_samples_max: 5, body_bytes_max: 4_096, unpacked_bytes_max: 8_192 };

/// Decodes a body by every known encoding, once and twice.
pub fn packed(bytes: &[u8]) {
    for content_encoding in ["gzip", "zstd", "gzip, zstd", "zstd, gzip", "identity"] {
        if let Ok(body) = unpack(bytes, Some(content_encoding), &LIMITS) {
            assert!(body.len() <= LIMITS.unpacked_bytes_max, "{} bytes", body.len());
        }
    }
}
