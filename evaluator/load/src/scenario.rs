//! Load scenarios: requests, rates and durations as data, each with a sentence of analysis.
//!
//! The definitions in `scenarios/*.toml` are compiled in; other files of the same form are read by path.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

/// Maximum series of a scenario, by the digits of their names.
pub(crate) const SERIES_MAX: u32 = 10_000_000;

/// Maximum samples of a request, as in `ingest`.
pub(crate) const BATCH_MAX: u32 = 10_000;

/// Maximum requests a second: more would measure the generator.
pub(crate) const RATE_MAX: f64 = 1_000_000.0;

/// Maximum clients: a machine has about 28,000 ports for connections to one address.
pub(crate) const CLIENTS_MAX: f64 = 20_000.0;

/// Name and definition of each scenario, in the order of lists.
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

/// A description of load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadScenario {
    /// Name of its file without `.toml`.
    pub name: String,
    /// The situation that it models, in one sentence.
    pub analysis: String,
    /// Consecutive stages.
    pub stages: Vec<Stage>,
}

/// A period with one rate and one kind of request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// Name in reports.
    pub name: Option<String>,
    /// Duration.
    pub seconds: f64,
    /// Rate of requests.
    pub pace: LoadPace,
    /// Content of each request.
    pub request: LoadRequest,
    /// True if checks exclude it.
    pub is_warm_up: bool,
}

/// Rate of requests; numbers are those at the start and at the end of the stage, and change linearly between.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadPace {
    /// A rate independent of the answers: an open loop.
    Rate {
        /// Requests a second.
        per_s: [f64; 2],
    },
    /// Clients with a connection each.
    Clients {
        /// Number of clients.
        n: [f64; 2],
        /// Milliseconds from one request of a client to its next, independent of the answers; `None` sends the next after
        /// the answer: a closed loop.
        every_ms: Option<f64>,
    },
}

/// Content of a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadRequest {
    /// Samples for `POST /ingest`.
    Samples {
        /// Samples per request.
        batch: u32,
        /// Series, which get samples in turn.
        n_series: u32,
        /// True if samples have a time.
        is_timed: bool,
    },
    /// A GET request.
    Get {
        /// Path and query.
        path: String,
    },
}

/// The form of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadDefinition {
    analysis: String,
    series: Option<u32>,
    batch: Option<u32>,
    timed: Option<bool>,
    get: Option<String>,
    stage: Vec<StageDefinition>,
}

/// The form of a stage; missing fields are those of the file.
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

/// A constant number, or one that changes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Span {
    Constant(f64),
    Changing([f64; 2]),
}

impl Span {
    fn ends(self) -> [f64; 2] {
        match self {
            Self::Constant(at) => [at, at],
            Self::Changing(ends) => ends,
        }
    }
}

impl LoadScenario {
    /// All scenarios that are compiled in.
    pub fn catalogue() -> anyhow::Result<Vec<Self>> {
        CATALOGUE.iter().map(|(name, text)| Self::parse(name, text)).collect()
    }

    /// The scenario of that name, or of the file if it ends in `.toml`.
    pub fn find(name_or_path: &str) -> anyhow::Result<Self> {
        let path = Path::new(name_or_path);
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("read load scenario `{name_or_path}`"))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            return Self::parse(&name, &text).with_context(|| format!("in `{name_or_path}`"));
        }
        let Some((name, text)) = CATALOGUE.iter().find(|(name, _)| *name == name_or_path) else {
            let names = CATALOGUE.map(|(name, _)| name).join(", ");
            bail!(
                "load scenario `{name_or_path}` is unknown: expected one of {names}, or a path that ends in `.toml`"
            );
        };
        Self::parse(name, text)
    }

    /// Parses and checks a definition.
    pub fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        Self::checked(name, text).with_context(|| format!("parse load scenario `{name}`"))
    }

    fn checked(name: &str, text: &str) -> anyhow::Result<Self> {
        let definition: LoadDefinition = toml::from_str(text)?;
        ensure!(
            !definition.analysis.trim().is_empty(),
            "`analysis` is empty: expected a sentence on the situation that the scenario models"
        );
        let stages = definition.stage.iter().map(|stage| stage.checked(&definition));
        let scenario = Self {
            name: name.to_owned(),
            analysis: definition.analysis.clone(),
            stages: stages.collect::<anyhow::Result<_>>()?,
        };
        let kind = |stage: &Stage| match stage.pace {
            LoadPace::Rate { .. } => 0,
            LoadPace::Clients { every_ms: Some(_), .. } => 1,
            LoadPace::Clients { every_ms: None, .. } => 2,
        };
        let first = scenario.stages.first().context("`stage` is empty: expected a `[[stage]]`")?;
        ensure!(
            scenario.stages.iter().all(|stage| kind(stage) == kind(first)),
            "stages differ in kind: expected that each `stage` has `rate`, or `clients`, or `clients` with `every_ms`"
        );
        Ok(scenario)
    }

    /// Duration of all stages, in seconds.
    pub fn seconds(&self) -> f64 {
        self.stages.iter().map(|stage| stage.seconds).sum()
    }

    /// The scenario scaled to another duration.
    #[must_use]
    pub fn lasting(mut self, seconds: f64) -> Self {
        let factor = seconds / self.seconds();
        self.stages.iter_mut().for_each(|stage| stage.seconds *= factor);
        self
    }
}

