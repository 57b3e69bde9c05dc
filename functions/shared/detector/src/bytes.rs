//! Fixed-layout bytes: little-endian fields, one after the other.
//!
//! A reader returns `None` at the first field that is missing or impossible, since stored bytes may be truncated, or
//! written by another version.

/// Largest magnitude that is read: no memory holds more, and its square is finite.
const MAGNITUDE_MAX: f64 = 1e40;

/// Largest single that is read: a thousand times that of a sample, and its square is finite.
const SINGLE_MAX: f32 = 1e18;

/// Largest count that is read: one a microsecond for 285 years.
const COUNT_MAX: u64 = 1 << 53;

/// Appends fields to a buffer.
#[derive(Debug, Default)]
pub(crate) struct ByteWriter {
    bytes: Vec<u8>,
}

impl ByteWriter {
    pub(crate) fn with_capacity(len: usize) -> Self {
        Self { bytes: Vec::with_capacity(len) }
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
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

    pub(crate) fn f64s(&mut self, values: &[f64]) {
        for value in values {
            self.f64(*value);
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Takes fields from the front of a slice.
#[derive(Debug)]
pub(crate) struct ByteReader<'a> {
    rest: &'a [u8],
}

impl<'a> ByteReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(field)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// A byte that is 0 or 1.
    pub(crate) fn bool(&mut self) -> Option<bool> {
        self.u8().filter(|byte| *byte <= 1).map(|byte| byte == 1)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A count that can still be incremented.
    pub(crate) fn count(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes).filter(|n| *n <= COUNT_MAX)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// A double whose square is finite, or NaN.
    pub(crate) fn finite_or_nan(&mut self) -> Option<f64> {
        self.array()
            .map(f64::from_le_bytes)
            .filter(|value| value.is_nan() || value.abs() <= MAGNITUDE_MAX)
    }

    /// A double whose square is finite.
    pub(crate) fn finite(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes).filter(|value| value.abs() <= MAGNITUDE_MAX)
    }

    /// The same, at least 0.
    pub(crate) fn not_negative(&mut self) -> Option<f64> {
        self.finite().filter(|value| *value >= 0.0)
    }

    /// Any finite single.
    pub(crate) fn single(&mut self) -> Option<f32> {
        self.array().map(f32::from_le_bytes).filter(|value| value.is_finite())
    }

    /// A single whose square is finite.
    pub(crate) fn finite_f32(&mut self) -> Option<f32> {
        self.single().filter(|value| value.abs() <= SINGLE_MAX)
    }

    /// The square of such a single, or a mean of squares.
    pub(crate) fn square_f32(&mut self) -> Option<f32> {
        self.single().filter(|value| (0.0..=SINGLE_MAX * SINGLE_MAX).contains(value))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}
