//! Shift: a level that leaves both the last hour and the time of day, as in steps, dips, storms and ramps.
//!
//! - **Formula.** For `L` of 3, 10 and 30 samples: `a` is the mean of the last `L` residuals (bounded at 6), and `d` its
//!   distance from the mean of the 50 residuals before them, in their deviation.
//!   `score = sqrt(|a| / max(1, rms(a)) * |d| / rms(d))` if both have the same sign. This is the rule of the deviation
//!   signal for averages: noise that hides one sample does not hide ten. A ramp shifts its own reference; for it, `a` is
//!   an exponentially weighted mean (rate 0.03), and `d` its distance from a slower one (rate 0.005).
//! - **Thresholds.** 4, 3 and 3.5 for the lengths, 1.6 for the ramp, or the limit of the score's own tail if that is
//!   higher (see [`crate::learning::own_tail`]): a level that wanders each day must go farther. Neither a return to usual is an alarm, since `a` is
//!   then small, nor a lasting level, since `d` is.
//! - **Constants.** Lengths are round; thresholds were chosen on synthetic traffic, the AIOps 2018 KPI series and
//!   Microsoft's series. An average over more than two and a half hours is not judged: it would follow the daily cycle.
//! - **Cost.** Two passes over 80 residuals, four logarithms and exponentials; 316 bytes of residuals and 84 of scalars.
//! - **Limits.** Raises a false alarm on the first weekend; misses a shift smaller than the usual wandering of the level.

use crate::bytes::{ByteReader, ByteWriter};
use crate::learning::{Rarity, RunTail};
use crate::signals::variance::SPAN_S_MAX;

/// Numbers of averaged residuals.
const LENS: [usize; 3] = [3, 10, 30];
/// Number of reference residuals before them, and the least.
const REFERENCE_LEN: usize = 50;
const REFERENCE_LEN_MIN: u64 = 10;
/// Number of stored residuals; the newest is not stored yet when it is judged.
const N_RESIDUALS: usize = LENS[2] + REFERENCE_LEN - 1;
/// Number of scores: three lengths and the ramp.
pub(crate) const N_SCORES: usize = 4;
/// Index of the ramp among the scores.
const RAMP: usize = 3;
/// Thresholds of the scores.
const THRESHOLDS: [f64; N_SCORES] = [4.0, 3.0, 3.5, 1.6];
/// Largest residual in an average, in deviations.
const RESIDUAL_MAX: f64 = 6.0;
/// Least deviation of the reference residuals, in deviations of the series.
const SPREAD_MIN: f64 = 0.3;
/// Weights of the newest residual in the mean of the ramp and in its reference.
const RAMP_RATE: f64 = 0.03;
const RAMP_REFERENCE_RATE: f64 = 0.005;
/// Least distance of the newest residual on the side of the average: a shift that has ended is no alarm.
const NEWEST_MIN: f64 = 0.5;
/// Span of the mean of the ramp, in samples.
const RAMP_SPAN: f64 = 30.0;
/// Weight of the newest square in a mean square: of the lengths, and of the ramp.
const SQUARE_RATE: f64 = 0.001;
const RAMP_SQUARE_RATE: f64 = 0.0002;
/// Initial mean squares.
const SQUARE_START: f64 = 0.5;
const RAMP_SQUARE_START: f64 = 0.2;
/// Least root mean square of `d`; that of a length is already in deviations of its own hour.
const CHANGE_RMS_MIN: [f64; N_SCORES] = [0.05, 0.05, 0.05, 1.0];
/// Samples before the lengths are judged, and before the ramp is.
const JUDGED_AFTER: u64 = 20;
const RAMP_JUDGED_AFTER: u64 = 100;
/// Largest number that is read back: residuals are at most 50, mean squares far below this.
const READ_MAX: f32 = 1e9;

/// Memory of the shift signal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ShiftState {
    ramp: f64,
    ramp_reference: f64,
    // Mean squares of `a` and `d` of each score.
    squares: [(f32, f32); N_SCORES],
    tails: [RunTail; N_SCORES],
    // Ring buffer: residual `n` is at `n % N_RESIDUALS`.
    residuals: [f32; N_RESIDUALS],
}

/// Average of the newest residuals, and its distance from those before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LevelChange {
    average: f64,
    distance: f64,
}

/// Level change of each score; `None` if it is not judged.
pub(crate) type LevelChanges = [Option<LevelChange>; N_SCORES];

impl Default for ShiftState {
    fn default() -> Self {
        let (length, ramp) = (SQUARE_START as f32, RAMP_SQUARE_START as f32);
        let squares = [(length, length), (length, length), (length, length), (ramp, ramp)];
        Self {
            ramp: 0.0,
            ramp_reference: 0.0,
            squares,
            tails: [RunTail::default(); N_SCORES],
            residuals: [0.0; N_RESIDUALS],
        }
    }
}

impl ShiftState {
    /// Encoded length of the scalars, in bytes.
    pub(crate) const SCALARS_LEN: usize = 16 + 32 + N_SCORES * RunTail::LEN;

