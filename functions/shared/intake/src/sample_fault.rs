//! Reason why one sample is invalid, without its index.
//!
//! With an index it becomes a [`crate::RejectedSample`]. Details quote the sender and are therefore truncated.

use domain::sample::SampleError;
use domain::series::SeriesError;

use crate::code::RejectionCode;

/// Longest detail, in bytes: a sentence that quotes one name. 10,000 of them fit in the 6 MB that a Lambda function may
/// return.
const DETAIL_LEN_MAX: usize = 256;

/// Longest quotation of the sender, in bytes.
const QUOTED_LEN_MAX: usize = 64;

/// Code, and a sentence with the value found and the value expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SampleFault {
    pub(crate) code: RejectionCode,
    pub(crate) detail: String,
}

impl SampleFault {
    pub(crate) fn new(code: RejectionCode, detail: impl Into<String>) -> Self {
        Self { code, detail: clip(detail.into(), DETAIL_LEN_MAX) }
    }
}

impl From<SampleError> for SampleFault {
    fn from(error: SampleError) -> Self {
        Self::new(RejectionCode::from(&error), error.to_string())
    }
}

impl From<SeriesError> for SampleFault {
    fn from(error: SeriesError) -> Self {
        Self::new(RejectionCode::from(&error), error.to_string())
    }
}

/// Truncates a text to at most `len_max` bytes and an ellipsis.
pub(crate) fn clip(mut text: String, len_max: usize) -> String {
    if text.len() > len_max {
        text.truncate(text.floor_char_boundary(len_max));
        text.push('…');
    }
    text
}

/// Quotes the start of a text.
pub(crate) fn quoted(text: &str) -> String {
    let start = text.get(..text.floor_char_boundary(QUOTED_LEN_MAX)).unwrap_or_default();
    if start.len() == text.len() { format!("`{text}`") } else { format!("`{start}…`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_truncated_between_characters() {
        assert_eq!(clip("short".to_owned(), 5), "short");
        assert_eq!(clip("aéé".to_owned(), 4), "aé…");
        assert_eq!(quoted("rps"), "`rps`");
        assert_eq!(quoted(&"é".repeat(33)), format!("`{}…`", "é".repeat(32)));
    }

    #[test]
    fn a_detail_is_bounded() {
        let fault = SampleFault::new(RejectionCode::SampleMalformed, "x".repeat(1 << 20));
        assert!(fault.detail.len() <= DETAIL_LEN_MAX + '…'.len_utf8());
    }
}
