//! The detail tables, folded on the screen: the tables of the other report formats as HTML.

use page::escape;

use super::detectors::{DetectorRole, Detectors};
use crate::record::Record;
use crate::report::grid::Grid;
use crate::report::tables;

/// The tables that the page does not show otherwise.
pub(crate) fn details(record: &Record, detectors: &Detectors<'_>) -> String {
    tables::details(record).iter().map(|grid| fold(grid, detectors)).collect()
}

fn fold(grid: &Grid, detectors: &Detectors<'_>) -> String {
    let header = grid.header[2..].iter().fold(String::new(), |header, name| {
        header + "<th scope=\"col\" class=\"n\">" + &escape(name) + "</th>"
    });
    let lines: String = grid.rows.iter().map(|row| line(row, detectors)).collect();
    let title = escape(&grid.title);
    format!(
        "<details><summary>{title}</summary><p class=\"caption\">{}</p><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table><thead><tr><th scope=\"col\">scenario</th><th scope=\"col\">detector</th>{header}</tr></thead><tbody>{lines}</tbody></table></div></details>",
        grid.caption
    )
}

fn line(row: &[String], detectors: &Detectors<'_>) -> String {
    let [scenario, detector, numbers @ ..] = row else { return String::new() };
    let role = detectors.all[detectors.index(detector)].role;
    let class = if role == DetectorRole::Default { " class=\"default\"" } else { "" };
    let cells = numbers
        .iter()
        .fold(String::new(), |cells, text| cells + "<td class=\"n\">" + &escape(text) + "</td>");
    format!(
        "<tr{class}><th scope=\"row\">{}</th><th scope=\"row\" class=\"detector\">{}</th>{cells}</tr>",
        escape(scenario),
        detectors.short_cell(detector)
    )
}
