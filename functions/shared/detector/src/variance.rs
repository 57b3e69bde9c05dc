//! A series that jumps more from sample to sample than it did: restless noise, flapping.
//!
//! `w = min(|z - z'| / usual, 8)` of two residuals in a row, `usual` their long mean; `score = m / rms(m)` with `m` the
//! exponentially weighted mean of `w - 1` (rates 0.2 and 0.03: half a dozen samples, an hour). A mean of absolute
//! steps is hardly moved by a single jump, and by a new level only once. Alarm from 8 and 5. Rates are round;
//! thresholds were chosen on synthetic traffic, the AIOps 2018 KPI and Microsoft's series. Cost: two dozen
//! operations. Memory: 48 bytes. Fails: where the noise has a season of its own; sees no noise that vanishes.

use crate::layout::{Reader, Writer};

/// Weights of the newest step: a fast and a slow mean.
const RATES: [f64; 2] = [0.2, 0.03];

/// Alarm from these, in root mean squares.
const THRESHOLDS: [f64; 2] = [8.0, 5.0];

/// Samples in the span of each mean.
const SPANS: [f64; 2] = [5.0, 30.0];

/// Longest time that a mean may span, in seconds: what spans more of the day sees the day.
pub(crate) const SPAN_S_MAX: f64 = 9_000.0;

/// Largest step that counts, in usual steps.
const STEP_MAX: f64 = 8.0;

/// Least usual step, in deviations.
const USUAL_MIN: f64 = 1e-3;

/// Weight of the newest sample in what is usual.
const LONG_RATE: f64 = 0.001;

/// Root mean square of a mean of which nothing is known, squared, and the least of all.
const SQUARE_START: f64 = 0.3;
const RMS_MIN: f64 = 0.05;

/// Samples before it speaks, and before the usual step is bounded.
const JUDGED_AFTER: u64 = 100;
const BOUNDED_AFTER: u64 = 50;

/// What the signal remembers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct VarianceState {
    last_z: f64,
    usual: f64,
    means: [f64; 2],
    squares: [f64; 2],
}

impl Default for VarianceState {
    fn default() -> Self {
        Self { last_z: 0.0, usual: 0.0, means: [0.0; 2], squares: [SQUARE_START; 2] }
    }
}

impl VarianceState {
    /// Length of its layout, in bytes.
    pub(crate) const LEN: usize = 48;

    pub(crate) fn write(&self, out: &mut Writer) {
        let fields = [[self.last_z, self.usual], self.means, self.squares];
        fields.as_flattened().iter().for_each(|field| out.f64(*field));
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            last_z: from.finite()?,
            usual: from.not_negative()?,
            means: [from.finite()?, from.finite()?],
            squares: [from.not_negative()?, from.not_negative()?],
        })
    }

    /// The usual step, in deviations.
    pub(crate) fn usual(&self) -> f64 {
        self.usual
    }

    /// The scores of a residual after `n` others, in thresholds: of the fast and of the slow mean.
    pub(crate) fn judge(&self, z: f64, n: u64, usual_interval_s: f64) -> [f64; 2] {
        if n <= JUDGED_AFTER {
            return [0.0; 2];
        }
        let means = self.means_with(z);
        std::array::from_fn(|i| {
            if SPANS[i] * usual_interval_s > SPAN_S_MAX {
                return 0.0;
            }
            means[i].max(0.0) / self.squares[i].sqrt().max(RMS_MIN) / THRESHOLDS[i]
        })
    }

    /// Remembers a residual, the newest of its series, after `n` others.
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

    fn means_with(&self, z: f64) -> [f64; 2] {
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
    fn noise_that_grows_fivefold_is_an_anomaly() {
        let told = alarms(|n| if n < 3_000 { noise(n) } else { 5.0 * noise(n) });
        assert!(told.first().is_some_and(|n| (3_000..3_020).contains(n)), "{told:?}");
    }

    #[test]
    fn a_new_level_and_a_single_jump_are_none() {
        assert!(alarms(|n| if n < 3_000 { noise(n) } else { 3.0 + noise(n) }).is_empty());
        assert!(alarms(|n| if n == 3_000 { 50.0 } else { noise(n) }).is_empty());
    }
}
