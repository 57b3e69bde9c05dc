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

use crate::detectors::ewma::Ewma;
use crate::detectors::robust::Robust;
use crate::detectors::tidemark::Tidemark;
use crate::detectors::zscore::{WindowEnd, Zscore};
use crate::learning::season::{Calendar, Season};
use crate::learning::zone::Zone;
use crate::signals::deviation::Deviation;
use crate::spec::parameter::parameters;

pub use crate::spec::error::SpecError;

/// Shortest window: a standard deviation needs two samples.
pub const WINDOW_LEN_MIN: usize = 2;

/// Longest window: each sample reads all of it.
pub const WINDOW_LEN_MAX: usize = 1_024;

/// Longest text of a detector, in bytes: every memory contains it, with a length of one byte.
pub const SPEC_LEN_MAX: usize = 160;

/// A detector with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Detector {
    /// Mean and standard deviation of the window.
    Zscore(Zscore),
    /// Median and median absolute deviation of the window.
    Robust(Robust),
    /// Exponentially weighted mean and deviation.
    Ewma(Ewma),
    /// Window and season together.
    Deviation(Deviation),
    /// Several signals, each with its own threshold.
    Tidemark(Tidemark),
}

impl Default for Detector {
    fn default() -> Self {
        Self::Tidemark(Tidemark::TRAFFIC)
    }
}

const ZSCORE: Zscore =
    Zscore { window: 50, threshold: 3.0, min: 30, window_end: WindowEnd::Previous };
const ROBUST: Robust = Robust { window: 50, threshold: 3.5, min: 30 };
const EWMA: Ewma = Ewma { alpha: 0.1, threshold: 4.0, min: 30 };
const DEVIATION: Deviation = Deviation {
    window: 50,
    threshold: 2.5,
    min: 10,
    calendar: Calendar { season: Season::Auto, zone: Zone::UTC },
};

impl Detector {
    /// Every detector with its defaults.
    pub const ALL: [Self; 5] = [
        Self::Tidemark(Tidemark::TRAFFIC),
        Self::Deviation(DEVIATION),
        Self::Zscore(ZSCORE),
        Self::Robust(ROBUST),
        Self::Ewma(EWMA),
    ];

    /// Profiles: composite detectors with a name of their own.
    pub const PROFILES: [(&str, Self); 2] = [
        ("traffic", Self::Tidemark(Tidemark::TRAFFIC)),
        ("novelty", Self::Tidemark(Tidemark::NOVELTY)),
    ];

    /// First word of the text.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Zscore(_) => "zscore",
            Self::Robust(_) => "robust",
            Self::Ewma(_) => "ewma",
            Self::Deviation(_) => "deviation",
            Self::Tidemark(_) => "tidemark",
        }
    }

    /// Score above which a sample is an anomaly.
    pub fn threshold(&self) -> f64 {
        match self {
            Self::Zscore(zscore) => zscore.threshold,
            Self::Robust(robust) => robust.threshold,
            Self::Ewma(ewma) => ewma.threshold,
            Self::Deviation(deviation) => deviation.threshold,
            Self::Tidemark(_) => 1.0,
        }
    }

    /// Length of the window that the detector reads, in samples.
    pub fn window_len(&self) -> usize {
        match self {
            Self::Zscore(zscore) => zscore.window,
            Self::Robust(robust) => robust.window,
            Self::Ewma(_) => 0,
            Self::Deviation(deviation) => deviation.window,
            Self::Tidemark(_) => Tidemark::WINDOW,
        }
    }

    /// Samples required before judging.
    pub fn samples_needed(&self) -> usize {
        match self {
            Self::Zscore(zscore) => zscore.min,
            Self::Robust(robust) => robust.min,
            Self::Ewma(ewma) => ewma.min,
            Self::Deviation(deviation) => deviation.min,
            Self::Tidemark(_) => Tidemark::MIN,
        }
    }

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

    /// Number of samples before the judged one that the window can contain.
    fn capacity(&self) -> usize {
        match self {
            Self::Ewma(_) => WINDOW_LEN_MAX,
            Self::Zscore(Zscore { window, window_end: WindowEnd::Judged, .. }) => window - 1,
            _ => self.window_len(),
        }
    }

    /// Lowers the minimum to the capacity of the window.
    fn lower_min(&mut self) {
        let capacity = self.capacity();
        if let Self::Zscore(Zscore { min, .. })
        | Self::Robust(Robust { min, .. })
        | Self::Deviation(Deviation { min, .. }) = self
        {
            *min = (*min).min(capacity);
        }
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

    fn parameter_texts(mut self) -> Vec<(&'static str, String)> {
        parameters(&mut self).into_iter().map(|(name, field)| (name, field.to_string())).collect()
    }
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Parameters that distinguish the rows of a report are printed even if they are defaults.
        const ALWAYS: [&str; 3] = ["window", "alpha", "threshold"];
        let (name, base) = self.base();
        let defaults = base.parameter_texts();
        let printed: Vec<String> = self
            .parameter_texts()
            .into_iter()
            .filter(|parameter| ALWAYS.contains(&parameter.0) || !defaults.contains(parameter))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let separator = if printed.is_empty() { "" } else { ":" };
        write!(f, "{name}{separator}{}", printed.join(","))
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
