//! Query parameters.
//!
//! An unknown parameter is an error: with it ignored, `?sources=checkout` would answer for another series than meant.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::Uri;
use domain::Series;
use domain::sample::AT_US_MAX;
use domain::series::SOURCE_DEFAULT;
use percent_encoding::percent_decode_str;

use crate::error::RequestError;

/// The parameters that name a series.
pub(crate) const SERIES: [&str; 3] = ["source", "metric", "label"];

/// Longest part of a name that an error quotes, in bytes.
const QUOTED_LEN_MAX: usize = 64;

/// Most unknown parameters that an error lists.
const LISTED_MAX: usize = 8;

/// The decoded parameters of a query.
#[derive(Debug)]
pub(crate) struct QueryParams {
    pairs: Vec<(String, String)>,
}

impl QueryParams {
    /// Decodes a query. Each name must be one of `known`.
    pub(crate) fn parse(uri: &Uri, known: &[&str]) -> Result<Self, RequestError> {
        let invalid = || RequestError::ParameterInvalid {
            name: "query",
            expected: "percent-encoded UTF-8".to_owned(),
        };
        let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let is_encoded = is_percent_encoded(uri.query().unwrap_or_default());
        let Query(pairs) = query.ok().filter(|_| is_encoded).ok_or_else(invalid)?;
        let params = Self { pairs };
        params.check_names(known)?;
        Ok(params)
    }

    /// Fails if a name is not one of `known`.
    pub(crate) fn check_names(&self, known: &[&str]) -> Result<(), RequestError> {
        let unknown = self.pairs.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        let mut names: Vec<String> =
            unknown.map(|(name, _)| clipped(name)).take(LISTED_MAX).collect();
        names.dedup();
        if names.is_empty() {
            return Ok(());
        }
        let known = known.iter().map(|&name| name.to_owned()).collect();
        Err(RequestError::ParameterUnknown { names, known })
    }

    /// True if the query has any of these parameters.
    pub(crate) fn has_any(&self, names: &[&str]) -> bool {
        self.pairs.iter().any(|(name, _)| names.contains(&name.as_str()))
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |pair| pair.0 == name).map(|pair| pair.1.as_str())
    }

    /// The single value of a parameter.
    pub(crate) fn value(&self, name: &'static str) -> Result<Option<&str>, RequestError> {
        let mut values = self.values(name);
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
        let Some(text) = self.value(name)? else { return Ok(None) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let expected = || format!("a whole number from {} to {}", range.start(), range.end());
        number
            .map(Some)
            .ok_or_else(|| RequestError::ParameterInvalid { name, expected: expected() })
    }

    /// A time in microseconds, in any notation that samples may use.
    pub(crate) fn time_us(&self, name: &'static str) -> Result<Option<i64>, RequestError> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        let expected = "RFC 3339 with an offset, or Unix seconds, milliseconds or microseconds";
        let at_us = service::time_us(&serde_json::Value::from(text).to_string());
        let invalid = || RequestError::ParameterInvalid { name, expected: expected.to_owned() };
        at_us.map(Some).ok_or_else(invalid)
    }

    /// A time in microseconds, as the `next` of a page has it.
    pub(crate) fn cursor_us(&self, name: &'static str) -> Result<Option<i64>, RequestError> {
        self.number(name, 0..=AT_US_MAX)
    }

    /// The series that `source`, `metric` and the repeated `label` name.
    pub(crate) fn series(&self) -> Result<Series, RequestError> {
        let source = self.value("source")?.unwrap_or(SOURCE_DEFAULT);
        let missing = RequestError::ParameterMissing { name: "metric" };
        let metric = self.value("metric")?.ok_or(missing)?;
        let mut labels = BTreeMap::new();
        for label in self.values("label") {
            let (name, value) = label.split_once('=').ok_or_else(label_invalid)?;
            let name = label_name(name).ok_or_else(label_invalid)?;
            if labels.contains_key(name.as_ref()) {
                let name = format!("label={}", clipped(&name));
                return Err(RequestError::ParameterRepeated { name });
            }
            labels.insert(name.into_owned(), value.to_owned());
        }
        Ok(Series::new(source, metric, labels)?)
    }
}

/// True for percent-encoded UTF-8: the parser replaces other bytes, which would name another series.
fn is_percent_encoded(query: &str) -> bool {
    let is_hex = |text: &str| text.bytes().take_while(u8::is_ascii_hexdigit).count() >= 2;
    query.split('%').skip(1).all(|text| is_hex(text.get(..2).unwrap_or_default()))
        && percent_decode_str(query).decode_utf8().is_ok()
}

