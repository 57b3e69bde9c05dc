//! Writes texts to stdout, to files, and between the markers of a document.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::splice;

/// A text could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write `{target}`")]
pub(crate) struct OutputError {
    /// The file, or `stdout`.
    pub(crate) target: String,
    /// Error of the operating system.
    pub(crate) source: std::io::Error,
}

impl OutputError {
    /// Turns an I/O error at `path` into this one, for `map_err`.
    pub(crate) fn at(path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self { target: path.display().to_string(), source }
    }
}

/// Writes a file, or stdout if the path is `-`.
pub(crate) fn write_to(path: &Path, text: &str) -> Result<(), OutputError> {
    if path == Path::new("-") {
        return write_stdout(text);
    }
    fs::write(path, text).map_err(OutputError::at(path))
}

/// A folder of output, in which no file is written through a symbolic link: names of series come from the data, and a link
/// could lead to any other file.
#[derive(Debug)]
pub(crate) struct OutputFolder {
    root: PathBuf,
}

impl OutputFolder {
    /// Creates the folder if it does not exist.
    pub(crate) fn create(folder: &Path) -> Result<Self, OutputError> {
        let created = fs::create_dir_all(folder).and_then(|()| folder.canonicalize());
        Ok(Self { root: created.map_err(OutputError::at(folder))? })
    }

    /// Writes a file of the folder, and creates the folders between.
    pub(crate) fn write(&self, path: &Path, text: &[u8]) -> Result<(), OutputError> {
        let folder = path.parent().unwrap_or(path);
        let is_inside = |real: PathBuf| {
            let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
            if is_link || !real.starts_with(&self.root) {
                return Err(io::Error::other("it is a symbolic link: expected a file or no file"));
            }
            fs::write(path, text)
        };
        fs::create_dir_all(folder)
            .and_then(|()| folder.canonicalize())
            .and_then(is_inside)
            .map_err(OutputError::at(path))
    }
}

/// Writes to stdout.
pub(crate) fn write_stdout(text: &str) -> Result<(), OutputError> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(OutputError::at(Path::new("stdout")))
}

/// Writes what a CSV writer has collected to stdout.
pub(crate) fn write_csv(writer: csv::Writer<Vec<u8>>) -> anyhow::Result<()> {
    Ok(write_stdout(&String::from_utf8(writer.into_inner()?)?)?)
}

/// Replaces the text between two markers of a document.
pub(crate) fn splice_into(file: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let document =
        fs::read_to_string(file).with_context(|| format!("read `{}`", file.display()))?;
    let spliced = splice::splice(&document, name, text)
        .with_context(|| format!("splice into `{}`", file.display()))?;
    Ok(write_to(file, &spliced)?)
}