    /// Encoded length of the residuals, in bytes.
    pub(crate) const RESIDUALS_LEN: usize = N_RESIDUALS * 4;

    pub(crate) fn write_scalars(&self, out: &mut ByteWriter) {
        out.f64s(&[self.ramp, self.ramp_reference]);
        for (average, distance) in self.squares {
            out.f32(average);
            out.f32(distance);
        }
        self.tails.iter().for_each(|tail| tail.write(out));
    }

    pub(crate) fn write_residuals(&self, out: &mut ByteWriter) {
        self.residuals.iter().for_each(|residual| out.f32(*residual));
    }

    /// Reads the scalars; the residuals stay 0.
    pub(crate) fn read_scalars(from: &mut ByteReader<'_>) -> Option<Self> {
        let (ramp, ramp_reference) = (from.finite()?, from.finite()?);
        let mut state = Self { ramp, ramp_reference, ..Self::default() };
        let is_square = |square: &f32| (0.0..=READ_MAX).contains(square);
        for (average, distance) in &mut state.squares {
            *average = from.finite_f32().filter(is_square)?;
            *distance = from.finite_f32().filter(is_square)?;
        }
        for tail in &mut state.tails {
            *tail = RunTail::read(from)?;
        }
        Some(state)
    }

    pub(crate) fn read_residuals(&mut self, from: &mut ByteReader<'_>) -> Option<()> {
        for residual in &mut self.residuals {
            *residual = from.finite_f32().filter(|residual| residual.abs() <= READ_MAX)?;
        }
        Some(())
    }

    /// `scores` in the limits of their own tails where these are higher than the thresholds, multiplied by `strictness`.
    pub(crate) fn shares(
        &self,
        scores: [f64; N_SCORES],
        strictness: f64,
        rarity: Rarity,
    ) -> [f64; N_SCORES] {
        std::array::from_fn(|i| {
            let limit = self.tails[i].limit(rarity).unwrap_or_default();
            scores[i] / strictness.max(limit)
        })
    }

    /// Scores of residual `z` with its level changes, after `n` others, in thresholds.
    pub(crate) fn judge(&self, z: f64, changes: &LevelChanges, n: u64) -> [f64; N_SCORES] {
        // One sample is a spike, which the deviation signal finds.
        let before = f64::from(self.residuals[(n.wrapping_sub(1) % N_RESIDUALS as u64) as usize]);
        std::array::from_fn(|i| {
            let Some(LevelChange { average, distance }) = changes[i] else { return 0.0 };
            let (average_square, distance_square) = self.squares[i];
            let is_over = average.signum() * z < NEWEST_MIN
                || (i != RAMP && average.signum() * before < NEWEST_MIN);
            if is_over || average * distance <= 0.0 || (i == RAMP && n <= RAMP_JUDGED_AFTER) {
                return 0.0;
            }
            let average = average.abs() / f64::from(average_square).sqrt().max(1.0);
            let distance =
                distance.abs() / f64::from(distance_square).sqrt().max(CHANGE_RMS_MIN[i]);
            (average * distance).sqrt() / THRESHOLDS[i]
        })
    }

    /// Learns residual `z`, the newest of its series, with its level changes and their scores, after `n` others.
    pub(crate) fn learn(
        &mut self,
        z: f64,
        changes: &LevelChanges,
        scores: &[f64; N_SCORES],
        n: u64,
    ) {
        for (tail, score) in self.tails.iter_mut().zip(scores) {
            tail.learn(*score, n);
        }
        let even = 1.0 / (n + 100) as f64;
        for (i, change) in changes.iter().enumerate() {
            let Some(LevelChange { average, distance }) = *change else { continue };
            let rate = even.max(if i == RAMP { RAMP_SQUARE_RATE } else { SQUARE_RATE });
            let (average_square, distance_square) = &mut self.squares[i];
            learn_square(average_square, average, rate);
            learn_square(distance_square, distance, rate);
        }
        let bounded = z.clamp(-RESIDUAL_MAX, RESIDUAL_MAX);
        self.ramp += RAMP_RATE * (bounded - self.ramp);
        let rate = RAMP_REFERENCE_RATE.max(1.0 / (n + 1) as f64);
        self.ramp_reference += rate * (bounded - self.ramp_reference);
        self.residuals[(n % N_RESIDUALS as u64) as usize] = z as f32;
    }

    /// Level changes at residual `z` after `n` others, for samples `interval_s` apart.
    pub(crate) fn changes(&self, z: f64, n: u64, interval_s: f64) -> LevelChanges {
        let [short, medium, long] = self.changes_by_length(z, n, interval_s);
        let average = self.ramp + RAMP_RATE * (z.clamp(-RESIDUAL_MAX, RESIDUAL_MAX) - self.ramp);
        let ramp = LevelChange { average, distance: average - self.ramp_reference };
        let is_short = RAMP_SPAN * interval_s <= SPAN_S_MAX;
        [short, medium, long, Some(ramp).filter(|_| is_short || n <= RAMP_JUDGED_AFTER)]
    }

