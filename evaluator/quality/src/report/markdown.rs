//! Renders the tables as Markdown: a whole document, or an excerpt for another document.

use super::grid::{Grid, GridColumns};
use super::kinds::kinds;
use super::tables;
use crate::record::Record;

/// A document with every table.
pub(super) fn render(record: &Record) -> String {
    let commit = record.commit.as_deref().unwrap_or("unknown");
    let mut parts = vec![
        format!("# {}\n\n{}\n", record.title, command(record)),
        format!("Seed {}, commit {commit}.\n", record.seed),
    ];
    let grids = tables::notes(record)
        .into_iter()
        .chain(tables::quality(record))
        .chain(tables::costs(record));
    parts.extend(grids.map(|grid| format!("\n## {}\n\n{}", grid.title, draw(&grid))));
    parts.concat()
}

/// The command and the two main tables: anomalies, and recall by kind.
pub(super) fn excerpt(record: &Record) -> String {
    let grids = std::iter::once(tables::events(record)).chain(kinds(record));
    let tables = grids.map(|grid| format!("\n**{}**\n\n{}", grid.title, draw(&grid)));
    std::iter::once(command(record)).chain(tables).collect()
}

fn command(record: &Record) -> String {
    format!("```sh\n{}\n```\n", record.command)
}

fn draw(grid: &Grid) -> String {
    let n_texts = match grid.columns {
        GridColumns::ScenarioDetectorNumbers | GridColumns::Texts => 2,
        GridColumns::TextNumbers => 1,
    };
    let rule = (0..grid.header.len()).map(|i| if i < n_texts { "---" } else { "---:" });
    let mut text = line(grid.header.iter().map(String::as_str)) + &line(rule);
    for row in &grid.rows {
        text += &line(row.iter().map(String::as_str));
    }
    text
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}
