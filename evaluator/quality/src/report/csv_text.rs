//! Renders each row of a record as a CSV line, for other programs; an undefined number is an empty field.

use crate::record::{BudgetScore, Record, Row};

/// A column: its name and its text of a row.
type CsvColumn = (&'static str, fn(&Row) -> String);

/// The text of a cell that holds a name: a spreadsheet would run one that begins like a formula.
pub fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// Column names and texts of a row.
pub fn columns(row: &Row) -> impl Iterator<Item = (&'static str, String)> {
    COLUMNS.iter().map(|(name, text)| (*name, text(row)))
}

/// True if the CSV has a column of that name.
pub fn is_column(name: &str) -> bool {
    COLUMNS.iter().any(|(column, _)| *column == name)
}

/// Renders all rows.
pub(super) fn render(record: &Record) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS.iter().map(|(name, _)| name))?;
    for row in &record.rows {
        writer.write_record(columns(row).map(|(_, text)| text))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

const COLUMNS: [CsvColumn; 49] = [
    ("scenario", |row| cell(&row.scenario)),
    ("detector", |row| cell(&row.detector)),
    ("threshold", |row| row.threshold.to_string()),
    ("n_series", |row| row.n_series.to_string()),
    ("n_samples", |row| row.n_samples.to_string()),
    ("series_days", |row| row.series_days.to_string()),
    ("tp", |row| row.point.tp.to_string()),
    ("tn", |row| row.point.tn.to_string()),
    ("fp", |row| row.point.fp.to_string()),
    ("fn", |row| row.point.fn_.to_string()),
    ("precision", |row| number(row.rates.precision)),
    ("recall", |row| number(row.rates.recall)),
    ("f1", |row| number(row.rates.f1)),
    ("accuracy", |row| number(row.rates.accuracy)),
    ("false_positive_rate", |row| number(row.rates.false_positive_rate)),
    ("mcc", |row| number(row.rates.mcc)),
    ("n_events", |row| row.events.n_events.to_string()),
    ("caught", |row| row.events.caught.to_string()),
    ("caught_early", |row| row.events.caught_early.to_string()),
    ("false_runs", |row| row.events.false_runs.to_string()),
    ("event_precision", |row| number(row.events.precision)),
    ("event_recall", |row| number(row.events.recall)),
    ("event_f1", |row| number(row.events.f1)),
    ("event_f1_low", |row| number(row.intervals.map(|intervals| intervals.event_f1[0]))),
    ("event_f1_high", |row| number(row.intervals.map(|intervals| intervals.event_f1[1]))),
    ("false_alarms_per_series_day", |row| number(row.false_alarms_per_series_day)),
    ("delay_median", |row| number(row.delay_samples.map(|delay| delay.median))),
    ("delay_p90", |row| number(row.delay_samples.map(|delay| delay.p90))),
    ("delay_p95", |row| number(row.delay_samples.map(|delay| delay.p95))),
    ("pr_auc", |row| number(row.ranking.map(|ranking| ranking.pr_auc))),
    ("pr_auc_mean", |row| number(row.ranking.map(|ranking| ranking.pr_auc_mean))),
    ("roc_auc", |row| number(row.ranking.map(|ranking| ranking.roc_auc))),
    ("vus_pr", |row| number(row.ranking.and_then(|ranking| ranking.vus_pr))),
    ("recall_at_0.1", |row| number(recall_at(row, 0.1))),
    ("recall_at_0.3", |row| number(recall_at(row, 0.3))),
    ("recall_at_1", |row| number(recall_at(row, 1.0))),
    ("nab_standard", |row| number(row.nab.map(|nab| nab.optimized.standard))),
    ("nab_reward_low_fp_rate", |row| number(row.nab.map(|nab| nab.optimized.reward_low_fp_rate))),
    ("nab_reward_low_fn_rate", |row| number(row.nab.map(|nab| nab.optimized.reward_low_fn_rate))),
    ("nab_standard_two_fold", |row| number(row.nab.map(|nab| nab.two_fold.standard))),
    ("nab_standard_shipped", |row| number(row.nab.map(|nab| nab.shipped.standard))),
    ("kpi_f1_one_threshold", |row| number(row.kpi.map(|kpi| kpi.f1_one_threshold))),
    ("kpi_f1_threshold_per_series", |row| number(row.kpi.map(|kpi| kpi.f1_threshold_per_series))),
    ("kpi_f1_shipped", |row| number(row.kpi.map(|kpi| kpi.f1_shipped))),
    ("halves_event_f1", |row| number(row.kpi.and_then(|kpi| kpi.halves.events.f1))),
    ("halves_event_pr_auc", |row| number(row.kpi.map(|kpi| kpi.halves.event_pr_auc))),
    ("first_day_false_alarms", |row| {
        number(row.first_day.and_then(|day| day.false_alarms_per_series_day))
    }),
    ("micros_per_sample", |row| number(row.micros_per_sample)),
    ("bytes_per_series", |row| row.bytes_per_series.to_string()),
];

/// Event recall at a budget of false alarms; `None` without anomalies.
fn recall_at(row: &Row, budget: f64) -> Option<f64> {
    row.budgets.iter().find(|score| score.budget == budget).and_then(BudgetScore::recall)
}

/// Writes an optional number as a CSV field, which is empty without it.
pub fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
