//! A detector and its parameters, named by one line of text: `zscore:window=50,threshold=2`.
//!
//! The same text is the environment variable, the command-line option and the row name in reports, so it
//! prints every parameter that is not a default, and reads back as what was printed.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::deviation::Deviation;
use crate::ewma::Ewma;
use crate::robust::Robust;
use crate::season::{Calendar, Season};
use crate::signals::Signals;
use crate::tidemark::Tidemark;
use crate::zone::Zone;
use crate::zscore::{Own, Zscore};

/// Shortest window: a deviation needs two samples.
pub const WINDOW_LEN_MIN: usize = 2;

/// Longest window: judging reads all of it for each sample.
pub const WINDOW_LEN_MAX: usize = 1_024;

/// Longest text of a detector, in bytes: it has a fixed place in every memory.
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
    /// Window and time of day together.
    Deviation(Deviation),
    /// Several signals, each heard at its own threshold.
    Tidemark(Tidemark),
}

impl Default for Detector {
    fn default() -> Self {
        Self::Tidemark(Tidemark::TRAFFIC)
    }
}

const ZSCORE: Zscore = Zscore { window: 50, threshold: 3.0, min: 30, own: Own::Excluded };
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

    /// Detectors that are known by a name of their own, beside their full text.
    pub const PROFILES: [(&str, Self); 2] = [
        ("traffic", Self::Tidemark(Tidemark::TRAFFIC)),
        ("novelty", Self::Tidemark(Tidemark::NOVELTY)),
    ];

    /// The first word of its text.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Zscore(_) => "zscore",
            Self::Robust(_) => "robust",
            Self::Ewma(_) => "ewma",
            Self::Deviation(_) => "deviation",
            Self::Tidemark(_) => "tidemark",
        }
    }

    /// An anomaly has a score above it.
    pub fn threshold(&self) -> f64 {
        match self {
            Self::Zscore(zscore) => zscore.threshold,
            Self::Robust(robust) => robust.threshold,
            Self::Ewma(ewma) => ewma.threshold,
            Self::Deviation(deviation) => deviation.threshold,
            Self::Tidemark(_) => 1.0,
        }
    }

    /// Samples of the window that it reads.
    pub fn window_len(&self) -> usize {
        match self {
            Self::Zscore(zscore) => zscore.window,
            Self::Robust(robust) => robust.window,
            Self::Ewma(_) => 0,
            Self::Deviation(deviation) => deviation.window,
            Self::Tidemark(_) => Tidemark::WINDOW,
        }
    }

    /// Samples wanted before anything is judged.
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

    /// `1e-300` is short, and prints as 302 digits.
    fn check_len(self) -> Result<Self, SpecError> {
        let len = self.to_string().len();
        if len > SPEC_LEN_MAX { Err(SpecError::TooLong { len }) } else { Ok(self) }
    }

    /// The profile that it varies, or the detector with its defaults.
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

    /// Each parameter with its text, those that are always printed first.
    fn parameters(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Zscore(Zscore { window, threshold, min, own }) => vec![
                ("window", window.to_string()),
                ("threshold", threshold.to_string()),
                ("self", if *own == Own::Included { "included" } else { "excluded" }.to_owned()),
                ("min", min.to_string()),
            ],
            Self::Robust(Robust { window, threshold, min }) => vec![
                ("window", window.to_string()),
                ("threshold", threshold.to_string()),
                ("min", min.to_string()),
            ],
            Self::Deviation(Deviation { window, threshold, min, calendar }) => vec![
                ("window", window.to_string()),
                ("threshold", threshold.to_string()),
                ("min", min.to_string()),
                ("season", calendar.season.to_string()),
                ("time_zone", calendar.zone.to_string()),
            ],
            Self::Tidemark(Tidemark { signals, false_alarms_per_day, calendar }) => vec![
                ("signals", signals.to_string()),
                ("false_alarms_per_day", false_alarms_per_day.to_string()),
                ("season", calendar.season.to_string()),
                ("time_zone", calendar.zone.to_string()),
            ],
            Self::Ewma(Ewma { alpha, threshold, min }) => vec![
                ("alpha", alpha.to_string()),
                ("threshold", threshold.to_string()),
                ("min", min.to_string()),
            ],
        }
    }

    /// Sets one parameter from its text.
    fn set(&mut self, parameter: &str, text: &str) -> Result<(), SpecError> {
        match (self, parameter) {
            (
                Self::Zscore(Zscore { window, .. })
                | Self::Robust(Robust { window, .. })
                | Self::Deviation(Deviation { window, .. }),
                "window",
            ) => {
                *window = window_len(text)?;
            }
            (
                Self::Zscore(Zscore { threshold, .. })
                | Self::Robust(Robust { threshold, .. })
                | Self::Ewma(Ewma { threshold, .. })
                | Self::Deviation(Deviation { threshold, .. }),
                "threshold",
            ) => {
                *threshold = number("threshold", text, 0.0, 1e4)?;
            }
            (
                Self::Zscore(Zscore { min, .. })
                | Self::Robust(Robust { min, .. })
                | Self::Ewma(Ewma { min, .. })
                | Self::Deviation(Deviation { min, .. }),
                "min",
            ) => {
                *min = whole("min", text, 1, WINDOW_LEN_MAX)?;
            }
            (Self::Ewma(Ewma { alpha, .. }), "alpha") => *alpha = number("alpha", text, 1e-6, 1.0)?,
            (Self::Tidemark(Tidemark { signals, .. }), "signals") => *signals = signals_from(text)?,
            (Self::Tidemark(tidemark), "false_alarms_per_day") => {
                tidemark.false_alarms_per_day = number("false_alarms_per_day", text, 1e-3, 100.0)?;
            }
            (
                Self::Deviation(Deviation { calendar, .. })
                | Self::Tidemark(Tidemark { calendar, .. }),
                "season",
            ) => {
                calendar.season = season_from(text)?;
            }
            (
                Self::Deviation(Deviation { calendar, .. })
                | Self::Tidemark(Tidemark { calendar, .. }),
                "time_zone",
            ) => {
                calendar.zone = zone_from(text)?;
            }
            (Self::Zscore(Zscore { own, .. }), "self") => *own = own_from(text)?,
            (detector, _) => {
                return Err(SpecError::ParameterUnknown {
                    parameter: parameter.to_owned(),
                    known: detector.parameters().into_iter().map(|(name, _)| name).collect(),
                });
            }
        }
        Ok(())
    }

    /// A minimum that the window can never hold would learn forever.
    fn check(self) -> Result<Self, SpecError> {
        let window_len = match self {
            Self::Ewma(_) => WINDOW_LEN_MAX,
            Self::Zscore(Zscore { window, own: Own::Included, .. }) => window - 1,
            _ => self.window_len(),
        };
        if self.samples_needed() > window_len {
            return Err(SpecError::MinAboveWindow { min: self.samples_needed(), window_len });
        }
        Ok(self)
    }
}

