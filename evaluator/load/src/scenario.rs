//! Load scenarios: what to send, how fast and for how long, as data, with a sentence of what it stands for.
//!
//! The definitions lie in `load/*.toml` and are compiled in; any other file of the same form can be given by its path.

use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most series of one scenario: their names have this many digits.
pub(crate) const SERIES_MAX: u32 = 10_000_000;

/// Most samples of one request: the most that `ingest` accepts.
pub(crate) const BATCH_MAX: u32 = 10_000;

/// Most requests a second: past it one machine measures itself.
pub(crate) const RATE_MAX: f64 = 1_000_000.0;

/// Most clients: a machine has some 28,000 ports for connections to one address.
pub(crate) const CLIENTS_MAX: f64 = 20_000.0;

/// What is compiled in: name and definition, in the order of lists.
const CATALOGUE: [(&str, &str); 10] = [
    ("steady", include_str!("../scenarios/steady.toml")),
    ("brisk", include_str!("../scenarios/brisk.toml")),
    ("steps", include_str!("../scenarios/steps.toml")),
    ("storm", include_str!("../scenarios/storm.toml")),
    ("wave", include_str!("../scenarios/wave.toml")),
    ("soak", include_str!("../scenarios/soak.toml")),
    ("single", include_str!("../scenarios/single.toml")),
    ("hot", include_str!("../scenarios/hot.toml")),
    ("batches", include_str!("../scenarios/batches.toml")),
    ("series", include_str!("../scenarios/series.toml")),
];

/// What to send and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadScenario {
    /// The name: that of its file.
    pub name: String,
    /// One sentence of what it stands for.
    pub analysis: String,
    /// One after the other.
    pub stages: Vec<Stage>,
}

/// A stretch of time with one way to send.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// What reports call it, where it has a name.
    pub name: Option<String>,
    /// How long.
    pub seconds: f64,
    /// How fast.
    pub pace: Pace,
    /// What each request is.
    pub request: Request,
    /// Whether checks leave it out.
    pub is_warm_up: bool,
}

/// How fast requests are sent; both numbers are at the begin and at the end of the stage, and change steadily between.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// So many requests a second, whatever the answers: an open loop.
    Rate {
        /// Requests a second.
        per_s: [f64; 2],
    },
    /// So many clients, each with a connection.
    Clients {
        /// How many.
        n: [f64; 2],
        /// Milliseconds from one request of a client to its next, whatever the answers; without it the next is sent when the
        /// last is answered: a closed loop.
        every_ms: Option<f64>,
    },
}

/// What a request is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Samples for `POST /ingest`.
    Samples {
        /// Samples in one.
        batch: u32,
        /// Over so many series in turn.
        n_series: u32,
        /// Whether samples have a time.
        is_timed: bool,
    },
    /// A path to read.
    Get {
        /// It, with its query.
        path: String,
    },
}

/// The form of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    analysis: String,
    series: Option<u32>,
    batch: Option<u32>,
    timed: Option<bool>,
    get: Option<String>,
    stage: Vec<StageDefinition>,
}

/// The form of a stage; what it leaves out is that of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageDefinition {
    name: Option<String>,
    seconds: f64,
    rate: Option<Span>,
    clients: Option<Span>,
    every_ms: Option<f64>,
    series: Option<u32>,
    batch: Option<u32>,
    timed: Option<bool>,
    get: Option<String>,
    #[serde(default)]
    warm_up: bool,
}

/// One number, or one that changes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Span {
    Still(f64),
    From([f64; 2]),
}

impl Span {
    fn ends(self) -> [f64; 2] {
        match self {
            Self::Still(at) => [at, at],
            Self::From(ends) => ends,
        }
    }
}

impl LoadScenario {
    /// Every scenario that is compiled in.
    pub fn catalogue() -> Result<Vec<Self>, LoadScenarioError> {
        CATALOGUE
            .iter()
            .map(|(name, text)| Self::parse(name, &format!("load/{name}.toml"), text))
            .collect()
    }

