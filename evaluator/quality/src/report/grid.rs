//! The tables of a report as rows of texts, independent of the format.
//!
//! Terminal and Markdown render the same tables.

use std::collections::BTreeSet;

use crate::record::{BudgetScore, Intervals, NabProfiles, Record, Row};

/// Replaces an undefined number.
const UNDEFINED: &str = "-";

/// One table.
#[derive(Debug, PartialEq)]
pub(super) struct Grid {
    /// Title: the counted things, and how to read them.
    pub(super) title: String,
    /// Names of the columns.
    pub(super) header: Vec<String>,
    /// Texts by row, one per column.
    pub(super) rows: Vec<Vec<String>>,
    /// Contents of the columns.
    pub(super) columns: GridColumns,
}

/// Contents of the columns of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GridColumns {
    /// A scenario, present in its first row only, a detector, and numbers.
    ScenarioDetectorNumbers,
    /// A text and numbers.
    TextNumbers,
    /// Texts.
    Texts,
}

/// The analysis of each scenario; `None` for data.
pub(super) fn notes(record: &Record) -> Option<Grid> {
    (!record.scenarios.is_empty()).then(|| Grid {
        title: "Scenarios".to_owned(),
        header: ["scenario", "analysis"].map(str::to_owned).to_vec(),
        rows: record
            .scenarios
            .iter()
            .map(|note| vec![note.name.clone(), note.analysis.clone()])
            .collect(),
        columns: GridColumns::Texts,
    })
}

/// The tables on quality; a report shows all of them, since a single number misleads.
pub(super) fn quality(record: &Record) -> Vec<Grid> {
    let mut grids = vec![events(record), samples(record)];
    grids.extend(hindsight(record));
    grids.extend(kinds(record));
    grids.extend(budgets_by_kind(record));
    grids.extend(nab(record));
    grids.extend(second_halves(record));
    grids
}

/// The tables on cold start and cost.
pub(super) fn costs(record: &Record) -> Vec<Grid> {
    let mut grids: Vec<Grid> = first_day(record).into_iter().collect();
    grids.push(cost(record));
    grids
}

/// Anomalies caught and alarm runs, for each scenario and detector.
pub(super) fn events(record: &Record) -> Grid {
    let columns = [
        "caught",
        "early",
        "false",
        "precision",
        "recall",
        "F1",
        "F1 95 %",
        "gain 95 %",
        "false/day",
        "delay",
    ];
    grid(
        "Anomalies and alarm runs (gain: F1 over the rolling z-score; delay: samples, median/p95)",
        &columns,
        &record.rows,
        |row| {
            let events = &row.events;
            vec![
                format!("{}/{}", events.caught, events.n_events),
                events.caught_early.to_string(),
                events.false_runs.to_string(),
                share(events.precision),
                share(events.recall),
                share(events.f1),
                interval(judged(row).map(|intervals| intervals.event_f1)),
                interval(judged(row).and_then(|intervals| intervals.event_f1_gain)),
                share(row.false_alarms_per_series_day),
                row.delay_samples.map_or(UNDEFINED.to_owned(), |delay| {
                    format!("{}/{}", delay.median, delay.p95)
                }),
            ]
        },
    )
}

/// The intervals; `None` without anomalies.
fn judged(row: &Row) -> Option<Intervals> {
    row.intervals.filter(|_| row.events.f1.is_some())
}

fn samples(record: &Record) -> Grid {
    let columns = ["TP", "TN", "FP", "FN", "precision", "recall", "F1", "accuracy", "FPR", "MCC"];
    grid("Samples", &columns, &record.rows, |row| {
        let rates = &row.rates;
        let counts =
            [row.point.tp, row.point.tn, row.point.fp, row.point.fn_].map(|n| n.to_string());
        let shares = [
            rates.precision,
            rates.recall,
            rates.f1,
            rates.accuracy,
            rates.false_positive_rate,
            rates.mcc,
        ];
        counts.into_iter().chain(shares.map(share)).collect()
    })
}

/// Areas over all thresholds, and recall at thresholds chosen in hindsight; `None` without anomalies.
fn hindsight(record: &Record) -> Option<Grid> {
    let columns =
        ["at 0.1", "at 0.3", "at 1", "thresholds", "PR-AUC", "its mean", "VUS-PR", "ROC-AUC"];
    let title = "Recall at 0.1, 0.3 and 1 false alarms per series and day (threshold chosen in hindsight), and areas over all thresholds";
    let judged: Vec<Row> = record
        .rows
        .iter()
        .filter(|row| row.ranking.is_some() || row.budgets.iter().any(|score| score.n_events > 0))
        .cloned()
        .collect();
    (!judged.is_empty()).then(|| {
        grid(title, &columns, &judged, |row| {
            let recall = |i: usize| share(row.budgets.get(i).and_then(BudgetScore::recall));
            let threshold =
                |score: &BudgetScore| score.threshold.map_or(UNDEFINED.to_owned(), short);
            let thresholds: Vec<String> = row.budgets.iter().map(threshold).collect();
            let ranking = row.ranking;
            vec![
                recall(0),
                recall(1),
                recall(2),
                thresholds.join("/"),
                share(ranking.map(|ranking| ranking.pr_auc)),
                share(ranking.map(|ranking| ranking.pr_auc_mean)),
                share(ranking.and_then(|ranking| ranking.vus_pr)),
                share(ranking.map(|ranking| ranking.roc_auc)),
            ]
        })
    })
}