fn window_len(text: &str) -> Result<usize, SpecError> {
    whole("window", text, WINDOW_LEN_MIN, WINDOW_LEN_MAX)
}

fn own_from(text: &str) -> Result<Own, SpecError> {
    match text {
        "included" => Ok(Own::Included),
        "excluded" => Ok(Own::Excluded),
        _ => Err(SpecError::ValueInvalid {
            parameter: "self",
            value: text.to_owned(),
            wanted: "`included` or `excluded`".to_owned(),
        }),
    }
}

fn signals_from(text: &str) -> Result<Signals, SpecError> {
    text.parse().map_err(|_unknown| SpecError::ValueInvalid {
        parameter: "signals",
        value: text.to_owned(),
        wanted: format!("some of {}, with `+` between them,", Signals::ALL),
    })
}

fn season_from(text: &str) -> Result<Season, SpecError> {
    let season = Season::ALL.into_iter().find(|season| season.to_string() == text);
    season.ok_or_else(|| SpecError::ValueInvalid {
        parameter: "season",
        value: text.to_owned(),
        wanted: "one of auto, day, week, none".to_owned(),
    })
}

fn zone_from(text: &str) -> Result<Zone, SpecError> {
    text.parse().map_err(|_unknown| SpecError::ValueInvalid {
        parameter: "time_zone",
        value: text.to_owned(),
        wanted: "a name of the IANA time zone database, such as `Europe/Berlin`,".to_owned(),
    })
}

fn whole(parameter: &'static str, text: &str, low: usize, high: usize) -> Result<usize, SpecError> {
    text.parse().ok().filter(|value| (low..=high).contains(value)).ok_or_else(|| {
        SpecError::ValueInvalid {
            parameter,
            value: text.to_owned(),
            wanted: format!("a whole number in {low}..={high}"),
        }
    })
}

