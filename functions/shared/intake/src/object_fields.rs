//! Fields of one object of a request, as unparsed JSON texts.
//!
//! The whole object is scanned first, since the meaning of a key depends on later ones: `cpu` is a metric only if there is
//! no `metric`.

use std::borrow::Cow;

use serde::de::DeserializeSeed;
use serde_json::Deserializer;
use serde_json::de::StrRead;

use crate::entries::EachEntry;
use crate::scalar::JsonKind;

/// Keys that hold the time, in any case: those of log shippers, of data frames, and of databases of time series.
const TIME_KEYS: [&str; 8] =
    ["timestamp", "time", "ts", "date", "datetime", "ds", "@timestamp", "_time"];

/// Key of the time at which a counter was zero; any other sample has no such field.
const STARTED_AT_KEY: &str = "started_at";

/// Keys that hold labels.
const LABEL_KEYS: [&str; 4] = ["labels", "tags", "dimensions", "attributes"];

/// Fields of an object as JSON texts; a null field counts as missing.
#[derive(Debug, Default)]
pub(crate) struct ObjectFields<'a> {
    pub(crate) source: Option<&'a str>,
    pub(crate) metric: Option<&'a str>,
    pub(crate) time: Option<&'a str>,
    pub(crate) value: Option<&'a str>,
    pub(crate) labels: Option<&'a str>,
    /// A text under `kind`; a number is a metric of that name.
    pub(crate) kind: Option<&'a str>,
    /// The time under `started_at`, if `kind` is that of a counter.
    pub(crate) started_at: Option<&'a str>,
    /// All other keys, in the order sent; one more than the bound if there are too many.
    pub(crate) others: Vec<(Cow<'a, str>, &'a str)>,
    /// Known key that was given twice, or beside another key of the same meaning.
    pub(crate) repeated: Option<Cow<'a, str>>,
}

impl<'a> ObjectFields<'a> {
    /// Parses an object; it must be the whole text.
    pub(crate) fn parse(text: &'a str, n_others_max: usize) -> serde_json::Result<Self> {
        let mut deserializer = Deserializer::from_str(text);
        let fields = Self::read_next(&mut deserializer, n_others_max)?;
        deserializer.end()?;
        Ok(fields)
    }

    /// Parses the next object.
    pub(crate) fn read_next(
        deserializer: &mut Deserializer<StrRead<'a>>,
        n_others_max: usize,
    ) -> serde_json::Result<Self> {
        let mut fields = Self::default();
        EachEntry(|key, raw| fields.add(key, raw, n_others_max)).deserialize(deserializer)?;
        if !fields.kind.is_some_and(is_counter)
            && let Some(raw) = fields.started_at.take()
        {
            fields.others.push((STARTED_AT_KEY.into(), raw));
        }
        Ok(fields)
    }

    /// Array of `{"samples":[...]}`, as text; a number under this key is a metric.
    pub(crate) fn samples(&self) -> Option<&'a str> {
        let is_samples = |key: &str, raw: &str| key == "samples" && raw.starts_with('[');
        self.others.iter().find(|(key, raw)| is_samples(key, raw)).map(|(_, raw)| *raw)
    }

    /// Name of a field that applies only to a single sample.
    pub(crate) fn field_of_sample(&self) -> Option<&'static str> {
        let fields = [
            ("source", self.source),
            ("metric", self.metric),
            ("timestamp", self.time),
            ("value", self.value),
            ("labels", self.labels),
            ("kind", self.kind),
            ("started_at", self.started_at),
        ];
        fields.into_iter().find(|(_, raw)| raw.is_some()).map(|(name, _)| name)
    }

    /// Other key that was given twice.
    pub(crate) fn repeated_other(&self) -> Option<&str> {
        let mut keys: Vec<&str> = self.others.iter().map(|(key, _)| key.as_ref()).collect();
        keys.sort_unstable();
        keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }

    fn add(&mut self, key: Cow<'a, str>, raw: &'a str, n_others_max: usize) {
        let field = match key.as_ref() {
            "source" => &mut self.source,
            "metric" => &mut self.metric,
            "value" => &mut self.value,
            "kind" if JsonKind::of(raw) == JsonKind::String => &mut self.kind,
            STARTED_AT_KEY => &mut self.started_at,
            key if LABEL_KEYS.contains(&key) => &mut self.labels,
            key if is_time_key(key) => &mut self.time,
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

/// True for the text of the kind of a counter.
pub(crate) fn is_counter(raw: &str) -> bool {
    raw == r#""counter""#
}

fn is_time_key(key: &str) -> bool {
    TIME_KEYS.iter().any(|known| key.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_keys_are_fields_and_the_rest_are_others() {
        let text =
            r#"{"source":"a","metric":"b","time":1,"value":2,"labels":{},"cpu":3,"Value":4}"#;
        let fields = ObjectFields::parse(text, 10).unwrap();
        let known = [fields.source, fields.metric, fields.time, fields.value, fields.labels];
        assert_eq!(known, [Some(r#""a""#), Some(r#""b""#), Some("1"), Some("2"), Some("{}")]);
        assert_eq!(fields.others, [(Cow::from("cpu"), "3"), (Cow::from("Value"), "4")]);
        assert!(fields.repeated.is_none() && fields.repeated_other().is_none());
    }

    #[test]
    fn a_start_is_a_field_of_counters_only() {
        let fields = |text| {
            let fields = ObjectFields::parse(text, 10).unwrap();
            (fields.kind, fields.started_at, fields.others)
        };
        let counter = fields(r#"{"started_at":1,"kind":"counter"}"#);
        assert_eq!(counter, (Some(r#""counter""#), Some("1"), vec![]));
        let gauge = fields(r#"{"kind":"gauge","started_at":1}"#);
        assert_eq!(gauge, (Some(r#""gauge""#), None, vec![(Cow::from("started_at"), "1")]));
        let metric = fields(r#"{"kind":3,"started_at":null}"#);
        assert_eq!(metric, (None, None, vec![(Cow::from("kind"), "3")]));
    }

    #[test]
    fn null_counts_as_missing() {
        let text = r#"{"source":null,"metric":null,"ts":null,"value":null,"labels":null}"#;
        assert_eq!(ObjectFields::parse(text, 10).unwrap().field_of_sample(), None);
    }

    #[test]
    fn repeated_keys_are_found_under_every_alias() {
        for text in [
            r#"{"value":1,"value":1}"#,
            r#"{"time":1,"ts":1}"#,
            r#"{"Timestamp":1,"@timestamp":1}"#,
            r#"{"labels":{},"tags":{}}"#,
            r#"{"source":"a","s\u006furce":"b"}"#,
        ] {
            assert!(ObjectFields::parse(text, 10).unwrap().repeated.is_some(), "{text}");
        }
        let fields = ObjectFields::parse(r#"{"b":1,"a":1,"b":null}"#, 10).unwrap();
        assert_eq!(fields.repeated_other(), Some("b"));
    }

    #[test]
    fn others_beyond_the_bound_are_not_stored() {
        let fields =
            ObjectFields::parse(r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"source":"s"}"#, 2).unwrap();
        assert_eq!(fields.others.len(), 3);
        assert_eq!(fields.source, Some(r#""s""#));
    }

    #[test]
    fn only_an_array_under_samples_is_an_envelope() {
        assert_eq!(ObjectFields::parse(r#"{"samples":[1]}"#, 10).unwrap().samples(), Some("[1]"));
        assert_eq!(ObjectFields::parse(r#"{"samples":1}"#, 10).unwrap().samples(), None);
    }
}