/// The name of a label: `%3D` and `%25` stand for `=`, which ends it, and for `%`.
fn label_name(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}

fn label_invalid() -> RequestError {
    let expected =
        "`name=value`, as in `label=zone=a`, with `%3D` for a `=` of the name".to_owned();
    RequestError::ParameterInvalid { name: "label", expected }
}

fn clipped(name: &str) -> String {
    name.get(..name.floor_char_boundary(QUOTED_LEN_MAX)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> QueryParams {
        let uri = format!("/?{query}").parse().unwrap();
        QueryParams::parse(&uri, &["source", "metric", "label", "since", "limit"]).unwrap()
    }

    #[test]
    fn source_metric_and_labels_name_a_series() {
        let series = params("source=checkout&metric=rps&label=zone=a&label=path%3D%2Fa%3D1%26b");
        let labels = [("zone", "a"), ("path", "/a=1&b")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let expected = Series::new("checkout", "rps", labels.into()).unwrap();
        assert_eq!(series.series().unwrap(), expected);
        assert_eq!(params("metric=rps").series().unwrap().source(), SOURCE_DEFAULT);
    }

    #[test]
    fn a_query_that_is_not_percent_encoded_utf8_is_refused() {
        for query in ["metric=%ff%fe", "metric=%zz", "metric=a%2", "metric=%", "%c3=1"] {
            let uri = format!("/?{query}").parse().unwrap();
            let error = QueryParams::parse(&uri, &["metric"]).unwrap_err();
            assert_eq!(error.code(), "parameter_invalid", "{query}");
        }
        assert_eq!(params("metric=gr%C3%B6%C3%9Fe%25").value("metric").unwrap(), Some("größe%"));
    }

    #[test]
    fn a_label_name_may_contain_the_separator() {
        let series = params("metric=rps&label=a%253Db%2525=c%3Dd%2525&label=job%20name=x").series();
        let labels = [("a=b%", "c=d%25"), ("job name", "x")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(series.unwrap(), Series::new(SOURCE_DEFAULT, "rps", labels.into()).unwrap());
        let invalid = params("metric=rps&label=%25ff=c").series().unwrap_err();
        assert_eq!(invalid.code(), "parameter_invalid");
        let repeated = params("metric=rps&label=a=1&label=%2561=2").series().unwrap_err();
        assert_eq!(repeated.code(), "parameter_repeated");
    }

    #[test]
    fn each_invalid_query_has_its_code() {
        let series = |query: &str| params(query).series().unwrap_err().code();
        assert_eq!(series("source=checkout"), "parameter_missing");
        assert_eq!(series("metric=a&metric=a"), "parameter_repeated");
        assert_eq!(series("metric=a&label=zone"), "parameter_invalid");
        assert_eq!(series("metric=a&label=zone=a&label=zone=b"), "parameter_repeated");
        assert_eq!(series("metric="), "name_invalid");
        assert_eq!(series(&format!("metric={}", "m".repeat(257))), "name_too_long");
        for limit in ["0", "1001", "-1", "1.5", "", "x"] {
            let error = params(&format!("limit={limit}")).number("limit", 1..=1000).unwrap_err();
            assert_eq!(error.code(), "parameter_invalid", "{limit}");
        }
    }

    #[test]
    fn an_error_lists_unknown_parameters() {
        let uri = "/?metric=rps&sources=a&x%20y=1&x%20y=2".parse().unwrap();
        let error = QueryParams::parse(&uri, &["metric"]).unwrap_err();
        assert_eq!(error.to_string(), "parameter `sources`, `x y` is unknown: expected `metric`");
        let error = QueryParams::parse(&"/?a=1".parse().unwrap(), &[]).unwrap_err();
        assert_eq!(error.to_string(), "parameter `a` is unknown: expected none");
    }

    #[test]
    fn times_have_the_notations_of_samples() {
        for text in ["2024-11-20T00:00:00Z", "1732060800", "1732060800000", "1732060800000000"] {
            let at_us = params(&format!("since={text}")).time_us("since").unwrap();
            assert_eq!(at_us, Some(1_732_060_800_000_000), "{text}");
        }
        for text in ["", "yesterday", "-1", "%22", "2024-11-20"] {
            assert!(params(&format!("since={text}")).time_us("since").is_err(), "{text}");
        }
    }
}
