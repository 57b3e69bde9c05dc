//! Renders the tables for a terminal: at most 120 columns, without color.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle,
};

use super::grid::{Grid, GridColumns};
use super::tables;
use crate::record::Record;

/// Maximum width: CI logs do not wrap it.
const WIDTH: u16 = 120;

/// Maximum width of a detector.
const TEXT_WIDTH: usize = 22;

/// A line below the header, and no others.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::new('-', '-', '-', '-'));

/// Renders a record as tables.
pub(super) fn render(record: &Record) -> String {
    let mut parts = vec![format!("{}\n{}\n", record.title, origin(record))];
    let grids = tables::notes(record)
        .into_iter()
        .chain(tables::quality(record))
        .chain(tables::costs(record));
    parts.extend(grids.map(|grid| format!("\n{}\n{}\n", grid.title, draw(&grid))));
    parts.concat()
}

/// Command, seed and commit, in one line.
fn origin(record: &Record) -> String {
    let commit = record.commit.as_deref().unwrap_or("unknown");
    format!("{} (seed {}, commit {commit})", record.command, record.seed)
}

fn draw(grid: &Grid) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).force_no_tty();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    match grid.columns {
        GridColumns::ScenarioDetectorNumbers => fill_grouped(&mut table, grid),
        GridColumns::TextNumbers | GridColumns::Texts => {
            table.set_header(&grid.header);
            table.add_rows(&grid.rows);
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
        if column.index == 0 {
            column.set_constraint(ColumnConstraint::ContentWidth);
        } else if grid.columns != GridColumns::Texts {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// A line for each scenario with its detectors below: two text columns would leave no space for numbers.
fn fill_grouped(table: &mut Table, grid: &Grid) {
    table.set_header(grid.header.iter().skip(1));
    for row in &grid.rows {
        let [scenario, detector, numbers @ ..] = row.as_slice() else {
            continue;
        };
        if !scenario.is_empty() {
            table.add_row([scenario]);
        }
        table.add_row(std::iter::once(broken(detector)).chain(numbers.iter().cloned()));
    }
}

/// Breaks a long detector between its parameters.
fn broken(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for part in text.split_inclusive(',') {
        match lines.last_mut() {
            Some(line) if line.len() + part.len() <= TEXT_WIDTH => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
    format!("  {}", lines.join("\n    "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_detector_breaks_between_its_parameters() {
        assert_eq!(
            broken("zscore:window=50,threshold=2,self=included"),
            "  zscore:window=50,\n    threshold=2,\n    self=included"
        );
        assert_eq!(broken("ewma:alpha=0.1,min=5"), "  ewma:alpha=0.1,min=5");
    }
}
