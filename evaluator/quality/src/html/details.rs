//! The detail tables, folded on the screen: counts, cold start, ranking, cost, benchmark points.

use page::escape;

use super::detectors::{DetectorRole, Detectors};
use super::text::{DASH, count, percent, plain, rate, share};
use crate::record::{BudgetScore, Confusion, NabProfiles, Rates, Record, Row};

/// A column: its heading and its text of a row.
type DetailColumn = (&'static str, fn(&Row) -> String);

/// Counts of single samples.
const SAMPLES: [DetailColumn; 12] = [
    ("Samples", |row| count(row.n_samples as i64)),
    ("Threshold", |row| format!("{}", row.threshold)),
    ("TP", |row| count(row.point.tp as i64)),
    ("TN", |row| count(row.point.tn as i64)),
    ("FP", |row| count(row.point.fp as i64)),
    ("FN", |row| count(row.point.fn_ as i64)),
    ("Precision", |row| percent(row.rates.precision)),
    ("Recall", |row| percent(row.rates.recall)),
    ("F1", |row| share(row.rates.f1)),
    ("Accuracy", |row| percent(row.rates.accuracy)),
    ("False positive rate", |row| percent(row.rates.false_positive_rate)),
    ("MCC", |row| share(row.rates.mcc)),
];

/// Counts of anomalies and alarm runs.
const EVENTS: [DetailColumn; 8] = [
    ("Anomalies", |row| count(row.events.n_events as i64)),
    ("Caught", |row| count(row.events.caught as i64)),
    ("Within 7 samples", |row| count(row.events.caught_early as i64)),
    ("False runs", |row| count(row.events.false_runs as i64)),
    ("Delay p90", |row| plain(row.delay_samples.map(|delay| delay.p90))),
    ("F1, interval", |row| interval(row.intervals.map(|intervals| intervals.event_f1))),
    ("F1 gain, interval", |row| {
        interval(row.intervals.and_then(|intervals| intervals.event_f1_gain))
    }),
    ("Series-days", |row| format!("{:.1}", row.series_days)),
];

/// Threshold-free quality, and the cost of a sample and a series.
const COST: [DetailColumn; 9] = [
    ("PR-AUC, pooled", |row| share(row.ranking.map(|ranking| ranking.pr_auc))),
    ("PR-AUC, mean of series", |row| share(row.ranking.map(|ranking| ranking.pr_auc_mean))),
    ("ROC-AUC", |row| share(row.ranking.map(|ranking| ranking.roc_auc))),
    ("VUS-PR, mean of series", |row| share(row.ranking.and_then(|ranking| ranking.vus_pr))),
    ("Recall at 0.1 false a day", |row| recall_at(row, 0)),
    ("At 0.3", |row| recall_at(row, 1)),
    ("At 1", |row| recall_at(row, 2)),
    ("Microseconds a sample", |row| rate(row.micros_per_sample)),
    ("Bytes a series", |row| count(row.bytes_per_series.round() as i64)),
];

/// The cold start, which the other tables leave out.
const FIRST_DAY: [DetailColumn; 8] = [
    ("Anomalies", |row| first(row, |events, _, _| count(events.0 as i64))),
    ("Caught", |row| first(row, |events, _, _| count(events.1 as i64))),
    ("False runs", |row| first(row, |events, _, _| count(events.2 as i64))),
    ("False alarms per series, day", |row| {
        rate(row.first_day.and_then(|day| day.false_alarms_per_series_day))
    }),
    ("TP", |row| first(row, |_, point, _| count(point.tp as i64))),
    ("FP", |row| first(row, |_, point, _| count(point.fp as i64))),
    ("FN", |row| first(row, |_, point, _| count(point.fn_ as i64))),
    ("False positive rate", |row| first(row, |_, _, rates| percent(rates.false_positive_rate))),
];

/// Points of the Numenta benchmark: standard / low FP / low FN.
const NAB: [DetailColumn; 4] = [
    ("Optimized threshold", |row| row.nab.map_or(DASH.to_owned(), |nab| profiles(nab.optimized))),
    ("Threshold of the other half", |row| {
        row.nab.map_or(DASH.to_owned(), |nab| profiles(nab.two_fold))
    }),
    ("Shipped threshold", |row| row.nab.map_or(DASH.to_owned(), |nab| profiles(nab.shipped))),
    ("Optimized thresholds", |row| row.nab.map_or(DASH.to_owned(), |nab| profiles(nab.thresholds))),
];

/// F1 by the rule of the KPI competition.
const KPI: [DetailColumn; 4] = [
    ("One threshold", |row| share(row.kpi.map(|kpi| kpi.f1_one_threshold))),
    ("That threshold", |row| rate(row.kpi.map(|kpi| kpi.threshold))),
    ("A threshold per series", |row| share(row.kpi.map(|kpi| kpi.f1_threshold_per_series))),
    ("Shipped threshold", |row| share(row.kpi.map(|kpi| kpi.f1_shipped))),
];

/// The tables; those without a number are left out.
pub(crate) fn details(record: &Record, detectors: &Detectors<'_>) -> String {
    let some = |has: fn(&Row) -> bool| record.rows.iter().any(has);
    let fold = |name: &str, caption: &str, columns: &[DetailColumn]| {
        format!(
            "<details><summary>{name}</summary><p class=\"caption\">{caption}</p>{}</details>",
            table(name, columns, record, detectors)
        )
    };
    let mut folds = vec![
        fold(
            "Samples",
            "TP: anomalous samples with an alarm; FP: other samples with an alarm; FN and TN: those without. An anomaly that lasts an hour needs one alarm to be caught, so recall per sample is low for a detector that alarms once. MCC is Matthews’ correlation, from −1 to 1.",
            &SAMPLES,
        ),
        fold(
            "Anomalies and alarm runs",
            "Caught: an alarm falls inside. F1 gain: over the reference detector on the same resampled series; an interval without zero is a significant difference.",
            &EVENTS,
        ),
        fold(
            "Ranking and cost",
            "Areas under the curves judge the order of the scores at all thresholds together; VUS-PR is the volume over buffers around each anomaly. Recall at so many false alarms per series and day is of anomalies, at a threshold chosen in hindsight. Bytes are the memory of one series besides its window.",
            &COST,
        ),
    ];
    if some(|row| row.first_day.is_some()) {
        folds.push(fold(
            "The first day: cold start",
            "The time in which detectors learn; all other numbers leave it out.",
            &FIRST_DAY,
        ));
    }
    if some(|row| row.nab.is_some()) {
        folds.push(fold("Numenta benchmark", "Points: 0 for a detector that never alarms, 100 for a perfect one; the profiles standard / low false positives / low false negatives. The optimized threshold is chosen in hindsight.", &NAB));
    }
    if some(|row| row.kpi.is_some()) {
        folds.push(fold("KPI competition of 2018", "F1 on the second half of each series, where an anomaly counts with all its samples if it is found within its first 7; thresholds are fitted on the first half.", &KPI));
    }
    folds.concat()
}

fn table(
    name: &str,
    columns: &[DetailColumn],
    record: &Record,
    detectors: &Detectors<'_>,
) -> String {
    let headings =
        columns.iter().map(|(name, _)| format!("<th scope=\"col\" class=\"n\">{name}</th>"));
    let header = headings.collect::<Vec<_>>().concat();
    let scenarios = record.rows.chunk_by(|one, other| one.scenario == other.scenario);
    let bodies: String = scenarios.map(|rows| body(rows, columns, detectors)).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{name}\"><table><thead><tr><th scope=\"col\">Scenario</th><th scope=\"col\">Detector</th>{header}</tr></thead>{bodies}</table></div>"
    )
}

