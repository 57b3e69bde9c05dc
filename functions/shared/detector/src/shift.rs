//! A level that leaves both the last hour and the time of day: steps, dips, storms, ramps.
//!
//! For `L` in 3, 10, 30 samples: `a` the mean of the last `L` residuals (bounded at 6), `d` its distance from the mean
//! of the 50 before them in their deviation; `score = sqrt(|a| / max(1, rms(a)) * |d| / rms(d))` where both have the
//! same sign. It is the deviation signal's rule, distance from the window times distance from the season, for
//! averages: noise that hides one sample hides no ten. A ramp leaves its own hour behind: for it `a` is an
//! exponentially weighted mean (rate 0.03) and `d` its distance from a slower one (0.005). Alarm from 4, 3, 3.5 and
//! 1.6. A return to the usual is no alarm, since `a` is then small; nor is a level that lasts, since `d` is.
//!
//! A scale that spans more than two hours and a half is quiet: it would see the day. Scales are round; thresholds were
//! chosen on synthetic traffic, the AIOps 2018 KPI and Microsoft's series. Cost: two passes over 80 residuals.
//! Memory: 316 bytes of residuals and 48 of scalars. Fails: on the first weekend; on a shift smaller than the usual wandering of the level.

use crate::layout::{Reader, Writer};
use crate::variance::SPAN_S_MAX;

/// Samples that are averaged.
const LENS: [usize; 3] = [3, 10, 30];

/// Residuals before them that they are compared with, and the least of those.
const REFERENCE_LEN: usize = 50;
const REFERENCE_LEN_MIN: u64 = 10;

/// Residuals that are kept, without the newest.
const KEPT: usize = LENS[2] + REFERENCE_LEN - 1;

/// Alarm from these: three lengths and the ramp.
const THRESHOLDS: [f64; 4] = [4.0, 3.0, 3.5, 1.6];

/// Largest residual that counts in an average, in deviations.
const RESIDUAL_MAX: f64 = 6.0;

/// Least deviation of the residuals before, in deviations of the series.
const SPREAD_MIN: f64 = 0.3;

/// Weights of the newest residual in the ramp's mean and in the one it is compared with.
const RAMP_RATE: f64 = 0.03;
const RAMP_REFERENCE_RATE: f64 = 0.005;

/// Least distance of the newest residual, on the side of the average: what has ended is no news.
const NEWEST_MIN: f64 = 0.5;

/// Samples in the span of the ramp's mean.
const RAMP_SPAN: f64 = 30.0;

/// Weight of the newest in a mean square: of the three lengths, and of the ramp.
const SQUARE_RATE: f64 = 0.001;
const RAMP_SQUARE_RATE: f64 = 0.0002;

/// Mean squares of which nothing is known.
const SQUARE_START: f64 = 0.5;
const RAMP_SQUARE_START: f64 = 0.2;

/// Least root mean square of the changes: those of a length are in deviations of its own hour already.
const CHANGE_RMS_MIN: [f64; 4] = [0.05, 0.05, 0.05, 1.0];

/// Samples before the lengths speak, and before the ramp does.
const JUDGED_AFTER: u64 = 20;
const RAMP_JUDGED_AFTER: u64 = 100;

/// Largest number that is read back: a residual is at most 50, a mean square of changes far below this.
const READ_MAX: f32 = 1e9;

/// What the signal remembers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ShiftState {
    ramp: f64,
    ramp_reference: f64,
    // Mean squares of both distances, of the three lengths and the ramp.
    squares: [(f32, f32); 4],
    // A ring; the n-th residual is at n modulo its length.
    residuals: [f32; KEPT],
}

/// An average and its distance from what was before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Distances {
    average: f64,
    change: f64,
}

impl Default for ShiftState {
    fn default() -> Self {
        let (length, ramp) = (SQUARE_START as f32, RAMP_SQUARE_START as f32);
        let squares = [(length, length), (length, length), (length, length), (ramp, ramp)];
        Self { ramp: 0.0, ramp_reference: 0.0, squares, residuals: [0.0; KEPT] }
    }
}

