//! What can be wrong with a request as a whole.
//!
//! Faults of single samples are no errors: they are rejections in the batch. These errors carry a
//! class instead of a status, because this crate does not know HTTP.

use std::io;

use thiserror::Error;

use crate::fault::clip;

/// Longest words of the JSON parser that are repeated, in bytes: its own sentences have at most
/// half as many.
const PROBLEM_LEN_MAX: usize = 160;

/// Why no sample of a request was read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// The body holds nothing but white space.
    #[error("body is empty: an object, an array of objects, `samples` or NDJSON is wanted")]
    BodyEmpty,
    /// The body is not UTF-8, not JSON, or JSON of another shape.
    ///
    /// The position is the one in the body as sent. The parser's own error is not kept as source:
    /// it may speak of a text in which bare literals were quoted.
    #[error("body is malformed at line {line} column {column}: {problem}")]
    BodyMalformed {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
        /// What was found and what was wanted.
        problem: String,
    },
    /// The body is longer than allowed, as sent.
    #[error("body has {len} bytes: at most {len_max} are wanted")]
    BodyTooLarge {
        /// Its length in bytes.
        len: usize,
        /// The longest accepted length.
        len_max: usize,
    },
    /// The body is longer than allowed, unpacked.
    #[error("body unpacks to more than the {len_max} bytes that are wanted at most")]
    UnpackedTooLarge {
        /// The longest accepted length in bytes.
        len_max: usize,
    },
    /// The body holds more samples than allowed.
    #[error("body holds more than the {n_samples_max} samples that are wanted at most")]
    TooManySamples {
        /// The largest accepted number.
        n_samples_max: usize,
    },
    /// The content type names no known format, or another character set than UTF-8.
    #[error(
        "content type `{content_type}` is unknown: application/json or application/x-ndjson in \
         UTF-8 is wanted"
    )]
    ContentTypeUnknown {
        /// The content type that was given.
        content_type: String,
    },
    /// The content encoding is not known, or applied too often.
    #[error(
        "content encoding `{content_encoding}` is unknown: identity, gzip, zstd or two of them are \
         wanted"
    )]
    EncodingUnknown {
        /// The content encoding that was given.
        content_encoding: String,
    },
    /// The body is not what the content encoding says, or ends too early.
    #[error("body is not valid {coding}: {source}")]
    EncodingCorrupt {
        /// The encoding that could not be undone.
        coding: &'static str,
        /// What the decoder found.
        source: io::Error,
    },
}

/// What kind of mistake a request made; the border maps each to one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The bytes are not what they are said to be: 400.
    Malformed,
    /// A bound was passed: 413.
    TooLarge,
    /// The type or encoding is not spoken here: 415.
    Unsupported,
}

impl IntakeError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BodyEmpty => "body_empty",
            Self::BodyMalformed { .. } => "body_malformed",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::UnpackedTooLarge { .. } => "unpacked_too_large",
            Self::TooManySamples { .. } => "too_many_samples",
            Self::ContentTypeUnknown { .. } => "content_type_unknown",
            Self::EncodingUnknown { .. } => "encoding_unknown",
            Self::EncodingCorrupt { .. } => "encoding_corrupt",
        }
    }

    /// The kind of mistake, from which the border derives the status.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::BodyEmpty | Self::BodyMalformed { .. } | Self::EncodingCorrupt { .. } => {
                ErrorClass::Malformed
            }
            Self::BodyTooLarge { .. }
            | Self::UnpackedTooLarge { .. }
            | Self::TooManySamples { .. } => ErrorClass::TooLarge,
            Self::ContentTypeUnknown { .. } | Self::EncodingUnknown { .. } => {
                ErrorClass::Unsupported
            }
        }
    }
}

impl From<serde_json::Error> for IntakeError {
    fn from(error: serde_json::Error) -> Self {
        // The parser says column 0 when it refuses a value by its first byte.
        let column = error.column().max(1);
        Self::BodyMalformed { line: error.line(), column, problem: problem(&error) }
    }
}

/// What the JSON parser found, without the position that it appends, and cut, since it may quote a
/// whole string.
pub(crate) fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
    clip(problem.to_owned(), PROBLEM_LEN_MAX)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn each_error_has_a_code_a_class_and_a_message_that_says_what_is_wanted() {
        let errors = [
            IntakeError::BodyEmpty,
            serde_json::from_str::<u8>("\n[").unwrap_err().into(),
            IntakeError::BodyTooLarge { len: 11, len_max: 10 },
            IntakeError::UnpackedTooLarge { len_max: 10 },
            IntakeError::TooManySamples { n_samples_max: 10 },
            IntakeError::ContentTypeUnknown { content_type: "text/csv".to_owned() },
            IntakeError::EncodingUnknown { content_encoding: "br".to_owned() },
            IntakeError::EncodingCorrupt { coding: "gzip", source: io::Error::other("bad header") },
        ];
        let mut table = String::new();
        for error in &errors {
            writeln!(table, "{:?} {}: {error}", error.class(), error.code()).unwrap();
        }
        insta::assert_snapshot!(table, @r"
        Malformed body_empty: body is empty: an object, an array of objects, `samples` or NDJSON is wanted
        Malformed body_malformed: body is malformed at line 2 column 1: invalid type: sequence, expected u8
        TooLarge body_too_large: body has 11 bytes: at most 10 are wanted
        TooLarge unpacked_too_large: body unpacks to more than the 10 bytes that are wanted at most
        TooLarge too_many_samples: body holds more than the 10 samples that are wanted at most
        Unsupported content_type_unknown: content type `text/csv` is unknown: application/json or application/x-ndjson in UTF-8 is wanted
        Unsupported encoding_unknown: content encoding `br` is unknown: identity, gzip, zstd or two of them are wanted
        Malformed encoding_corrupt: body is not valid gzip: bad header
        ");
    }
}
