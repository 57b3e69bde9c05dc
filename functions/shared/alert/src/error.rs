//! Errors in the text of a policy.

use thiserror::Error;

/// Longest text of a policy, in bytes.
pub(crate) const POLICY_LEN_MAX: usize = 1_024;

/// Reasons why the text of a policy is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Longer than 1,024 bytes.
    #[error("policy has {0} bytes: expected at most {POLICY_LEN_MAX}")]
    TooLong(usize),
    /// A part without a name or a value.
    #[error("`{0}` is no parameter: expected name=value")]
    NotNameAndValue(String),
    /// A parameter that does not exist.
    #[error("`{name}` is unknown: expected one of {}", known.join(", "))]
    ParameterUnknown {
        /// Name as given.
        name: String,
        /// Names that exist.
        known: Vec<&'static str>,
    },
    /// A parameter that is given twice.
    #[error("`{0}` is given twice: expected it once")]
    ParameterTwice(String),
    /// A value that a parameter cannot have.
    #[error("`{name}` is `{value}`: expected {expected}")]
    ValueInvalid {
        /// Name of the parameter.
        name: &'static str,
        /// Value as given.
        value: String,
        /// Expected values.
        expected: &'static str,
    },
}

impl PolicyError {
    /// Bounded error code.
    pub fn code(&self) -> &'static str {
        "policy_invalid"
    }
}
