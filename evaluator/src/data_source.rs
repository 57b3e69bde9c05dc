//! Where data lies and who is measured on it: the arguments that `score` and `sweep` share.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use quality::contender::{Contender, StoredScores};
use quality::measure::ScoringRule;
use quality::read::{self, Dataset};
use thiserror::Error;

/// Where the data is.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(multiple = false)]
pub(crate) struct DataSource {
    /// CSV files: `timestamp,value[,label]`; `-` is stdin.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub(crate) csv: Vec<PathBuf>,
    /// A folder of CSV files.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// A folder in the layout of the Numenta benchmark, counted by its rule too.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) nab: Option<PathBuf>,
}

impl DataSource {
    /// Whether any data is named.
    pub(crate) fn is_given(&self) -> bool {
        !self.csv.is_empty() || self.folder.is_some() || self.nab.is_some()
    }

    /// The data and what to call it: its folder or its only file.
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

    /// The rule that counts besides the usual ones.
    pub(crate) fn rule(&self, kpi: bool) -> ScoringRule {
        match (&self.nab, kpi) {
            (Some(_), _) => ScoringRule::Nab,
            (None, true) => ScoringRule::Kpi,
            (None, false) => ScoringRule::Usual,
        }
    }
}

/// Who is measured.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ContenderArgs {
    /// A detector, `silent` or `random`; repeatable; the same as of `run` when none is given.
    #[arg(long = "detector", value_name = "SPEC")]
    pub(crate) detectors: Vec<Contender>,
    /// Scores of a detector that ran elsewhere: a folder with a file for each series, as `--write-scores` writes
    /// it; repeatable. `NAME=` is what reports call it, its folder's name unless given.
    #[arg(long, value_name = "[NAME=]FOLDER")]
    pub(crate) from_scores: Vec<ScoreFolder>,
    /// A score of `--from-scores` above this is an alarm.
    #[arg(long, value_name = "SCORE", default_value_t = 1.0, requires = "from_scores")]
    pub(crate) from_threshold: f64,
}

impl ContenderArgs {
    /// The detectors, or `defaults` when none is named, and the scores of others; no two of one name.
    pub(crate) fn contenders(
        &self,
        dataset: &Dataset,
        defaults: impl FnOnce() -> anyhow::Result<Vec<Contender>>,
    ) -> anyhow::Result<Vec<Contender>> {
        ensure!(
            self.from_threshold.is_finite() && self.from_threshold > 0.0,
            "--from-threshold `{}` is not possible: a positive number is wanted",
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
                "two contenders are called `{contender}`: `--from-scores NAME=FOLDER` gives another name"
            );
        }
        Ok(contenders)
    }
}

/// A folder of scores and the name of who said them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScoreFolder {
    name: String,
    folder: PathBuf,
}

impl FromStr for ScoreFolder {
    type Err = ScoreFolderError;

    fn from_str(text: &str) -> Result<Self, ScoreFolderError> {
        // What stands before a `=` in a deeper folder is no name.
        let named = text.split_once('=').filter(|(name, _)| !name.contains('/'));
        let folder_name =
            || Path::new(text).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (name, folder) =
            named.map_or_else(|| (folder_name(), text), |(name, folder)| (name.to_owned(), folder));
        if name.trim().is_empty() || folder.is_empty() {
            return Err(ScoreFolderError { text: text.to_owned() });
        }
        Ok(Self { name, folder: folder.into() })
    }
}

/// The text names no folder of scores.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a folder of scores: `FOLDER` or `NAME=FOLDER` is wanted")]
pub(crate) struct ScoreFolderError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_scores_has_its_own_name_or_a_given_one() {
        let cases = [
            ("river", "river", "river"),
            ("out/river/", "river", "out/river/"),
            ("half space trees=out/a=b", "half space trees", "out/a=b"),
            ("out/a=b", "a=b", "out/a=b"),
        ];
        for (text, name, folder) in cases {
            let wanted = ScoreFolder { name: name.to_owned(), folder: folder.into() };
            assert_eq!(text.parse(), Ok(wanted), "{text}");
        }
        for text in ["", "=x", "x=", ".."] {
            assert!(text.parse::<ScoreFolder>().is_err(), "{text}");
        }
    }
}
