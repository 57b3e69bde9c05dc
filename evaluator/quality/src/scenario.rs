//! Scenarios: what to generate, as data, with a sentence of what it stands for.
//!
//! The definitions lie in `scenarios/*.toml` and are compiled in; any other file of the same form can be
//! given by its path. Nothing here draws a random number: that is `steady` and `traffic`.

mod anomaly;
mod noise;
mod steady;
mod traffic;

use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;
use thiserror::Error;

pub use self::anomaly::AnomalyKind;
pub use self::noise::Noise;
pub use self::steady::Steady;
pub use self::traffic::{Poison, Traffic};
use crate::labeled::LabeledSeries;

/// Most series of one scenario: enough for tight intervals, few enough to stay in memory.
pub const SERIES_MAX: usize = 1_000;

/// Most rows of one generated series: two years of minutes.
pub const ROWS_MAX: usize = 1_051_200;

/// What is compiled in: name and definition, in the order of reports.
const CATALOGUE: [(&str, &str); 18] = [
    ("ancestor", include_str!("../scenarios/ancestor.toml")),
    ("mixed", include_str!("../scenarios/mixed.toml")),
    ("mixed_weak", include_str!("../scenarios/mixed_weak.toml")),
    ("quiet", include_str!("../scenarios/quiet.toml")),
    ("poison", include_str!("../scenarios/poison.toml")),
    ("spike", include_str!("../scenarios/spike.toml")),
    ("burst", include_str!("../scenarios/burst.toml")),
    ("dip", include_str!("../scenarios/dip.toml")),
    ("outage", include_str!("../scenarios/outage.toml")),
    ("level_shift", include_str!("../scenarios/level_shift.toml")),
    ("ramp", include_str!("../scenarios/ramp.toml")),
    ("variance", include_str!("../scenarios/variance.toml")),
    ("gap", include_str!("../scenarios/gap.toml")),
    ("flapping", include_str!("../scenarios/flapping.toml")),
    ("storm", include_str!("../scenarios/storm.toml")),
    ("trend_freeze", include_str!("../scenarios/trend_freeze.toml")),
    ("wrong_time", include_str!("../scenarios/wrong_time.toml")),
    ("hourly", include_str!("../scenarios/hourly.toml")),
];

/// What to generate and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The name: that of its file.
    pub name: String,
    /// One sentence of what it stands for.
    pub analysis: String,
    /// Added to the seed that a command was given.
    pub seed: u64,
    /// How many series.
    pub n_series: usize,
    /// How each is made.
    pub shape: Shape,
}

/// How a series is made.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Noise around one level with regular spikes: the ancestor's own test.
    Steady(Steady),
    /// Daily and weekly traffic with typed anomalies.
    Traffic(Traffic),
}

/// The form of a file; exactly one of the two tables must be there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    analysis: String,
    seed: u64,
    n_series: usize,
    steady: Option<Steady>,
    traffic: Option<Traffic>,
}

impl Scenario {
    /// Every scenario that is compiled in, in the order of reports.
    pub fn catalogue() -> Result<Vec<Self>, ScenarioError> {
        CATALOGUE
            .iter()
            .map(|(name, text)| Self::parse(name, &format!("scenarios/{name}.toml"), text))
            .collect()
    }

    /// The scenario of that name, or of the file at that path when it ends in `.toml`.
    pub fn find(name_or_path: &str) -> Result<Self, ScenarioError> {
        let path = Path::new(name_or_path);
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(path).map_err(|source| {
                ScenarioError::Unreadable { file: name_or_path.to_owned(), source }
            })?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            return Self::parse(&name, name_or_path, &text);
        }
        let Some((name, text)) = CATALOGUE.iter().find(|(name, _)| *name == name_or_path) else {
            return Err(ScenarioError::Unknown { name: name_or_path.to_owned() });
        };
        Self::parse(name, &format!("scenarios/{name}.toml"), text)
    }

    /// Reads a definition; `file` is what errors call it.
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Self, ScenarioError> {
        let definition: Definition = toml::from_str(text).map_err(|source| {
            ScenarioError::Toml { file: file.to_owned(), source: Box::new(source) }
        })?;
        let refuse = |(field, wanted): FieldError| ScenarioError::Field {
            file: file.to_owned(),
            field,
            wanted,
        };
        let shape = match (definition.steady, definition.traffic) {
            (Some(steady), None) => Shape::Steady(steady.checked().map_err(refuse)?),
            (None, Some(traffic)) => Shape::Traffic(traffic.checked().map_err(refuse)?),
            _ => {
                return Err(refuse((
                    "traffic",
                    "exactly one of the tables [steady] and [traffic]",
                )));
            }
        };
        if definition.analysis.trim().is_empty() {
            return Err(refuse(("analysis", "a sentence of what the scenario stands for")));
        }
        if !(1..=SERIES_MAX).contains(&definition.n_series) {
            return Err(refuse(("n_series", "1 to 1000 series")));
        }
        let Definition { analysis, seed, n_series, .. } = definition;
        Ok(Self { name: name.to_owned(), analysis, seed, n_series, shape })
    }

    /// Makes the series, in parallel; the same seed makes the same bytes, and series k does not depend on how many there are.
    pub fn generate(&self, seed: u64) -> Vec<LabeledSeries> {
        (0..self.n_series).into_par_iter().map(|k| self.generate_one(seed, k)).collect()
    }

    fn generate_one(&self, seed: u64, k: usize) -> LabeledSeries {
        use rand_chacha::rand_core::SeedableRng;
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(seed));
        random.set_stream(k as u64);
        match &self.shape {
            Shape::Steady(steady) => steady.generate(format!("{}_{k}", self.name), &mut random),
            Shape::Traffic(traffic) => traffic.generate(&self.name, k, &mut random),
        }
    }
}

