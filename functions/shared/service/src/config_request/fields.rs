//! Fields of an object in JSON, with the errors of unknown and repeated ones.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{ConfigRequestError, invalid};

/// Longest field name that an error quotes, in bytes.
const QUOTED_LEN_MAX: usize = 64;

/// Fields read of an object; more than any valid object has.
const FIELDS_MAX: usize = 32;

/// Splits the object at path `at` into its fields; rejects unknown and repeated ones, leaves out those that are null.
pub(super) fn fields<'a>(
    at: &str,
    raw: &'a str,
    known: &[&'static str],
) -> Result<Vec<(&'static str, &'a str)>, ConfigRequestError> {
    let whole = if at.is_empty() { "body" } else { at.trim_end_matches('.') };
    let RawFields(given) = serde_json::from_str(raw).map_err(|_| invalid(whole, "an object"))?;
    let mut fields: Vec<(&'static str, &'a str)> = Vec::with_capacity(given.len());
    for (name, raw) in given {
        let Some(field) = known.iter().find(|field| **field == name) else {
            let name = name.get(..name.floor_char_boundary(QUOTED_LEN_MAX)).unwrap_or_default();
            let field = format!("{at}{name}");
            return Err(ConfigRequestError::FieldUnknown { field, known: known.to_vec() });
        };
        if fields.iter().any(|(other, _)| other == field) {
            return Err(invalid(&format!("{at}{field}"), "it once"));
        }
        fields.push((field, raw.get()));
    }
    fields.retain(|(_, raw)| *raw != "null");
    Ok(fields)
}

/// Entries of an object, including repeated ones.
struct RawFields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for RawFields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RawFieldsVisitor)
    }
}

struct RawFieldsVisitor;

impl<'de> Visitor<'de> for RawFieldsVisitor {
    type Value = RawFields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            if fields.len() == FIELDS_MAX {
                return Err(A::Error::custom("too many fields"));
            }
            fields.push((name, value));
        }
        Ok(RawFields(fields))
    }
}
