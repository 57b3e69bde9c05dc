//! What is remembered of one time of day: a mean, a variance, and how often it came.
//!
//! Three tables of days hold such buckets. How one learns is the matter of its table: that is where they differ. They
//! are most of what a series takes, in a store and in a process that still knows it, so they are packed in both.

use crate::layout::{Reader, Writer};

/// An exponentially weighted mean and variance of one time of day.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
// Without gaps between them: four bytes instead of one for the visits would be a quarter of a table.
#[repr(C, packed)]
pub(crate) struct Bucket {
    // Singles: a table of doubles would double the memory for digits below the noise.
    pub(crate) mean: f32,
    pub(crate) var: f32,
    pub(crate) visits: u8,
}

impl Bucket {
    /// Length of its layout, in bytes.
    pub(crate) const LEN: usize = 9;

    pub(crate) fn write(self, out: &mut Writer) {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&self.mean.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.var.to_le_bytes());
        bytes[8] = self.visits;
        out.bytes(&bytes);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { mean: from.finite_f32()?, var: from.square_f32()?, visits: from.u8()? })
    }

    /// Moves the mean by the share `rate` of a distance from it, and the variance by as much of its square.
    pub(crate) fn move_by(&mut self, distance: f64, rate: f64) {
        self.mean = (f64::from(self.mean) + rate * distance) as f32;
        self.var = ((1.0 - rate) * (f64::from(self.var) + rate * distance * distance)) as f32;
    }
}
