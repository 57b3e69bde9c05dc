//! Defines a sample: one finite value of a series at one time.
//!
//! The constructor rejects NaN and infinity, so that later code need not: one NaN would spoil every later mean.
//!
//! A sample of a gauge is judged itself, of a counter the rate a second, of a sum of observations their mean.

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
    /// The sum of all observations since a start, as a cumulative histogram has it: the mean of those since the sample
    /// before is judged.
    Mean(ObservationCount),
}

/// Number of observations since a start.
///
/// Both fit into eight bytes, so that a window needs no more memory for them: of the start there is only a number by
/// which two starts differ, except one pair in 511.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObservationCount {
    count: u64,
    start_number: u64,
}

/// Number of starts that are distinguished, and one for a start that is not given.
const START_NUMBERS: u64 = 1 << 9;

impl ObservationCount {
    /// The number of observations since a start; `None` from 2^53 on, which a double does not count exactly.
    pub fn new(count: u64, started_at_us: Option<i64>) -> Option<Self> {
        let start_number = started_at_us.map_or(0, |started_at_us| {
            // Fibonacci hashing: times that differ little have other upper bits.
            let hash = started_at_us.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
            1 + (hash >> 32) % (START_NUMBERS - 1)
        });
        Self::from_parts(count, start_number)
    }

    /// The number with the number of its start, which is below 512.
    pub fn from_parts(count: u64, start_number: u64) -> Option<Self> {
        let is_valid = count < OBSERVATIONS_END && start_number < START_NUMBERS;
        is_valid.then_some(Self { count, start_number })
    }

    /// The number of observations.
    pub fn count(self) -> u64 {
        self.count
    }

    /// The number of the start; 0 if it is not known.
    pub fn start_number(self) -> u64 {
        self.start_number
    }

    /// The number of observations since `before`; `None` if they were counted from another start.
    pub fn since(self, before: Self) -> Option<u64> {
        let [start, start_before] = [self.start_number, before.start_number];
        let is_other_start = start != 0 && start_before != 0 && start != start_before;
        self.count.checked_sub(before.count).filter(|_| !is_other_start)
    }
}

impl SampleKind {
    /// Checks a value of this kind whose time is not known yet.
    pub fn check_value(self, value: f64) -> Result<f64, SampleError> {
        match self {
            Self::Gauge | Self::Mean(_) => check_value(value),
            Self::Counter { .. } if !value.is_finite() => Err(SampleError::ValueNotFinite(value)),
            Self::Counter { .. } if !(0.0..=COUNTER_MAX).contains(&value) => {
                Err(SampleError::CounterOutOfRange(value))
            }
            Self::Counter { .. } => Ok(value + 0.0),
        }
    }

    /// The kind in eight bytes: the start of a counter, -1 for one without a start, -2 for a gauge, and below that the
    /// number of observations of a mean with that of its start.
    pub fn to_i64(self) -> i64 {
        match self {
            Self::Gauge => GAUGE,
            Self::Counter { started_at_us } => started_at_us.unwrap_or(START_UNKNOWN),
            Self::Mean(ObservationCount { count, start_number }) => {
                MEAN - (start_number * OBSERVATIONS_END + count).cast_signed()
            }
        }
    }

    /// Inverse of [`SampleKind::to_i64`].
    pub fn from_i64(number: i64) -> Option<Self> {
        match number {
            GAUGE => Some(Self::Gauge),
            START_UNKNOWN => Some(Self::Counter { started_at_us: None }),
            0.. => Some(Self::Counter { started_at_us: Some(number) }),
            ..=MEAN => {
                let packed = MEAN.abs_diff(number);
                let count = packed % OBSERVATIONS_END;
                ObservationCount::from_parts(count, packed / OBSERVATIONS_END).map(Self::Mean)
            }
        }
    }

    /// True for what is judged by the difference to the sample before: a counter, or a mean.
    pub fn is_counter(self) -> bool {
        self != Self::Gauge
    }

    /// True for a sum of observations: its value alone has no meaning.
    pub fn is_mean(self) -> bool {
        matches!(self, Self::Mean(_))
    }

    /// True if a sample of this kind is read otherwise where `configured` is set; the kind of a mean cannot be configured.
    pub fn is_changed_by(self, configured: Self) -> bool {
        self.is_counter() != configured.is_counter() && !self.is_mean()
    }

    /// Start of a counter, if it is known.
    pub fn started_at_us(self) -> Option<i64> {
        match self {
            Self::Counter { started_at_us } => started_at_us,
            Self::Gauge | Self::Mean(_) => None,
        }
    }

    /// Name in requests, answers and stored configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter { .. } => "counter",
            Self::Mean(_) => "mean",
        }
    }

    /// The kind of that name, without a start; a mean cannot be asked for.
    pub fn from_name(name: &str) -> Option<Self> {
        let kinds = [Self::Gauge, Self::Counter { started_at_us: None }];
        kinds.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Stands for a gauge where the start of a counter is.
const GAUGE: i64 = -2;

/// Stands for a start that is not given.
const START_UNKNOWN: i64 = -1;

/// Stands for a mean of no observations whose start is not known; others are below.
const MEAN: i64 = -3;

/// Least number of observations that is too large.
const OBSERVATIONS_END: u64 = 1 << 53;

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

    /// True for a sample of a counter or of a mean, see [`SampleKind::is_counter`].
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
        let mean =
            |count, start| SampleKind::Mean(ObservationCount::from_parts(count, start).unwrap());
        let means = [mean(0, 0), mean(7, 0), mean(0, 511), mean(OBSERVATIONS_END - 1, 511)];
        let counters = [counter(None), counter(Some(0)), counter(Some(AT_US_MAX))];
        for kind in [&[SampleKind::Gauge], &counters[..], &means].concat() {
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
    fn observations_are_counted_since_a_start() {
        let of = |count, started_at_us| ObservationCount::new(count, started_at_us).unwrap();
        let at_us = 1_732_060_800_000_000;
        assert_eq!(of(9, Some(at_us)).since(of(5, Some(at_us))), Some(4));
        assert_eq!(of(9, None).since(of(5, Some(at_us))), Some(4));
        assert_eq!(of(5, Some(at_us)).since(of(9, Some(at_us))), None);
        assert_eq!((of(0, None).start_number(), ObservationCount::new(1 << 53, None)), (0, None));
        // Almost all starts differ, however near.
        let is_other =
            |later_us: &i64| of(9, Some(at_us + later_us)).since(of(5, Some(at_us))).is_none();
        assert!((1..2_000).filter(is_other).count() > 1_980);
        assert!((1..2_000).map(|s| s * 1_000_000).filter(is_other).count() > 1_980);
        assert_eq!(SampleKind::from_i64(i64::MIN), None);
    }

    #[test]
    fn negative_zero_becomes_zero() {
        assert!(Sample::new(0, -0.0).unwrap().value().is_sign_positive());
    }
}
