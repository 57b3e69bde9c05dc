//! A request to try a policy, from JSON.

use alert::PolicyError;
use serde::Deserialize;
use thiserror::Error;

use crate::pattern::Pattern;

/// Most days of a preview.
pub(super) const DAYS_MAX: u32 = 35;

/// A policy to try, and the series to try it on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    /// The policy as text; empty for the default.
    #[serde(default)]
    pub(super) policy: String,
    /// Pattern of the sources; all if absent.
    pub(super) source: Option<Pattern>,
    /// Pattern of the metrics; all if absent.
    pub(super) metric: Option<Pattern>,
    /// Days of the past: 1 to 35, by default 7.
    pub(super) days: Option<u32>,
}

/// Error in a preview.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PreviewError {
    /// The body is not what was expected.
    #[error("body is not read: {0}")]
    Malformed(String),
    /// The policy is invalid.
    #[error("field `policy` is invalid: {0}")]
    Policy(#[from] PolicyError),
    /// A number of days out of bounds.
    #[error("field `days` is {0}: expected 1 to {DAYS_MAX}")]
    Days(u32),
}

impl PreviewRequest {
    /// Parses a body.
    pub fn parse(body: &[u8]) -> Result<Self, PreviewError> {
        serde_json::from_slice(body).map_err(|error| PreviewError::Malformed(error.to_string()))
    }
}
