//! Visits the entries of a JSON object without building a tree.
//!
//! Values are passed as the text that was sent: nothing is allocated for them, and nesting is not followed, so a million
//! brackets cost a million bytes of reading but no stack.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Calls `each` with key and value of every entry of an object; the object must be the whole text.
pub(crate) fn read<'a>(
    text: &'a str,
    each: impl FnMut(Cow<'a, str>, &'a str),
) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    EachEntry(each).deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Calls its function with key and value of every entry of the next object.
pub(crate) struct EachEntry<F>(pub(crate) F);

impl<'de, F: FnMut(Cow<'de, str>, &'de str)> DeserializeSeed<'de> for EachEntry<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(Cow<'de, str>, &'de str)> Visitor<'de> for EachEntry<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, raw)) = map.next_entry::<JsonString<'de>, &'de RawValue>()? {
            (self.0)(key.0, raw.get());
        }
        Ok(())
    }
}

/// JSON string that is borrowed unless it contains escapes.
#[derive(Deserialize)]
pub(crate) struct JsonString<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> serde_json::Result<Vec<(String, &str)>> {
        let mut entries = Vec::new();
        read(text, |key, raw| entries.push((key.into_owned(), raw)))?;
        Ok(entries)
    }

    #[test]
    fn values_are_passed_as_sent() {
        let text = r#" { "a" : 1.50 , "\u0062":[ 1 ], "a": "\u0063" } "#;
        let wanted = [("a", "1.50"), ("b", "[ 1 ]"), ("a", r#""\u0063""#)];
        assert_eq!(entries(text).unwrap(), wanted.map(|(key, raw)| (key.to_owned(), raw)));
    }

    #[test]
    fn a_text_that_is_not_an_object_is_an_error() {
        for text in [
            "",
            "1",
            "null",
            "[]",
            "{",
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            "{}{}",
            "{} x",
            r#"{"\ud800":1}"#,
        ] {
            assert!(entries(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        let depth = 200_000;
        let text = format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(entries(&text).unwrap()[0].1.len(), 2 * depth);
        assert!(entries(&r#"{"a":"#.repeat(depth)).is_err());
        assert!(entries(&"[".repeat(depth)).is_err());
    }
}