impl StageDefinition {
    fn checked(&self, all: &LoadDefinition) -> anyhow::Result<Stage> {
        let get = self.get.as_ref().or(all.get.as_ref());
        let request = match get {
            Some(path) => LoadRequest::Get { path: path.clone() },
            None => LoadRequest::Samples {
                batch: self.batch.or(all.batch).unwrap_or(1),
                n_series: self.series.or(all.series).unwrap_or(1),
                is_timed: self.timed.or(all.timed).unwrap_or(true),
            },
        };
        let pace = match (self.rate, self.clients) {
            (Some(rate), None) if self.every_ms.is_none() => LoadPace::Rate { per_s: rate.ends() },
            (None, Some(n)) => LoadPace::Clients { n: n.ends(), every_ms: self.every_ms },
            _ => bail!("expected either `rate`, or `clients` with or without `every_ms`"),
        };
        let stage = Stage {
            name: self.name.clone(),
            seconds: self.seconds,
            pace,
            request,
            is_warm_up: self.warm_up,
        };
        stage.check()?;
        Ok(stage)
    }
}

impl Stage {
    /// Checks that all numbers are in range.
    pub fn check(&self) -> anyhow::Result<()> {
        let in_range = |field: &str, value: f64, low: f64, high: f64| {
            let is_in = value.is_finite() && (low..=high).contains(&value);
            ensure!(is_in, "`{field}` is {value}: expected {low} to {high}");
            Ok(())
        };
        in_range("seconds", self.seconds, 0.1, 31.0 * 86_400.0)?;
        match self.pace {
            LoadPace::Rate { per_s } => {
                per_s.iter().try_for_each(|rate| in_range("rate", *rate, 0.0, RATE_MAX))?;
            }
            LoadPace::Clients { n, every_ms } => {
                n.iter().try_for_each(|n| in_range("clients", *n, 0.0, CLIENTS_MAX))?;
                in_range("every_ms", every_ms.unwrap_or(1.0), 1.0, 3_600_000.0)?;
            }
        }
        match &self.request {
            LoadRequest::Get { path } => ensure!(
                path.starts_with('/') && !path.contains([' ', '\r', '\n']),
                "`get` is `{path}`: expected a path that starts with a slash"
            ),
            LoadRequest::Samples { batch, n_series, .. } => {
                in_range("batch", f64::from(*batch), 1.0, f64::from(BATCH_MAX))?;
                in_range("series", f64::from(*n_series), 1.0, f64::from(SERIES_MAX))?;
            }
        }
        Ok(())
    }

    /// Name in reports.
    pub fn title(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let span = |[from, to]: [f64; 2]| {
            if from == to { format!("{from}") } else { format!("{from} to {to}") }
        };
        let pace = match self.pace {
            LoadPace::Rate { per_s } => format!("{}/s", span(per_s)),
            LoadPace::Clients { n, every_ms: None } => format!("{} clients", span(n)),
            LoadPace::Clients { n, every_ms: Some(every) } => {
                format!("{} clients every {every} ms", span(n))
            }
        };
        match &self.request {
            LoadRequest::Get { path } => format!("{pace}, GET {path}"),
            LoadRequest::Samples { batch, n_series, .. } => {
                format!("{pace}, {batch} a request, {n_series} series")
            }
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
    fn a_stage_inherits_the_fields_of_its_file() {
        let text = "analysis='a'\nseries=7\ntimed=false\n[[stage]]\nseconds=1\nrate=5\n[[stage]]\nseconds=3\nrate=[5,9]\nbatch=2\n";
        let scenario = LoadScenario::parse("x", text).unwrap();
        let requests: Vec<&LoadRequest> =
            scenario.stages.iter().map(|stage| &stage.request).collect();
        let samples = |batch| LoadRequest::Samples { batch, n_series: 7, is_timed: false };
        assert_eq!(requests, [&samples(1), &samples(2)]);
        assert_eq!(scenario.stages[1].pace, LoadPace::Rate { per_s: [5.0, 9.0] });
        assert_eq!(scenario.lasting(8.0).stages[1].seconds, 6.0);
    }

    #[test]
    fn errors_name_the_scenario_and_the_field() {
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
            let message = format!("{:#}", LoadScenario::parse("x", &text).unwrap_err());
            assert!(message.contains("load scenario `x`") && message.contains(word), "{message}");
        }
        let error = LoadScenario::parse("x", &format!("analysis=' '\n{rate}")).unwrap_err();
        assert!(format!("{error:#}").contains("analysis"), "{error:#}");
        assert!(LoadScenario::find("nothing").unwrap_err().to_string().contains("is unknown"));
    }
}
