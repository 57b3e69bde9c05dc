//! The parameters of a query.
//!
//! A parameter that a route does not know is an error and not ignored: `?sources=checkout` would
//! otherwise answer for another series than was meant.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::Uri;
use domain::Series;
use domain::sample::AT_US_MAX;
use domain::series::SOURCE_DEFAULT;

use crate::error::RequestError;

/// Names of the parameters that name a series.
pub(crate) const SERIES: [&str; 3] = ["source", "metric", "label"];

/// Longest name that an error quotes, in bytes.
const QUOTED_LEN_MAX: usize = 64;

/// Most unknown parameters that an error names.
const NAMED_MAX: usize = 8;

/// The parameters of a query, of which a route takes what it knows.
#[derive(Debug)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Reads a query, every name of which must be among the `known`.
    pub(crate) fn of(uri: &Uri, known: &[&str]) -> Result<Self, RequestError> {
        let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let Query(pairs) = query.map_err(|_| RequestError::ParameterInvalid {
            name: "query",
            wanted: "percent-encoded UTF-8".to_owned(),
        })?;
        let mut names: Vec<String> = pairs
            .iter()
            .filter(|(name, _)| !known.contains(&name.as_str()))
            .map(|(name, _)| clipped(name))
            .take(NAMED_MAX)
            .collect();
        names.dedup();
        if names.is_empty() {
            return Ok(Self { pairs });
        }
        let known = known.iter().map(|&name| name.to_owned()).collect();
        Err(RequestError::ParameterUnknown { names, known })
    }

    /// Whether none of these is given.
    pub(crate) fn has_none_of(&self, names: &[&str]) -> bool {
        !self.pairs.iter().any(|(name, _)| names.contains(&name.as_str()))
    }

    /// All values of a parameter.
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |pair| pair.0 == name).map(|pair| pair.1.as_str())
    }

    /// The only value of a parameter.
    pub(crate) fn one(&self, name: &'static str) -> Result<Option<&str>, RequestError> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() {
            return Err(RequestError::ParameterRepeated { name: name.to_owned() });
        }
        Ok(value)
    }

    /// A whole number within a range.
    pub(crate) fn number<T: FromStr + PartialOrd + std::fmt::Display>(
        &self,
        name: &'static str,
        range: RangeInclusive<T>,
    ) -> Result<Option<T>, RequestError> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let wanted = || format!("a whole number from {} to {}", range.start(), range.end());
        number.map(Some).ok_or_else(|| RequestError::ParameterInvalid { name, wanted: wanted() })
    }

    /// A time in microseconds, written as a sample's time is.
    pub(crate) fn time_us(&self, name: &'static str) -> Result<Option<i64>, RequestError> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let wanted = "RFC 3339 with an offset, or Unix seconds, milliseconds or microseconds";
        let invalid = || RequestError::ParameterInvalid { name, wanted: wanted.to_owned() };
        time_us(text).map(Some).ok_or_else(invalid)
    }

    /// A time in microseconds, as it was given out to continue from.
    pub(crate) fn cursor_us(&self, name: &'static str) -> Result<Option<i64>, RequestError> {
        self.number(name, 0..=AT_US_MAX)
    }

    /// The series that `source`, `metric` and any `label` name.
    pub(crate) fn series(&self) -> Result<Series, RequestError> {
        let source = self.one("source")?.unwrap_or(SOURCE_DEFAULT);
        let missing = RequestError::ParameterMissing { name: "metric" };
        let metric = self.one("metric")?.ok_or(missing)?;
        let mut labels = BTreeMap::new();
        for label in self.all("label") {
            let (name, value) = label.split_once('=').ok_or_else(label_invalid)?;
            if labels.insert(name.to_owned(), value.to_owned()).is_some() {
                let name = format!("label={}", clipped(name));
                return Err(RequestError::ParameterRepeated { name });
            }
        }
        Ok(Series::new(source, metric, labels)?)
    }
}

fn label_invalid() -> RequestError {
    let wanted = "`name=value`, as in `label=zone=a`".to_owned();
    RequestError::ParameterInvalid { name: "label", wanted }
}

fn clipped(name: &str) -> String {
    name.get(..name.floor_char_boundary(QUOTED_LEN_MAX)).unwrap_or_default().to_owned()
}

/// Reads the text of a time with the very rules of a sample's.
fn time_us(text: &str) -> Option<i64> {
    intake::time_us(&serde_json::Value::from(text).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        let uri = format!("/?{query}").parse().unwrap();
        Params::of(&uri, &["source", "metric", "label", "since", "limit"]).unwrap()
    }

    #[test]
    fn a_series_is_named_by_source_metric_and_labels() {
        let series = params("source=checkout&metric=rps&label=zone=a&label=path%3D%2Fa%3D1%26b");
        let labels = [("zone", "a"), ("path", "/a=1&b")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let wanted = Series::new("checkout", "rps", labels.into()).unwrap();
        assert_eq!(series.series().unwrap(), wanted);
        assert_eq!(params("metric=rps").series().unwrap().source(), SOURCE_DEFAULT);
    }

    #[test]
    fn each_broken_query_has_its_code() {
        let series = |query: &str| params(query).series().unwrap_err().code();
        assert_eq!(series("source=checkout"), "parameter_missing");
        assert_eq!(series("metric=a&metric=a"), "parameter_repeated");
        assert_eq!(series("metric=a&label=zone"), "parameter_invalid");
        assert_eq!(series("metric=a&label=zone=a&label=zone=b"), "parameter_repeated");
        assert_eq!(series("metric="), "name_invalid");
        assert_eq!(series(&format!("metric={}", "m".repeat(129))), "name_too_long");
        for limit in ["0", "1001", "-1", "1.5", "", "x"] {
            let error = params(&format!("limit={limit}")).number("limit", 1..=1000).unwrap_err();
            assert_eq!(error.code(), "parameter_invalid", "{limit}");
        }
    }

    #[test]
    fn unknown_parameters_are_named() {
        let uri = "/?metric=rps&sources=a&x%20y=1&x%20y=2".parse().unwrap();
        let error = Params::of(&uri, &["metric"]).unwrap_err();
        assert_eq!(error.to_string(), "parameter `sources`, `x y` is unknown: `metric` is wanted");
        let error = Params::of(&"/?a=1".parse().unwrap(), &[]).unwrap_err();
        assert_eq!(error.to_string(), "parameter `a` is unknown: none is wanted");
    }

    #[test]
    fn times_are_read_as_those_of_samples() {
        for text in ["2024-11-20T00:00:00Z", "1732060800", "1732060800000", "1732060800000000"] {
            let at_us = params(&format!("since={text}")).time_us("since").unwrap();
            assert_eq!(at_us, Some(1_732_060_800_000_000), "{text}");
        }
        for text in ["", "yesterday", "-1", "%22", "2024-11-20"] {
            assert!(params(&format!("since={text}")).time_us("since").is_err(), "{text}");
        }
    }
}