/// A field and what it should have held.
type FieldError = (&'static str, &'static str);

/// Why there is no such scenario.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// No scenario has that name.
    #[error(
        "scenario `{name}` is unknown: one of `evaluator list` or a path that ends in .toml is wanted"
    )]
    Unknown {
        /// The name that was given.
        name: String,
    },
    /// The file cannot be read.
    #[error("read scenario `{file}`")]
    Unreadable {
        /// Its path.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file has not the form of a scenario.
    #[error("parse scenario `{file}`")]
    Toml {
        /// Its path.
        file: String,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A field holds what cannot be generated.
    #[error("field `{field}` of scenario `{file}` is not usable: {wanted} wanted")]
    Field {
        /// Its path.
        file: String,
        /// The field.
        field: &'static str,
        /// What it should hold.
        wanted: &'static str,
    },
}

impl ScenarioError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "scenario_unknown",
            Self::Unreadable { .. } => "scenario_unreadable",
            Self::Toml { .. } => "scenario_malformed",
            Self::Field { .. } => "scenario_field",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_compiled_in_and_parses() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().replace(".toml", ""))
            .collect();
        let scenarios = Scenario::catalogue().unwrap();
        assert_eq!(files, scenarios.iter().map(|scenario| scenario.name.clone()).collect());
    }

    #[test]
    fn mistakes_are_named_with_file_and_field() {
        let traffic = "[traffic]\ndays=14\ninterval_s=60\nnoises=[\"poisson\"]\nkinds=[\"spike\"]\nn_events=2\nstrength=1.0\n";
        let head = "analysis='a'\nseed=1\nn_series=1\n";
        let cases = [
            (format!("{head}typo=1\n{traffic}"), "typo"),
            (format!("{head}{traffic}colour='red'"), "colour"),
            (format!("{head}{}", traffic.replace("poisson", "pink")), "pink"),
            (format!("{head}{}", traffic.replace("days=14", "days=0")), "days"),
            (format!("{head}{}", traffic.replace("days=14", "days=100000")), "days"),
            (format!("{head}{}", traffic.replace("days=14", "days=nan")), "days"),
            (format!("{head}{}", traffic.replace("interval_s=60", "interval_s=0")), "interval_s"),
            (format!("{head}{}", traffic.replace("[\"poisson\"]", "[]")), "noises"),
            (format!("{head}{}", traffic.replace("[\"spike\"]", "[]")), "kinds"),
            (format!("{}{traffic}", head.replace("n_series=1", "n_series=0")), "n_series"),
            (format!("{}{traffic}", head.replace("'a'", "' '")), "analysis"),
            (head.to_owned(), "traffic"),
        ];
        for (text, word) in cases {
            let error = anyhow::Error::from(Scenario::parse("x", "x.toml", &text).unwrap_err());
            let message = format!("{error:#}");
            assert!(message.contains("x.toml") && message.contains(word), "{word}: {message}");
        }
    }

    #[test]
    fn same_seed_makes_the_same_bytes_and_another_seed_others() {
        let mut scenario = Scenario::find("mixed").unwrap();
        scenario.n_series = 2;
        let bytes = |seed| format!("{:?}", scenario.generate(seed));
        assert_eq!(bytes(7), bytes(7));
        assert_ne!(bytes(7), bytes(8));
    }

    #[test]
    fn a_series_does_not_depend_on_how_many_are_made() {
        let mut scenario = Scenario::find("mixed").unwrap();
        scenario.n_series = 3;
        let three = scenario.generate(0);
        scenario.n_series = 1;
        assert_eq!(scenario.generate(0)[..], three[..1]);
    }
}
