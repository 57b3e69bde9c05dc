//! The fields of one object of a request, unread.
//!
//! An object is sorted into its fields in one pass, because what a key means depends on keys that
//! may come later: `cpu` is a metric only if there is no `metric`.

use std::borrow::Cow;

use serde::de::DeserializeSeed;
use serde_json::Deserializer;
use serde_json::de::StrRead;

use crate::entries::EachEntry;

/// The fields of an object as JSON text; a null field is as good as none.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) source: Option<&'a str>,
    pub(crate) metric: Option<&'a str>,
    pub(crate) time: Option<&'a str>,
    pub(crate) value: Option<&'a str>,
    pub(crate) labels: Option<&'a str>,
    /// Every other key, in the order sent; one more than the bound if there are too many.
    pub(crate) others: Vec<(Cow<'a, str>, &'a str)>,
    /// A known key that was given twice.
    pub(crate) repeated: Option<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    /// Reads the object that is the whole text.
    pub(crate) fn of_text(text: &'a str, n_others_max: usize) -> serde_json::Result<Self> {
        let mut deserializer = Deserializer::from_str(text);
        let fields = Self::read_next(&mut deserializer, n_others_max)?;
        deserializer.end()?;
        Ok(fields)
    }

    /// Reads the object that comes next.
    pub(crate) fn read_next(
        deserializer: &mut Deserializer<StrRead<'a>>,
        n_others_max: usize,
    ) -> serde_json::Result<Self> {
        let mut fields = Self::default();
        EachEntry(|key, raw| fields.add(key, raw, n_others_max)).deserialize(deserializer)?;
        Ok(fields)
    }

    /// The elements of `{"samples":[...]}`, as the text of an array; a number is a metric of that
    /// name.
    pub(crate) fn samples(&self) -> Option<&'a str> {
        let is_samples = |key: &str, raw: &str| key == "samples" && raw.starts_with('[');
        self.others.iter().find(|(key, raw)| is_samples(key, raw)).map(|(_, raw)| *raw)
    }

    /// A field that says something about one sample and nothing about an object that holds several.
    pub(crate) fn of_one_sample(&self) -> Option<&'static str> {
        let fields = [
            ("source", self.source),
            ("metric", self.metric),
            ("timestamp", self.time),
            ("value", self.value),
            ("labels", self.labels),
        ];
        fields.into_iter().find(|(_, raw)| raw.is_some()).map(|(name, _)| name)
    }

    /// A key among the others that was given twice.
    pub(crate) fn repeated_other(&self) -> Option<&str> {
        let mut keys: Vec<&str> = self.others.iter().map(|(key, _)| key.as_ref()).collect();
        keys.sort_unstable();
        keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }

    fn add(&mut self, key: Cow<'a, str>, raw: &'a str, n_others_max: usize) {
        let field = match key.as_ref() {
            "source" => &mut self.source,
            "metric" => &mut self.metric,
            "timestamp" | "time" | "ts" => &mut self.time,
            "value" => &mut self.value,
            "labels" => &mut self.labels,
            _ => {
                if self.others.len() <= n_others_max {
                    self.others.push((key, raw));
                }
                return;
            }
        };
        if raw == "null" {
            return;
        }
        if field.replace(raw).is_some() {
            self.repeated = Some(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_field_and_the_rest_are_others() {
        let text =
            r#"{"source":"a","metric":"b","time":1,"value":2,"labels":{},"cpu":3,"Value":4}"#;
        let fields = Fields::of_text(text, 10).unwrap();
        let known = [fields.source, fields.metric, fields.time, fields.value, fields.labels];
        assert_eq!(known, [Some(r#""a""#), Some(r#""b""#), Some("1"), Some("2"), Some("{}")]);
        assert_eq!(fields.others, [(Cow::from("cpu"), "3"), (Cow::from("Value"), "4")]);
        assert!(fields.repeated.is_none() && fields.repeated_other().is_none());
    }

    #[test]
    fn null_is_as_good_as_missing() {
        let text = r#"{"source":null,"metric":null,"ts":null,"value":null,"labels":null}"#;
        assert_eq!(Fields::of_text(text, 10).unwrap().of_one_sample(), None);
    }

    #[test]
    fn repeated_keys_are_found_under_each_of_their_names() {
        for text in [
            r#"{"value":1,"value":1}"#,
            r#"{"time":1,"ts":1}"#,
            r#"{"source":"a","s\u006furce":"b"}"#,
        ] {
            assert!(Fields::of_text(text, 10).unwrap().repeated.is_some(), "{text}");
        }
        let fields = Fields::of_text(r#"{"b":1,"a":1,"b":null}"#, 10).unwrap();
        assert_eq!(fields.repeated_other(), Some("b"));
    }

    #[test]
    fn others_past_the_bound_are_not_kept() {
        let fields = Fields::of_text(r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"source":"s"}"#, 2).unwrap();
        assert_eq!(fields.others.len(), 3);
        assert_eq!(fields.source, Some(r#""s""#));
    }

    #[test]
    fn only_an_array_makes_samples() {
        assert_eq!(Fields::of_text(r#"{"samples":[1]}"#, 10).unwrap().samples(), Some("[1]"));
        assert_eq!(Fields::of_text(r#"{"samples":1}"#, 10).unwrap().samples(), None);
    }
}
