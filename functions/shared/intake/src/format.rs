//! Format of a body, by its content type.
//!
//! Tolerates harmless habits (`curl -d` declares a form, many senders declare nothing) but not another character set: a
//! name in Latin-1 would become another series.

use crate::error::IntakeError;
use crate::sample_fault::clip;

/// Longest content type that an error quotes, in bytes.
const QUOTED_LEN_MAX: usize = 100;

/// Format of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyFormat {
    /// One JSON value: an object, an array, or `{"samples":[...]}`.
    Json,
    /// One JSON object per line.
    Ndjson,
}

impl BodyFormat {
    /// Parses a `Content-Type`; a missing one means JSON.
    ///
    /// Ignores parameters, except a `charset` other than UTF-8, which is an error.
    pub fn from_content_type(content_type: Option<&str>) -> Result<Self, IntakeError> {
        let content_type = content_type.unwrap_or_default();
        let unknown =
            || IntakeError::ContentTypeUnknown(clip(content_type.to_owned(), QUOTED_LEN_MAX));
        let mut parts = content_type.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        if !parts.all(is_harmless) {
            return Err(unknown());
        }
        match media_type.as_str() {
            // `curl -d` declares a form by default.
            "" | "application/json" | "text/json" | "application/x-www-form-urlencoded" => {
                Ok(Self::Json)
            }
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/jsonlines" => Ok(Self::Ndjson),
            _ => Err(unknown()),
        }
    }
}

fn is_harmless(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return true };
    let charset = value.trim().trim_matches('"');
    !name.trim().eq_ignore_ascii_case("charset")
        || charset.eq_ignore_ascii_case("utf-8")
        || charset.eq_ignore_ascii_case("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_content_type_has_its_format() {
        let cases = [
            (None, Some(BodyFormat::Json)),
            (Some(""), Some(BodyFormat::Json)),
            (Some("application/json"), Some(BodyFormat::Json)),
            (Some("Application/JSON ; charset=UTF-8"), Some(BodyFormat::Json)),
            (Some("application/json; charset=\"utf-8\"; version=2"), Some(BodyFormat::Json)),
            (Some("application/json;"), Some(BodyFormat::Json)),
            (Some("text/json"), Some(BodyFormat::Json)),
            (Some("application/x-www-form-urlencoded"), Some(BodyFormat::Json)),
            (Some("application/x-ndjson"), Some(BodyFormat::Ndjson)),
            (Some("application/ndjson; charset=utf8"), Some(BodyFormat::Ndjson)),
            (Some("application/jsonl"), Some(BodyFormat::Ndjson)),
            (Some("application/jsonlines"), Some(BodyFormat::Ndjson)),
            (Some("application/json; charset=iso-8859-1"), None),
            (Some("application/x-ndjson; charset=utf-16"), None),
            (Some("text/csv"), None),
            (Some("application/x-protobuf"), None),
            (Some("json"), None),
        ];
        for (content_type, format) in cases {
            let read = BodyFormat::from_content_type(content_type);
            match format {
                Some(format) => assert_eq!(read.unwrap(), format, "{content_type:?}"),
                None => {
                    assert_eq!(
                        read.unwrap_err().code(),
                        "content_type_unknown",
                        "{content_type:?}"
                    );
                }
            }
        }
    }
}
