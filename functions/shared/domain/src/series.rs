//! Defines a series by its name: source, metric and sorted labels.
//!
//! The tenant is no part of the name: it comes from the credential, never from a request body.

use std::collections::BTreeMap;

use thiserror::Error;

/// Longest source, metric or label name, in bytes; a longer one would bloat every key.
pub const NAME_LEN_MAX: usize = 128;

/// Most labels of one series: enough for zone, pod, route and version, too few for request ids.
pub const LABELS_MAX: usize = 16;

/// Longest label value, in bytes.
pub const LABEL_VALUE_LEN_MAX: usize = 256;

/// Source of samples that name none.
pub const SOURCE_DEFAULT: &str = "default";

/// Name of a series: what is measured, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Series {
    source: String,
    metric: String,
    labels: BTreeMap<String, String>,
}

impl Series {
    /// Accepts names of 1 to [`NAME_LEN_MAX`] bytes of `[A-Za-z0-9_.:/-]`, up to [`LABELS_MAX`] labels and label values
    /// of up to [`LABEL_VALUE_LEN_MAX`] bytes.
    pub fn new(
        source: impl Into<String>,
        metric: impl Into<String>,
        labels: BTreeMap<String, String>,
    ) -> Result<Self, SeriesError> {
        let (source, metric) = (source.into(), metric.into());
        check_name("source", &source)?;
        check_name("metric", &metric)?;
        if labels.len() > LABELS_MAX {
            return Err(SeriesError::LabelsTooMany(labels.len()));
        }
        for (name, value) in &labels {
            check_name("label name", name)?;
            if value.len() > LABEL_VALUE_LEN_MAX {
                return Err(SeriesError::LabelTooLong { name: name.clone(), len: value.len() });
            }
        }
        Ok(Self { source, metric, labels })
    }

    /// Sender: a service, a host, a queue.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Measured quantity: `rps`, `cpu`, `latency`.
    pub fn metric(&self) -> &str {
        &self.metric
    }

    /// Labels, sorted by name.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }
}

fn check_name(field: &'static str, name: &str) -> Result<(), SeriesError> {
    if name.len() > NAME_LEN_MAX {
        return Err(SeriesError::NameTooLong { field, len: name.len() });
    }
    if name.is_empty() || !name.chars().all(is_name_char) {
        return Err(SeriesError::NameInvalid { field, name: name.to_owned() });
    }
    Ok(())
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.:/-".contains(c)
}

/// Replaces the characters of a text that a name cannot contain by `_`; the length stays.
pub fn as_name(text: &str) -> String {
    text.chars().map(|c| if is_name_char(c) { c } else { '_' }).collect()
}

/// Reasons why names do not form a series.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SeriesError {
    /// A name is empty or contains a character that is not allowed.
    #[error(
        "{field} `{name}` is not a name: expected 1 to {NAME_LEN_MAX} characters of A-Z a-z 0-9 _ . : / -"
    )]
    NameInvalid {
        /// Field that holds the name.
        field: &'static str,
        /// The rejected name.
        name: String,
    },
    /// A name is longer than [`NAME_LEN_MAX`].
    #[error("{field} has {len} bytes: expected at most {NAME_LEN_MAX}")]
    NameTooLong {
        /// Field that holds the name.
        field: &'static str,
        /// Length of the name, in bytes.
        len: usize,
    },
    /// More than [`LABELS_MAX`] labels.
    #[error("{0} labels are too many: expected at most {LABELS_MAX}")]
    LabelsTooMany(usize),
    /// A label value is longer than [`LABEL_VALUE_LEN_MAX`].
    #[error("value of label `{name}` has {len} bytes: expected at most {LABEL_VALUE_LEN_MAX}")]
    LabelTooLong {
        /// Name of the label.
        name: String,
        /// Length of the value, in bytes.
        len: usize,
    },
}

impl SeriesError {
    /// Bounded error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NameInvalid { .. } => "name_invalid",
            Self::NameTooLong { .. } => "name_too_long",
            Self::LabelsTooMany(_) => "labels_too_many",
            Self::LabelTooLong { .. } => "label_too_long",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(n: usize, value_len: usize) -> BTreeMap<String, String> {
        (0..n).map(|i| (format!("l{i}"), "v".repeat(value_len))).collect()
    }

    #[test]
    fn each_invalid_name_has_its_code() {
        let cases = [
            (Series::new("", "rps", BTreeMap::new()), "name_invalid"),
            (Series::new("a b", "rps", BTreeMap::new()), "name_invalid"),
            (Series::new("a", "rps\u{e9}", BTreeMap::new()), "name_invalid"),
            (Series::new("a".repeat(129), "rps", BTreeMap::new()), "name_too_long"),
            (Series::new("a", "rps", labels(17, 1)), "labels_too_many"),
            (Series::new("a", "rps", labels(1, 257)), "label_too_long"),
        ];
        for (series, code) in cases {
            assert_eq!(series.unwrap_err().code(), code);
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        assert!(Series::new("a".repeat(128), "rps:p99/a-b_c.d", labels(16, 256)).is_ok());
    }
}
