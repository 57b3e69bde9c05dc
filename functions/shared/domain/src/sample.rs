//! Defines a sample: one finite value of a series at one time.
//!
//! The constructor rejects NaN and infinity, so that later code need not: one NaN would spoil every later mean.

use thiserror::Error;

/// Latest accepted time, in microseconds since the Unix epoch (the year 2255): a Redis sorted set stores scores as
/// doubles, which represent integers exactly up to here.
pub const AT_US_MAX: i64 = 1 << 53;

/// Largest accepted magnitude of a value: above the 64-bit integers that exporters send for "no limit", such as 2^64 of
/// `process_virtual_memory_max_bytes`; its square leaves 268 decades for sums.
pub const VALUE_ABS_MAX: f64 = 1e20;

/// One finite value at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    at_us: i64,
    value: f64,
}

impl Sample {
    /// Accepts a time in `0..=AT_US_MAX` microseconds and a finite value of magnitude up to [`VALUE_ABS_MAX`].
    ///
    /// Negative zero becomes zero, so that equal values have equal texts.
    pub fn new(at_us: i64, value: f64) -> Result<Self, SampleError> {
        if !(0..=AT_US_MAX).contains(&at_us) {
            return Err(SampleError::TimeOutOfRange(at_us));
        }
        Ok(Self { at_us, value: check_value(value)? })
    }

    /// Microseconds since the Unix epoch.
    pub fn at_us(&self) -> i64 {
        self.at_us
    }

    /// The value; always finite.
    pub fn value(&self) -> f64 {
        self.value
    }
}

/// Checks a value whose time is not known yet.
pub fn check_value(value: f64) -> Result<f64, SampleError> {
    if !value.is_finite() {
        return Err(SampleError::ValueNotFinite(value));
    }
    if value.abs() > VALUE_ABS_MAX {
        return Err(SampleError::ValueTooLarge(value));
    }
    // Adding positive zero turns -0 into 0 and changes no other value.
    Ok(value + 0.0)
}

/// Reasons why a time and a value do not form a sample.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The value is NaN or infinite.
    #[error("value `{0}` is not finite: expected a finite number")]
    ValueNotFinite(f64),
    /// The magnitude is above [`VALUE_ABS_MAX`].
    #[error("value `{0:e}` is too large: expected a magnitude of at most {VALUE_ABS_MAX:e}")]
    ValueTooLarge(f64),
    /// The time is before 1970 or after 2255.
    #[error("time `{0}` is outside 0..={AT_US_MAX} microseconds since 1970")]
    TimeOutOfRange(i64),
}

impl SampleError {
    /// Bounded error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ValueNotFinite(_) => "value_not_finite",
            Self::ValueTooLarge(_) => "value_too_large",
            Self::TimeOutOfRange(_) => "time_invalid",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_finite_values_are_rejected() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Sample::new(0, value).unwrap_err().code(), "value_not_finite");
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        assert!(Sample::new(AT_US_MAX, VALUE_ABS_MAX).is_ok());
        assert_eq!(Sample::new(AT_US_MAX + 1, 0.0).unwrap_err().code(), "time_invalid");
        assert_eq!(Sample::new(-1, 0.0).unwrap_err().code(), "time_invalid");
        assert_eq!(Sample::new(0, 1.01e20).unwrap_err().code(), "value_too_large");
    }

    #[test]
    fn negative_zero_becomes_zero() {
        assert!(Sample::new(0, -0.0).unwrap().value().is_sign_positive());
    }
}
