//! Errors in the text of a detector.

use thiserror::Error;

/// Longest text of a detector, in bytes: every memory contains it, with a length of one byte.
pub const SPEC_LEN_MAX: usize = 160;

/// Reasons why a text is not a detector.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SpecError {
    /// No detector has this name.
    #[error(
        "detector `{0}` is unknown: expected one of tidemark, traffic, novelty, deviation, zscore, robust, ewma"
    )]
    DetectorUnknown(String),
    /// The detector has no such parameter.
    #[error("parameter `{parameter}` is unknown: expected one of {}", known.join(", "))]
    ParameterUnknown {
        /// Unknown parameter.
        parameter: String,
        /// Parameters of the detector.
        known: Vec<&'static str>,
    },
    /// A parameter is given twice.
    #[error("parameter `{0}` is given twice")]
    ParameterTwice(String),
    /// A parameter has no value.
    #[error("`{0}` is not a parameter: expected `name=value`")]
    NotNameAndValue(String),
    /// A parameter has an invalid value.
    #[error("{parameter} `{value}` is invalid: expected {expected}")]
    ValueInvalid {
        /// The parameter.
        parameter: &'static str,
        /// Its value.
        value: String,
        /// Description of valid values.
        expected: String,
    },
    /// The minimum exceeds the capacity of the window.
    #[error(
        "min `{min}` is more than the {window_len} samples that the window can contain before the judged one"
    )]
    MinAboveWindow {
        /// The minimum.
        min: usize,
        /// Capacity of the window, in samples.
        window_len: usize,
    },
    /// The text is longer than [`SPEC_LEN_MAX`].
    #[error("detector has {0} bytes: expected at most {SPEC_LEN_MAX}")]
    TooLong(usize),
}

impl SpecError {
    /// Bounded error code.
    pub fn code(&self) -> &'static str {
        "detector_invalid"
    }
}
