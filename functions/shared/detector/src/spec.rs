//! Text of a detector with its parameters: `zscore:window=50,threshold=2`.
//!
//! One text serves as environment variable, command-line option and row name of reports. It contains every parameter that
//! differs from the default, and parses back to the same detector.

mod error;
mod parameter;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use crate::Detector;
use crate::spec::parameter::parameters;

pub use crate::spec::error::{SPEC_LEN_MAX, SpecError};
pub(crate) use crate::spec::parameter::NUMBER_MAX;

impl Detector {
    /// The same detector with another value of one parameter.
    pub fn with(&self, parameter: &str, text: &str) -> Result<Self, SpecError> {
        let mut detector = *self;
        detector.set(parameter, text)?;
        detector.check()?.check_len()
    }

    fn set(&mut self, parameter: &str, text: &str) -> Result<(), SpecError> {
        let mut known = Vec::new();
        for (name, field) in parameters(self) {
            if name == parameter {
                return field.set(name, text);
            }
            known.push(name);
        }
        Err(SpecError::ParameterUnknown { parameter: parameter.to_owned(), known })
    }

    /// Rejects a minimum that the window can never contain: the series would learn forever.
    fn check(self) -> Result<Self, SpecError> {
        let (min, window_len) = (self.samples_needed(), self.capacity());
        if min > window_len {
            return Err(SpecError::MinAboveWindow { min, window_len });
        }
        Ok(self)
    }

    /// Rejects a detector whose text is too long: `1e-300` is short, but prints as 302 digits.
    fn check_len(self) -> Result<Self, SpecError> {
        let len = self.to_string().len();
        if len > SPEC_LEN_MAX { Err(SpecError::TooLong(len)) } else { Ok(self) }
    }

    /// Profile or defaults from which the text lists differences, with their name.
    fn base(&self) -> (&'static str, Self) {
        let signals = |detector: &Self| match detector {
            Self::Tidemark(tidemark) => Some(tidemark.signals),
            _ => None,
        };
        let profile = Self::PROFILES
            .into_iter()
            .find(|(_, profile)| signals(self).is_some() && signals(profile) == signals(self));
        let mut named = Self::ALL.into_iter().map(|detector| (detector.name(), detector));
        let detector = named.find(|(name, _)| *name == self.name());
        profile.or(detector).unwrap_or((self.name(), *self))
    }
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Parameters that distinguish the rows of a report are printed even if they are defaults.
        const ALWAYS: [&str; 3] = ["window", "alpha", "threshold"];
        let (mut detector, (name, mut base)) = (*self, self.base());
        f.write_str(name)?;
        let mut separator = ':';
        let defaults = parameters(&mut base).into_iter().map(|(_, default)| default);
        for ((name, field), default) in parameters(&mut detector).into_iter().zip(defaults) {
            if ALWAYS.contains(&name) || field != default {
                write!(f, "{separator}{name}={field}")?;
                separator = ',';
            }
        }
        Ok(())
    }
}

impl FromStr for Detector {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        if text.len() > SPEC_LEN_MAX {
            return Err(SpecError::TooLong(text.len()));
        }
        let (name, parameters) = text.split_once(':').unwrap_or((text, ""));
        let mut detector = Self::ALL
            .map(|detector| (detector.name(), detector))
            .into_iter()
            .chain(Self::PROFILES)
            .find_map(|(known, detector)| (known == name).then_some(detector))
            .ok_or_else(|| SpecError::DetectorUnknown(name.to_owned()))?;
        let mut seen: Vec<&str> = Vec::new();
        for parameter in parameters.split(',').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter
                .split_once('=')
                .ok_or_else(|| SpecError::NotNameAndValue(parameter.to_owned()))?;
            if seen.contains(&name) {
                return Err(SpecError::ParameterTwice(name.to_owned()));
            }
            seen.push(name);
            detector.set(name, value)?;
        }
        // A window shorter than the default minimum lowers that, but not a minimum that is given.
        if !seen.contains(&"min") {
            detector.lower_min();
        }
        detector.check()?.check_len()
    }
}
