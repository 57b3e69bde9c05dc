//! Text of a policy: `direction=below,change=20%,samples=3/5,receivers=ops+phone`.
//!
//! One text serves in the configuration of a series, in the file of the deployment, and on the command line. It has every
//! parameter that differs from the default, and parses back to the same policy.

use std::fmt;
use std::str::FromStr;

use domain::Signal;

use crate::error::POLICY_LEN_MAX;
use crate::maintenance::{self, MaintenanceTime};
use crate::policy::{MAINTENANCE_MAX, NAMES_MAX, SAMPLES_MAX};
use crate::{AlertPolicy, DeviationSide, PolicyError, Severity};

/// Text of the policy that makes no alert.
const OFF: &str = "off";

const PARAMETERS: [&str; 14] = [
    "direction",
    "min_change",
    "change",
    "signals",
    "samples",
    "duration",
    "severity",
    "critical_score",
    "critical_after",
    "cool_down",
    "keep_firing",
    "maintenance",
    "group_by",
    "receivers",
];

/// Units of a duration, longest first, with their seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

const DURATION_EXPECTED: &str = "a duration of at most 7d such as `90s`, `5m`, `2h` or `1d`";

/// Longest duration in a policy: a week, in seconds.
const DURATION_MAX_S: u64 = 7 * 86_400;

const DIRECTIONS: [(&str, DeviationSide); 3] = [
    ("above", DeviationSide::Above),
    ("below", DeviationSide::Below),
    ("both", DeviationSide::Both),
];

/// Longest name of a receiver or a label, in bytes.
const NAME_LEN_MAX: usize = 64;

impl AlertPolicy {
    fn set(&mut self, name: &str, value: &str) -> Result<(), PolicyError> {
        let Some(name) = PARAMETERS.into_iter().find(|known| *known == name) else {
            let known = PARAMETERS.to_vec();
            return Err(PolicyError::ParameterUnknown { name: name.to_owned(), known });
        };
        let (is_set, expected) = match name {
            "direction" => {
                let side = DIRECTIONS.into_iter().find(|(name, _)| *name == value);
                (assign(&mut self.direction, side.map(|(_, side)| side)), "above, below or both")
            }
            "min_change" => (assign(&mut self.min_change, number(value)), "a number of at least 0"),
            "change" => {
                let percent = value.strip_suffix('%').and_then(number);
                (assign(&mut self.min_change_percent, percent), "a percentage such as `20%`")
            }
            "signals" => {
                let signals = parts(value, '+', Signal::ALL.len(), Signal::from_name);
                (assign(&mut self.signals, signals), "names of signals such as `deviation+shift`")
            }
            "samples" => {
                (assign(&mut self.samples, m_of_n(value)), "M/N with 1 <= M <= N <= 50, as `3/5`")
            }
            "duration" => (assign(&mut self.min_duration_s, duration(value)), DURATION_EXPECTED),
            "severity" => {
                let severity = Severity::ALL.into_iter().find(|known| known.as_str() == value);
                (assign(&mut self.severity, severity), "info, warning or critical")
            }
            "critical_score" => {
                let score = number(value).map(Some);
                (assign(&mut self.critical_score, score), "a number of at least 0")
            }
            "critical_after" => {
                let after = duration(value).map(Some);
                (assign(&mut self.critical_after_s, after), DURATION_EXPECTED)
            }
            "cool_down" => (assign(&mut self.cool_down_s, duration(value)), DURATION_EXPECTED),
            "keep_firing" => (assign(&mut self.keep_firing_s, duration(value)), DURATION_EXPECTED),
            "maintenance" => {
                let times = parts(value, ';', MAINTENANCE_MAX, |text| text.parse().ok());
                (
                    assign::<Vec<MaintenanceTime>>(&mut self.maintenance, times),
                    maintenance::EXPECTED,
                )
            }
            "group_by" => {
                let names = parts(value, '+', NAMES_MAX, label_name);
                (assign(&mut self.group_by, names), "names of labels such as `source+region`")
            }
            _ => {
                let names = parts(value, '+', NAMES_MAX, label_name);
                (assign(&mut self.receivers, names), "names of receivers such as `ops+phone`")
            }
        };
        let invalid = || PolicyError::ValueInvalid { name, value: value.to_owned(), expected };
        is_set.then_some(()).ok_or_else(invalid)
    }

