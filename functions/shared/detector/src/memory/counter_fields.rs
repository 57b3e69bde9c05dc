//! Fields of a counter inside a memory: 33 bytes that only the memory of a counter has.
//!
//! A byte that is 1 if the detector has learned rates; then kind and rate of the last judgement, and of the peak of the
//! episode. A kind is a number (see [`SampleKind::to_i64`]); a rate or mean is NaN if it is not known.

use crate::bytes::{ByteReader, ByteWriter};
use domain::{Judgement, Rate, SampleKind};

/// Encoded length, in bytes.
pub(super) const COUNTER_FIELDS_LEN: usize = 1 + 2 * 16;

/// Kind and rate of one judgement.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct CounterField {
    pub(super) kind: SampleKind,
    pub(super) rate: Rate,
}

/// Kinds and rates of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct CounterFields {
    pub(super) is_counter: bool,
    pub(super) last: CounterField,
    pub(super) peak: CounterField,
}

impl CounterFields {
    pub(super) fn of(is_counter: bool, last: Option<&Judgement>, peak: Option<&Judgement>) -> Self {
        let field = |judgement: Option<&Judgement>| {
            judgement.map_or_else(CounterField::default, |judgement| CounterField {
                kind: judgement.sample.kind(),
                rate: judgement.rate,
            })
        };
        Self { is_counter, last: field(last), peak: field(peak) }
    }

    /// True for a memory of a gauge, which does not have the fields.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn write(&self, out: &mut ByteWriter) {
        if self.is_empty() {
            return;
        }
        out.u8(u8::from(self.is_counter));
        for field in [self.last, self.peak] {
            out.i64(field.kind.to_i64());
            out.f64(field.rate.number().unwrap_or(f64::NAN));
        }
    }

    /// Reads the bytes of a counter; the fields of a gauge for `None`.
    pub(super) fn read(bytes: Option<&[u8]>) -> Option<Self> {
        let Some(bytes) = bytes else { return Some(Self::default()) };
        let mut from = ByteReader::new(bytes);
        let is_counter = from.bool()?;
        let mut field = || {
            let (kind, rate) = (SampleKind::from_i64(from.i64()?)?, from.finite_or_nan()?);
            let rate = Rate::of_number(kind, Some(rate).filter(|rate| !rate.is_nan()));
            Some(CounterField { kind, rate })
        };
        Some(Self { is_counter, last: field()?, peak: field()? })
    }
}
