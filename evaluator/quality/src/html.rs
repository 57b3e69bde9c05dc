//! Renders a record as one HTML page that needs no network.
//!
//! Texts and tables are HTML, readable and searchable without scripts; scripts draw the charts from numbers in the page.
//! The page loads nothing, so that it can be archived and mailed.

mod chart_data;
mod confusion;
mod details;
mod detectors;
mod kinds;
mod summary;
mod tables;
mod text;
mod totals;

use page::{CHART_SCRIPT, STYLE, escape, fill};

use self::detectors::Detectors;
use crate::record::Record;

const PAGE: &str = include_str!("html/page.html");
const SWEEPS: &str = include_str!("html/sweeps.html");
const CURVES: &str = include_str!("html/curves.html");
const SERIES: &str = include_str!("html/series.html");
const CURVES_SCRIPT: &str = include_str!("html/curves.js");
const SERIES_SCRIPT: &str = include_str!("html/series.js");

/// The page of a record.
pub(crate) fn render(record: &Record) -> String {
    let detectors = Detectors::of(record);
    let commit = record.commit.as_deref().map_or_else(
        || "outside a repository".to_owned(),
        |commit| format!("commit <code>{}</code>", escape(commit)),
    );
    fill(
        PAGE,
        &[
            ("title", &escape(&record.title)),
            ("style", STYLE),
            ("lead", &summary::lead(record, &detectors)),
            ("summary", &summary::key_figures(record, &detectors)),
            ("quality", &tables::quality(record, &detectors)),
            ("details", &details::details(record, &detectors)),
            ("kinds", &kinds::section(record, &detectors)),
            ("sweeps", if has_sweeps(record) { SWEEPS } else { "" }),
            ("curves", if has_curves(record) { CURVES } else { "" }),
            ("confusion", &confusion::section(record, &detectors)),
            ("series", if has_traces(record) { SERIES } else { "" }),
            ("command", &escape(&record.command)),
            ("seed", &record.seed.to_string()),
            ("commit", &commit),
            ("n_rows", &record.rows.len().to_string()),
            ("data", &chart_data::json(record, &detectors)),
            ("script", &script(record)),
        ],
    )
}

fn has_sweeps(record: &Record) -> bool {
    !record.sweeps.is_empty()
}

/// True if any detector caught an anomaly, or has scores of both labels.
fn has_curves(record: &Record) -> bool {
    record.rows.iter().any(|row| !row.delays.is_empty())
        || record.sweeps.iter().any(|sweep| !sweep.curve.is_empty())
}

/// True if there is a sample to draw.
fn has_traces(record: &Record) -> bool {
    record.traces.iter().any(|trace| !trace.points.is_empty())
}

/// The scripts of the charts that the page has.
fn script(record: &Record) -> String {
    let mut parts = vec![CHART_SCRIPT];
    if has_sweeps(record) || has_curves(record) {
        parts.push(CURVES_SCRIPT);
    }
    if has_traces(record) {
        parts.push(SERIES_SCRIPT);
    }
    parts.join("\n")
}

#[cfg(test)]
mod tests;
