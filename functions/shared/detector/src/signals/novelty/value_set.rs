//! Sorted set of the values that one feature has taken.
//!
//! - **Gap.** `gap(x, a) = 2 |x - a| / (2 d + |x - l| + |a - l|)`, where `l` is the running level of the feature and `d`
//!   twice its mean distance from the level. Near the level, this is a distance in deviations; far from it, one in orders
//!   of magnitude; it never exceeds 2. It is the first Padé approximant of the difference of `ln(d + |x - l|)`: without a
//!   logarithm, bounded, and better in ranking. A gap between two neighbors counts half.
//! - **Bound.** A full set drops a value of its closest pair; a value not visited for 60 days expires.

use crate::bytes::{ByteReader, ByteWriter};
use domain::sample::VALUE_ABS_MAX;

/// Capacity of a set: 64 suffice on the benchmark, 96 leave room for wider series.
const CAPACITY: usize = 96;
/// Least gap of a value that is inserted, and half the resolution of a set.
const GAP_INSERTED: f64 = 0.05;
/// Gap from which a value is absurd: forty times as far from the level as usual.
const GAP_ABSURD: f64 = 1.9;
/// Share of a gap that counts between two neighbors.
const INTERIOR_SHARE: f64 = 0.5;
/// Addend of the usual gap: if all gaps are tiny, a slightly larger one is no anomaly.
const USUAL_ADDEND: f64 = 0.02;
/// Largest gap that is learned in the usual gap, in usual gaps.
const USUAL_MAX: f64 = 20.0;
/// The same for an absurd gap: one broken value must not lower the scores of the next weeks.
const USUAL_ABSURD_MAX: f64 = 4.0;
/// Least weight of the newest gap in the usual gap: two weeks at five minutes.
const USUAL_RATE: f64 = 1.0 / 4_096.0;
/// Days after the last visit at which a value expires: two of the longest common cycle, a month.
const EXPIRY_DAYS: u8 = 60;
/// Samples before judging.
pub(super) const LEARNING_SAMPLES: u64 = 30;
/// Weight of the newest sample in levels, their deviations, and the variance of all seasonal residuals.
pub(super) const LONG_RATE: f64 = 0.001;
/// Largest move of a level or of a bucket, in deviations.
pub(super) const MOVE_MAX: f64 = 16.0;
/// Least deviation in absolute terms.
pub(super) const FLOOR_LEAST: f64 = 1e-9;
/// Least deviation, as a share of the level: anything below is rounding.
pub(super) const FLOOR_SHARE: f64 = 1e-6;
/// Largest magnitude of a feature: local distances of accepted values reach twice [`VALUE_ABS_MAX`].
pub(super) const MAGNITUDE_MAX: f64 = 4.0 * VALUE_ABS_MAX;

/// A value of a set, with the day of its last visit, modulo 256.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(C, packed)]
struct SeenValue {
    value: f32,
    day: u8,
}

/// Values that a feature has taken; `values[..len]` is sorted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ValueSet {
    /// Running level of the feature.
    pub(super) level: f64,
    /// Mean distance from the level.
    pub(super) spread: f64,
    gap_square: f64,
    len: u8,
    values: [SeenValue; CAPACITY],
}

/// Nearest value of a set, and the gap to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nearest {
    /// Number of values of the set below the feature.
    index: usize,
    /// Gap to the nearest value; `None` for an empty set.
    gap: Option<f64>,
    /// Gap that counts in the score.
    counted: f64,
    /// The nearest value; the feature itself for an empty set.
    pub(super) value: f64,
}

impl Default for ValueSet {
    fn default() -> Self {
        let values = [SeenValue::default(); CAPACITY];
        Self { level: 0.0, spread: 0.0, gap_square: 0.0, len: 0, values }
    }
}

impl ValueSet {
    /// Encoded length of the scalars, in bytes.
    pub(super) const SCALARS_LEN: usize = 25;

    /// Encoded length of the values, in bytes.
    pub(super) const VALUES_LEN: usize = CAPACITY * 5;

    /// Distance from the level below which gaps are distances rather than ratios.
    pub(super) fn unit(&self) -> f64 {
        (2.0 * self.spread).max(FLOOR_LEAST + FLOOR_SHARE * self.level.abs())
    }

    /// Gap to which others are compared.
    pub(super) fn usual_gap(&self) -> f64 {
        USUAL_ADDEND + self.gap_square.sqrt()
    }

    /// Gap in usual gaps.
    pub(super) fn score(&self, nearest: Nearest) -> f64 {
        nearest.counted / self.usual_gap()
    }

    fn values(&self) -> &[SeenValue] {
        &self.values[..usize::from(self.len)]
    }

    /// Value of the set nearest to `value`.
    pub(super) fn nearest(&self, value: f64) -> Nearest {
        let (values, width) = (self.values(), 2.0 * self.unit() + (value - self.level).abs());
        let gap_to =
            |other: f64| 2.0 * (value - other).abs() / (width + (other - self.level).abs());
        let with_gap = |seen: &SeenValue| (gap_to(f64::from(seen.value)), f64::from(seen.value));
        let index = values.partition_point(|seen| f64::from(seen.value) < value);
        let below = index.checked_sub(1).map(|i| with_gap(&values[i]));
        let above = values.get(index).map(with_gap);
        match (below, above) {
            (None, None) => Nearest { index, gap: None, counted: 0.0, value },
            (Some((gap, value)), None) | (None, Some((gap, value))) => {
                Nearest { index, gap: Some(gap), counted: gap, value }
            }
            (Some(below), Some(above)) => {
                let (gap, value) = if below.0 < above.0 { below } else { above };
                // An absurd neighbor is no evidence of values in between.
                let is_between = below.0.max(above.0) < GAP_ABSURD;
                let counted = if is_between { INTERIOR_SHARE * gap } else { gap };
                Nearest { index, gap: Some(gap), counted, value }
            }
        }
    }

