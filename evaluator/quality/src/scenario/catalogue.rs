//! The scenarios that are compiled in, and the form of their files.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::Deserialize;

use super::family::Family;
use super::steady::Steady;
use super::traffic::Traffic;
use crate::labeled::LabeledSeries;

/// Maximum series of a scenario: enough for tight intervals, few enough for memory.
pub const SERIES_MAX: usize = 1_000;

/// Maximum samples of all series of a scenario: a gigabyte with the verdicts of six detectors.
pub const SAMPLES_MAX: usize = 10_000_000;

/// Name and definition of each scenario, in the order of reports.
const CATALOGUE: [(&str, &str); 18] = [
    ("regular_spikes", include_str!("../../scenarios/regular_spikes.toml")),
    ("mixed", include_str!("../../scenarios/mixed.toml")),
    ("mixed_weak", include_str!("../../scenarios/mixed_weak.toml")),
    ("clean", include_str!("../../scenarios/clean.toml")),
    ("poison", include_str!("../../scenarios/poison.toml")),
    ("spike", include_str!("../../scenarios/spike.toml")),
    ("burst", include_str!("../../scenarios/burst.toml")),
    ("dip", include_str!("../../scenarios/dip.toml")),
    ("outage", include_str!("../../scenarios/outage.toml")),
    ("level_shift", include_str!("../../scenarios/level_shift.toml")),
    ("ramp", include_str!("../../scenarios/ramp.toml")),
    ("variance", include_str!("../../scenarios/variance.toml")),
    ("gap", include_str!("../../scenarios/gap.toml")),
    ("flapping", include_str!("../../scenarios/flapping.toml")),
    ("storm", include_str!("../../scenarios/storm.toml")),
    ("trend_freeze", include_str!("../../scenarios/trend_freeze.toml")),
    ("wrong_time", include_str!("../../scenarios/wrong_time.toml")),
    ("hourly", include_str!("../../scenarios/hourly.toml")),
];

/// Scenarios that `run` takes by name only: rare anomalies, and the families that are unlike traffic.
const FURTHER: [(&str, &str); 14] = [
    ("rare", include_str!("../../scenarios/rare.toml")),
    ("rarest", include_str!("../../scenarios/rarest.toml")),
    ("family_hourly_job", include_str!("../../scenarios/family_hourly_job.toml")),
    ("family_nightly_job", include_str!("../../scenarios/family_nightly_job.toml")),
    ("family_heavy_latency", include_str!("../../scenarios/family_heavy_latency.toml")),
    ("family_queue_depth", include_str!("../../scenarios/family_queue_depth.toml")),
    ("family_sparse_counts", include_str!("../../scenarios/family_sparse_counts.toml")),
    ("family_at_cap", include_str!("../../scenarios/family_at_cap.toml")),
    ("family_cpu_percent", include_str!("../../scenarios/family_cpu_percent.toml")),
    ("family_weekly_holidays", include_str!("../../scenarios/family_weekly_holidays.toml")),
    ("family_success_share", include_str!("../../scenarios/family_success_share.toml")),
    ("family_replica_count", include_str!("../../scenarios/family_replica_count.toml")),
    ("family_saw_tooth", include_str!("../../scenarios/family_saw_tooth.toml")),
    ("family_two_modes", include_str!("../../scenarios/family_two_modes.toml")),
];

/// A description of series.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Name of its file without `.toml`.
    pub name: String,
    /// The situation that it models, in one sentence.
    pub analysis: String,
    /// Added to the seed of a command.
    pub seed: u64,
    /// Number of series.
    pub n_series: usize,
    /// Form of each series.
    pub shape: SeriesShape,
}

/// The form of a series.
#[derive(Debug, Clone, PartialEq)]
pub enum SeriesShape {
    /// Noise around one level with regular spikes.
    Steady(Steady),
    /// Daily and weekly traffic with typed anomalies.
    Traffic(Traffic),
    /// A family that is unlike traffic.
    Family(Family),
}

/// The form of a file; it holds exactly one of the two tables.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioDefinition {
    analysis: String,
    seed: u64,
    n_series: usize,
    steady: Option<Steady>,
    traffic: Option<Traffic>,
    family: Option<Family>,
}

impl Scenario {
    /// The scenarios of a report by default, in its order.
    pub fn catalogue() -> anyhow::Result<Vec<Self>> {
        CATALOGUE.iter().map(|(name, text)| Self::parse(name, text)).collect()
    }

    /// All scenarios that are compiled in, those of a report first.
    pub fn all() -> anyhow::Result<Vec<Self>> {
        CATALOGUE.iter().chain(&FURTHER).map(|(name, text)| Self::parse(name, text)).collect()
    }

    /// The twelve families.
    pub fn families() -> anyhow::Result<Vec<Self>> {
        let is_family = |(name, _): &&(&str, &str)| name.starts_with("family_");
        FURTHER.iter().filter(is_family).map(|(name, text)| Self::parse(name, text)).collect()
    }

