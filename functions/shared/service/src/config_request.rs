//! Reads what a user wants of one series from JSON.
//!
//! It is strict, unlike the reading of samples: a field that nobody knows is a misspelled one, and a series that is
//! configured otherwise than was meant is found out too late. So each mistake is named with its field and with what
//! is wanted.

use std::fmt;

use detector::{Detector, MaintenanceWindow, SeriesConfig, SeriesConfigError, SpecError};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

/// Fields that set the parameter of the detector of the same name.
const PARAMETERS: [&str; 3] = ["false_alarms_per_day", "season", "time_zone"];

const FIELDS: [&str; 5] = ["detector", PARAMETERS[0], PARAMETERS[1], PARAMETERS[2], "maintenance"];

const MUTED_FIELDS: [&str; 3] = ["from", "until", "reason"];

const SEASONS: [&str; 4] = ["auto", "day", "week", "none"];

/// Longest name that an error quotes, in bytes.
const QUOTED_LEN_MAX: usize = 64;

/// What a user wants of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigRequest {
    detector: Option<Detector>,
    parameters: Vec<(&'static str, String)>,
    maintenance: Vec<MaintenanceWindow>,
}

impl ConfigRequest {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, ConfigRequestError> {
        let malformed = |problem: String| ConfigRequestError::Malformed { problem };
        let text = std::str::from_utf8(body).map_err(|error| malformed(error.to_string()))?;
        let body: &RawValue =
            serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let mut request = Self { detector: None, parameters: Vec::new(), maintenance: Vec::new() };
        for (field, raw) in fields("", body.get(), &FIELDS)? {
            match field {
                "detector" => request.detector = Some(detector(raw)?),
                "maintenance" => request.maintenance = maintenance(raw)?,
                _ => request.parameters.push((field, parameter(field, raw)?)),
            }
        }
        Ok(request)
    }

    /// The configuration that is wanted in a deployment that judges with `deployed`.
    ///
    /// Parameters without a detector are set in the deployment's, which becomes the series' own as it is now. Neither
    /// leaves the series to its deployment.
    pub(crate) fn config(self, deployed: &Detector) -> Result<SeriesConfig, ConfigRequestError> {
        let mut own = self.detector;
        for (field, text) in self.parameters {
            let detector = own.as_ref().unwrap_or(deployed).with(field, &text);
            own = Some(detector.map_err(|source| ConfigRequestError::Detector { field, source })?);
        }
        SeriesConfig::new(own, self.maintenance).map_err(|source| {
            ConfigRequestError::MaintenanceWindow { field: "maintenance".to_owned(), source }
        })
    }
}

fn detector(raw: &str) -> Result<Detector, ConfigRequestError> {
    let field = "detector";
    let text = string(field, raw, "the text of a detector")?;
    text.parse().map_err(|source| ConfigRequestError::Detector { field, source })
}