    /// Parameters that differ from the default, in the order of [`PARAMETERS`].
    fn set_parameters(&self) -> Vec<(&'static str, String)> {
        let default = Self::default();
        let direction = DIRECTIONS.into_iter().find(|(_, side)| *side == self.direction);
        let (m, n) = self.samples;
        let seconds = |value: &Option<u64>| value.map(duration_text).unwrap_or_default();
        let texts = [
            (self.direction != default.direction)
                .then(|| direction.map_or("", |(name, _)| name).to_owned()),
            (self.min_change != 0.0).then(|| self.min_change.to_string()),
            (self.min_change_percent != 0.0).then(|| format!("{}%", self.min_change_percent)),
            (!self.signals.is_empty())
                .then(|| joined(self.signals.iter().map(|signal| signal.as_str()), "+")),
            (self.samples != default.samples).then(|| format!("{m}/{n}")),
            (self.min_duration_s != 0).then(|| duration_text(self.min_duration_s)),
            (self.severity != default.severity).then(|| self.severity.as_str().to_owned()),
            self.critical_score.map(|score| score.to_string()),
            self.critical_after_s.is_some().then(|| seconds(&self.critical_after_s)),
            (self.cool_down_s != 0).then(|| duration_text(self.cool_down_s)),
            (self.keep_firing_s != default.keep_firing_s)
                .then(|| duration_text(self.keep_firing_s)),
            (!self.maintenance.is_empty()).then(|| joined(&self.maintenance, ";")),
            (!self.group_by.is_empty()).then(|| self.group_by.join("+")),
            (!self.receivers.is_empty()).then(|| self.receivers.join("+")),
        ];
        PARAMETERS.into_iter().zip(texts).filter_map(|(name, text)| Some((name, text?))).collect()
    }
}

impl fmt::Display for AlertPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_off {
            return f.write_str(OFF);
        }
        let parameters = self.set_parameters().into_iter();
        let parameters: Vec<String> =
            parameters.map(|(name, value)| format!("{name}={value}")).collect();
        f.write_str(&parameters.join(","))
    }
}

impl FromStr for AlertPolicy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_LEN_MAX {
            return Err(PolicyError::TooLong(text.len()));
        }
        if text == OFF {
            return Ok(Self { is_off: true, ..Self::default() });
        }
        let mut policy = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for parameter in text.split(',').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter
                .split_once('=')
                .ok_or_else(|| PolicyError::NotNameAndValue(parameter.to_owned()))?;
            if seen.contains(&name) {
                return Err(PolicyError::ParameterTwice(name.to_owned()));
            }
            seen.push(name);
            policy.set(name, value)?;
        }
        Ok(policy)
    }
}

/// Assigns a value if there is one; returns whether there was.
fn assign<T>(field: &mut T, value: Option<T>) -> bool {
    let is_some = value.is_some();
    if let Some(value) = value {
        *field = value;
    }
    is_some
}

fn number(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

fn m_of_n(text: &str) -> Option<(u32, u32)> {
    let (m, n) = text.split_once('/')?;
    let (m, n): (u32, u32) = (m.parse().ok()?, n.parse().ok()?);
    (1 <= m && m <= n && n <= SAMPLES_MAX).then_some((m, n))
}

fn duration(text: &str) -> Option<u64> {
    let (count, unit_s) =
        UNITS.into_iter().find_map(|(unit, unit_s)| Some((text.strip_suffix(unit)?, unit_s)))?;
    let is_count = !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit());
    let seconds = count.parse::<u64>().ok().filter(|_| is_count)?.checked_mul(unit_s)?;
    (seconds <= DURATION_MAX_S).then_some(seconds)
}

