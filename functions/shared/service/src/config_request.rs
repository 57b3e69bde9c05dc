//! Parses the configuration of one series from JSON.
//!
//! Parsing is strict: an unknown field is probably misspelled, and a wrong configuration would go unnoticed. Each error
//! names the field and what was expected.

use std::fmt;

use detector::{Detector, MaintenanceWindow, SeriesConfig, SeriesConfigError, SpecError};
use domain::SampleKind;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

/// Fields that set the detector parameter of the same name.
const PARAMETERS: [&str; 3] = ["false_alarms_per_day", "season", "time_zone"];

const FIELDS: [&str; 6] =
    ["detector", PARAMETERS[0], PARAMETERS[1], PARAMETERS[2], "maintenance", "kind"];

const MAINTENANCE_FIELDS: [&str; 3] = ["from", "until", "reason"];

const SEASONS: [&str; 4] = ["auto", "day", "week", "none"];

/// Longest field name that an error quotes, in bytes.
const QUOTED_LEN_MAX: usize = 64;

/// Fields read of an object; more than any valid object has.
const FIELDS_MAX: usize = 32;

/// Configuration of one series as requested.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigRequest {
    detector: Option<Detector>,
    parameters: Vec<(&'static str, String)>,
    maintenance: Vec<MaintenanceWindow>,
    kind: Option<SampleKind>,
}

impl ConfigRequest {
    /// Parses a body.
    pub fn parse(body: &[u8]) -> Result<Self, ConfigRequestError> {
        let malformed = |problem: String| ConfigRequestError::Malformed { problem };
        let text = std::str::from_utf8(body).map_err(|error| malformed(error.to_string()))?;
        let body: &RawValue =
            serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let mut request =
            Self { detector: None, parameters: Vec::new(), maintenance: Vec::new(), kind: None };
        for (field, raw) in fields("", body.get(), &FIELDS)? {
            match field {
                "detector" => request.detector = Some(detector(raw)?),
                "maintenance" => request.maintenance = maintenance(raw)?,
                "kind" => request.kind = Some(kind(raw)?),
                _ => request.parameters.push((field, parameter(field, raw)?)),
            }
        }
        Ok(request)
    }

    /// Builds the configuration in a deployment whose detector is `deployed`.
    ///
    /// Parameters without a detector change a copy of the deployment's detector, which becomes the series' own. Without
    /// parameters and detector the series follows the deployment.
    pub(crate) fn config(self, deployed: &Detector) -> Result<SeriesConfig, ConfigRequestError> {
        let mut own = self.detector;
        for (field, text) in self.parameters {
            let detector = own.as_ref().unwrap_or(deployed).with(field, &text);
            own = Some(detector.map_err(|source| ConfigRequestError::Detector { field, source })?);
        }
        let config = SeriesConfig::new(own, self.maintenance).map_err(|source| {
            ConfigRequestError::MaintenanceWindow { field: "maintenance".to_owned(), source }
        });
        Ok(config?.with_kind(self.kind))
    }
}

fn detector(raw: &str) -> Result<Detector, ConfigRequestError> {
    let field = "detector";
    let text = string(field, raw, "the spec of a detector")?;
    text.parse().map_err(|source| ConfigRequestError::Detector { field, source })
}

fn kind(raw: &str) -> Result<SampleKind, ConfigRequestError> {
    let (field, expected) = ("kind", "`gauge` or `counter`");
    let name = string(field, raw, expected)?;
    SampleKind::from_name(&name).ok_or_else(|| invalid(field, expected))
}

fn parameter(field: &'static str, raw: &str) -> Result<String, ConfigRequestError> {
    match field {
        "false_alarms_per_day" => {
            let number: Result<f64, _> = serde_json::from_str(raw);
            number.map(|number| number.to_string()).map_err(|_| invalid(field, "a number"))
        }
        "season" => {
            let expected = format!("one of {}", SEASONS.join(", "));
            let season = string(field, raw, &expected)?;
            let is_known = SEASONS.contains(&season.as_str());
            if is_known { Ok(season) } else { Err(invalid(field, &expected)) }
        }
        _ => string(field, raw, "a time zone such as `Europe/Berlin`"),
    }
}

