//! Fixed-layout bytes, little endian, one field after the other.
//!
//! Reading answers `None` at the first field that is missing or impossible, since what comes back from a store
//! may be older, cut off or somebody else's.

/// Largest magnitude that is read: no memory holds more, and its square is still finite.
const MAGNITUDE_MAX: f64 = 1e40;

/// Largest magnitude of a single that is read: a thousand times that of a sample, and its square is still finite.
const SINGLE_MAX: f32 = 1e18;

/// Largest count that is read: one a microsecond for 285 years.
const COUNT_MAX: u64 = 1 << 53;

/// Appends fields.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn with_capacity(len: usize) -> Self {
        Self { bytes: Vec::with_capacity(len) }
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn f32(&mut self, value: f32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn f64(&mut self, value: f64) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Takes fields from the front.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (signal, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(signal)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A count that can go on counting.
    pub(crate) fn count(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes).filter(|n| *n <= COUNT_MAX)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// A double that can be squared.
    pub(crate) fn finite(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes).filter(|value| value.abs() <= MAGNITUDE_MAX)
    }

    /// A finite single, as large as it may be.
    pub(crate) fn single(&mut self) -> Option<f32> {
        self.array().map(f32::from_le_bytes).filter(|value| value.is_finite())
    }

    /// A finite double, not below zero.
    pub(crate) fn not_negative(&mut self) -> Option<f64> {
        self.finite().filter(|value| *value >= 0.0)
    }

    /// A single that can be squared.
    pub(crate) fn finite_f32(&mut self) -> Option<f32> {
        self.array().map(f32::from_le_bytes).filter(|value| value.abs() <= SINGLE_MAX)
    }

    /// The square of such a single, or a mean of squares.
    pub(crate) fn square_f32(&mut self) -> Option<f32> {
        let is_square = |value: &f32| (0.0..=SINGLE_MAX * SINGLE_MAX).contains(value);
        self.array().map(f32::from_le_bytes).filter(is_square)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}
