//! Expected value and band of a verdict in 26 bits, so that a window can store them with each sample.
//!
//! Both are relative to the judged value: half the width of the band as a float of five bits, and the distance of its
//! middle, in half widths, as one of six. So a band is within 2.5 % of its half width, however large its values are,
//! unless the value is far outside it.

use std::num::NonZeroU32;

/// Expected value and band without the signal that expected it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedRange {
    /// Expected value, in the unit of the samples.
    pub value: f64,
    /// Lower end of the band.
    pub low: f64,
    /// Upper end of the band.
    pub high: f64,
}

/// Expected value and band of a sample, rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBand(NonZeroU32);

/// Half width: 128 powers of two in 32 steps each. Zero stands for no band.
const WIDTH: Float = Float { exponent_min: -60, mantissa_bits: 5, code_max: (1 << 12) - 1 };

/// Distance of the middle: 16 powers of two in 64 steps each, and zero.
const DISTANCE: Float = Float { exponent_min: -8, mantissa_bits: 6, code_max: (1 << 10) - 1 };

/// Places of the expected value between the ends of the band, in eighths.
const PLACES: f64 = 8.0;

impl StoredBand {
    /// Number of codes.
    pub const CODES: u32 = 1 << 26;

    /// Rounds the band of a judged value; `None` if the value is more than 255 half widths from its middle.
    pub fn of(judged: f64, range: ExpectedRange) -> Option<Self> {
        let ExpectedRange { value, low, high } = range;
        let half = (high - low) / 2.0;
        let width = WIDTH.encode(half)?.max(1);
        let distance = (low.midpoint(high) - judged) / WIDTH.decode(width);
        let magnitude = DISTANCE.encode(distance.abs())?;
        let place = if half > 0.0 { (value - low) / (2.0 * half) } else { 0.5 };
        // A place outside the band is at its end; NaN cannot be, as all ends are finite.
        let place = (place * PLACES).round().clamp(0.0, PLACES - 1.0) as u32;
        let sign = u32::from(distance < 0.0);
        Self::from_code((width << 14) | (sign << 13) | (magnitude << 3) | place)
    }

    /// The band of that code; `None` for one that is not a code.
    pub fn from_code(code: u32) -> Option<Self> {
        NonZeroU32::new(code).filter(|_| code < Self::CODES && code >> 14 > 0).map(Self)
    }

    /// The band as a number below [`StoredBand::CODES`].
    pub fn code(self) -> u32 {
        self.0.get()
    }

    /// The band around a judged value.
    pub fn range(self, judged: f64) -> ExpectedRange {
        let code = self.code();
        let half = WIDTH.decode(code >> 14);
        let distance = DISTANCE.decode((code >> 3) & DISTANCE.code_max);
        let signed = if (code >> 13) & 1 == 1 { -distance } else { distance };
        let middle = judged + signed * half;
        let place = f64::from(code & 7) / PLACES;
        let value = middle + (2.0 * place - 1.0) * half;
        ExpectedRange { value, low: middle - half, high: middle + half }
    }
}

/// Code of positive floats with few bits: the upper bits of a double.
struct Float {
    exponent_min: i64,
    mantissa_bits: u32,
    code_max: u32,
}

impl Float {
    /// Bits of a double that are rounded away.
    fn n_rounded(&self) -> u32 {
        f64::MANTISSA_DIGITS - 1 - self.mantissa_bits
    }

    /// Upper bits of the double that has code 0.
    fn base(&self) -> i64 {
        ((1_023 + self.exponent_min) << self.mantissa_bits) - 1
    }

    /// Code of a number that is not negative: 0 if it is too small, `None` if it is too large or not finite.
    fn encode(&self, number: f64) -> Option<u32> {
        if !number.is_finite() {
            return None;
        }
        let half_step = 1 << (self.n_rounded() - 1);
        let rounded = (number.to_bits() + half_step) >> self.n_rounded();
        let code = (rounded as i64 - self.base()).max(0);
        u32::try_from(code).ok().filter(|code| *code <= self.code_max)
    }

    fn decode(&self, code: u32) -> f64 {
        if code == 0 {
            return 0.0;
        }
        f64::from_bits(((self.base() + i64::from(code)) as u64) << self.n_rounded())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(value: f64, low: f64, high: f64) -> ExpectedRange {
        ExpectedRange { value, low, high }
    }

    #[test]
    fn a_band_is_read_back_within_three_percent_of_its_half_width() {
        for scale in [1e-9, 0.37, 1.0, 812.5, 1e9, 7e18] {
            for offset in [0.0, 1e3, -1e6] {
                for (judged, value, low, high) in
                    [(100.0, 98.0, 60.0, 136.0), (60.0, 98.0, 60.0, 136.0), (0.0, 10.0, 9.0, 11.0)]
                {
                    let at = |number: f64| (number + offset) * scale;
                    let exact = range(at(value), at(low), at(high));
                    let stored = StoredBand::of(at(judged), exact).unwrap();
                    let read = StoredBand::from_code(stored.code()).unwrap().range(at(judged));
                    let unit = (exact.high - exact.low) / 2.0;
                    let distance = ((judged - value) / ((high - low) / 2.0)).abs().max(1.0);
                    for (read, exact) in
                        [(read.value, exact.value), (read.low, exact.low), (read.high, exact.high)]
                    {
                        let error = (read - exact).abs() / unit / distance;
                        assert!(error < 0.03, "{scale} {offset} {judged}: {read} is not {exact}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_expected_value_that_is_not_in_the_middle_keeps_its_place() {
        let read = StoredBand::of(20.0, range(19.0, 18.0, 26.0)).unwrap().range(20.0);
        assert!((read.value - 19.0).abs() < 0.2 && read.low < 18.2, "{read:?}");
        for value in [10.0, 40.0] {
            let read = StoredBand::of(20.0, range(value, 18.0, 26.0)).unwrap().range(20.0);
            assert!(read.low <= read.value && read.value < read.high, "{read:?}");
        }
    }

    #[test]
    fn a_band_without_width_is_read_back_at_its_value() {
        let read = StoredBand::of(5.0, range(5.0, 5.0, 5.0)).unwrap().range(5.0);
        assert!(read.high - read.low < 1e-15 && read.value == 5.0, "{read:?}");
    }

    #[test]
    fn a_band_that_has_no_code_is_not_stored() {
        assert_eq!(StoredBand::of(9.0, range(5.0, 5.0, 5.0)), None);
        assert_eq!(StoredBand::of(1e6, range(5.0, 4.0, 6.0)), None);
        assert_eq!(StoredBand::of(5.0, range(5.0, f64::MIN, f64::MAX)), None);
        for code in [0, 7, (1 << 14) - 1, StoredBand::CODES, u32::MAX] {
            assert_eq!(StoredBand::from_code(code), None, "{code}");
        }
    }
}
