//! Errors of a whole request.
//!
//! Invalid samples are no errors but rejections in the batch. An error has a class, from which the server derives the HTTP
//! status.

use std::io;

use thiserror::Error;

use crate::sample_fault::clip;

/// Longest message of the JSON parser that is repeated, in bytes: its own sentences have half as many.
const PROBLEM_LEN_MAX: usize = 160;

/// Reasons why no sample of a request was read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// The body contains only white space.
    #[error("body is empty: wanted an object, an array of objects, `samples` or NDJSON")]
    BodyEmpty,
    /// The body is not UTF-8, not JSON, or JSON of another form.
    ///
    /// The position refers to the body as sent; the parser's own error may refer to a text with quoted literals.
    #[error("body is malformed at line {line} column {column}: {problem}")]
    BodyMalformed {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
        /// Syntax found and expected.
        problem: String,
    },
    /// The body as sent is too long.
    #[error("body has {len} bytes: wanted at most {len_max}")]
    BodyTooLarge {
        /// Length of the body, in bytes.
        len: usize,
        /// Longest accepted length, in bytes.
        len_max: usize,
    },
    /// The unpacked body is longer than this number of bytes.
    #[error("body unpacks to too many bytes: wanted at most {0}")]
    UnpackedTooLarge(usize),
    /// The body contains more than this number of samples.
    #[error("body contains too many samples: wanted at most {0}")]
    TooManySamples(usize),
    /// The content type is unknown, or has another character set than UTF-8.
    #[error(
        "content type `{0}` is unknown: wanted application/json or application/x-ndjson in UTF-8"
    )]
    ContentTypeUnknown(String),
    /// The body is not a message of Protocol Buffers, or not the expected one.
    #[error("body is malformed: {0}")]
    MessageMalformed(String),
    /// The content type is none that the route reads.
    #[error("content type `{found}` is not supported: wanted {wanted}")]
    TypeUnsupported {
        /// Content type of the request.
        found: String,
        /// Content types of the route.
        wanted: &'static str,
    },
    /// The content encoding is none that the format allows.
    #[error("content encoding `{found}` is not supported: wanted {wanted}")]
    EncodingUnsupported {
        /// Content encoding of the request.
        found: String,
        /// Content encodings of the format.
        wanted: &'static str,
    },
    /// The content encoding is unknown, or applied too often.
    #[error("content encoding `{0}` is unknown: wanted identity, gzip, zstd or two of them")]
    EncodingUnknown(String),
    /// The body does not match its content encoding, or is truncated.
    #[error("body is not valid {coding}: {source}")]
    EncodingCorrupt {
        /// Encoding that failed to decode.
        coding: &'static str,
        /// Error of the decoder.
        source: io::Error,
    },
}

/// Class of an error; the server maps each to one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The bytes do not match their declared format: 400.
    Malformed,
    /// A limit is exceeded: 413.
    TooLarge,
    /// The content type or encoding is not supported: 415.
    Unsupported,
}

impl IntakeError {
    /// Bounded error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BodyEmpty => "body_empty",
            Self::BodyMalformed { .. } | Self::MessageMalformed(_) => "body_malformed",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::UnpackedTooLarge(_) => "unpacked_too_large",
            Self::TooManySamples(_) => "too_many_samples",
            Self::ContentTypeUnknown(_) | Self::TypeUnsupported { .. } => "content_type_unknown",
            Self::EncodingUnknown(_) | Self::EncodingUnsupported { .. } => "encoding_unknown",
            Self::EncodingCorrupt { .. } => "encoding_corrupt",
        }
    }

    /// Class of the error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::BodyEmpty
            | Self::BodyMalformed { .. }
            | Self::MessageMalformed(_)
            | Self::EncodingCorrupt { .. } => ErrorClass::Malformed,
            Self::BodyTooLarge { .. } | Self::UnpackedTooLarge(_) | Self::TooManySamples(_) => {
                ErrorClass::TooLarge
            }
            Self::ContentTypeUnknown(_)
            | Self::TypeUnsupported { .. }
            | Self::EncodingUnknown(_)
            | Self::EncodingUnsupported { .. } => ErrorClass::Unsupported,
        }
    }
}

impl From<serde_json::Error> for IntakeError {
    fn from(error: serde_json::Error) -> Self {
        // The parser reports column 0 for an error at the first byte.
        let column = error.column().max(1);
        Self::BodyMalformed { line: error.line(), column, problem: problem(&error) }
    }
}

/// Message of the JSON parser without its position, truncated since it may quote a whole string.
pub(crate) fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
    if problem == "key must be a string" {
        return format!("{problem} in double quotes");
    }
    clip(problem.to_owned(), PROBLEM_LEN_MAX)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn each_error_has_a_code_a_class_and_a_helpful_message() {
        let errors = [
            IntakeError::BodyEmpty,
            serde_json::from_str::<u8>("\n[").unwrap_err().into(),
            IntakeError::BodyTooLarge { len: 11, len_max: 10 },
            IntakeError::UnpackedTooLarge(10),
            IntakeError::TooManySamples(10),
            IntakeError::ContentTypeUnknown("text/csv".to_owned()),
            IntakeError::EncodingUnknown("br".to_owned()),
            IntakeError::MessageMalformed("a message ends inside a field".to_owned()),
            IntakeError::TypeUnsupported { found: "image/png".to_owned(), wanted: "text/plain" },
            IntakeError::EncodingUnsupported { found: "br".to_owned(), wanted: "snappy" },
            IntakeError::EncodingCorrupt { coding: "gzip", source: io::Error::other("bad header") },
        ];
        let mut table = String::new();
        for error in &errors {
            writeln!(table, "{:?} {}: {error}", error.class(), error.code()).unwrap();
        }
        insta::assert_snapshot!(table, @r"
        Malformed body_empty: body is empty: wanted an object, an array of objects, `samples` or NDJSON
        Malformed body_malformed: body is malformed at line 2 column 1: invalid type: sequence, expected u8
        TooLarge body_too_large: body has 11 bytes: wanted at most 10
        TooLarge unpacked_too_large: body unpacks to too many bytes: wanted at most 10
        TooLarge too_many_samples: body contains too many samples: wanted at most 10
        Unsupported content_type_unknown: content type `text/csv` is unknown: wanted application/json or application/x-ndjson in UTF-8
        Unsupported encoding_unknown: content encoding `br` is unknown: wanted identity, gzip, zstd or two of them
        Malformed body_malformed: body is malformed: a message ends inside a field
        Unsupported content_type_unknown: content type `image/png` is not supported: wanted text/plain
        Unsupported encoding_unknown: content encoding `br` is not supported: wanted snappy
        Malformed encoding_corrupt: body is not valid gzip: bad header
        ");
    }
}
