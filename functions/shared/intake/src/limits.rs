//! How much one request may bring.
//!
//! Every bound of this crate that an operator may move is here; those that follow from the format
//! are constants beside the code that keeps them.

/// Most samples of a request: ten seconds of a thousand hosts, and few enough for one round trip to
/// the store.
const N_SAMPLES_MAX: usize = 10_000;

/// Longest body as sent, in bytes: 1 MiB is 10,000 canonical samples of about 100 bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Longest body once unpacked, in bytes: JSON packs about eightfold, a bomb a thousandfold.
const UNPACKED_BYTES_MAX: usize = 8 << 20;

/// The bounds of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most samples, accepted and rejected together.
    pub n_samples_max: usize,
    /// Longest body as sent, in bytes.
    pub body_bytes_max: usize,
    /// Longest body after each content encoding is undone, in bytes. It also bounds the text of the
    /// names in a batch, which grows when one object with long labels holds many values.
    pub unpacked_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            n_samples_max: N_SAMPLES_MAX,
            body_bytes_max: BODY_BYTES_MAX,
            unpacked_bytes_max: UNPACKED_BYTES_MAX,
        }
    }
}