    /// The scenario of that name, or of the file at that path when it ends in `.toml`.
    pub fn find(name_or_path: &str) -> Result<Self, LoadScenarioError> {
        let path = Path::new(name_or_path);
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(path).map_err(|source| {
                LoadScenarioError::Unreadable { file: name_or_path.to_owned(), source }
            })?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            return Self::parse(&name, name_or_path, &text);
        }
        let Some((name, text)) = CATALOGUE.iter().find(|(name, _)| *name == name_or_path) else {
            let names: Vec<&str> = CATALOGUE.iter().map(|(name, _)| *name).collect();
            return Err(LoadScenarioError::Unknown {
                name: name_or_path.to_owned(),
                names: names.join(", "),
            });
        };
        Self::parse(name, &format!("load/{name}.toml"), text)
    }

    /// Reads a definition; `file` is what errors call it.
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Self, LoadScenarioError> {
        let definition: Definition = toml::from_str(text).map_err(|source| {
            LoadScenarioError::Toml { file: file.to_owned(), source: Box::new(source) }
        })?;
        let refuse =
            |(field, wanted)| LoadScenarioError::Field { file: file.to_owned(), field, wanted };
        if definition.analysis.trim().is_empty() {
            return Err(refuse(("analysis", "a sentence of what the scenario stands for")));
        }
        let stages: Result<Vec<Stage>, FieldError> =
            definition.stage.iter().map(|stage| stage.checked(&definition)).collect();
        let scenario = Self {
            name: name.to_owned(),
            analysis: definition.analysis.clone(),
            stages: stages.map_err(refuse)?,
        };
        scenario.checked().map_err(refuse)
    }

    /// Refuses stages that no one way to send joins.
    pub(crate) fn checked(self) -> Result<Self, FieldError> {
        let kind = |stage: &Stage| match stage.pace {
            Pace::Rate { .. } => 0,
            Pace::Clients { every_ms: Some(_), .. } => 1,
            Pace::Clients { every_ms: None, .. } => 2,
        };
        let Some(first) = self.stages.first() else {
            return Err(("stage", "at least one [[stage]]"));
        };
        if self.stages.iter().any(|stage| kind(stage) != kind(first)) {
            return Err((
                "stage",
                "stages that all have `rate`, all `clients`, or all `clients` with `every_ms`",
            ));
        }
        Ok(self)
    }

    /// How long it takes, in seconds.
    pub fn seconds(&self) -> f64 {
        self.stages.iter().map(|stage| stage.seconds).sum()
    }

    /// The same in another time: each stage becomes longer or shorter.
    #[must_use]
    pub fn lasting(mut self, seconds: f64) -> Self {
        let factor = seconds / self.seconds();
        self.stages.iter_mut().for_each(|stage| stage.seconds *= factor);
        self
    }
}

impl StageDefinition {
    fn checked(&self, all: &Definition) -> Result<Stage, FieldError> {
        let get = self.get.as_ref().or(all.get.as_ref());
        let request = match get {
            Some(path) => Request::Get { path: path.clone() },
            None => Request::Samples {
                batch: self.batch.or(all.batch).unwrap_or(1),
                n_series: self.series.or(all.series).unwrap_or(1),
                is_timed: self.timed.or(all.timed).unwrap_or(true),
            },
        };
        let pace = match (self.rate, self.clients) {
            (Some(rate), None) if self.every_ms.is_none() => Pace::Rate { per_s: rate.ends() },
            (None, Some(n)) => Pace::Clients { n: n.ends(), every_ms: self.every_ms },
            _ => return Err(("rate", "`rate`, or `clients` with or without `every_ms`,")),
        };
        let stage = Stage {
            name: self.name.clone(),
            seconds: self.seconds,
            pace,
            request,
            is_warm_up: self.warm_up,
        };
        stage.checked()
    }
}

impl Stage {
    /// Refuses numbers that cannot be sent.
    pub fn checked(self) -> Result<Self, FieldError> {
        let within = |low: f64, high: f64| {
            move |value: &f64| value.is_finite() && (low..=high).contains(value)
        };
        if !within(0.1, 31.0 * 86_400.0)(&self.seconds) {
            return Err(("seconds", "0.1 to 2678400 seconds"));
        }
        match &self.pace {
            Pace::Rate { per_s } if !per_s.iter().all(within(0.0, RATE_MAX)) => {
                return Err(("rate", "0 to 1000000 requests a second"));
            }
            Pace::Clients { n, .. } if !n.iter().all(within(0.0, CLIENTS_MAX)) => {
                return Err(("clients", "0 to 20000 clients"));
            }
            Pace::Clients { every_ms: Some(every), .. } if !within(1.0, 3_600_000.0)(every) => {
                return Err(("every_ms", "1 to 3600000 milliseconds"));
            }
            _ => {}
        }
        match &self.request {
            Request::Get { path } if !path.starts_with('/') || path.contains([' ', '\r', '\n']) => {
                Err(("get", "a path that starts with a slash"))
            }
            Request::Samples { batch, .. } if !(1..=BATCH_MAX).contains(batch) => {
                Err(("batch", "1 to 10000 samples"))
            }
            Request::Samples { n_series, .. } if !(1..=SERIES_MAX).contains(n_series) => {
                Err(("series", "1 to 10000000 series"))
            }
            _ => Ok(self),
        }
    }

