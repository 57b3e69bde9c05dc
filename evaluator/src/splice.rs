//! Replaces the text between two markers of a document, so that no number in it is typed by hand.
//!
//! The markers are `<!-- evaluator:begin NAME -->` and `<!-- evaluator:end NAME -->`, each once.

use thiserror::Error;

/// Returns the document with `text` between the markers of `name`.
pub(crate) fn splice(document: &str, name: &str, text: &str) -> Result<String, SpliceError> {
    let begin = format!("<!-- evaluator:begin {name} -->");
    let end = format!("<!-- evaluator:end {name} -->");
    let missing = |marker: &str| SpliceError::MarkerMissing { marker: marker.to_owned() };
    for marker in [&begin, &end] {
        if document.matches(marker.as_str()).count() > 1 {
            return Err(SpliceError::MarkerTwice { marker: marker.clone() });
        }
    }
    let (before, rest) = document.split_once(&begin).ok_or_else(|| missing(&begin))?;
    let (_, after) = rest.split_once(&end).ok_or_else(|| missing(&end))?;
    Ok(format!("{before}{begin}\n{}\n{end}{after}", text.trim_end()))
}

/// A document whose markers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SpliceError {
    /// A marker is missing, or the end comes before the beginning.
    #[error("marker `{marker}` is missing")]
    MarkerMissing {
        /// The marker.
        marker: String,
    },
    /// A marker occurs more than once.
    #[error("marker `{marker}` occurs more than once")]
    MarkerTwice {
        /// The marker.
        marker: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "a\n<!-- evaluator:begin x -->\nold\n<!-- evaluator:end x -->\nb\n";

    #[test]
    fn only_the_text_between_the_markers_changes_and_twice_is_once() {
        let spliced = splice(DOCUMENT, "x", "new\n").unwrap();
        assert_eq!(spliced, "a\n<!-- evaluator:begin x -->\nnew\n<!-- evaluator:end x -->\nb\n");
        assert_eq!(splice(&spliced, "x", "new\n").unwrap(), spliced);
    }

    #[test]
    fn missing_reversed_and_repeated_markers_are_named() {
        let reversed = "<!-- evaluator:end x --><!-- evaluator:begin x -->";
        let cases = [
            (DOCUMENT, "y", "begin y -->` is missing"),
            (reversed, "x", "end x -->` is missing"),
            (&DOCUMENT.repeat(2), "x", "begin x -->` occurs more than once"),
        ];
        for (document, name, message) in cases {
            let error = splice(document, name, "new").unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
