//! Writing reports to files and to stdout.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;

use super::records;
use crate::cli::{Output, OutputError};
use crate::record::Record;
use crate::report::{self, Format};

impl Output {
    /// Writes the record in every form that was asked for.
    pub(super) fn write(&self, record: &Record) -> anyhow::Result<()> {
        let wanted = [
            (&self.json, Format::Json),
            (&self.csv_out, Format::Csv),
            (&self.markdown, Format::Markdown),
            (&self.html, Format::Html),
        ];
        for (path, format) in wanted {
            if let Some(path) = path {
                write_to(path, &report::render(record, format)?)?;
            }
        }
        if let Some([file, name]) = self.splice.as_deref() {
            splice_into(Path::new(file), name, &report::render(record, Format::Excerpt)?)?;
        }
        if let Some(table) = &self.record_table {
            records::keep(table, record)?;
        }
        let has_form = wanted.iter().any(|(path, _)| path.is_some()) || self.splice.is_some();
        if self.table || !has_form {
            write_stdout(&report::render(record, Format::Table)?)?;
        }
        Ok(())
    }

    /// Whether a form that shows charts was asked for.
    pub(super) fn has_charts(&self) -> bool {
        self.json.is_some() || self.html.is_some()
    }
}

/// Writes a file, or stdout when the path is `-`.
pub(crate) fn write_to(path: &Path, text: &str) -> Result<(), OutputError> {
    if path == Path::new("-") {
        return write_stdout(text);
    }
    fs::write(path, text)
        .map_err(|source| OutputError { target: path.display().to_string(), source })
}

/// Writes to stdout.
pub(crate) fn write_stdout(text: &str) -> Result<(), OutputError> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|source| OutputError { target: "stdout".to_owned(), source })
}

/// Puts text between two markers of a document.
pub(crate) fn splice_into(file: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let document =
        fs::read_to_string(file).with_context(|| format!("read `{}`", file.display()))?;
    let spliced = report::splice(&document, name, text)
        .with_context(|| format!("splice into `{}`", file.display()))?;
    Ok(write_to(file, &spliced)?)
}
