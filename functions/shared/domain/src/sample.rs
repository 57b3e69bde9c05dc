//! Defines a sample: one finite value of a series at one time.
//!
//! The constructor rejects NaN and infinity, so that later code need not: one NaN would spoil every later mean.
//!
//! A sample of a gauge is judged itself, of a counter the rate a second.

use thiserror::Error;

/// Latest accepted time, in microseconds since the Unix epoch (the year 2255): a Redis sorted set stores scores as
/// doubles, which represent integers exactly up to here.
pub const AT_US_MAX: i64 = 1 << 53;

/// Largest accepted magnitude of a value: above the 64-bit integers that exporters send for "no limit", such as 2^64 of
/// `process_virtual_memory_max_bytes`; its square leaves 268 decades for sums.
pub const VALUE_ABS_MAX: f64 = 1e20;

/// Largest accepted total of a counter: what 64 bits count. A double holds whole numbers exactly up to 2^53 only, so the
/// rate of a larger counter has steps.
pub const COUNTER_MAX: f64 = 18_446_744_073_709_551_616.0;

/// Meaning of the value of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SampleKind {
    /// A number that may rise and fall: it is judged itself.
    #[default]
    Gauge,
    /// A total that only grows, and begins again at zero when its sender restarts: its rate a second is judged.
    Counter {
        /// Time at which the total was zero, in Unix microseconds, if the sender gives it.
        started_at_us: Option<i64>,
    },
}

impl SampleKind {
    /// Checks a value of this kind whose time is not known yet.
    pub fn check_value(self, value: f64) -> Result<f64, SampleError> {
        match self {
            Self::Gauge => check_value(value),
            Self::Counter { .. } if !value.is_finite() => Err(SampleError::ValueNotFinite(value)),
            Self::Counter { .. } if !(0.0..=COUNTER_MAX).contains(&value) => {
                Err(SampleError::CounterOutOfRange(value))
            }
            Self::Counter { .. } => Ok(value + 0.0),
        }
    }

    /// The kind in eight bytes: the start of a counter, -1 for one without a start, -2 for a gauge.
    pub fn to_i64(self) -> i64 {
        match self {
            Self::Gauge => GAUGE,
            Self::Counter { started_at_us } => started_at_us.unwrap_or(START_UNKNOWN),
        }
    }

    /// Inverse of [`SampleKind::to_i64`].
    pub fn from_i64(number: i64) -> Option<Self> {
        match number {
            GAUGE => Some(Self::Gauge),
            START_UNKNOWN => Some(Self::Counter { started_at_us: None }),
            0.. => Some(Self::Counter { started_at_us: Some(number) }),
            _ => None,
        }
    }

    /// True for a counter.
    pub fn is_counter(self) -> bool {
        matches!(self, Self::Counter { .. })
    }

    /// Name in requests, answers and stored configurations.
    pub fn as_str(self) -> &'static str {
        if self.is_counter() { "counter" } else { "gauge" }
    }

    /// The kind of that name, without a start.
    pub fn from_name(name: &str) -> Option<Self> {
        let kinds = [Self::Gauge, Self::Counter { started_at_us: None }];
        kinds.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Stands for a gauge where the start of a counter is.
const GAUGE: i64 = -2;

/// Stands for a start that is not given.
const START_UNKNOWN: i64 = -1;

/// One finite value at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    at_us: i64,
    value: f64,
    // The kind as a number: a window stores hundreds of samples.
    kind: i64,
}

impl Sample {
    /// Sample of a gauge: accepts a time in `0..=AT_US_MAX` microseconds and a finite value of magnitude up to
    /// [`VALUE_ABS_MAX`].
    ///
    /// Negative zero becomes zero, so that equal values have equal texts.
    pub fn new(at_us: i64, value: f64) -> Result<Self, SampleError> {
        check_time(at_us)?;
        Ok(Self { at_us, value: check_value(value)?, kind: GAUGE })
    }

    /// Sample of any kind.
    pub fn of_kind(at_us: i64, value: f64, kind: SampleKind) -> Result<Self, SampleError> {
        if let SampleKind::Counter { started_at_us: Some(started_at_us) } = kind {
            check_time(started_at_us)?;
        }
        check_time(at_us)?;
        Ok(Self { at_us, value: kind.check_value(value)?, kind: kind.to_i64() })
    }

    /// Microseconds since the Unix epoch.
    pub fn at_us(&self) -> i64 {
        self.at_us
    }

    /// The value; always finite.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Meaning of the value.
    pub fn kind(&self) -> SampleKind {
        SampleKind::from_i64(self.kind).unwrap_or_default()
    }

    /// True for a sample of a counter.
    pub fn is_counter(&self) -> bool {
        self.kind != GAUGE
    }
}

fn check_time(at_us: i64) -> Result<(), SampleError> {
    if (0..=AT_US_MAX).contains(&at_us) { Ok(()) } else { Err(SampleError::TimeOutOfRange(at_us)) }
}

/// Checks the value of a gauge whose time is not known yet.
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
    /// The total of a counter is negative or above [`COUNTER_MAX`].
    #[error(
        "counter `{0:e}` is outside 0..={COUNTER_MAX:e}: expected a total that only grows, from zero"
    )]
    CounterOutOfRange(f64),
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
            Self::CounterOutOfRange(_) => "counter_invalid",
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
    fn a_counter_is_a_total_of_up_to_64_bits() {
        let counter = SampleKind::Counter { started_at_us: None };
        let code = |value| counter.check_value(value).map_err(|error| error.code());
        for value in [0.0, 1.5, 1e19, COUNTER_MAX] {
            assert_eq!(code(value), Ok(value));
        }
        assert!(counter.check_value(-0.0).unwrap().is_sign_positive());
        assert_eq!((code(-1.0), code(1e20)), (Err("counter_invalid"), Err("counter_invalid")));
        assert_eq!(
            (code(f64::NAN), code(f64::INFINITY)),
            (Err("value_not_finite"), Err("value_not_finite"))
        );
        assert_eq!(SampleKind::Gauge.check_value(-1.0), Ok(-1.0));
    }

    #[test]
    fn a_sample_has_the_kind_that_it_was_made_with() {
        let counter = |started_at_us| SampleKind::Counter { started_at_us };
        for kind in [SampleKind::Gauge, counter(None), counter(Some(0)), counter(Some(AT_US_MAX))] {
            let sample = Sample::of_kind(7, 1.0, kind).unwrap();
            assert_eq!((sample.kind(), sample.is_counter()), (kind, kind.is_counter()));
        }
        assert_eq!(Sample::of_kind(7, 1.0, SampleKind::Gauge), Sample::new(7, 1.0));
        for start_us in [-1, -2, AT_US_MAX + 1] {
            assert_eq!(
                Sample::of_kind(7, 1.0, counter(Some(start_us))).unwrap_err().code(),
                "time_invalid"
            );
        }
    }

    #[test]
    fn negative_zero_becomes_zero() {
        assert!(Sample::new(0, -0.0).unwrap().value().is_sign_positive());
    }
}
