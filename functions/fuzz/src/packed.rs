//! Packed bodies: they unpack within their bound, or are refused.

use intake::{Limits, unpack};

/// A bound small enough for a short bomb to reach it.
const LIMITS: Limits =
    Limits { n_samples_max: 5, body_bytes_max: 4_096, unpacked_bytes_max: 8_192 };

/// Unpacks a body by every encoding that is known, alone and twice.
pub fn packed(bytes: &[u8]) {
    for content_encoding in ["gzip", "zstd", "gzip, zstd", "zstd, gzip", "identity"] {
        if let Ok(body) = unpack(bytes, Some(content_encoding), &LIMITS) {
            assert!(body.len() <= LIMITS.unpacked_bytes_max, "{} bytes", body.len());
        }
    }
}