fn parameter(field: &'static str, raw: &str) -> Result<String, ConfigRequestError> {
    match field {
        "false_alarms_per_day" => {
            let number: Result<f64, _> = serde_json::from_str(raw);
            number.map(|number| number.to_string()).map_err(|_| invalid(field, "a number"))
        }
        "season" => {
            let wanted = SEASONS.join(", ");
            let season = string(field, raw, &format!("one of {wanted}"))?;
            let is_known = SEASONS.contains(&season.as_str());
            if is_known { Ok(season) } else { Err(invalid(field, &format!("one of {wanted}"))) }
        }
        _ => string(field, raw, "the name of a time zone, such as `Europe/Berlin`,"),
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
    let fields = fields(&format!("{at}."), raw, &MUTED_FIELDS)?;
    let of = |name: &str| fields.iter().find(|field| field.0 == name).map(|field| field.1);
    let time = |name: &str| {
        let wanted = "RFC 3339 with an offset, or Unix seconds, milliseconds or microseconds";
        of(name).and_then(intake::time_us).ok_or_else(|| invalid(&format!("{at}.{name}"), wanted))
    };
    let reason = match of("reason") {
        Some(raw) => string(&format!("{at}.reason"), raw, "a string")?,
        None => String::new(),
    };
    MaintenanceWindow::new(time("from")?, time("until")?, reason)
        .map_err(|source| ConfigRequestError::MaintenanceWindow { field: at.to_owned(), source })
}

fn string(field: &str, raw: &str, wanted: &str) -> Result<String, ConfigRequestError> {
    serde_json::from_str(raw).map_err(|_| invalid(field, wanted))
}

fn invalid(field: &str, wanted: &str) -> ConfigRequestError {
    ConfigRequestError::FieldInvalid { field: field.to_owned(), wanted: wanted.to_owned() }
}

/// The fields of the object at `at`, each known and given once; one that is null is as good as none.
fn fields<'a>(
    at: &str,
    raw: &'a str,
    known: &[&'static str],
) -> Result<Vec<(&'static str, &'a str)>, ConfigRequestError> {
    let whole = if at.is_empty() { "body" } else { at.trim_end_matches('.') };
    let Fields(given) = serde_json::from_str(raw).map_err(|_| invalid(whole, "an object"))?;
    let mut fields: Vec<(&'static str, &'a str)> = Vec::with_capacity(given.len());
    for (name, raw) in given {
        let Some(field) = known.iter().find(|field| **field == name) else {
            let name = name.get(..name.floor_char_boundary(QUOTED_LEN_MAX)).unwrap_or_default();
            let field = format!("{at}{name}");
            return Err(ConfigRequestError::FieldUnknown { field, known: known.to_vec() });
        };
        if fields.iter().any(|(other, _)| other == field) {
            return Err(invalid(&format!("{at}{field}"), "it only once"));
        }
        fields.push((field, raw.get()));
    }
    fields.retain(|(_, raw)| *raw != "null");
    Ok(fields)
}

/// The entries of an object, repeated ones included.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        /// More than any object here has: the first unknown one is an error all the same.
        const FIELDS_MAX: usize = 32;
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            if fields.len() == FIELDS_MAX {
                return Err(A::Error::custom("too many fields"));
            }
            fields.push((name, value));
        }
        Ok(Fields(fields))
    }
}

/// Why a body is no configuration.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ConfigRequestError {
    /// The body is not JSON.
    #[error("body is not JSON: {problem}")]
    Malformed {
        /// What the parser said.
        problem: String,
    },
    /// A field that no configuration has.
    #[error("field `{field}` is unknown: one of {} is wanted", known.join(", "))]
    FieldUnknown {
        /// Its path.
        field: String,
        /// Those that there are.
        known: Vec<&'static str>,
    },
    /// A field that holds something else than it may.
    #[error("field `{field}` is not possible: {wanted} is wanted")]
    FieldInvalid {
        /// Its path.
        field: String,
        /// What was wanted.
        wanted: String,
    },
    /// A maintenance window that cannot be.
    #[error("field `{field}` is not possible: {source}")]
    MaintenanceWindow {
        /// Its path.
        field: String,
        /// What is wrong with it.
        source: SeriesConfigError,
    },
    /// A field that makes no detector.
    #[error("field `{field}` is not possible: {source}")]
    Detector {
        /// Its name.
        field: &'static str,
        /// What is wrong with it.
        source: SpecError,
    },
}

