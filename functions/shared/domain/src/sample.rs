//! One finite value of a series at one time.
//!
//! The checks live in the constructor, so that no later code has to ask whether a value is a number:
//! one NaN would poison every mean that follows.

use thiserror::Error;

/// Latest accepted time, in microseconds since the Unix epoch: the largest integer below which every
/// integer is exact in the double that a Redis sorted set keeps as score (the year 2255).
pub const AT_US_MAX: i64 = 1 << 53;

/// Largest accepted magnitude of a value: its square still leaves 278 decades for sums.
pub const VALUE_ABS_MAX: f64 = 1e15;

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
            return Err(SampleError::TimeOutOfRange { at_us });
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

/// Accepts what can be the value of a sample whose time is not known yet.
pub fn check_value(value: f64) -> Result<f64, SampleError> {
    if !value.is_finite() {
        return Err(SampleError::ValueNotFinite { value });
    }
    if value.abs() > VALUE_ABS_MAX {
        return Err(SampleError::ValueTooLarge { value });
    }
    // Adding positive zero turns -0 into 0 and leaves every other value alone.
    Ok(value + 0.0)
}

/// Why a time and a value are not a sample.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The value is NaN or infinite.
    #[error("value `{value}` is not finite: a finite number is wanted")]
    ValueNotFinite {
        /// The value that was given.
        value: f64,
    },
    /// The magnitude is above [`VALUE_ABS_MAX`].
    #[error("value `{value:e}` is too large: a magnitude of at most {VALUE_ABS_MAX:e} is wanted")]
    ValueTooLarge {
        /// The value that was given.
        value: f64,
    },
    /// The time is before 1970 or after 2255.
    #[error("time `{at_us}` is outside 0..={AT_US_MAX} microseconds since 1970")]
    TimeOutOfRange {
        /// The time that was given.
        at_us: i64,
    },
}

impl SampleError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ValueNotFinite { .. } => "value_not_finite",
            Self::ValueTooLarge { .. } => "value_too_large",
            Self::TimeOutOfRange { .. } => "time_invalid",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_no_numbers_are_refused() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Sample::new(0, value).unwrap_err().code(), "value_not_finite");
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        assert!(Sample::new(AT_US_MAX, VALUE_ABS_MAX).is_ok());
        assert_eq!(Sample::new(AT_US_MAX + 1, 0.0).unwrap_err().code(), "time_invalid");
        assert_eq!(Sample::new(-1, 0.0).unwrap_err().code(), "time_invalid");
        assert_eq!(Sample::new(0, 1.01e15).unwrap_err().code(), "value_too_large");
    }

    #[test]
    fn negative_zero_becomes_zero() {
        assert!(Sample::new(0, -0.0).unwrap().value().is_sign_positive());
    }
}
