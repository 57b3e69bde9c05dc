//! Reference: a value that is subtracted from each sample before the signals of traffic read it.
//!
//! - **Origin.** A series at 8e11 that moves by a millionth of that loses its movement in single precision, and in a floor of
//!   a share of the level. If the first samples vary by less than a hundred-thousandth of their mean, but by more than
//!   the resolution of doubles, their mean is the origin.
//! - **Pattern.** What recurs at the same minute of each hour (see [`crate::learning::hour_pattern`]).
//!
//! When either is found, the signals learn again: what they know is about another series.

use crate::bytes::{ByteReader, ByteWriter};
use crate::learning::hour_pattern::HourPattern;
use domain::Sample;

/// Deviation of the first samples, as a share of their mean: below it they have an origin, unless it is that of rounding.
const NOISE_SHARE_MAX: f64 = 1e-5;
const ROUNDING_SHARE: f64 = 1e-14;
/// Number of first samples.
const FIRST_LEN: u8 = 10;
/// Largest magnitude of a sample.
const VALUE_MAX: f64 = 1e20;

/// Origin and hourly pattern of a series.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Reference {
    origin: f64,
    // Mean of the first samples, and sum of squares of their distances from it.
    first_mean: f64,
    first_squares: f64,
    // Number of first samples; saturates.
    n_first: u8,
    is_decided: bool,
    pub(crate) pattern: HourPattern,
}

impl Reference {
    /// Encoded length of the scalars, in bytes.
    pub(crate) const SCALARS_LEN: usize = 26 + HourPattern::SCALARS_LEN;

    pub(crate) fn write_scalars(&self, out: &mut ByteWriter) {
        out.f64s(&[self.origin, self.first_mean, self.first_squares]);
        out.u8(self.n_first);
        out.u8(u8::from(self.is_decided));
        self.pattern.write_scalars(out);
    }

    /// Reads the scalars; the pattern stays empty.
    pub(crate) fn read_scalars(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self {
            origin: from.finite()?,
            first_mean: from.finite()?,
            first_squares: from.not_negative()?,
            n_first: from.u8()?,
            is_decided: from.bool()?,
            pattern: HourPattern::read_scalars(from)?,
        })
    }

    /// Value that is subtracted from a sample at `at_us`.
    pub(crate) fn at(&self, at_us: i64) -> f64 {
        self.origin + self.pattern.at(at_us)
    }

    /// `sample` without its reference.
    pub(crate) fn relative(&self, sample: Sample) -> Sample {
        let reference = self.at(sample.at_us());
        if reference == 0.0 {
            return sample;
        }
        let value = (sample.value() - reference).clamp(-VALUE_MAX, VALUE_MAX);
        Sample::new(sample.at_us(), value).unwrap_or(sample)
    }

    /// Learns `sample`, the newest; returns true if the reference changed.
    pub(crate) fn learn(&mut self, sample: Sample) -> bool {
        if !self.is_decided {
            return self.decide(sample.value());
        }
        let from_origin = (sample.value() - self.origin).clamp(-VALUE_MAX, VALUE_MAX);
        self.pattern.learn(Sample::new(sample.at_us(), from_origin).unwrap_or(sample))
    }

    /// Decides on the origin, once the first samples are there and vary; returns true if there is one.
    fn decide(&mut self, value: f64) -> bool {
        self.n_first = self.n_first.saturating_add(1);
        let distance = value - self.first_mean;
        self.first_mean += distance / f64::from(self.n_first);
        self.first_squares += distance * (value - self.first_mean);
        let level = self.first_mean.abs();
        let noise = (self.first_squares / f64::from(self.n_first)).sqrt();
        if self.n_first < FIRST_LEN || noise <= ROUNDING_SHARE * level {
            return false;
        }
        self.is_decided = true;
        let has_origin = noise < NOISE_SHARE_MAX * level;
        self.origin = if has_origin { self.first_mean } else { 0.0 };
        has_origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference after `values`, one a minute.
    fn learned(values: impl IntoIterator<Item = f64>) -> Reference {
        let mut reference = Reference::default();
        for (minute, value) in (0..).zip(values) {
            reference.learn(Sample::new(minute * 60_000_000, value).unwrap());
        }
        reference
    }

    #[test]
    fn a_huge_level_that_hardly_moves_is_the_origin() {
        let reference = learned((0..10).map(|i| 8e11 + f64::from(i)));
        assert_eq!(reference.at(0), 8e11 + 4.5);
        let relative = reference.relative(Sample::new(0, 8e11).unwrap());
        assert_eq!(relative.value(), -4.5);
    }

    #[test]
    fn plain_constant_and_rounded_series_have_no_origin() {
        assert_eq!(learned((0..500).map(|i| 100.0 + f64::from(i % 7))).at(0), 0.0);
        assert_eq!(learned([8e11; 500]).at(0), 0.0);
        assert_eq!(learned((0..500).map(|i| 3.0 + f64::EPSILON * f64::from(i % 3))).at(0), 0.0);
    }

    #[test]
    fn a_constant_series_has_an_origin_once_it_moves() {
        let values = [8e11; 50].into_iter().chain((0..20).map(|i| 8e11 + f64::from(i)));
        assert!(learned(values).at(0) > 7e11);
    }

    #[test]
    fn bytes_hold_the_origin_and_the_pattern() {
        let reference = learned((0..900).map(|i| 10.0 + f64::from(i % 60 / 59 * 40 + i % 3)));
        assert!(reference.at(59 * 60_000_000) > 30.0);
        let mut out = ByteWriter::default();
        reference.write_scalars(&mut out);
        reference.pattern.write_minutes(&mut out);
        let bytes = out.finish();
        assert_eq!(bytes.len(), Reference::SCALARS_LEN + HourPattern::MINUTES_LEN);
        let mut from = ByteReader::new(&bytes);
        let mut read = Reference::read_scalars(&mut from).unwrap();
        read.pattern.read_minutes(&mut from).unwrap();
        assert_eq!(read, reference);
    }
}