fn number(parameter: &'static str, text: &str, low: f64, high: f64) -> Result<f64, SpecError> {
    text.parse().ok().filter(|value| (low..=high).contains(value)).ok_or_else(|| {
        SpecError::ValueInvalid {
            parameter,
            value: text.to_owned(),
            wanted: format!("a number in {low}..={high}"),
        }
    })
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Parameters that tell rows of a report apart are printed even as defaults.
        const ALWAYS: [&str; 3] = ["window", "alpha", "threshold"];
        let (name, base) = self.base();
        let defaults = base.parameters();
        let printed: Vec<String> = self
            .parameters()
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
            return Err(SpecError::TooLong { len: text.len() });
        }
        let (name, parameters) = text.split_once(':').unwrap_or((text, ""));
        let mut detector = Self::ALL
            .map(|detector| (detector.name(), detector))
            .into_iter()
            .chain(Self::PROFILES)
            .find_map(|(known, detector)| (known == name).then_some(detector))
            .ok_or_else(|| SpecError::DetectorUnknown { name: name.to_owned() })?;
        let mut seen: Vec<&str> = Vec::new();
        for parameter in parameters.split(',').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter
                .split_once('=')
                .ok_or_else(|| SpecError::NotNameAndValue { text: parameter.to_owned() })?;
            if seen.contains(&name) {
                return Err(SpecError::ParameterTwice { parameter: name.to_owned() });
            }
            seen.push(name);
            detector.set(name, value)?;
        }
        // A window shorter than the default minimum lowers it, unless the text insists.
        if !seen.contains(&"min") {
            detector.lower_min();
        }
        detector.check()?.check_len()
    }
}

impl Detector {
    fn lower_min(&mut self) {
        match self {
            Self::Zscore(Zscore { window, min, own, .. }) => {
                *min = (*min).min(*window - usize::from(*own == Own::Included));
            }
            Self::Robust(Robust { window, min, .. })
            | Self::Deviation(Deviation { window, min, .. }) => {
                *min = (*min).min(*window);
            }
            Self::Ewma(_) | Self::Tidemark(_) => {}
        }
    }
}

/// Why a text does not name a detector.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SpecError {
    /// No detector has that name.
    #[error(
        "detector `{name}` is unknown: one of tidemark, traffic, novelty, deviation, zscore, robust, ewma is wanted"
    )]
    DetectorUnknown {
        /// The name that was given.
        name: String,
    },
    /// The detector has no such parameter.
    #[error("parameter `{parameter}` is unknown: one of {} is wanted", known.join(", "))]
    ParameterUnknown {
        /// The parameter that was given.
        parameter: String,
        /// Those that the detector has.
        known: Vec<&'static str>,
    },
    /// A parameter is given twice.
    #[error("parameter `{parameter}` is given twice")]
    ParameterTwice {
        /// The parameter.
        parameter: String,
    },
    /// A parameter lacks its value.
    #[error("`{text}` is not a parameter: `name=value` is wanted")]
    NotNameAndValue {
        /// The text that was given.
        text: String,
    },
    /// A parameter has an impossible value.
    #[error("{parameter} `{value}` is not possible: {wanted} is wanted")]
    ValueInvalid {
        /// The parameter.
        parameter: &'static str,
        /// The value that was given.
        value: String,
        /// What was wanted.
        wanted: String,
    },
    /// The minimum is more than the window holds.
    #[error(
        "min `{min}` is more than the {window_len} samples the window can hold before the one judged"
    )]
    MinAboveWindow {
        /// The minimum that was given.
        min: usize,
        /// What the window holds.
        window_len: usize,
    },
    /// The text is longer than [`SPEC_LEN_MAX`].
    #[error("detector has {len} bytes: at most {SPEC_LEN_MAX} are wanted")]
    TooLong {
        /// The length that was given.
        len: usize,
    },
}

