//! Tables by kind of anomaly.

use std::collections::BTreeSet;

use super::grid::{Grid, GridColumns, UNDEFINED};
use crate::record::{BudgetScore, Record, Row};

/// One table per scenario with several kinds of anomaly: kinds down, detectors across.
pub(super) fn kinds(record: &Record) -> Vec<Grid> {
    scenarios(record).into_iter().filter_map(|scenario| kinds_of(record, scenario)).collect()
}

/// Recall by kind at fixed rates of false alarms.
pub(super) fn budgets_by_kind(record: &Record) -> Vec<Grid> {
    let of = |scenario: &str| {
        let kinds = kinds_of(record, scenario)?;
        let rows: Vec<&Row> = record.rows.iter().filter(|row| row.scenario == scenario).collect();
        let line = |kind: &Vec<String>| {
            let name = kind[0].clone();
            let cells = rows.iter().map(|row| recall_at_budgets(row, &name)).collect::<Vec<_>>();
            std::iter::once(name).chain(cells).collect()
        };
        Some(Grid {
            title: format!(
                "Recall by kind in {scenario} at 0.1/0.3/1 false alarms per series and day (threshold chosen in hindsight)"
            ),
            rows: kinds.rows.iter().map(line).collect(),
            ..kinds
        })
    };
    let has_budgets = record.rows.iter().any(|row| !row.budgets.is_empty());
    scenarios(record).into_iter().filter(|_| has_budgets).filter_map(of).collect()
}

/// Recall of a kind at each budget.
fn recall_at_budgets(row: &Row, kind: &str) -> String {
    let of = |score: &BudgetScore| {
        let kind = score.by_kind.iter().find(|score| score.kind == kind)?;
        Some(format!("{:.2}", kind.caught as f64 / kind.n_events as f64))
    };
    let shares: Option<Vec<String>> = row.budgets.iter().map(of).collect();
    shares
        .filter(|shares| !shares.is_empty())
        .map_or(UNDEFINED.to_owned(), |shares| shares.join("/"))
}

/// The scenarios of a record, in order.
fn scenarios(record: &Record) -> Vec<&str> {
    let mut scenarios: Vec<&str> = record.rows.iter().map(|row| row.scenario.as_str()).collect();
    scenarios.dedup();
    scenarios
}

fn kinds_of(record: &Record, scenario: &str) -> Option<Grid> {
    let rows: Vec<&Row> = record.rows.iter().filter(|row| row.scenario == scenario).collect();
    let kinds: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.by_kind.iter().map(|kind| kind.kind.as_str())).collect();
    if kinds.len() < 2 {
        return None;
    }
    let cell = |row: &Row, kind: &str| {
        let Some(score) = row.by_kind.iter().find(|score| score.kind == kind) else {
            return UNDEFINED.to_owned();
        };
        let delay = score.delay_median.map(|delay| format!(" ({delay})")).unwrap_or_default();
        format!("{}/{}{delay}", score.caught, score.n_events)
    };
    let line = |kind: &&str| {
        std::iter::once((*kind).to_owned()).chain(rows.iter().map(|row| cell(row, kind))).collect()
    };
    // Spaces allow a long detector to wrap in the header of a narrow column.
    let names = rows.iter().map(|row| row.detector.replace([':', ','], " "));
    Some(Grid {
        title: format!("Caught by kind in {scenario} (median delay in samples)"),
        header: std::iter::once("kind".to_owned()).chain(names).collect(),
        rows: kinds.iter().map(line).collect(),
        columns: GridColumns::TextNumbers,
        caption: "",
    })
}
