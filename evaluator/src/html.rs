//! The report as one HTML page that a browser shows without a network.
//!
//! Texts and tables are written here, so that they can be read, printed and searched without scripts;
//! the charts are drawn in the browser from the numbers embedded in the page. Nothing is loaded from
//! anywhere: a report is kept for years and mailed around.

mod chart_data;
mod confusion;
mod detectors;
mod figures;
mod folds;
mod kinds;
mod pooled;
mod tables;
mod text;

use crate::record::Record;
use detectors::Detectors;
pub(crate) use text::escape;

const PAGE: &str = include_str!("html/page.html");
pub(crate) const STYLE: &str = include_str!("html/style.css");
const SWEEPS: &str = include_str!("html/sweeps.html");
const CURVES: &str = include_str!("html/curves.html");
const SERIES: &str = include_str!("html/series.html");
pub(crate) const CHART_SCRIPT: &str = include_str!("html/chart.js");
const SWEEPS_SCRIPT: &str = include_str!("html/sweeps.js");
const CURVES_SCRIPT: &str = include_str!("html/curves.js");
const TRACE_SCRIPT: &str = include_str!("html/trace.js");
const SERIES_SCRIPT: &str = include_str!("html/series.js");

/// The page of a record.
pub fn render(record: &Record) -> String {
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
            ("lead", &figures::lead(record, &detectors)),
            ("figures", &figures::key_figures(record, &detectors)),
            ("quality", &tables::quality(record, &detectors)),
            ("details", &folds::details(record, &detectors)),
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

/// Whether any detector caught something, or ranks samples.
fn has_curves(record: &Record) -> bool {
    record.rows.iter().any(|row| !row.delays.is_empty())
        || record.sweeps.iter().any(|sweep| !sweep.curve.is_empty())
}

/// Whether there is a sample to draw.
fn has_traces(record: &Record) -> bool {
    record.traces.iter().any(|trace| !trace.points.is_empty())
}

/// The scripts of the charts that the page has.
fn script(record: &Record) -> String {
    let mut parts = vec![CHART_SCRIPT];
    if has_sweeps(record) {
        parts.push(SWEEPS_SCRIPT);
    }
    if has_curves(record) {
        parts.push(CURVES_SCRIPT);
    }
    if has_traces(record) {
        parts.extend([TRACE_SCRIPT, SERIES_SCRIPT]);
    }
    parts.join("\n")
}

/// Puts each value in the place of its `{{name}}`, in one pass: what a value holds is never filled again.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut page = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("the templates close each brace");
        let value = values.iter().find(|(known, _)| *known == name);
        page.push_str(before);
        page.push_str(value.expect("the templates name known values only").1);
        rest = after;
    }
    page + rest
}

/// A value as JSON that may stand in a script element.
pub(crate) fn embed(value: &impl serde::Serialize) -> String {
    let json = serde_json::to_string(value).expect("plain structs have a JSON text");
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests;
