//! Putting text between two markers of a document, so that its numbers are never typed by hand.
//!
//! The markers are `<!-- evaluator:begin NAME -->` and `<!-- evaluator:end NAME -->`, each once.

use thiserror::Error;

/// The document with `text` between the markers of `name`; everything else stays as it is.
pub fn splice(document: &str, name: &str, text: &str) -> Result<String, SpliceError> {
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

/// Why nothing was put into a document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SpliceError {
    /// A marker is not there, or the end stands before the beginning.
    #[error("marker `{marker}` is missing")]
    MarkerMissing {
        /// The marker.
        marker: String,
    },
    /// A marker is there more than once.
    #[error("marker `{marker}` is there more than once")]
    MarkerTwice {
        /// The marker.
        marker: String,
    },
}

impl SpliceError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MarkerMissing { .. } => "marker_missing",
            Self::MarkerTwice { .. } => "marker_twice",
        }
    }
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
            (DOCUMENT, "y", "marker_missing"),
            (reversed, "x", "marker_missing"),
            (&DOCUMENT.repeat(2), "x", "marker_twice"),
        ];
        for (document, name, code) in cases {
            assert_eq!(splice(document, name, "new").unwrap_err().code(), code);
        }
    }
}
