//! Pattern of a name: a text in which `*` stands for any characters, and `?` for one.
//!
//! Simpler than a regular expression, and matched in linear time for each `*`.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// Longest pattern, in bytes.
const PATTERN_LEN_MAX: usize = 256;

/// Most alternatives of one pattern.
const ALTERNATIVES_MAX: usize = 64;

/// One of several texts with `*` and `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<String>);

impl Pattern {
    /// True if one of the alternatives matches the whole text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|alternative| is_match(alternative, text))
    }
}

/// True if `pattern` matches the whole of `text`.
///
/// After a mismatch only the last `*` takes one more character, since an earlier one that took more would match less.
fn is_match(pattern: &str, text: &str) -> bool {
    let (mut pattern_rest, mut text_rest) = (pattern, text);
    // Rest of the pattern after the last `*`, and of the text from which it is tried.
    let mut retry: Option<(&str, &str)> = None;
    loop {
        let (mut pattern_chars, mut text_chars) = (pattern_rest.chars(), text_rest.chars());
        match (pattern_chars.next(), text_chars.next()) {
            (Some('*'), _) => {
                pattern_rest = pattern_chars.as_str();
                retry = Some((pattern_rest, text_rest));
                continue;
            }
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                (pattern_rest, text_rest) = (pattern_chars.as_str(), text_chars.as_str());
                continue;
            }
            _ => {}
        }
        let Some((after_star, tried)) = retry else { return false };
        let mut chars = tried.chars();
        if chars.next().is_none() {
            return false;
        }
        (pattern_rest, text_rest) = (after_star, chars.as_str());
        retry = Some((after_star, text_rest));
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a pattern, or an array of patterns")]
        enum OneOrMany {
            One(String),
            Many(Vec<String>),
        }
        let patterns = match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(pattern) => vec![pattern],
            OneOrMany::Many(patterns) => patterns,
        };
        if patterns.is_empty() || patterns.len() > ALTERNATIVES_MAX {
            return Err(D::Error::custom(format!(
                "expected 1 to {ALTERNATIVES_MAX} patterns, found {}",
                patterns.len()
            )));
        }
        if let Some(long) = patterns.iter().find(|pattern| pattern.len() > PATTERN_LEN_MAX) {
            return Err(D::Error::custom(format!(
                "a pattern has {} bytes: expected at most {PATTERN_LEN_MAX}",
                long.len()
            )));
        }
        Ok(Self(patterns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_text() {
        let cases = [
            ("cpu", "cpu", true),
            ("cpu", "cpu2", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("*_total", "requests_total", true),
            ("*_total", "requests_total_2", false),
            ("http_*", "http_", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "acb", false),
            ("*aab", "aaaab", true),
            ("??", "aé", true),
            ("?", "", false),
            ("?*", "", false),
            ("**a", "ba", true),
            ("*é", "café", true),
        ];
        for (pattern, text, wanted) in cases {
            assert_eq!(is_match(pattern, text), wanted, "`{pattern}` and `{text}`");
        }
    }

    #[test]
    fn many_stars_take_little_time() {
        let pattern = "*a".repeat(100) + "b";
        assert!(!is_match(&pattern, &"a".repeat(2_000)));
    }

    #[test]
    fn a_pattern_is_a_text_or_several() {
        let pattern = |json: &str| serde_json::from_str::<Pattern>(json);
        assert!(pattern(r#""a*""#).unwrap().matches("ab"));
        assert!(pattern(r#"["x","a*"]"#).unwrap().matches("ab"));
        for json in ["1", "[]", "{}", "[1]"] {
            assert!(pattern(json).is_err(), "{json}");
        }
        assert!(pattern(&format!("\"{}\"", "a".repeat(PATTERN_LEN_MAX + 1))).is_err());
    }
}
