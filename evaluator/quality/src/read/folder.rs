//! A folder of CSV files, one or more series each, in the order of their names.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{Dataset, ReadError, read_csv, unreadable};

/// Reads every `*.csv` of a folder, not of the folders in it.
pub fn read_folder(path: &Path) -> Result<Dataset, ReadError> {
    let files = csv_files(path)?;
    if files.is_empty() {
        return Err(ReadError::NothingFound { path: path.to_owned() });
    }
    let datasets: Vec<Dataset> =
        files.par_iter().map(|file| read_csv(file)).collect::<Result<_, _>>()?;
    let mut all = Dataset::default();
    for dataset in datasets {
        all.extend(dataset);
    }
    Ok(all)
}

/// The `*.csv` of a folder, sorted.
pub(super) fn csv_files(path: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable(path))? {
        let file = entry.map_err(unreadable(path))?.path();
        if file.extension().is_some_and(|extension| extension == "csv") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