impl ConfigRequestError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "body_malformed",
            Self::FieldUnknown { .. } | Self::FieldInvalid { .. } => "config_invalid",
            Self::MaintenanceWindow { source, .. } => source.code(),
            Self::Detector { source, .. } => source.code(),
        }
    }

    /// Whether the body is no JSON at all, and not a configuration that cannot be.
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
    fn all_fields_are_optional_and_null_is_as_good_as_none() {
        for body in
            ["{}", r#"{"detector":null,"season":null,"maintenance":null}"#, r#"{"maintenance":[]}"#]
        {
            assert_eq!(config(body), Ok(SeriesConfig::default()), "{body}");
        }
        let own = config(r#"{"detector":"ewma:alpha=0.2,threshold=5"}"#).unwrap();
        assert_eq!(own.detector.unwrap().to_string(), "ewma:alpha=0.2,threshold=5");
    }

    #[test]
    fn times_are_those_of_samples() {
        let body = r#"{"maintenance":[
            {"from":1732060800,"until":"2024-11-20T01:00:00.5+01:00","reason":"deploy"},
            {"until":1732060800000001,"from":"1732060800000"}]}"#;
        let config = config(body).unwrap();
        let told: Vec<_> = config
            .maintenance()
            .iter()
            .map(|it| (it.from_us(), it.until_us(), it.reason()))
            .collect();
        let at_us = 1_732_060_800_000_000;
        assert_eq!(told, [(at_us, at_us + 500_000, "deploy"), (at_us, at_us + 1, "")]);
    }

    #[test]
    fn each_mistake_names_its_field_and_what_is_wanted() {
        let cases = [
            ("[]", "`body` is not possible: an object"),
            (
                r#"{"detektor":"ewma"}"#,
                "`detektor` is unknown: one of detector, false_alarms_per_day",
            ),
            (r#"{"detector":5}"#, "`detector` is not possible: the text of a detector"),
            (r#"{"detector":"zscor"}"#, "`detector` is not possible: detector `zscor` is unknown"),
            (
                r#"{"detector":"ewma","detector":"ewma"}"#,
                "`detector` is not possible: it only once",
            ),
            (
                r#"{"false_alarms_per_day":"0.2"}"#,
                "`false_alarms_per_day` is not possible: a number",
            ),
            (r#"{"season":"month"}"#, "`season` is not possible: one of auto, day, week, none"),
            (r#"{"time_zone":1}"#, "`time_zone` is not possible: the name of a time zone"),
            (r#"{"maintenance":{}}"#, "`maintenance` is not possible: an array"),
            (r#"{"maintenance":[1]}"#, "`maintenance[0]` is not possible: an object"),
            (
                r#"{"maintenance":[{"from":1,"til":2}]}"#,
                "`maintenance[0].til` is unknown: one of from, until",
            ),
            (r#"{"maintenance":[{"from":1}]}"#, "`maintenance[0].until` is not possible: RFC 3339"),
            (
                r#"{"maintenance":[{"from":true,"until":2}]}"#,
                "`maintenance[0].from` is not possible",
            ),
            (
                r#"{"maintenance":[{"from":1,"from":1,"until":2}]}"#,
                "`maintenance[0].from` is not possible: it only",
            ),
            (
                r#"{"maintenance":[{"from":2,"until":2}]}"#,
                "`maintenance[0]` is not possible: maintenance ends before",
            ),
            (
                r#"{"maintenance":[{"from":1,"until":2,"reason":3}]}"#,
                "`maintenance[0].reason` is not possible",
            ),
        ];
        for (body, wanted) in cases {
            let error = config(body).unwrap_err();
            assert!(error.to_string().contains(wanted), "{body}: {error}");
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
    fn a_parameter_that_the_detector_has_not_is_named() {
        let cases = [
            (r#"{"false_alarms_per_day":0.2}"#, "false_alarms_per_day"),
            (r#"{"season":"day","detector":"ewma"}"#, "season"),
            (r#"{"time_zone":"Europe/Berlin"}"#, "time_zone"),
        ];
        for (body, parameter) in cases {
            let error = config(body).unwrap_err();
            assert_eq!(error.code(), "detector_invalid");
            let wanted =
                format!("`{parameter}` is not possible: parameter `{parameter}` is unknown");
            assert!(error.to_string().contains(&wanted), "{error}");
        }
    }
}
