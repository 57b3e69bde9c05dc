//! Compact numbers: a variance in two bytes.
//!
//! - **Formula.** The logarithm of the variance in steps of a quarter of a percent; code 0 is a variance of 0.
//! - **Why.** Two tables of 288 variances were a third of the memory of a series. A bucket that learns with a weight of one in
//!   a hundred moves by steps of one percent.
//! - **Cost.** A logarithm to write, an exponential to read.

/// Steps for a factor of e.
const STEPS: f64 = 400.0;
/// Code of a variance of 1.
const CENTER: f64 = 32_768.0;

/// Code of `var`, the nearest one within the range of 1e-35 to 1e35; 0 if it is 0.
pub(crate) fn var_code(var: f64) -> u16 {
    if var > 0.0 {
        (CENTER + STEPS * var.ln()).round().clamp(1.0, f64::from(u16::MAX)) as u16
    } else {
        0
    }
}

/// Variance of `code`.
pub(crate) fn var_of(code: u16) -> f64 {
    if code == 0 { 0.0 } else { ((f64::from(code) - CENTER) / STEPS).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variance_is_exact_to_an_eighth_of_a_percent() {
        assert_eq!(var_of(var_code(0.0)), 0.0);
        for var in [1e-30, 3.7e-12, 0.2, 1.0, 55.0, 4.2e9, 1e30] {
            assert!((var_of(var_code(var)) / var - 1.0).abs() < 0.0013, "{var}");
        }
    }

    #[test]
    fn a_variance_that_decays_by_a_hundredth_a_step_does_not_stop() {
        let decayed = (0..1_000).fold(50.0, |var, _| var_of(var_code(0.99 * var)));
        assert!(decayed < 50.0 * 0.99_f64.powi(900), "{decayed}");
    }
}
