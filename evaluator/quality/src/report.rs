//! Renders a record: tables for a terminal or Markdown, CSV, JSON, or one HTML page.
//!
//! All numbers come from the record; reports only format them.

mod csv_text;
pub(crate) mod grid;
mod kinds;
mod markdown;
pub(crate) mod tables;
mod terminal;

use crate::html;
use crate::record::Record;

pub use self::csv_text::{cell, columns, is_column, number};

/// The format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// Aligned columns, readable at 120 columns without color.
    Table,
    /// The record itself.
    Json,
    /// One line per row of the record.
    Csv,
    /// Tables under headings.
    Markdown,
    /// The tables of Markdown without headings and costs, to splice into another document.
    Excerpt,
    /// One page with charts.
    Html,
}

/// Renders a record in one format.
pub fn render(record: &Record, format: ReportFormat) -> anyhow::Result<String> {
    Ok(match format {
        ReportFormat::Table => terminal::render(record),
        ReportFormat::Json => serde_json::to_string(record)? + "\n",
        ReportFormat::Csv => csv_text::render(record)?,
        ReportFormat::Markdown => markdown::render(record),
        ReportFormat::Excerpt => markdown::excerpt(record),
        ReportFormat::Html => html::render(record),
    })
}
