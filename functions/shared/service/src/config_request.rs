//! Parses the configuration of one series from JSON.
//!
//! Parsing is strict: an unknown field is probably misspelled, and a wrong configuration would go unnoticed. Each error
//! names the field and what was expected.

mod error;
mod fields;

use crate::alerting::AlertRules;
use alert::{AlertPolicy, PolicyError};
use detector::{Detector, MaintenanceWindow, SeriesConfig};
use domain::{SampleKind, Tenant};
use serde_json::value::RawValue;

use self::error::invalid;
use self::fields::fields;

pub use self::error::ConfigRequestError;

/// Fields that set the detector parameter of the same name.
const PARAMETERS: [&str; 3] = ["false_alarms_per_day", "season", "time_zone"];

const FIELDS: [&str; 7] =
    ["detector", PARAMETERS[0], PARAMETERS[1], PARAMETERS[2], "maintenance", "kind", "alerts"];

const MAINTENANCE_FIELDS: [&str; 3] = ["from", "until", "reason"];

const SEASONS: [&str; 4] = ["auto", "day", "week", "none"];

/// Configuration of one series as requested.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigRequest {
    detector: Option<Detector>,
    parameters: Vec<(&'static str, String)>,
    maintenance: Vec<MaintenanceWindow>,
    kind: Option<SampleKind>,
    alert_policy: Option<AlertPolicy>,
}

impl ConfigRequest {
    /// Parses a body.
    pub fn parse(body: &[u8]) -> Result<Self, ConfigRequestError> {
        let malformed = |problem: String| ConfigRequestError::Malformed { problem };
        let text = std::str::from_utf8(body).map_err(|error| malformed(error.to_string()))?;
        let body: &RawValue =
            serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let mut request = Self {
            detector: None,
            parameters: Vec::new(),
            maintenance: Vec::new(),
            kind: None,
            alert_policy: None,
        };
        for (field, raw) in fields("", body.get(), &FIELDS)? {
            match field {
                "detector" => request.detector = Some(detector(raw)?),
                "maintenance" => request.maintenance = maintenance(raw)?,
                "kind" => request.kind = Some(kind(raw)?),
                "alerts" => request.alert_policy = Some(alert_policy(raw)?),
                _ => request.parameters.push((field, parameter(field, raw)?)),
            }
        }
        Ok(request)
    }

    /// Builds the configuration in a deployment whose detector is `deployed`.
    ///
    /// Parameters without a detector change a copy of the deployment's detector, which becomes the series' own. Without
    /// parameters and detector the series follows the deployment.
    pub(crate) fn config(
        self,
        deployed: &Detector,
        (tenant, alerts): (&Tenant, &AlertRules),
    ) -> Result<SeriesConfig, ConfigRequestError> {
        let mut own = self.detector;
        for (field, text) in self.parameters {
            let detector = own.as_ref().unwrap_or(deployed).with(field, &text);
            own = Some(detector.map_err(|source| ConfigRequestError::Detector { field, source })?);
        }
        let config = SeriesConfig::new(own, self.maintenance).map_err(|source| {
            ConfigRequestError::MaintenanceWindow { field: "maintenance".to_owned(), source }
        });
        if let Some(policy) = &self.alert_policy {
            alerts
                .check_receivers(tenant, policy)
                .map_err(|problem| ConfigRequestError::AlertPolicy { field: "alerts", problem })?;
        }
        Ok(config?.with_kind(self.kind).with_alert_policy(self.alert_policy))
    }
}

fn detector(raw: &str) -> Result<Detector, ConfigRequestError> {
    let field = "detector";
    let text = string(field, raw, "the spec of a detector")?;
    text.parse().map_err(|source| ConfigRequestError::Detector { field, source })
}

fn alert_policy(raw: &str) -> Result<AlertPolicy, ConfigRequestError> {
    let field = "alerts";
    let text = string(field, raw, "a policy such as `direction=below,samples=3/5`, or `off`")?;
    text.parse().map_err(|error: PolicyError| ConfigRequestError::AlertPolicy {
        field,
        problem: error.to_string(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    const ZSCORE: &str = "zscore:window=50,threshold=3";

    fn config(body: &str) -> Result<SeriesConfig, ConfigRequestError> {
        ConfigRequest::parse(body.as_bytes())?
            .config(&ZSCORE.parse().unwrap(), (&Tenant::default(), &AlertRules::default()))
    }

    #[test]
    fn a_policy_of_alerts_is_read_and_its_mistakes_are_named() {
        let config = |policy: &str| config(&format!(r#"{{"alerts":"{policy}"}}"#));
        let policy = config("direction=below,samples=3/5").unwrap();
        let policy = policy.alert_policy().unwrap();
        assert_eq!(policy.to_string(), "direction=below,samples=3/5");
        let cases = [
            ("direction=up", "field `alerts` is invalid: `direction` is `up`: expected above"),
            (
                "receivers=ops",
                "field `alerts` is invalid: receiver `ops` is unknown: this deployment",
            ),
        ];
        for (policy, expected) in cases {
            let error = config(policy).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        assert_eq!(super::tests::config(r#"{"alerts":3}"#).unwrap_err().code(), "config_invalid");
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