    /// The scenario of that name, or of the file if it ends in `.toml`.
    pub fn find(name_or_path: &str) -> anyhow::Result<Self> {
        let path = Path::new(name_or_path);
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("read scenario `{name_or_path}`"))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            return Self::parse(&name, &text).with_context(|| format!("in `{name_or_path}`"));
        }
        let Some((name, text)) =
            CATALOGUE.iter().chain(&FURTHER).find(|(name, _)| *name == name_or_path)
        else {
            bail!(
                "scenario `{name_or_path}` is unknown: expected a name of `evaluator list`, or a path that ends in \
                 `.toml`"
            );
        };
        Self::parse(name, text)
    }

    /// Parses and checks a definition.
    pub fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        Self::checked(name, text).with_context(|| format!("parse scenario `{name}`"))
    }

    fn checked(name: &str, text: &str) -> anyhow::Result<Self> {
        let ScenarioDefinition { analysis, seed, n_series, steady, traffic, family } =
            toml::from_str(text)?;
        let shape = match (steady, traffic, family) {
            (Some(steady), None, None) => {
                steady.check()?;
                SeriesShape::Steady(steady)
            }
            (None, Some(traffic), None) => {
                traffic.check()?;
                SeriesShape::Traffic(traffic)
            }
            (None, None, Some(family)) => {
                family.check()?;
                SeriesShape::Family(family)
            }
            _ => bail!("expected exactly one of the tables `[steady]`, `[traffic]` and `[family]`"),
        };
        ensure!(
            !analysis.trim().is_empty(),
            "`analysis` is empty: expected a sentence on the situation that the scenario models"
        );
        let scenario = Self { name: name.to_owned(), analysis, seed, n_series, shape };
        scenario.check_size()?;
        Ok(scenario)
    }

    /// Checks the number of series, and of all their samples.
    pub fn check_size(&self) -> anyhow::Result<()> {
        let n_series = self.n_series;
        ensure!(
            (1..=SERIES_MAX).contains(&n_series),
            "`n_series` is {n_series}: expected 1 to {SERIES_MAX}"
        );
        let n_samples = match &self.shape {
            SeriesShape::Steady(steady) => steady.n_samples,
            SeriesShape::Traffic(traffic) => traffic.n_rows(),
            SeriesShape::Family(family) => family.n_rows(),
        };
        let n_all = n_series.saturating_mul(n_samples);
        ensure!(
            n_all <= SAMPLES_MAX,
            "{n_series} series of {n_samples} samples are {n_all} samples: expected at most {SAMPLES_MAX}"
        );
        Ok(())
    }

    /// Generates the series in parallel.
    ///
    /// The same seed gives the same bytes, and a series does not depend on the number of series.
    pub fn generate(&self, seed: u64) -> Vec<LabeledSeries> {
        (0..self.n_series).into_par_iter().map(|k| self.generate_one(seed, k)).collect()
    }

    fn generate_one(&self, seed: u64, k: usize) -> LabeledSeries {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(seed));
        random.set_stream(k as u64);
        match &self.shape {
            SeriesShape::Steady(steady) => {
                steady.generate(format!("{}_{k}", self.name), &mut random)
            }
            SeriesShape::Family(family) => {
                family.generate(format!("{}_{k}", self.name), &mut random)
            }
            SeriesShape::Traffic(traffic) => traffic.generate(&self.name, k, &mut random),
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
        let scenarios = Scenario::all().unwrap();
        assert_eq!(files, scenarios.iter().map(|scenario| scenario.name.clone()).collect());
    }

    #[test]
    fn errors_name_the_scenario_and_the_field() {
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
            let message = format!("{:#}", Scenario::parse("x", &text).unwrap_err());
            assert!(message.contains("scenario `x`") && message.contains(word), "{message}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_different_ones() {
        let mut scenario = Scenario::find("mixed").unwrap();
        scenario.n_series = 2;
        let bytes = |seed| format!("{:?}", scenario.generate(seed));
        assert_eq!(bytes(7), bytes(7));
        assert_ne!(bytes(7), bytes(8));
    }

    #[test]
    fn a_series_does_not_depend_on_the_number_of_series() {
        let mut scenario = Scenario::find("mixed").unwrap();
        scenario.n_series = 3;
        let three = scenario.generate(0);
        scenario.n_series = 1;
        assert_eq!(scenario.generate(0)[..], three[..1]);
    }

    #[test]
    fn the_samples_of_all_series_are_bounded() {
        let mut scenario = Scenario::find("mixed").unwrap();
        scenario.n_series = SERIES_MAX;
        let error = scenario.check_size().unwrap_err().to_string();
        assert!(error.contains("1000 series of 20160 samples"), "{error}");
        scenario.n_series = 16;
        scenario.check_size().unwrap();
    }
}