fn maintenance(raw: &str) -> Result<Vec<MaintenanceWindow>, ConfigRequestError> {
    let windows: Vec<&RawValue> =
        serde_json::from_str(raw).map_err(|_| invalid("maintenance", "an array of objects"))?;
    let windows = windows.into_iter().enumerate();
    windows
        .map(|(i, window)| maintenance_window(&format!("maintenance[{i}]"), window.get()))
        .collect()
}

fn maintenance_window(at: &str, raw: &str) -> Result<MaintenanceWindow, ConfigRequestError> {
    let fields = fields(&format!("{at}."), raw, &MAINTENANCE_FIELDS)?;
    let value = |name: &str| fields.iter().find(|field| field.0 == name).map(|field| field.1);
    let time = |name: &str| {
        let expected = "RFC 3339 with an offset, or Unix seconds, milliseconds or microseconds";
        let time = value(name).and_then(intake::time_us);
        time.ok_or_else(|| invalid(&format!("{at}.{name}"), expected))
    };
    let reason = match value("reason") {
        Some(raw) => string(&format!("{at}.reason"), raw, "a string")?,
        None => String::new(),
    };
    MaintenanceWindow::new(time("from")?, time("until")?, reason)
        .map_err(|source| ConfigRequestError::MaintenanceWindow { field: at.to_owned(), source })
}

fn string(field: &str, raw: &str, expected: &str) -> Result<String, ConfigRequestError> {
    serde_json::from_str(raw).map_err(|_| invalid(field, expected))
}

fn invalid(field: &str, expected: &str) -> ConfigRequestError {
    ConfigRequestError::FieldInvalid { field: field.to_owned(), expected: expected.to_owned() }
}

/// Splits the object at path `at` into its fields; rejects unknown and repeated ones, leaves out those that are null.
fn fields<'a>(
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

/// Error in a requested configuration.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ConfigRequestError {
    /// The body is not JSON.
    #[error("body is not JSON: {problem}")]
    Malformed {
        /// Message of the parser.
        problem: String,
    },
    /// The field does not exist.
    #[error("field `{field}` is unknown: expected one of {}", known.join(", "))]
    FieldUnknown {
        /// Path.
        field: String,
        /// Existing fields.
        known: Vec<&'static str>,
    },
    /// The value of a field is invalid.
    #[error("field `{field}` is invalid: expected {expected}")]
    FieldInvalid {
        /// Path.
        field: String,
        /// Accepted values.
        expected: String,
    },
    /// A maintenance window is invalid.
    #[error("field `{field}` is invalid: {source}")]
    MaintenanceWindow {
        /// Path.
        field: String,
        /// Reason.
        source: SeriesConfigError,
    },
    /// A field makes an invalid detector.
    #[error("field `{field}` is invalid: {source}")]
    Detector {
        /// Name.
        field: &'static str,
        /// Reason.
        source: SpecError,
    },
}

