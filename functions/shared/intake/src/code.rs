//! Codes of rejected samples.
//!
//! Store and service use the same closed set, so that senders learn one list and a metric has bounded labels.

use std::fmt;

use domain::sample::SampleError;
use domain::series::SeriesError;
use serde::Serialize;

/// Reason why a sample was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionCode {
    /// The series holds another value at the same time.
    Conflict,
    /// The time is too far ahead of the receiver's clock.
    TimeAhead,
    /// The time does not parse, or is outside the accepted years.
    TimeInvalid,
    /// The value is NaN or infinite.
    ValueNotFinite,
    /// The value is missing or not a number.
    ValueNotNumber,
    /// The magnitude of the value is too large.
    ValueTooLarge,
    /// The value of a counter is negative or too large.
    CounterInvalid,
    /// A source, metric or label name is empty or contains a control character.
    NameInvalid,
    /// A source, metric or label name is too long.
    NameTooLong,
    /// The series has too many labels.
    LabelsTooMany,
    /// A label value is too long.
    LabelTooLong,
    /// Names and label values together are too long.
    SeriesTooLong,
    /// The object has no metric.
    MetricMissing,
    /// An unknown key looks like the time of the object.
    TimeKeyUnknown,
    /// An unknown key would change the meaning of the sample.
    KeyUnknown,
    /// The tenant has reached its limit of active series.
    TooManySeries,
    /// The store is unavailable; the sample can be sent again.
    StoreUnavailable,
    /// Another detector of the same generation judges the series.
    DetectorMismatch,
    /// The sample is not an object, or one of its fields has a wrong type.
    SampleMalformed,
}

impl RejectionCode {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 19] = [
        Self::Conflict,
        Self::TimeAhead,
        Self::TimeInvalid,
        Self::ValueNotFinite,
        Self::ValueNotNumber,
        Self::ValueTooLarge,
        Self::CounterInvalid,
        Self::NameInvalid,
        Self::NameTooLong,
        Self::LabelsTooMany,
        Self::LabelTooLong,
        Self::SeriesTooLong,
        Self::MetricMissing,
        Self::TimeKeyUnknown,
        Self::KeyUnknown,
        Self::TooManySeries,
        Self::StoreUnavailable,
        Self::DetectorMismatch,
        Self::SampleMalformed,
    ];

    /// Name in answers, logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::TimeAhead => "time_ahead",
            Self::TimeInvalid => "time_invalid",
            Self::ValueNotFinite => "value_not_finite",
            Self::ValueNotNumber => "value_not_number",
            Self::ValueTooLarge => "value_too_large",
            Self::CounterInvalid => "counter_invalid",
            Self::NameInvalid => "name_invalid",
            Self::NameTooLong => "name_too_long",
            Self::LabelsTooMany => "labels_too_many",
            Self::LabelTooLong => "label_too_long",
            Self::SeriesTooLong => "series_too_long",
            Self::MetricMissing => "metric_missing",
            Self::TimeKeyUnknown => "time_key_unknown",
            Self::KeyUnknown => "key_unknown",
            Self::TooManySeries => "too_many_series",
            Self::StoreUnavailable => "store_unavailable",
            Self::DetectorMismatch => "detector_mismatch",
            Self::SampleMalformed => "sample_malformed",
        }
    }

    /// True if the same sample may be accepted later.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::StoreUnavailable | Self::DetectorMismatch)
    }
}

impl fmt::Display for RejectionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&SampleError> for RejectionCode {
    fn from(error: &SampleError) -> Self {
        match error {
            SampleError::ValueNotFinite { .. } => Self::ValueNotFinite,
            SampleError::ValueTooLarge { .. } => Self::ValueTooLarge,
            SampleError::CounterOutOfRange { .. } => Self::CounterInvalid,
            SampleError::TimeOutOfRange { .. } => Self::TimeInvalid,
            _ => Self::SampleMalformed,
        }
    }
}

impl From<&SeriesError> for RejectionCode {
    fn from(error: &SeriesError) -> Self {
        match error {
            SeriesError::NameInvalid { .. } => Self::NameInvalid,
            SeriesError::NameTooLong { .. } => Self::NameTooLong,
            SeriesError::LabelsTooMany { .. } => Self::LabelsTooMany,
            SeriesError::LabelTooLong { .. } => Self::LabelTooLong,
            SeriesError::SeriesTooLong(_) => Self::SeriesTooLong,
            _ => Self::SampleMalformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_listed_once_and_serializes_as_its_name() {
        let names: BTreeSet<_> = RejectionCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), RejectionCode::ALL.len());
        for code in RejectionCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(code.to_string(), code.as_str());
        }
    }

    #[test]
    fn errors_of_the_domain_have_equal_codes() {
        let samples = [
            SampleError::ValueNotFinite(f64::NAN),
            SampleError::ValueTooLarge(1e21),
            SampleError::CounterOutOfRange(-1.0),
            SampleError::TimeOutOfRange(-1),
        ];
        for error in &samples {
            assert_eq!(RejectionCode::from(error).as_str(), error.code());
        }
        let series = [
            SeriesError::NameInvalid { field: "source", name: String::new() },
            SeriesError::NameTooLong { field: "source", len: 129 },
            SeriesError::LabelsTooMany(17),
            SeriesError::LabelTooLong { name: "zone".to_owned(), len: 257 },
            SeriesError::SeriesTooLong(20_000),
        ];
        for error in &series {
            assert_eq!(RejectionCode::from(error).as_str(), error.code());
        }
    }
}