impl ShiftState {
    /// Length of its scalars, in bytes.
    pub(crate) const SCALARS_LEN: usize = 16 + 32;

    /// Length of its residuals, in bytes.
    pub(crate) const RESIDUALS_LEN: usize = KEPT * 4;

    pub(crate) fn write_scalars(&self, out: &mut Writer) {
        out.f64(self.ramp);
        out.f64(self.ramp_reference);
        for (average, change) in self.squares {
            out.f32(average);
            out.f32(change);
        }
    }

    pub(crate) fn write_residuals(&self, out: &mut Writer) {
        self.residuals.iter().for_each(|residual| out.f32(*residual));
    }

    /// A state of these scalars, without residuals.
    pub(crate) fn read_scalars(from: &mut Reader<'_>) -> Option<Self> {
        let (ramp, ramp_reference) = (from.finite()?, from.finite()?);
        let mut state = Self { ramp, ramp_reference, ..Self::default() };
        for (average, change) in &mut state.squares {
            *average = from.finite_f32().filter(|square| (0.0..=READ_MAX).contains(square))?;
            *change = from.finite_f32().filter(|square| (0.0..=READ_MAX).contains(square))?;
        }
        Some(state)
    }

    pub(crate) fn read_residuals(&mut self, from: &mut Reader<'_>) -> Option<()> {
        for residual in &mut self.residuals {
            *residual = from.finite_f32().filter(|residual| residual.abs() <= READ_MAX)?;
        }
        Some(())
    }

    /// The scores of residual `z` and what was measured of it after `n` others, in thresholds: of the three lengths and of the ramp.
    pub(crate) fn judge(&self, z: f64, distances: &[Option<Distances>; 4], n: u64) -> [f64; 4] {
        std::array::from_fn(|i| {
            let Some(Distances { average, change }) = distances[i] else { return 0.0 };
            let (average_square, change_square) = self.squares[i];
            let is_over = average.signum() * z < NEWEST_MIN;
            if is_over || average * change <= 0.0 || (i == 3 && n <= RAMP_JUDGED_AFTER) {
                return 0.0;
            }
            let average = average.abs() / f64::from(average_square).sqrt().max(1.0);
            let change = change.abs() / f64::from(change_square).sqrt().max(CHANGE_RMS_MIN[i]);
            (average * change).sqrt() / THRESHOLDS[i]
        })
    }

    /// Remembers residual `z`, the newest of its series, and what was measured of it, after `n` others.
    pub(crate) fn learn(&mut self, z: f64, distances: &[Option<Distances>; 4], n: u64) {
        let even = 1.0 / (n + 100) as f64;
        for (i, distances) in distances.iter().enumerate() {
            let Some(Distances { average, change }) = *distances else { continue };
            let rate = even.max(if i == 3 { RAMP_SQUARE_RATE } else { SQUARE_RATE });
            let (average_square, change_square) = &mut self.squares[i];
            learn_square(average_square, average, rate);
            learn_square(change_square, change, rate);
        }
        let bounded = z.clamp(-RESIDUAL_MAX, RESIDUAL_MAX);
        self.ramp += RAMP_RATE * (bounded - self.ramp);
        let rate = RAMP_REFERENCE_RATE.max(1.0 / (n + 1) as f64);
        self.ramp_reference += rate * (bounded - self.ramp_reference);
        self.residuals[(n % KEPT as u64) as usize] = z as f32;
    }

