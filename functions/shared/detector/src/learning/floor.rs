//! Floor: the least deviation that counts, so that a calm hour does not make small noise an anomaly.
//!
//! - **Formula.** `min(1 % of the level, half of the deviation of all residuals)`. Before 200 samples, and on a series that
//!   does not vary by a millionth of its level, 1 % of the level: a service that never varied may vary by that much, and
//!   single precision has seven digits.
//! - **Why.** An availability of 99.95 % that falls to 99.5 % changes by less than half a percent, which is many times its
//!   usual noise.

/// Share of the level up to which noise is below the floor.
const LEVEL_SHARE: f64 = 0.01;
/// Share of the deviation of all residuals.
const NOISE_SHARE: f64 = 0.5;
/// Deviation of all residuals, as a share of the level, below which a series counts as constant.
const CONSTANT_SHARE: f64 = 1e-6;
/// Samples after which the deviation of all residuals is known.
const KNOWN_AFTER: u64 = 200;
/// Least deviation in absolute terms: prevents a division by zero on a series of zeros.
const LEAST: f64 = 1e-12;

/// Least deviation of a series with this level and variance of all residuals, after `n` samples.
pub(crate) fn floor(level: f64, residual_var: f64, n: u64) -> f64 {
    let of_level = LEVEL_SHARE * level.abs();
    let noise = residual_var.sqrt();
    let is_known = n > KNOWN_AFTER && noise > CONSTANT_SHARE * level.abs();
    let floor = if is_known { of_level.min(NOISE_SHARE * noise) } else { of_level };
    floor + LEAST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_below_the_noise_of_a_series_that_varies_little() {
        let floor_of = |stddev: f64| floor(100.0, stddev * stddev, 1_000);
        assert!((floor_of(0.01) - 0.005).abs() < 1e-9);
        assert!((floor_of(10.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_new_or_constant_series_may_vary_by_a_hundredth_of_its_level() {
        assert!((floor(100.0, 0.0, 1_000) - 1.0).abs() < 1e-9);
        assert!((floor(-100.0, 1e-9, 1_000) - 1.0).abs() < 1e-9);
        assert!((floor(100.0, 1e-4, 50) - 1.0).abs() < 1e-9);
        assert!(floor(0.0, 0.0, 0) > 0.0);
    }
}