impl SpecError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        "detector_invalid"
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ancestors_rule_reads_and_prints_as_itself() {
        let text = "zscore:window=50,threshold=2,self=included";
        assert_eq!(text.parse::<Detector>().unwrap().to_string(), text);
    }

    #[test]
    fn a_bare_name_has_the_defaults() {
        for detector in Detector::ALL {
            assert_eq!(detector.name().parse::<Detector>(), Ok(detector));
        }
    }

    #[test]
    fn a_profile_is_known_by_its_name_whatever_it_was_called() {
        let full = "tidemark:signals=deviation+shift+variance+flat+gap,false_alarms_per_day=0.2";
        assert_eq!(full.parse::<Detector>(), Ok(Detector::default()));
        let cases = [
            (full, "traffic"),
            (
                "novelty:season=week,false_alarms_per_day=1",
                "novelty:false_alarms_per_day=1,season=week",
            ),
            ("tidemark:signals=gap+deviation", "tidemark:signals=deviation+gap"),
        ];
        for (text, wanted) in cases {
            assert_eq!(text.parse::<Detector>().unwrap().to_string(), wanted);
        }
    }

    #[test]
    fn each_mistake_is_named() {
        let cases = [
            ("zscor", "detector `zscor` is unknown"),
            (
                "zscore:windw=50",
                "parameter `windw` is unknown: one of window, threshold, self, min",
            ),
            ("zscore:window=50,window=60", "`window` is given twice"),
            ("zscore:window", "`window` is not a parameter"),
            ("zscore:window=1", "window `1` is not possible: a whole number in 2..=1024"),
            ("zscore:threshold=NaN", "threshold `NaN` is not possible"),
            ("zscore:self=me", "`included` or `excluded`"),
            ("zscore:window=10,min=11", "min `11` is more than the 10 samples"),
            ("ewma:alpha=0", "alpha `0` is not possible"),
            ("tidemark:signals=shfit", "signals `shfit` is not possible: some of deviation+shift+"),
            ("tidemark:false_alarms_per_day=0", "a number in 0.001..=100"),
            ("deviation:season=year", "season `year` is not possible: one of auto, day"),
            ("deviation:time_zone=Mars/Olympus", "`Europe/Berlin`, is wanted"),
        ];
        for (text, wanted) in cases {
            let error = text.parse::<Detector>().unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        assert!("deviation:".parse::<Detector>().is_ok());
        assert!("x".repeat(SPEC_LEN_MAX + 1).parse::<Detector>().is_err());
    }

    #[test]
    fn one_parameter_is_set_as_in_the_text() {
        let detector: Detector = "zscore:window=50,threshold=2".parse().unwrap();
        let other = detector.with("threshold", "4.5").unwrap();
        assert_eq!(other.to_string(), "zscore:window=50,threshold=4.5");
        let error = |parameter, text| detector.with(parameter, text).unwrap_err().to_string();
        assert!(error("season", "day").contains("parameter `season` is unknown"));
        assert!(error("threshold", "4,min=2").contains("threshold `4,min=2` is not possible"));
        assert!(error("window", "10").contains("min `30` is more than the 10 samples"));
        assert!(error("threshold", &format!("0.{}1", "0".repeat(200))).contains("bytes"));
    }

    proptest! {
        #[test]
        fn a_printed_detector_reads_back(
            which in 0usize..5,
            window in WINDOW_LEN_MIN..=WINDOW_LEN_MAX,
            threshold in 0.0..1e4_f64,
            alpha in 1e-6..1.0_f64,
            min in 1usize..=WINDOW_LEN_MAX,
            included in any::<bool>(),
            signals in prop::sample::select(vec![Signals::TRAFFIC, Signals::NOVELTY, Signals::ALL]),
            budget in 1e-3..100.0_f64,
            season in prop::sample::select(Season::ALL.to_vec()),
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Pacific/Chatham"]),
        ) {
            let calendar = Calendar { season, zone: zone.parse().unwrap() };
            let own = if included { Own::Included } else { Own::Excluded };
            let min = min.min(window - usize::from(included)).max(1);
            let detector = [
                Detector::Zscore(Zscore { window, threshold, min, own }),
                Detector::Robust(Robust { window, threshold, min }),
                Detector::Ewma(Ewma { alpha, threshold, min }),
                Detector::Deviation(Deviation { window, threshold, min, calendar }),
                Detector::Tidemark(Tidemark { signals, false_alarms_per_day: budget, calendar }),
            ][which];
            let text = detector.to_string();
            prop_assert!(text.len() <= SPEC_LEN_MAX);
            prop_assert_eq!(text.parse::<Detector>(), Ok(detector), "{}", text);
        }
    }
}
