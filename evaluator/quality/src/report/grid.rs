//! A table of a report as rows of texts, and the texts of its numbers.
//!
//! All formats render the same tables.

use crate::record::Row;

/// Replaces an undefined number.
pub(super) const UNDEFINED: &str = "-";

/// One table.
#[derive(Debug, PartialEq)]
pub(crate) struct Grid {
    /// Title: the counted things, and how to read them.
    pub(crate) title: String,
    /// Names of the columns.
    pub(crate) header: Vec<String>,
    /// Texts by row, one per column.
    pub(crate) rows: Vec<Vec<String>>,
    /// Contents of the columns.
    pub(crate) columns: GridColumns,
    /// Explanation, for HTML only.
    pub(crate) caption: &'static str,
}

/// Contents of the columns of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GridColumns {
    /// A scenario, present in its first row only, a detector, and numbers.
    ScenarioDetectorNumbers,
    /// A text and numbers.
    TextNumbers,
    /// Texts.
    Texts,
}

/// A table with a line per row of the record; the name of a scenario is on its first line only.
pub(super) fn grid(
    title: &str,
    columns: &[&str],
    rows: &[Row],
    cells: impl Fn(&Row) -> Vec<String>,
) -> Grid {
    let mut previous = "";
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let scenario = if row.scenario == previous { "" } else { &row.scenario };
        previous = &row.scenario;
        lines.push(
            [scenario, &row.detector].map(str::to_owned).into_iter().chain(cells(row)).collect(),
        );
    }
    let header =
        ["scenario", "detector"].iter().chain(columns).map(|name| (*name).to_owned()).collect();
    Grid {
        title: title.to_owned(),
        header,
        rows: lines,
        columns: GridColumns::ScenarioDetectorNumbers,
        caption: "",
    }
}

pub(super) fn share(value: Option<f64>) -> String {
    value.map_or(UNDEFINED.to_owned(), number)
}

/// A number with three decimals, or fewer if it is large.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 1e6 => format!("{value:.1e}"),
        magnitude if magnitude >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.3}"),
    }
}

/// A number with two decimals, or fewer if it is large.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 1e4 => format!("{value:.0e}"),
        magnitude if magnitude >= 10.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

pub(super) fn interval(ends: Option<[f64; 2]>) -> String {
    ends.map_or(UNDEFINED.to_owned(), |[low, high]| format!("{low:.2}..{high:.2}"))
}