    /// What reports call it.
    pub fn title(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let span = |[from, to]: [f64; 2]| {
            if from == to { format!("{from}") } else { format!("{from} to {to}") }
        };
        let pace = match self.pace {
            Pace::Rate { per_s } => format!("{}/s", span(per_s)),
            Pace::Clients { n, every_ms: None } => format!("{} clients", span(n)),
            Pace::Clients { n, every_ms: Some(every) } => {
                format!("{} clients every {every} ms", span(n))
            }
        };
        match &self.request {
            Request::Get { path } => format!("{pace}, GET {path}"),
            Request::Samples { batch, n_series, .. } => {
                format!("{pace}, {batch} a request, {n_series} series")
            }
        }
    }
}

/// A field and what it should have held.
pub type FieldError = (&'static str, &'static str);

/// Why there is no such scenario.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadScenarioError {
    /// No scenario has that name.
    #[error(
        "load scenario `{name}` is unknown: one of {names} or a path that ends in .toml is wanted"
    )]
    Unknown {
        /// The name that was given.
        name: String,
        /// Those that are known.
        names: String,
    },
    /// The file cannot be read.
    #[error("read load scenario `{file}`")]
    Unreadable {
        /// Its path.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file has not the form of a scenario.
    #[error("parse load scenario `{file}`")]
    Toml {
        /// Its path.
        file: String,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A field holds what cannot be sent.
    #[error("field `{field}` of load scenario `{file}` is not usable: {wanted} wanted")]
    Field {
        /// Its path.
        file: String,
        /// The field.
        field: &'static str,
        /// What it should hold.
        wanted: &'static str,
    },
}

impl LoadScenarioError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "load_scenario_unknown",
            Self::Unreadable { .. } => "load_scenario_unreadable",
            Self::Toml { .. } => "load_scenario_malformed",
            Self::Field { .. } => "load_scenario_field",
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
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
            .collect();
        let scenarios = LoadScenario::catalogue().unwrap();
        assert_eq!(files, scenarios.iter().map(|scenario| scenario.name.clone()).collect());
    }

    #[test]
    fn a_stage_has_what_its_file_says_for_all() {
        let text = "analysis='a'\nseries=7\ntimed=false\n[[stage]]\nseconds=1\nrate=5\n[[stage]]\nseconds=3\nrate=[5,9]\nbatch=2\n";
        let scenario = LoadScenario::parse("x", "x.toml", text).unwrap();
        let requests: Vec<&Request> = scenario.stages.iter().map(|stage| &stage.request).collect();
        let samples = |batch| Request::Samples { batch, n_series: 7, is_timed: false };
        assert_eq!(requests, [&samples(1), &samples(2)]);
        assert_eq!(scenario.stages[1].pace, Pace::Rate { per_s: [5.0, 9.0] });
        assert_eq!(scenario.lasting(8.0).stages[1].seconds, 6.0);
    }

    #[test]
    fn mistakes_are_named_with_file_and_field() {
        let rate = "[[stage]]\nseconds=1\nrate=5\n";
        let cases = [
            ("typo=1\n[[stage]]\nseconds=1\nrate=5\n".to_owned(), "typo"),
            ("stage=[]".to_owned(), "stage"),
            (rate.replace("rate=5", "rate=-1"), "rate"),
            (rate.replace("rate=5", "rate=nan"), "rate"),
            (rate.replace("rate=5", "speed=5"), "speed"),
            (rate.replace("rate=5", ""), "rate"),
            (rate.replace("rate=5", "rate=5\nclients=1"), "rate"),
            (rate.replace("rate=5", "clients=1e9"), "clients"),
            (rate.replace("rate=5", "clients=1\nevery_ms=0"), "every_ms"),
            (rate.replace("seconds=1", "seconds=0"), "seconds"),
            (format!("{rate}[[stage]]\nseconds=1\nclients=5\n"), "stage"),
            (format!("batch=0\n{rate}"), "batch"),
            (format!("batch=10001\n{rate}"), "batch"),
            (format!("series=0\n{rate}"), "series"),
            (format!("get='analyze'\n{rate}"), "get"),
        ];
        for (text, word) in cases {
            let text = format!("analysis='a'\n{text}");
            let error = anyhow::Error::from(LoadScenario::parse("x", "x.toml", &text).unwrap_err());
            let message = format!("{error:#}");
            assert!(message.contains("x.toml") && message.contains(word), "{word}: {message}");
        }
        let error =
            LoadScenario::parse("x", "x.toml", &format!("analysis=' '\n{rate}")).unwrap_err();
        assert!(error.to_string().contains("analysis"), "{error}");
        assert_eq!(LoadScenario::find("nothing").unwrap_err().code(), "load_scenario_unknown");
    }
}
