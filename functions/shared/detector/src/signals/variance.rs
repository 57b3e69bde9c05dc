//! Variance: steps from sample to sample that are larger than usual, as in noise or flapping.
//!
//! - **Formula.** `w = min(|z - z'| / usual, 8)` for two consecutive residuals, where `usual` is the long mean of their
//!   absolute difference. `score = m / rms(m)`, where `m` is the exponentially weighted mean of `w - 1` with rate 0.2 (half
//!   a dozen samples) and 0.03 (an hour). One jump hardly moves a mean of absolute steps, and a new level moves it once.
//! - **Thresholds.** 8 for the fast mean, 5 for the slow one.
//! - **Constants.** Rates are round; thresholds were chosen on synthetic traffic, the AIOps 2018 KPI series and Microsoft's
//!   series.
//! - **Cost.** Two dozen operations; 48 bytes.
//! - **Limits.** Noise with a season of its own; does not detect that noise vanishes.

use crate::bytes::{ByteReader, ByteWriter};

/// Number of scores: of the fast and of the slow mean.
pub(crate) const N_SCORES: usize = 2;
/// Weights of the newest step in the means.
const RATES: [f64; N_SCORES] = [0.2, 0.03];
/// Thresholds of the scores, in root mean squares.
const THRESHOLDS: [f64; N_SCORES] = [8.0, 5.0];
/// Spans of the means, in samples.
const SPANS: [f64; N_SCORES] = [5.0, 30.0];
/// Longest span of a judged mean, in seconds: a longer one would follow the daily cycle.
pub(crate) const SPAN_S_MAX: f64 = 9_000.0;
/// Largest step that is learned, in usual steps.
const STEP_MAX: f64 = 8.0;
/// Least usual step, in deviations.
const USUAL_MIN: f64 = 1e-3;
/// Weight of the newest step in the usual step.
const LONG_RATE: f64 = 0.001;
/// Initial mean square of a mean, and the least root mean square.
const SQUARE_START: f64 = 0.3;
const RMS_MIN: f64 = 0.05;
/// Samples before judging, and before the usual step is bounded.
const JUDGED_AFTER: u64 = 100;
const BOUNDED_AFTER: u64 = 50;

/// Memory of the variance signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct VarianceState {
    last_z: f64,
    usual: f64,
    means: [f64; N_SCORES],
    squares: [f64; N_SCORES],
}

impl Default for VarianceState {
    fn default() -> Self {
        Self { last_z: 0.0, usual: 0.0, means: [0.0; N_SCORES], squares: [SQUARE_START; N_SCORES] }
    }
}

impl VarianceState {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 48;

    pub(crate) fn write(&self, out: &mut ByteWriter) {
        out.f64s(&[self.last_z, self.usual]);
        out.f64s(&self.means);
        out.f64s(&self.squares);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self {
            last_z: from.finite()?,
            usual: from.not_negative()?,
            means: [from.finite()?, from.finite()?],
            squares: [from.not_negative()?, from.not_negative()?],
        })
    }

    /// Usual step from sample to sample, in deviations.
    pub(crate) fn usual_step(&self) -> f64 {
        self.usual
    }

    /// Scores of residual `z` after `n` others, for samples `interval_s` apart, in thresholds.
    pub(crate) fn judge(&self, z: f64, n: u64, interval_s: f64) -> [f64; N_SCORES] {
        if n <= JUDGED_AFTER {
            return [0.0; N_SCORES];
        }
        let means = self.means_with(z);
        std::array::from_fn(|i| {
            if SPANS[i] * interval_s > SPAN_S_MAX {
                return 0.0;
            }
            means[i].max(0.0) / self.squares[i].sqrt().max(RMS_MIN) / THRESHOLDS[i]
        })
    }

    /// Learns residual `z`, the newest of its series, after `n` others.
    pub(crate) fn learn(&mut self, z: f64, n: u64) {
        if n > 0 {
            let rate = LONG_RATE.max(1.0 / (n + 100) as f64);
            let step = (z - self.last_z).abs();
            self.means = self.means_with(z);
            for (square, mean) in self.squares.iter_mut().zip(self.means) {
                *square += rate * ((mean * mean).min(9.0 * *square + 0.01) - *square);
            }
            let bound = if n > BOUNDED_AFTER { 3.0 * self.usual + 0.05 } else { f64::INFINITY };
            self.usual += rate * (step.min(bound) - self.usual);
        }
        self.last_z = z;
    }

    fn means_with(&self, z: f64) -> [f64; N_SCORES] {
        let step = ((z - self.last_z).abs() / self.usual.max(USUAL_MIN)).min(STEP_MAX);
        std::array::from_fn(|i| self.means[i] + RATES[i] * (step - 1.0 - self.means[i]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: u64) -> f64 {
        ((n * 7919) % 1009) as f64 / 1009.0 - 0.5
    }

    fn alarms(z: impl Fn(u64) -> f64) -> Vec<u64> {
        let mut state = VarianceState::default();
        let mut alarms = Vec::new();
        for n in 0..4_000 {
            if state.judge(z(n), n, 60.0).iter().any(|score| *score > 1.0) {
                alarms.push(n);
            }
            state.learn(z(n), n);
        }
        alarms
    }

    #[test]
    fn fivefold_noise_is_an_alarm() {
        let alarms = alarms(|n| if n < 3_000 { noise(n) } else { 5.0 * noise(n) });
        assert!(alarms.first().is_some_and(|n| (3_000..3_020).contains(n)), "{alarms:?}");
    }

    #[test]
    fn a_new_level_and_a_single_jump_are_no_alarms() {
        assert!(alarms(|n| if n < 3_000 { noise(n) } else { 3.0 + noise(n) }).is_empty());
        assert!(alarms(|n| if n == 3_000 { 50.0 } else { noise(n) }).is_empty());
    }
}