/// One table per scenario with several kinds of anomaly: kinds down, detectors across.
pub(super) fn kinds(record: &Record) -> Vec<Grid> {
    scenarios(record).into_iter().filter_map(|scenario| kinds_of(record, scenario)).collect()
}

/// Recall by kind at fixed rates of false alarms.
fn budgets_by_kind(record: &Record) -> Vec<Grid> {
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
    })
}

fn nab(record: &Record) -> Option<Grid> {
    let scored: Vec<Row> = record.rows.iter().filter(|row| row.nab.is_some()).cloned().collect();
    let columns = [
        "standard",
        "low FP",
        "low FN",
        "best threshold",
        "standard two-fold",
        "low FP",
        "low FN",
        "standard as shipped",
        "low FP",
        "low FN",
    ];
    let points = |points: NabProfiles| {
        [points.standard, points.reward_low_fp_rate, points.reward_low_fn_rate]
    };
    (!scored.is_empty()).then(|| {
        grid("Numenta benchmark: 0 for no alarm, 100 perfect", &columns, &scored, |row| {
            let Some(nab) = row.nab else { return Vec::new() };
            let best = points(nab.optimized).map(|points| format!("{points:.2}"));
            let two_fold = points(nab.two_fold).map(|points| format!("{points:.2}"));
            let shipped = points(nab.shipped).map(|points| format!("{points:.2}"));
            let threshold = format!("{:.4}", nab.thresholds.standard);
            best.into_iter().chain([threshold]).chain(two_fold).chain(shipped).collect()
        })
    })
}

fn second_halves(record: &Record) -> Option<Grid> {
    let scored: Vec<Row> = record.rows.iter().filter(|row| row.kpi.is_some()).cloned().collect();
    let columns = [
        "KPI F1",
        "threshold",
        "per series",
        "as shipped",
        "event F1",
        "threshold",
        "false/day",
        "event PR-AUC",
    ];
    let title = "Second halves, thresholds from the first (KPI: the rule of the 2018 competition)";
    (!scored.is_empty()).then(|| {
        grid(title, &columns, &scored, |row| {
            let Some(kpi) = row.kpi else { return Vec::new() };
            vec![
                number(kpi.f1_one_threshold),
                number(kpi.threshold),
                number(kpi.f1_threshold_per_series),
                number(kpi.f1_shipped),
                share(kpi.halves.events.f1),
                number(kpi.halves.threshold),
                share(kpi.halves.false_alarms_per_series_day),
                number(kpi.halves.event_pr_auc),
            ]
        })
    })
}

fn first_day(record: &Record) -> Option<Grid> {
    let cold: Vec<Row> =
        record.rows.iter().filter(|row| row.first_day.is_some()).cloned().collect();
    let columns = ["series-days", "caught", "false", "false/day", "TP", "TN", "FP", "FN", "FPR"];
    (!cold.is_empty()).then(|| {
        grid("Cold start: the first day, not included above", &columns, &cold, |row| {
            let Some(day) = row.first_day else { return Vec::new() };
            vec![
                format!("{:.1}", day.series_days),
                format!("{}/{}", day.events.caught, day.events.n_events),
                day.events.false_runs.to_string(),
                share(day.false_alarms_per_series_day),
                day.point.tp.to_string(),
                day.point.tn.to_string(),
                day.point.fp.to_string(),
                day.point.fn_.to_string(),
                share(day.rates.false_positive_rate),
            ]
        })
    })
}

fn cost(record: &Record) -> Grid {
    let columns = ["series", "samples", "series-days", "us/sample", "bytes/series"];
    grid("Size and cost", &columns, &record.rows, |row| {
        vec![
            row.n_series.to_string(),
            row.n_samples.to_string(),
            format!("{:.1}", row.series_days),
            row.micros_per_sample.map_or(UNDEFINED.to_owned(), |micros| format!("{micros:.2}")),
            format!("{:.0}", row.bytes_per_series),
        ]
    })
}

/// A table with a line per row of the record; the name of a scenario is on its first line only.
fn grid(title: &str, columns: &[&str], rows: &[Row], cells: impl Fn(&Row) -> Vec<String>) -> Grid {
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
    }
}

fn share(value: Option<f64>) -> String {
    value.map_or(UNDEFINED.to_owned(), number)
}

/// A number with three decimals, or fewer if it is large.
fn number(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 1e6 => format!("{value:.1e}"),
        magnitude if magnitude >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.3}"),
    }
}

/// A number with two decimals, or fewer if it is large.
fn short(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 1e4 => format!("{value:.0e}"),
        magnitude if magnitude >= 10.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

fn interval(ends: Option<[f64; 2]>) -> String {
    ends.map_or(UNDEFINED.to_owned(), |[low, high]| format!("{low:.2}..{high:.2}"))
}
