//! Statistics of one seasonal bucket: mean, variance and number of visits.
//!
//! Three tables consist of such buckets and differ in how they update them. Buckets are most of the memory of a series,
//! so they are packed both in a store and in a process.

use crate::bytes::{ByteReader, ByteWriter};
use crate::learning::compact::{var_code, var_of};

/// Exponentially weighted mean and variance of one time of day or week.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
// Packed: alignment would pad the one byte of `visits` to four, a quarter of a table.
#[repr(C, packed)]
pub(crate) struct SeasonBucket {
    // Single precision: doubles would double the memory for digits below the noise.
    pub(crate) mean: f32,
    // See [`crate::learning::compact`].
    var_code: u16,
    pub(crate) visits: u8,
}

impl SeasonBucket {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 7;

    pub(crate) fn write(self, out: &mut ByteWriter) {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&self.mean.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.var_code.to_le_bytes());
        bytes[6] = self.visits;
        out.bytes(&bytes);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self { mean: from.finite_f32()?, var_code: from.u16()?, visits: from.u8()? })
    }

    /// Variance.
    pub(crate) fn var(self) -> f64 {
        var_of(self.var_code)
    }

    /// Moves the mean by `rate * distance` and the variance by the same share of the square.
    pub(crate) fn move_by(&mut self, distance: f64, rate: f64) {
        self.mean = (f64::from(self.mean) + rate * distance) as f32;
        self.var_code = var_code((1.0 - rate) * (self.var() + rate * distance * distance));
    }
}

/// The same with the variance in single precision, for a table with few samples a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
// Packed: alignment would pad the one byte of `visits` to four, a quarter of a table.
#[repr(C, packed)]
pub(crate) struct WideBucket {
    pub(crate) mean: f32,
    pub(crate) var: f32,
    pub(crate) visits: u8,
}

impl WideBucket {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 9;

    pub(crate) fn write(self, out: &mut ByteWriter) {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&self.mean.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.var.to_le_bytes());
        bytes[8] = self.visits;
        out.bytes(&bytes);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self { mean: from.finite_f32()?, var: from.square_f32()?, visits: from.u8()? })
    }
}