    /// Measures residual `z` after `n` others: the three lengths and the ramp, those that speak at this interval.
    pub(crate) fn distances(
        &self,
        z: f64,
        n: u64,
        usual_interval_s: f64,
    ) -> [Option<Distances>; 4] {
        let lengths = self.lengths(z, n, usual_interval_s);
        let average = self.ramp + RAMP_RATE * (z.clamp(-RESIDUAL_MAX, RESIDUAL_MAX) - self.ramp);
        let ramp = Distances { average, change: average - self.ramp_reference };
        let is_short = RAMP_SPAN * usual_interval_s <= SPAN_S_MAX;
        let ramp = Some(ramp).filter(|_| is_short || n <= RAMP_JUDGED_AFTER);
        [lengths[0], lengths[1], lengths[2], ramp]
    }

    fn lengths(&self, z: f64, n: u64, usual_interval_s: f64) -> [Option<Distances>; 3] {
        if n < JUDGED_AFTER {
            return [None; 3];
        }
        // Newest first, in one order: the sums run over slices.
        let mut recent = [0.0; KEPT + 1];
        let known = KEPT.min(n as usize);
        let newest = (n % KEPT as u64) as usize;
        recent[0] = z;
        let (before, after) = self.residuals.split_at(newest);
        let ordered = before.iter().rev().chain(after.iter().rev());
        for (slot, residual) in recent[1..=known].iter_mut().zip(ordered) {
            *slot = f64::from(*residual);
        }
        LENS.map(|len| {
            let is_short = len as f64 * usual_interval_s <= SPAN_S_MAX;
            if n < len as u64 + REFERENCE_LEN_MIN || !is_short {
                return None;
            }
            let (newest, before) = recent[..=known].split_at(len);
            Some(compared(newest, &before[..before.len().min(REFERENCE_LEN)]))
        })
    }
}

/// The bounded mean of `newest`, and its distance from `before` in their deviation.
fn compared(newest: &[f64], before: &[f64]) -> Distances {
    let bounded = newest.iter().map(|z| z.clamp(-RESIDUAL_MAX, RESIDUAL_MAX));
    let average = bounded.sum::<f64>() / newest.len() as f64;
    let len = before.len() as f64;
    let mean = before.iter().sum::<f64>() / len;
    let var = before.iter().map(|z| (z - mean) * (z - mean)).sum::<f64>() / len;
    Distances { average, change: (average - mean) / var.sqrt().max(SPREAD_MIN) }
}

/// Moves a mean square towards that of `value`, which counts up to three of its root.
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

    /// Samples at which any scale would speak.
    fn crossings(interval_s: f64, z: impl Fn(u64) -> f64) -> Vec<u64> {
        let mut state = ShiftState::default();
        let mut crossings = Vec::new();
        for n in 0..4_000 {
            let distances = state.distances(z(n), n, interval_s);
            if state.judge(z(n), &distances, n).iter().any(|score| *score > 1.0) {
                crossings.push(n);
            }
            state.learn(z(n), &distances, n);
        }
        crossings
    }

    #[test]
    fn a_step_is_noticed_within_a_few_samples_and_not_when_it_ends() {
        let at =
            crossings(60.0, |n| noise(n) + if (3_000..3_400).contains(&n) { 5.0 } else { 0.0 });
        assert!(at.first().is_some_and(|n| (3_000..3_006).contains(n)), "{at:?}");
        assert!(at.last().is_some_and(|n| *n <= 3_402), "{at:?}");
    }

    #[test]
    fn a_ramp_is_noticed_while_it_grows() {
        let at = crossings(60.0, |n| noise(n) + n.saturating_sub(3_000).min(200) as f64 / 25.0);
        assert!(at.first().is_some_and(|n| (3_000..3_120).contains(n)), "{at:?}");
    }

    #[test]
    fn a_level_that_lasts_becomes_quiet() {
        let at = crossings(60.0, |n| noise(n) + if n >= 2_000 { 4.0 } else { 0.0 });
        assert!(at.last().is_some_and(|n| *n < 2_600), "{at:?}");
    }

    #[test]
    fn scales_that_would_see_the_day_are_quiet() {
        assert!(crossings(3_600.0, |n| (n as f64 / 4.0).sin() * 4.0).is_empty());
    }
}