fn duration_text(seconds: u64) -> String {
    let unit = UNITS.into_iter().find(|(_, unit_s)| seconds.is_multiple_of(*unit_s));
    let (unit, unit_s) = unit.filter(|_| seconds > 0).unwrap_or(('s', 1));
    format!("{}{unit}", seconds / unit_s)
}

fn label_name(text: &str) -> Option<String> {
    let is_name_char = |b: u8| b.is_ascii_alphanumeric() || b"_.:/-".contains(&b);
    let is_name = !text.is_empty() && text.len() <= NAME_LEN_MAX && text.bytes().all(is_name_char);
    is_name.then(|| text.to_owned())
}

/// Parses each of at most `n_max` different parts.
fn parts<T: PartialEq>(
    text: &str,
    separator: char,
    n_max: usize,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<Vec<T>> {
    let parts: Vec<T> = text.split(separator).map(parse).collect::<Option<_>>()?;
    let is_different = parts.iter().enumerate().all(|(i, part)| !parts[..i].contains(part));
    (parts.len() <= n_max && is_different).then_some(parts)
}

fn joined<T: ToString>(parts: impl IntoIterator<Item = T>, separator: &str) -> String {
    let parts: Vec<String> = parts.into_iter().map(|part| part.to_string()).collect();
    parts.join(separator)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_policy_prints_what_differs_from_the_default_and_parses_back() {
        for text in [
            "",
            "off",
            "direction=below,min_change=50,change=20%,signals=deviation+shift,samples=3/5,duration=5m",
            "severity=info,critical_score=2.5,critical_after=30m,cool_down=1h,keep_firing=0s",
            "maintenance=Mon-Fri 22:00-06:00 Europe/Berlin;Sun 00:00-24:00,group_by=source+region",
            "receivers=ops+phone",
        ] {
            let policy: AlertPolicy = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(policy.to_string(), text);
        }
        let policy: AlertPolicy = "duration=120s,keep_firing=5m,direction=both".parse().unwrap();
        assert_eq!(policy.to_string(), "duration=2m");
    }

    #[test]
    fn each_mistake_names_its_parameter_and_what_was_expected() {
        let cases = [
            ("direction=up", "`direction` is `up`: expected above, below or both"),
            ("min_change=-1", "`min_change` is `-1`: expected a number of at least 0"),
            ("min_change=nan", "`min_change` is `nan`: expected a number of at least 0"),
            ("change=20", "`change` is `20`: expected a percentage such as `20%`"),
            ("signals=speed", "`signals` is `speed`: expected names of signals"),
            ("samples=6/5", "`samples` is `6/5`: expected M/N"),
            ("samples=0/5", "`samples` is `0/5`: expected M/N"),
            ("duration=5", "`duration` is `5`: expected a duration"),
            ("duration=8d", "`duration` is `8d`: expected a duration"),
            ("duration=+5m", "`duration` is `+5m`: expected a duration"),
            ("severity=high", "`severity` is `high`: expected info, warning or critical"),
            ("maintenance=Mon", "`maintenance` is `Mon`: expected a time such as"),
            ("group_by=a+a", "`group_by` is `a+a`: expected names of labels"),
            ("receivers=", "`receivers` is ``: expected names of receivers"),
            ("speed=3", "`speed` is unknown: expected one of direction, min_change"),
            ("off,change=3%", "`off` is no parameter: expected name=value"),
            ("change=3%,change=4%", "`change` is given twice: expected it once"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<AlertPolicy>().unwrap_err();
            assert!(error.to_string().starts_with(expected), "{text}: {error}");
        }
        let long = "receivers=".to_owned() + &"a".repeat(POLICY_LEN_MAX);
        assert!(matches!(long.parse::<AlertPolicy>(), Err(PolicyError::TooLong(_))));
    }

    proptest! {
        #[test]
        fn any_text_is_a_policy_that_parses_back_or_an_error(text in "[a-z_]{3,12}=[ -~]{0,12}") {
            if let Ok(policy) = text.parse::<AlertPolicy>() {
                prop_assert_eq!(policy.to_string().parse::<AlertPolicy>(), Ok(policy));
            }
        }
    }
}
