//! Showing a record: as tables for a terminal or Markdown, as CSV, as JSON, as one HTML page.
//!
//! Nothing is computed here but the texts of numbers; what a report cannot show from a record is not shown.

mod csv_text;
mod grid;
mod markdown;
mod terminal;

use thiserror::Error;

use crate::html;
use crate::record::Record;

pub use self::csv_text::{columns, is_column};

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns, readable at 120 columns without color.
    Table,
    /// The record itself.
    Json,
    /// One line per row of the record.
    Csv,
    /// Tables under headings.
    Markdown,
    /// The tables of Markdown without headings and costs: what is spliced into another document.
    Excerpt,
    /// One page with charts.
    Html,
}

/// Shows a record in one form.
pub fn render(record: &Record, format: Format) -> Result<String, RenderError> {
    Ok(match format {
        Format::Table => terminal::render(record),
        Format::Json => serde_json::to_string(record)? + "\n",
        Format::Csv => csv_text::render(record)?,
        Format::Markdown => markdown::render(record),
        Format::Excerpt => markdown::excerpt(record),
        Format::Html => html::render(record),
    })
}

/// Why a record cannot be shown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RenderError {
    /// It cannot be written as JSON.
    #[error("write the record as JSON")]
    Json(#[from] serde_json::Error),
    /// It cannot be written as CSV.
    #[error("write the record as CSV")]
    Csv(#[from] csv::Error),
}

impl RenderError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "json",
            Self::Csv(_) => "csv",
        }
    }
}
