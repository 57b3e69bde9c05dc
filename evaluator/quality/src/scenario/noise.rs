//! Noise distributions of traffic.
//!
//! Four distributions, since a detector can be tuned to a single one: counts are Poisson, merged counts have more
//! variance, latencies are skewed, and real metrics have heavy tails.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Normal, Poisson, StudentT};
use serde::Deserialize;

/// Shape of the gamma factor of over-dispersed counts: a relative standard deviation of 13 %.
const OVERDISPERSION_SHAPE: f64 = 60.0;

/// Relative measurement noise in addition to Poisson counts.
const POISSON_JITTER: f64 = 0.02;

/// Relative scale of heavy-tailed noise.
const HEAVY_SCALE: f64 = 0.03;

/// Degrees of freedom of heavy-tailed noise: the smallest number with a variance.
const HEAVY_FREEDOM: f64 = 3.0;

/// Standard deviation of the logarithm of lognormal noise.
const LOGNORMAL_DEVIATION: f64 = 0.08;

/// Distribution of values around their mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// Poisson counts with 2 % of measurement noise.
    Poisson,
    /// Counts with a varying rate (negative binomial).
    Negbin,
    /// Student's t with 3 degrees of freedom, 3 % wide.
    Heavy,
    /// A factor whose logarithm has standard deviation 0.08.
    Lognormal,
}

impl Noise {
    /// The name in series names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poisson => "poisson",
            Self::Negbin => "negbin",
            Self::Heavy => "heavy",
            Self::Lognormal => "lognormal",
        }
    }

    /// Draws a value; `mean` is not negative.
    pub(super) fn draw(self, mean: f64, random: &mut ChaCha8Rng) -> f64 {
        match self {
            Self::Poisson => {
                poisson(mean, random) + POISSON_JITTER * mean * standard_normal(random)
            }
            Self::Negbin => {
                let gamma = Gamma::new(OVERDISPERSION_SHAPE, 1.0 / OVERDISPERSION_SHAPE)
                    .expect("shape and scale are positive");
                poisson(mean * gamma.sample(random), random)
            }
            Self::Heavy => {
                let student =
                    StudentT::new(HEAVY_FREEDOM).expect("the degrees of freedom are positive");
                mean * (1.0 + HEAVY_SCALE * student.sample(random))
            }
            Self::Lognormal => mean * (LOGNORMAL_DEVIATION * standard_normal(random)).exp(),
        }
    }
}

/// Draws from the standard normal distribution.
pub(super) fn standard_normal(random: &mut ChaCha8Rng) -> f64 {
    Normal::new(0.0, 1.0).expect("the deviation is finite").sample(random)
}

/// Draws from `low..high`.
pub(super) fn uniform(low: f64, high: f64, random: &mut ChaCha8Rng) -> f64 {
    low + (high - low) * random.random::<f64>()
}

fn poisson(mean: f64, random: &mut ChaCha8Rng) -> f64 {
    // A mean of zero is not a Poisson distribution; its count is always 0.
    Poisson::new(mean).map_or(0.0, |poisson| poisson.sample(random))
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn every_distribution_has_its_mean() {
        const N: usize = 20_000;
        for noise in [Noise::Poisson, Noise::Negbin, Noise::Heavy, Noise::Lognormal] {
            let mut random = ChaCha8Rng::seed_from_u64(1);
            let mean = (0..N).map(|_| noise.draw(200.0, &mut random)).sum::<f64>() / N as f64;
            assert!((mean - 200.0).abs() < 2.0, "{noise:?}: {mean}");
        }
    }

    #[test]
    fn a_mean_of_zero_has_the_value_zero() {
        for noise in [Noise::Poisson, Noise::Negbin, Noise::Heavy, Noise::Lognormal] {
            assert_eq!(noise.draw(0.0, &mut ChaCha8Rng::seed_from_u64(1)), 0.0, "{noise:?}");
        }
    }
}
