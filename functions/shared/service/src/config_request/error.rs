//! Errors in a requested configuration.

use detector::{SeriesConfigError, SpecError};
use thiserror::Error;

/// Error in a requested configuration.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ConfigRequestError {
    /// The body is not JSON.
    #[error("body is not JSON: {problem}")]
    Malformed {
        /// Message of the parser.
        problem: String,
    },
    /// The field does not exist.
    #[error("field `{field}` is unknown: expected one of {}", known.join(", "))]
    FieldUnknown {
        /// Path.
        field: String,
        /// Existing fields.
        known: Vec<&'static str>,
    },
    /// The value of a field is invalid.
    #[error("field `{field}` is invalid: expected {expected}")]
    FieldInvalid {
        /// Path.
        field: String,
        /// Accepted values.
        expected: String,
    },
    /// A maintenance window is invalid.
    #[error("field `{field}` is invalid: {source}")]
    MaintenanceWindow {
        /// Path.
        field: String,
        /// Reason.
        source: SeriesConfigError,
    },
    /// The policy of alerts is invalid.
    #[error("field `{field}` is invalid: {problem}")]
    AlertPolicy {
        /// Name.
        field: &'static str,
        /// Reason.
        problem: String,
    },
    /// A field makes an invalid detector.
    #[error("field `{field}` is invalid: {source}")]
    Detector {
        /// Name.
        field: &'static str,
        /// Reason.
        source: SpecError,
    },
}

impl ConfigRequestError {
    /// Bounded error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "body_malformed",
            Self::FieldUnknown { .. } | Self::FieldInvalid { .. } | Self::AlertPolicy { .. } => {
                "config_invalid"
            }
            Self::MaintenanceWindow { source, .. } => source.code(),
            Self::Detector { source, .. } => source.code(),
        }
    }

    /// True if the body is not JSON.
    pub fn is_malformed(&self) -> bool {
        matches!(self, Self::Malformed { .. })
    }
}

/// Error of a field whose value is invalid.
pub(super) fn invalid(field: &str, expected: &str) -> ConfigRequestError {
    ConfigRequestError::FieldInvalid { field: field.to_owned(), expected: expected.to_owned() }
}
