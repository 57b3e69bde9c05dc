//! Configurable limits of one request.
//!
//! Bounds that follow from a format are constants beside the code that checks them.

/// Most samples of a request: ten seconds of a thousand hosts, and few enough for one round trip to the store.
const N_SAMPLES_MAX: usize = 10_000;

/// Longest body as sent, in bytes: 1 MiB is 10,000 canonical samples of about 100 bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Longest unpacked body, in bytes: JSON compresses about eightfold, a decompression bomb a thousandfold.
const UNPACKED_BYTES_MAX: usize = 8 << 20;

/// Limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Most samples, accepted and rejected together.
    pub n_samples_max: usize,
    /// Longest body as sent, in bytes.
    pub body_bytes_max: usize,
    /// Longest body after each decoding step, in bytes. Also bounds the total length of the names in a batch, which grows if
    /// one object with long labels has many values.
    pub unpacked_bytes_max: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            n_samples_max: N_SAMPLES_MAX,
            body_bytes_max: BODY_BYTES_MAX,
            unpacked_bytes_max: UNPACKED_BYTES_MAX,
        }
    }
}