    /// Learns `value`, seen on `day` (modulo 256) after `n` others.
    pub(super) fn learn(&mut self, value: f64, nearest: Nearest, day: u8, n: u64) {
        if n == 0 {
            self.level = value;
        }
        if n >= LEARNING_SAMPLES && nearest.gap.is_some() {
            let is_absurd = nearest.counted >= GAP_ABSURD;
            let gap_max = if is_absurd { USUAL_ABSURD_MAX } else { USUAL_MAX };
            let gap = nearest.counted.min(gap_max * self.usual_gap());
            let rate = USUAL_RATE.max(1.0 / (n + 1 - LEARNING_SAMPLES) as f64);
            self.gap_square += rate * (gap * gap - self.gap_square);
        }
        self.visit(nearest.index, day);
        if nearest.gap.is_none_or(|gap| gap > GAP_INSERTED) {
            self.insert(SeenValue { value: value as f32, day }, nearest.index);
        }
        let rate = LONG_RATE.max(1.0 / (n + 1) as f64);
        let move_max = bound(n >= LEARNING_SAMPLES, MOVE_MAX * self.spread.max(FLOOR_LEAST));
        let distance = (value - self.level).clamp(-move_max, move_max);
        self.spread += rate * (distance.abs() - self.spread);
        self.level += rate * distance;
    }

    /// Renews both neighbors of a value.
    fn visit(&mut self, index: usize, day: u8) {
        let end = usize::from(self.len).min(index + 1);
        for seen in &mut self.values[index.saturating_sub(1)..end] {
            seen.day = day;
        }
    }

    fn insert(&mut self, new: SeenValue, mut index: usize) {
        if usize::from(self.len) == CAPACITY {
            let dropped = self.most_crowded();
            self.values.copy_within(dropped + 1.., dropped);
            self.len -= 1;
            if index > dropped {
                index -= 1;
            }
        }
        let len = usize::from(self.len);
        self.values.copy_within(index..len, index + 1);
        self.values[index] = new;
        self.len += 1;
    }

    /// Index of the value with the smallest gap below it; both ends are exempt.
    fn most_crowded(&self) -> usize {
        let (unit, mut least, mut crowded) = (self.unit(), f64::INFINITY, 1);
        let mut below = f64::from(self.values[0].value);
        for (i, seen) in self.values.iter().enumerate().take(CAPACITY - 1).skip(1) {
            let value = f64::from(seen.value);
            let width = 2.0 * unit + (value - self.level).abs() + (below - self.level).abs();
            let gap = (value - below) / width;
            if gap < least {
                (least, crowded) = (gap, i);
            }
            below = value;
        }
        crowded
    }

    /// Drops values not visited for [`EXPIRY_DAYS`] on `day`, the newest, modulo 256.
    ///
    /// After eight months without samples the modulo makes a stamp appear younger; the value then stays for two months more
    /// at most.
    pub(super) fn expire(&mut self, day: u8) {
        let mut len = 0;
        for i in 0..usize::from(self.len) {
            if day.wrapping_sub(self.values[i].day) <= EXPIRY_DAYS {
                self.values[len] = self.values[i];
                len += 1;
            }
        }
        self.values[len..].fill(SeenValue::default());
        self.len = len as u8;
    }

    pub(super) fn write_scalars(&self, out: &mut ByteWriter) {
        out.f64s(&[self.level, self.spread, self.gap_square]);
        out.u8(self.len);
    }

    pub(super) fn write_values(&self, out: &mut ByteWriter) {
        for seen in &self.values {
            out.f32(seen.value);
            out.u8(seen.day);
        }
    }

    /// Reads the scalars; the values stay empty until [`Self::read_values`].
    pub(super) fn read_scalars(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self {
            level: from.finite().filter(|value| value.abs() <= MAGNITUDE_MAX)?,
            spread: from.not_negative().filter(|value| *value <= MAGNITUDE_MAX)?,
            gap_square: from.not_negative()?,
            len: from.u8().filter(|len| usize::from(*len) <= CAPACITY)?,
            ..Self::default()
        })
    }

    pub(super) fn read_values(&mut self, from: &mut ByteReader<'_>) -> Option<()> {
        for seen in &mut self.values {
            seen.value = from.finite_f32().filter(|value| is_in_range(*value))?;
            seen.day = from.u8()?;
        }
        self.values().is_sorted_by(|a, b| a.value <= b.value).then_some(())
    }
}

/// True for a magnitude that a feature can have.
pub(super) fn is_in_range(value: f32) -> bool {
    f64::from(value).abs() <= MAGNITUDE_MAX
}

/// `limit` if moves are bounded, else infinity.
pub(super) fn bound(is_bounded: bool, limit: f64) -> f64 {
    if is_bounded { limit } else { f64::INFINITY }
}
