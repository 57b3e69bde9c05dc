//! Reads a folder of CSV files, in the order of their names.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use rayon::prelude::*;

use super::csv_text::read_csv;
use super::dataset::Dataset;

/// Reads every `*.csv` of a folder, without its subfolders.
pub fn read_folder(path: &Path) -> anyhow::Result<Dataset> {
    let files = csv_files(path)?;
    ensure!(!files.is_empty(), "no `*.csv` in `{}`", path.display());
    let datasets: Vec<Dataset> =
        files.par_iter().map(|file| read_csv(file)).collect::<Result<_, _>>()?;
    let mut all = Dataset::default();
    for dataset in datasets {
        all.extend(dataset);
    }
    Ok(all)
}

/// The `*.csv` of a folder, sorted.
pub(super) fn csv_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = || format!("read `{}`", path.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(read)? {
        let file = entry.with_context(read)?.path();
        if file.extension().is_some_and(|extension| extension == "csv") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
