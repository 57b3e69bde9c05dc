//! The arguments that `score` and `sweep` share: data and contenders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use quality::contender::{Contender, StoredScores};
use quality::measure::ScoringRule;
use quality::read::{self, Dataset};

/// Files or folder of the data.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(multiple = false)]
pub(crate) struct DataSource {
    /// CSV files: `timestamp,value[,label]`; `-` is stdin.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub(crate) csv: Vec<PathBuf>,
    /// A folder of CSV files.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// A folder in the layout of the Numenta benchmark, also scored by its rule.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) nab: Option<PathBuf>,
}

impl DataSource {
    /// True if any data is given.
    pub(crate) fn is_given(&self) -> bool {
        !self.csv.is_empty() || self.folder.is_some() || self.nab.is_some()
    }

    /// Name and content of the data; the name is that of its folder or its only file.
    pub(crate) fn read(&self) -> anyhow::Result<(String, Dataset)> {
        let name = |path: &Path| {
            path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
        };
        if let Some(folder) = &self.nab {
            return Ok((name(folder), read::read_nab(folder)?));
        }
        if let Some(folder) = &self.folder {
            return Ok((name(folder), read::read_folder(folder)?));
        }
        let mut all = Dataset::default();
        for file in &self.csv {
            let dataset = if file == Path::new("-") {
                read::read_csv_from(std::io::stdin().lock(), Path::new("stdin"))?
            } else {
                read::read_csv(file)?
            };
            all.extend(dataset);
        }
        let named = match self.csv.as_slice() {
            [only] if only == Path::new("-") => "stdin".to_owned(),
            [only] => name(only),
            files => format!("{} files", files.len()),
        };
        Ok((named, all))
    }

    /// The rule in addition to the usual ones.
    pub(crate) fn rule(&self, kpi: bool) -> ScoringRule {
        match (&self.nab, kpi) {
            (Some(_), _) => ScoringRule::Nab,
            (None, true) => ScoringRule::Kpi,
            (None, false) => ScoringRule::Usual,
        }
    }
}

/// The contenders to measure.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ContenderArgs {
    /// A detector, `silent` or `random`; repeatable; by default those of `run`.
    #[arg(long = "detector", value_name = "SPEC")]
    pub(crate) detectors: Vec<Contender>,
    /// Scores of another program: a folder with a file for each series, in the format of `--write-scores`; repeatable.
    /// `NAME` is its name in reports, by default the name of the folder.
    #[arg(long, value_name = "[NAME=]FOLDER")]
    pub(crate) from_scores: Vec<ScoreFolder>,
    /// Threshold of `--from-scores`; a higher score is an alarm.
    #[arg(long, value_name = "SCORE", default_value_t = 1.0, requires = "from_scores")]
    pub(crate) from_threshold: f64,
}

impl ContenderArgs {
    /// The detectors, or `defaults` if none is given, and the stored scores; names must differ.
    pub(crate) fn contenders(
        &self,
        dataset: &Dataset,
        defaults: impl FnOnce() -> anyhow::Result<Vec<Contender>>,
    ) -> anyhow::Result<Vec<Contender>> {
        ensure!(
            self.from_threshold.is_finite() && self.from_threshold > 0.0,
            "`--from-threshold {}` is out of range: expected a positive number",
            self.from_threshold
        );
        let mut contenders =
            if self.detectors.is_empty() { defaults()? } else { self.detectors.clone() };
        for ScoreFolder { name, folder } in &self.from_scores {
            let scores = read::read_scores(folder, dataset)
                .with_context(|| format!("read the scores of `{name}`"))?;
            let stored =
                StoredScores { name: name.clone(), threshold: self.from_threshold, scores };
            contenders.push(Contender::StoredScores(Arc::new(stored)));
        }
        let mut names = BTreeSet::new();
        for contender in &contenders {
            ensure!(
                names.insert(contender.to_string()),
                "two contenders are called `{contender}`: rename one by `--from-scores NAME=FOLDER`"
            );
        }
        Ok(contenders)
    }
}

/// A folder of scores, and the name of their detector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScoreFolder {
    name: String,
    folder: PathBuf,
}

impl FromStr for ScoreFolder {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        // A `=` inside a path does not end a name.
        let named = text.split_once('=').filter(|(name, _)| !name.contains('/'));
        let folder_name =
            || Path::new(text).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (name, folder) =
            named.map_or_else(|| (folder_name(), text), |(name, folder)| (name.to_owned(), folder));
        ensure!(
            !name.trim().is_empty() && !folder.is_empty(),
            "`{text}` is not a folder of scores: expected `FOLDER` or `NAME=FOLDER`"
        );
        Ok(Self { name, folder: folder.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_scores_has_its_own_name_or_the_given_one() {
        let cases = [
            ("river", "river", "river"),
            ("out/river/", "river", "out/river/"),
            ("half space trees=out/a=b", "half space trees", "out/a=b"),
            ("out/a=b", "a=b", "out/a=b"),
        ];
        for (text, name, folder) in cases {
            let parsed: ScoreFolder = text.parse().unwrap();
            assert_eq!((parsed.name.as_str(), parsed.folder), (name, folder.into()), "{text}");
        }
        for text in ["", "=x", "x=", ".."] {
            assert!(text.parse::<ScoreFolder>().is_err(), "{text}");
        }
    }
}
