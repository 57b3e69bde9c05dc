//! Reading labelled data: a CSV file, a folder of them, or the layout of the Numenta benchmark.
//!
//! Bad input is named with file and line. What real data does all the time (NaN, times that repeat or step
//! back) is tolerated with a warning; what cannot be meant (a missing column, a label that is neither 0 nor 1)
//! is an error. Nothing is printed here: warnings are returned.

mod csv_text;
mod folder;
mod nab;
mod origin;
mod scores;
mod time;

use std::path::{Path, PathBuf};

use thiserror::Error;

pub use self::csv_text::{read_csv, read_csv_from};
pub use self::folder::read_folder;
pub use self::nab::{read_nab, read_nab_file};
pub use self::origin::{SeriesOrigin, TimeTexts, file_name_safe};
pub use self::scores::{SCORE_COLUMN, read_scores};
use crate::labeled::LabeledSeries;

/// Most rows of one file: two years of seconds.
pub const FILE_ROWS_MAX: usize = 64_000_000;

/// Labelled series and what was odd about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    /// The series, in the order of their files.
    pub series: Vec<LabeledSeries>,
    /// Where each series came from, in the same order.
    pub origins: Vec<SeriesOrigin>,
    /// Sentences for stderr, each with file and line.
    pub warnings: Vec<String>,
}

impl Dataset {
    /// Appends another set.
    pub fn extend(&mut self, other: Self) {
        self.series.extend(other.series);
        self.origins.extend(other.origins);
        self.warnings.extend(other.warnings);
    }
}

/// Why data cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A file or folder cannot be opened or read.
    #[error("read `{}`", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is no CSV.
    #[error("read `{}` as CSV", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: csv::Error,
    },
    /// A column is missing.
    #[error("`{}` line 1: column `{column}` is missing: `{wanted}` is wanted", path.display())]
    ColumnMissing {
        /// The file.
        path: PathBuf,
        /// The missing column.
        column: &'static str,
        /// The columns that are wanted.
        wanted: &'static str,
    },
    /// A file has a header at most.
    #[error("`{}` has no rows: `{wanted}` and at least one row are wanted", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// The columns that are wanted.
        wanted: &'static str,
    },
    /// A file has more rows than are read.
    #[error("`{}` has more than {FILE_ROWS_MAX} rows", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A field does not hold what its column should.
    #[error("`{}` line {line}: {column} `{text}` is not {wanted}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column.
        column: &'static str,
        /// What it holds.
        text: String,
        /// What is wanted.
        wanted: &'static str,
    },
    /// A file of scores does not fit the data that it belongs to.
    #[error("`{}` line {line}: {why}", path.display())]
    Misfit {
        /// The file of scores.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What differs.
        why: String,
    },
    /// Two series of the data have files of one name, so their scores cannot be told apart.
    #[error("two series are called `{}`: scores are told apart by the name of their file", path.display())]
    Ambiguous {
        /// The name.
        path: PathBuf,
    },
    /// A folder holds no data.
    #[error("no `*.csv` in `{}`", path.display())]
    NothingFound {
        /// The folder.
        path: PathBuf,
    },
    /// A file of labels has not the form of labels.
    #[error("`{}`: labels of `{file}` are not usable: {why}", path.display())]
    Labels {
        /// The file of labels.
        path: PathBuf,
        /// The data file that they belong to.
        file: String,
        /// Why.
        why: String,
    },
}

impl ReadError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "unreadable",
            Self::Malformed { .. } => "malformed",
            Self::ColumnMissing { .. } => "column_missing",
            Self::Empty { .. } => "empty",
            Self::TooLong { .. } => "too_long",
            Self::Field { .. } => "field",
            Self::Misfit { .. } => "misfit",
            Self::Ambiguous { .. } => "ambiguous",
            Self::NothingFound { .. } => "nothing_found",
            Self::Labels { .. } => "labels",
        }
    }
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> ReadError {
    let path = path.to_owned();
    move |source| ReadError::Unreadable { path, source }
}
