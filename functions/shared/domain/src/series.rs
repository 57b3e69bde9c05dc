//! Defines a series by its name: source, metric and sorted labels.
//!
//! The tenant is no part of the name: it comes from the credential, never from a request body.

use std::collections::BTreeMap;

use thiserror::Error;

/// Longest source, metric or label name, in bytes: OpenTelemetry allows 255 characters for an instrument.
pub const NAME_LEN_MAX: usize = 256;

/// Most labels of one series: a pod of Kubernetes has about 30 with those of its node and its scrape.
pub const LABELS_MAX: usize = 64;

/// Longest label value, in bytes: the longest accepted by most stores of Prometheus metrics.
pub const LABEL_VALUE_LEN_MAX: usize = 2_048;

/// Longest sum of all names and label values of a series, in bytes: an index of the store has them percent-encoded, at up
/// to three bytes for one.
pub const SERIES_LEN_MAX: usize = 16 << 10;

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
    /// Accepts names of 1 to [`NAME_LEN_MAX`] bytes without control characters, up to [`LABELS_MAX`] labels, label values
    /// of up to [`LABEL_VALUE_LEN_MAX`] bytes, and [`SERIES_LEN_MAX`] bytes of all of them.
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
        let mut len = source.len() + metric.len();
        for (name, value) in &labels {
            check_name("label name", name)?;
            if value.len() > LABEL_VALUE_LEN_MAX {
                return Err(SeriesError::LabelTooLong { name: name.clone(), len: value.len() });
            }
            len += name.len() + value.len();
        }
        if len > SERIES_LEN_MAX {
            return Err(SeriesError::SeriesTooLong(len));
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
    if !is_name(name) {
        return Err(SeriesError::NameInvalid { field, name: name.to_owned() });
    }
    Ok(())
}

/// True for a text of 1 to [`NAME_LEN_MAX`] bytes without control characters.
pub fn is_name(text: &str) -> bool {
    // Most names are ASCII, whose bytes are compared faster than characters are decoded.
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    (1..=NAME_LEN_MAX).contains(&text.len()) && (is_plain || !text.contains(char::is_control))
}

/// Replaces the characters of a text other than `[A-Za-z0-9_.:/-]` by `_`, so that a name needs no quotes in a query.
pub fn as_name(text: &str) -> String {
    let is_simple = |c: char| c.is_ascii_alphanumeric() || "_.:/-".contains(c);
    text.chars().map(|c| if is_simple(c) { c } else { '_' }).collect()
}

/// Reasons why names do not form a series.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SeriesError {
    /// A name is empty or contains a control character.
    #[error(
        "{field} `{}` is not a name: expected 1 to {NAME_LEN_MAX} bytes without control characters",
        name.escape_debug()
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
    /// Names and label values together are longer than [`SERIES_LEN_MAX`].
    #[error("names and label values have {0} bytes: expected at most {SERIES_LEN_MAX}")]
    SeriesTooLong(usize),
}

impl SeriesError {
    /// Bounded error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NameInvalid { .. } => "name_invalid",
            Self::NameTooLong { .. } => "name_too_long",
            Self::LabelsTooMany(_) => "labels_too_many",
            Self::LabelTooLong { .. } => "label_too_long",
            Self::SeriesTooLong(_) => "series_too_long",
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
            (Series::new("a\nb", "rps", BTreeMap::new()), "name_invalid"),
            (Series::new("a", "rps\u{85}", BTreeMap::new()), "name_invalid"),
            (Series::new("a", "\u{7f}", BTreeMap::new()), "name_invalid"),
            (Series::new("a", "rps", [(String::new(), String::new())].into()), "name_invalid"),
            (Series::new("a".repeat(257), "rps", BTreeMap::new()), "name_too_long"),
            (Series::new("a", "rps", labels(65, 1)), "labels_too_many"),
            (Series::new("a", "rps", labels(1, 2_049)), "label_too_long"),
            (Series::new("a", "rps", labels(9, 2_000)), "series_too_long"),
        ];
        for (series, code) in cases {
            assert_eq!(series.unwrap_err().code(), code);
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        assert!(Series::new("a".repeat(256), "rps", labels(64, 240)).is_ok());
        assert!(Series::new("a", "rps", labels(1, 2_048)).is_ok());
        let mut fitting = labels(7, 2_046);
        fitting.insert("rest".to_owned(), "v".repeat(2_048 - "arps".len() - "rest".len()));
        assert!(Series::new("a", "rps", fitting.clone()).is_ok());
        assert_eq!(Series::new("a", "rps+", fitting).unwrap_err().code(), "series_too_long");
    }

    #[test]
    fn names_may_have_any_characters_but_control_characters() {
        let labels = [("job name", "a\nb"), ("größe", "✓"), ("=/%~", "")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert!(Series::new("テスト 1", "resource cpu usage", labels).is_ok());
    }

    #[test]
    fn a_simple_name_keeps_its_length_in_characters() {
        assert_eq!(as_name("AWS/EC2 größe\n"), "AWS/EC2_gr__e_");
    }
}