fn body(rows: &[Row], columns: &[DetailColumn], detectors: &Detectors<'_>) -> String {
    let heading = format!(
        "<th scope=\"rowgroup\" rowspan=\"{}\">{}</th>",
        rows.len(),
        escape(&rows[0].scenario)
    );
    let headings = std::iter::once(heading.as_str()).chain(std::iter::repeat(""));
    let lines: String = rows
        .iter()
        .zip(headings)
        .map(|(row, heading)| line(row, heading, columns, detectors))
        .collect();
    format!("<tbody>{lines}</tbody>")
}

/// One row; `heading` is the scenario in the first row of a scenario.
fn line(row: &Row, heading: &str, columns: &[DetailColumn], detectors: &Detectors<'_>) -> String {
    let role = detectors.all[detectors.index(&row.detector)].role;
    let class = if role == DetectorRole::Default { " class=\"default\"" } else { "" };
    let cells = columns.iter().map(|(_, show)| format!("<td class=\"n\">{}</td>", show(row)));
    format!(
        "<tr{class}>{heading}<th scope=\"row\" class=\"detector\">{}</th>{}</tr>",
        detectors.short_cell(&row.detector),
        cells.collect::<Vec<_>>().concat()
    )
}

/// Recall at the budget of that index.
fn recall_at(row: &Row, i: usize) -> String {
    percent(row.budgets.get(i).and_then(BudgetScore::recall))
}

fn interval(ends: Option<[f64; 2]>) -> String {
    ends.map_or_else(
        || DASH.to_owned(),
        |[low, high]| format!("{} to {}", share(Some(low)), share(Some(high))),
    )
}

/// Text of the first day, from (anomalies, caught, false runs), counts and rates.
fn first(row: &Row, show: fn((u64, u64, u64), Confusion, Rates) -> String) -> String {
    row.first_day.map_or_else(
        || DASH.to_owned(),
        |day| {
            let events = (day.events.n_events, day.events.caught, day.events.false_runs);
            show(events, day.point, day.rates)
        },
    )
}

fn profiles(points: NabProfiles) -> String {
    let NabProfiles { standard, reward_low_fp_rate, reward_low_fn_rate } = points;
    format!("{standard:.2} / {reward_low_fp_rate:.2} / {reward_low_fn_rate:.2}")
}