impl ConfigRequestError {
    /// Bounded error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "body_malformed",
            Self::FieldUnknown { .. } | Self::FieldInvalid { .. } => "config_invalid",
            Self::MaintenanceWindow { source, .. } => source.code(),
            Self::Detector { source, .. } => source.code(),
        }
    }

    /// True if the body is not JSON.
    pub fn is_malformed(&self) -> bool {
        matches!(self, Self::Malformed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZSCORE: &str = "zscore:window=50,threshold=3";

    fn config(body: &str) -> Result<SeriesConfig, ConfigRequestError> {
        ConfigRequest::parse(body.as_bytes())?.config(&ZSCORE.parse().unwrap())
    }

    #[test]
    fn all_fields_are_optional_and_null_means_absent() {
        for body in
            ["{}", r#"{"detector":null,"season":null,"maintenance":null}"#, r#"{"maintenance":[]}"#]
        {
            assert_eq!(config(body), Ok(SeriesConfig::default()), "{body}");
        }
        let own = config(r#"{"detector":"ewma:alpha=0.2,threshold=5"}"#).unwrap();
        assert_eq!(own.detector.unwrap().to_string(), "ewma:alpha=0.2,threshold=5");
        let counter = config(r#"{"kind":"counter"}"#).unwrap();
        assert_eq!(counter.kind, Some(SampleKind::Counter { started_at_us: None }));
    }

    #[test]
    fn times_have_the_formats_of_sample_times() {
        let body = r#"{"maintenance":[
            {"from":1732060800,"until":"2024-11-20T01:00:00.5+01:00","reason":"deploy"},
            {"until":1732060800000001,"from":"1732060800000"}]}"#;
        let config = config(body).unwrap();
        let windows: Vec<_> = config
            .maintenance()
            .iter()
            .map(|window| (window.from_us(), window.until_us(), window.reason()))
            .collect();
        let at_us = 1_732_060_800_000_000;
        assert_eq!(windows, [(at_us, at_us + 500_000, "deploy"), (at_us, at_us + 1, "")]);
    }

    #[test]
    fn each_error_names_its_field_and_what_was_expected() {
        let cases = [
            ("[]", "`body` is invalid: expected an object"),
            (
                r#"{"detektor":"ewma"}"#,
                "`detektor` is unknown: expected one of detector, false_alarms_per_day",
            ),
            (r#"{"detector":5}"#, "`detector` is invalid: expected the spec of a detector"),
            (r#"{"detector":"zscor"}"#, "`detector` is invalid: detector `zscor` is unknown"),
            (r#"{"detector":"ewma","detector":"ewma"}"#, "`detector` is invalid: expected it once"),
            (
                r#"{"false_alarms_per_day":"0.2"}"#,
                "`false_alarms_per_day` is invalid: expected a number",
            ),
            (r#"{"season":"month"}"#, "`season` is invalid: expected one of auto, day, week, none"),
            (r#"{"time_zone":1}"#, "`time_zone` is invalid: expected a time zone"),
            (r#"{"kind":"total"}"#, "`kind` is invalid: expected `gauge` or `counter`"),
            (r#"{"kind":1}"#, "`kind` is invalid: expected `gauge` or `counter`"),
            (r#"{"maintenance":{}}"#, "`maintenance` is invalid: expected an array"),
            (r#"{"maintenance":[1]}"#, "`maintenance[0]` is invalid: expected an object"),
            (
                r#"{"maintenance":[{"from":1,"til":2}]}"#,
                "`maintenance[0].til` is unknown: expected one of from, until",
            ),
            (
                r#"{"maintenance":[{"from":1}]}"#,
                "`maintenance[0].until` is invalid: expected RFC 3339",
            ),
            (r#"{"maintenance":[{"from":true,"until":2}]}"#, "`maintenance[0].from` is invalid"),
            (
                r#"{"maintenance":[{"from":1,"from":1,"until":2}]}"#,
                "`maintenance[0].from` is invalid: expected it",
            ),
            (
                r#"{"maintenance":[{"from":2,"until":2}]}"#,
                "`maintenance[0]` is invalid: maintenance ends before",
            ),
            (
                r#"{"maintenance":[{"from":1,"until":2,"reason":3}]}"#,
                "`maintenance[0].reason` is invalid",
            ),
        ];
        for (body, expected) in cases {
            let error = config(body).unwrap_err();
            assert!(error.to_string().contains(expected), "{body}: {error}");
            assert!(["config_invalid", "detector_invalid"].contains(&error.code()));
        }
        let window = r#"{"from":1,"until":2}"#;
        let many = format!(r#"{{"maintenance":[{}]}}"#, [window; 17].join(","));
        assert!(
            config(&many)
                .unwrap_err()
                .to_string()
                .contains("17 maintenance windows: expected at most 16")
        );
        for body in ["", "{", "\"", "{} {}"] {
            assert!(config(body).unwrap_err().is_malformed(), "{body}");
        }
        assert!(ConfigRequest::parse(b"\xff").unwrap_err().is_malformed());
    }

    #[test]
    fn a_parameter_unknown_to_the_detector_is_named() {
        let cases = [
            (r#"{"false_alarms_per_day":0.2}"#, "false_alarms_per_day"),
            (r#"{"season":"day","detector":"ewma"}"#, "season"),
            (r#"{"time_zone":"Europe/Berlin"}"#, "time_zone"),
        ];
        for (body, parameter) in cases {
            let error = config(body).unwrap_err();
            assert_eq!(error.code(), "detector_invalid");
            let expected = format!("`{parameter}` is invalid: parameter `{parameter}` is unknown");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }
}
