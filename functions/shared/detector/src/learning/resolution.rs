//! Resolution: the least step of a series whose values seldom change, such as a number of replicas.
//!
//! - **Formula.** The least of the steps that are not 0, which each such step raises by a twentieth. From twenty steps on,
//!   half of it is the least deviation that counts.
//! - **Why.** Between two steps such a series has no noise at all, so a step a few minutes late would be many deviations.
//!   Where values vary with each sample, some neighbors are nearly equal, and half of the least step is far below the noise.
//! - **Constants.** Round; chosen on the family of replica counts, checked against all other series.
//! - **Cost.** A few operations; 17 bytes.

use crate::bytes::{ByteReader, ByteWriter};

/// Growth of the least step by each step.
const GROWTH: f64 = 1.05;
/// Steps from which the resolution counts: a few incidents on a constant series are not its resolution.
const STEPS_MIN: u8 = 20;
/// Share of the least step that is the least deviation.
const SHARE: f64 = 0.5;

/// Least step of one series.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Resolution {
    last: f64,
    step: f64,
    // Steps that were not 0; saturates.
    n_steps: u8,
}

impl Resolution {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 17;

    pub(crate) fn write(self, out: &mut ByteWriter) {
        out.f64s(&[self.last, self.step]);
        out.u8(self.n_steps);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self { last: from.finite()?, step: from.not_negative()?, n_steps: from.u8()? })
    }

    /// Least deviation that counts; 0 while the resolution is unknown.
    pub(crate) fn least_deviation(self) -> f64 {
        if self.n_steps < STEPS_MIN { 0.0 } else { SHARE * self.step }
    }

    /// Learns `value`, the newest of its series, after `n` others.
    pub(crate) fn learn(&mut self, value: f64, n: u64) {
        let step = (value - self.last).abs();
        if n > 0 && step > 0.0 {
            self.step = if self.n_steps == 0 { step } else { (GROWTH * self.step).min(step) };
            self.n_steps = self.n_steps.saturating_add(1);
        }
        self.last = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn least_deviation(value: impl Fn(u64) -> f64) -> f64 {
        let mut resolution = Resolution::default();
        (0..3_000).for_each(|n| resolution.learn(value(n), n));
        resolution.least_deviation()
    }

    #[test]
    fn half_a_replica_is_the_least_deviation_of_a_number_of_replicas() {
        let replicas = |n: u64| 5.0 + (n / 100 % 4) as f64;
        assert!((0.5..=0.53).contains(&least_deviation(replicas)), "{}", least_deviation(replicas));
    }

    #[test]
    fn noise_has_a_resolution_far_below_its_deviation() {
        let noise = |n: u64| ((n * 7919) % 1009) as f64 / 1009.0;
        assert!(least_deviation(noise) < 0.1, "{}", least_deviation(noise));
    }

    #[test]
    fn a_few_incidents_on_a_constant_series_are_not_its_resolution() {
        assert_eq!(least_deviation(|n| if n % 400 == 7 { 50.0 } else { 5.0 }), 0.0);
    }
}
