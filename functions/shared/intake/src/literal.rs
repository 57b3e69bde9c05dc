//! Quotes bare `NaN`, `Infinity` and `-Infinity`, which are not JSON.
//!
//! Python's `json.dumps` writes them by default. One of them makes the whole body invalid JSON, so an invalid body is read
//! again with these literals quoted: only their samples are rejected, as not finite.

use std::iter;
use std::ops::Range;

/// True for a common spelling of a non-finite number.
pub(crate) fn is_not_finite(text: &str) -> bool {
    let name = text.strip_prefix(['+', '-']).unwrap_or(text);
    ["nan", "inf", "infinity"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Quotes the bare literals of a text; `None` if there are none.
///
/// Works line by line, since a JSON string contains no line break: an unclosed string hides only the literals of its line.
pub(crate) fn quote(text: &str) -> Option<String> {
    let mut quoted = String::new();
    for line in text.split_inclusive('\n') {
        let mut copied = 0;
        for literal in bare_literals(line) {
            quoted.push_str(line.get(copied..literal.start)?);
            quoted.push('"');
            quoted.push_str(line.get(literal.clone())?);
            quoted.push('"');
            copied = literal.end;
        }
        quoted.push_str(line.get(copied..)?);
    }
    (quoted.len() > text.len()).then_some(quoted)
}

/// Column in the unquoted text for a column of the quoted text, both from 1, in bytes.
pub(crate) fn unquoted_column(text: &str, line: usize, column: usize) -> usize {
    let Some(line) = text.split('\n').nth(line.saturating_sub(1)) else { return column };
    let mut original = column;
    for literal in bare_literals(line) {
        if original > literal.end {
            // Each literal before the column adds two quotes.
            original = original.saturating_sub(2).max(literal.end);
        }
    }
    original
}

/// Ranges of the bare literals of a line that are values.
fn bare_literals(line: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    iter::from_fn(move || {
        while let Some(rest) = line.as_bytes().get(at..).filter(|rest| !rest.is_empty()) {
            let token = at..at + token_len(rest);
            at = token.end;
            let is_literal = line.get(token.clone()).is_some_and(is_not_finite);
            if is_literal && !line.get(token.end..).is_some_and(starts_with_colon) {
                return Some(token);
            }
        }
        None
    })
}

/// Length of the string, word or single byte at the start of `rest`.
fn token_len(rest: &[u8]) -> usize {
    if rest.first() == Some(&b'"') {
        return string_len(rest);
    }
    let is_word =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte) || !byte.is_ascii();
    rest.iter().take_while(|byte| is_word(byte)).count().max(1)
}

/// Length of the string at the start of `rest`, with its quotes; all of `rest` if it is not closed.
fn string_len(rest: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.iter().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// True for a key: a bare literal before a colon is not quoted.
fn starts_with_colon(rest: &str) -> bool {
    rest.trim_ascii_start().starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_literals_are_quoted() {
        let cases = [
            (r#"{"value":NaN}"#, Some(r#"{"value":"NaN"}"#)),
            (r"[NaN,Infinity, -Infinity ]", Some(r#"["NaN","Infinity", "-Infinity" ]"#)),
            (r"[nan,inf,-nan]", Some(r#"["nan","inf","-nan"]"#)),
            ("{\"a\":\nNaN\n}", Some("{\"a\":\n\"NaN\"\n}")),
            ("{\"open:\nNaN}", Some("{\"open:\n\"NaN\"}")),
            (r#"{"é":NaN}"#, Some(r#"{"é":"NaN"}"#)),
            (r#"{"metric":"NaN","b":1}"#, None),
            (r#"{"a":"a \"NaN\", NaN"}"#, None),
            (r#"{"a":"\\",b:NaN}"#, Some(r#"{"a":"\\",b:"NaN"}"#)),
            (r"{NaN : 1}", None),
            (r"[NaNa, aNaN, éNaN, NaN1, --NaN]", None),
            (r#"{"open: NaN}"#, None),
            ("", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(quote(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn columns_refer_to_the_text_as_sent() {
        let text = "[1,\nNaN, NaN, x]";
        let quoted = quote(text).unwrap();
        let error = serde_json::from_str::<serde_json::Value>(&quoted).unwrap_err();
        assert_eq!((error.line(), error.column()), (2, 15));
        assert_eq!(unquoted_column(text, 2, 15), 11);
        assert_eq!(unquoted_column(text, 1, 2), 2);
        assert_eq!(unquoted_column(text, 9, 2), 2);
    }
}
