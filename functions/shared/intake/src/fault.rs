//! What is wrong with one sample, before it is known which one.
//!
//! A fault becomes a [`crate::RejectedSample`] once an index joins it. Its detail quotes what the sender
//! wrote, so it is cut: a rejection must not echo a megabyte.

use domain::sample::SampleError;
use domain::series::{NAME_LEN_MAX, SeriesError};

use crate::code::RejectionCode;

/// Longest detail, in bytes: a sentence that quotes one name. 10,000 of them stay below the 6 MB
/// that a function on Lambda may answer.
const DETAIL_LEN_MAX: usize = 2 * NAME_LEN_MAX;

/// Longest quotation of what a sender wrote, in bytes; the rest of the sentence must fit beside it.
const QUOTED_LEN_MAX: usize = 64;

/// A code, and a sentence that says what was found and what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: RejectionCode,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn new(code: RejectionCode, detail: impl Into<String>) -> Self {
        Self { code, detail: clip(detail.into(), DETAIL_LEN_MAX) }
    }
}

impl From<SampleError> for Fault {
    fn from(error: SampleError) -> Self {
        Self::new(RejectionCode::from(&error), error.to_string())
    }
}

impl From<SeriesError> for Fault {
    fn from(error: SeriesError) -> Self {
        Self::new(RejectionCode::from(&error), error.to_string())
    }
}

/// Cuts a text to at most `len_max` bytes and an ellipsis.
pub(crate) fn clip(mut text: String, len_max: usize) -> String {
    if text.len() > len_max {
        text.truncate(text.floor_char_boundary(len_max));
        text.push('…');
    }
    text
}

/// Quotes the start of what a sender wrote.
pub(crate) fn quoted(text: &str) -> String {
    let start = text.get(..text.floor_char_boundary(QUOTED_LEN_MAX)).unwrap_or_default();
    if start.len() == text.len() { format!("`{text}`") } else { format!("`{start}…`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(clip("short".to_owned(), 5), "short");
        assert_eq!(clip("aéé".to_owned(), 4), "aé…");
        assert_eq!(quoted("rps"), "`rps`");
        assert_eq!(quoted(&"é".repeat(33)), format!("`{}…`", "é".repeat(32)));
    }

    #[test]
    fn a_detail_is_bounded() {
        let fault = Fault::new(RejectionCode::SampleMalformed, "x".repeat(1 << 20));
        assert!(fault.detail.len() <= DETAIL_LEN_MAX + '…'.len_utf8());
    }
}