    fn changes_by_length(&self, z: f64, n: u64, interval_s: f64) -> [Option<LevelChange>; 3] {
        if n < JUDGED_AFTER {
            return [None; 3];
        }
        // Newest first and contiguous, so that the sums run over slices.
        let mut recent = [0.0; N_RESIDUALS + 1];
        let known = N_RESIDUALS.min(n as usize);
        let newest = (n % N_RESIDUALS as u64) as usize;
        recent[0] = z;
        let (before, after) = self.residuals.split_at(newest);
        let ordered = before.iter().rev().chain(after.iter().rev());
        for (slot, residual) in recent[1..=known].iter_mut().zip(ordered) {
            *slot = f64::from(*residual);
        }
        LENS.map(|len| {
            let is_short = len as f64 * interval_s <= SPAN_S_MAX;
            if n < len as u64 + REFERENCE_LEN_MIN || !is_short {
                return None;
            }
            let (newest, before) = recent[..=known].split_at(len);
            Some(level_change(newest, &before[..before.len().min(REFERENCE_LEN)]))
        })
    }
}

/// Bounded mean of `newest`, and its distance from the mean of `before` in their deviation.
fn level_change(newest: &[f64], before: &[f64]) -> LevelChange {
    let bounded = newest.iter().map(|z| z.clamp(-RESIDUAL_MAX, RESIDUAL_MAX));
    let average = bounded.sum::<f64>() / newest.len() as f64;
    let len = before.len() as f64;
    let mean = before.iter().sum::<f64>() / len;
    let var = before.iter().map(|z| (z - mean) * (z - mean)).sum::<f64>() / len;
    LevelChange { average, distance: (average - mean) / var.sqrt().max(SPREAD_MIN) }
}

/// Moves a mean square towards the square of `value`, bounded by nine times the mean square.
fn learn_square(square: &mut f32, value: f64, rate: f64) {
    let old = f64::from(*square);
    *square = (old + rate * ((value * value).min(9.0 * old + 0.01) - old)) as f32;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: u64) -> f64 {
        2.0 * (((n * 7919) % 1009) as f64 / 1009.0 - 0.5)
    }

    /// Samples at which any score exceeds its threshold.
    fn crossings(interval_s: f64, z: impl Fn(u64) -> f64) -> Vec<u64> {
        let mut state = ShiftState::default();
        let mut crossings = Vec::new();
        for n in 0..4_000 {
            let changes = state.changes(z(n), n, interval_s);
            let scores = state.judge(z(n), &changes, n);
            if state.shares(scores, 1.0, Rarity::new(1_440.0, 0.2)).iter().any(|share| *share > 1.0)
            {
                crossings.push(n);
            }
            state.learn(z(n), &changes, &scores, n);
        }
        crossings
    }

    #[test]
    fn a_step_is_an_alarm_within_a_few_samples_and_its_end_is_none() {
        let at =
            crossings(60.0, |n| noise(n) + if (3_000..3_400).contains(&n) { 5.0 } else { 0.0 });
        assert!(at.first().is_some_and(|n| (3_000..3_006).contains(n)), "{at:?}");
        assert!(at.last().is_some_and(|n| *n <= 3_402), "{at:?}");
    }

    #[test]
    fn a_ramp_is_an_alarm_while_it_grows() {
        let at = crossings(60.0, |n| noise(n) + n.saturating_sub(3_000).min(200) as f64 / 25.0);
        assert!(at.first().is_some_and(|n| (3_000..3_120).contains(n)), "{at:?}");
    }

    #[test]
    fn a_single_sample_is_no_shift() {
        assert!(crossings(60.0, |n| if n % 1_000 == 999 { 40.0 } else { 0.0 }).is_empty());
        assert!(!crossings(60.0, |n| if n % 1_000 >= 998 { 40.0 } else { 0.0 }).is_empty());
    }

    #[test]
    fn a_shift_must_go_farther_where_the_level_wanders_each_hour() {
        let first_above = |wanders: bool, by: f64| {
            let wander = |n: u64| if wanders && n / 12 % 5 == 4 { 4.0 } else { 0.0 };
            let shift = |n: u64| if n >= 3_600 { by } else { 0.0 };
            let at = crossings(60.0, |n| noise(n) + wander(n) + shift(n));
            at.into_iter().find(|n| *n >= 3_600)
        };
        assert!(first_above(false, 3.0).is_some_and(|n| n < 3_620));
        assert!(first_above(true, -3.0).is_none_or(|n| n > 3_630), "{:?}", first_above(true, -3.0));
        assert!(first_above(true, -12.0).is_some_and(|n| n < 3_620));
    }

    #[test]
    fn a_lasting_level_is_no_alarm() {
        let at = crossings(60.0, |n| noise(n) + if n >= 2_000 { 4.0 } else { 0.0 });
        assert!(at.last().is_some_and(|n| *n < 2_600), "{at:?}");
    }

    #[test]
    fn averages_over_hours_are_not_judged() {
        assert!(crossings(3_600.0, |n| (n as f64 / 4.0).sin() * 4.0).is_empty());
    }
}
