//! The table of quality, one row per scenario and detector.
//!
//! Precision is beside recall, false alarms beside both, and intervals beside all: a single number misleads.

use page::escape;

use super::detectors::{DetectorRole, Detectors};
use super::text::{DASH, counted, days, percent, percent_bare, plain, rate, share};
use super::totals::{self, ALL_SCENARIOS};
use crate::record::{Record, Row};

const HEADER: &str = r#"<thead>
<tr class="group"><th></th><th scope="colgroup" colspan="4" class="span">Anomalies and alarm runs</th><th scope="colgroup" colspan="2" class="span">Delay, samples</th><th scope="colgroup" colspan="4" class="span">Per sample</th></tr>
<tr><th scope="col">Detector</th><th scope="col" class="n">Precision</th><th scope="col" class="n">Recall</th><th scope="col" class="n">F1</th><th scope="col" class="n">False alarms<br>per series, day</th><th scope="col" class="n">Median</th><th scope="col" class="n">p95</th><th scope="col" class="n">Precision</th><th scope="col" class="n">Recall</th><th scope="col" class="n">False positive<br>rate</th><th scope="col" class="n">Accuracy</th></tr>
</thead>"#;

/// The table: totals first, then one body per scenario.
pub(crate) fn quality(record: &Record, detectors: &Detectors<'_>) -> String {
    let scenarios: Vec<&[Row]> =
        record.rows.chunk_by(|one, other| one.scenario == other.scenario).collect();
    // The total of one scenario would repeat it.
    let together = if scenarios.len() > 1 { totals::rows(record, detectors) } else { Vec::new() };
    let together = (!together.is_empty()).then_some(together.as_slice());
    let bodies: String =
        together.into_iter().chain(scenarios).map(|rows| body(rows, record, detectors)).collect();
    format!(
        "<div class=\"scroll quality-table\" tabindex=\"0\" role=\"region\" aria-labelledby=\"quality-title\"><table>{HEADER}{bodies}</table></div>"
    )
}

fn body(rows: &[Row], record: &Record, detectors: &Detectors<'_>) -> String {
    let lines: String =
        rows.iter().map(|row| line(row, best_f1(rows, detectors), detectors)).collect();
    format!("<tbody>{}{lines}</tbody>", heading(&rows[0], record))
}

/// Name, analysis and size of a scenario.
fn heading(row: &Row, record: &Record) -> String {
    let note = record.scenarios.iter().find(|note| note.name == row.scenario);
    let analysis = match note {
        Some(note) => escape(&note.analysis) + " ",
        None if row.scenario == ALL_SCENARIOS => {
            "Counts are added up, so that long scenarios weigh more than short ones. ".to_owned()
        }
        None => String::new(),
    };
    let size = format!(
        "{}, {}, {}.",
        counted(row.n_series, "series", "series"),
        days(row.series_days),
        counted(row.events.n_events as usize, "anomaly", "anomalies"),
    );
    format!(
        "<tr class=\"scenario\"><th scope=\"rowgroup\" colspan=\"11\"><span>{}<small>{analysis}{size}</small></span></th></tr>",
        escape(&row.scenario)
    )
}

/// The best F1 among detectors without baselines; `None` for a single detector.
fn best_f1(rows: &[Row], detectors: &Detectors<'_>) -> Option<f64> {
    let compared = rows.iter().filter(|row| role(row, detectors) != DetectorRole::Baseline);
    let scores: Vec<f64> = compared.filter_map(|row| row.events.f1).collect();
    (scores.len() > 1).then(|| scores.into_iter().fold(0.0, f64::max))
}

fn role(row: &Row, detectors: &Detectors<'_>) -> DetectorRole {
    detectors.all[detectors.index(&row.detector)].role
}

fn line(row: &Row, best_f1: Option<f64>, detectors: &Detectors<'_>) -> String {
    let class =
        if role(row, detectors) == DetectorRole::Default { " class=\"default\"" } else { "" };
    let color = detectors.all[detectors.index(&row.detector)].color;
    let f1_class = if row.events.f1.is_some() && row.events.f1 == best_f1 { "n best" } else { "n" };
    let intervals = row.intervals.as_ref();
    let cells = [
        cell(
            "n",
            &percent(row.events.precision),
            &dot(row.events.precision, intervals.map(|i| i.precision)),
        ),
        cell(
            "n",
            &percent(row.events.recall),
            &dot(row.events.recall, intervals.map(|i| i.recall)),
        ),
        cell(f1_class, &share(row.events.f1), &dot(row.events.f1, intervals.map(|i| i.event_f1))),
        cell("n", &rate(row.false_alarms_per_series_day), &span_of_rates(row)),
        cell("n", &plain(row.delay_samples.map(|delay| delay.median)), ""),
        cell("n", &plain(row.delay_samples.map(|delay| delay.p95)), ""),
        cell("n", &percent(row.rates.precision), ""),
        cell("n", &percent(row.rates.recall), ""),
        cell("n", &percent(row.rates.false_positive_rate), ""),
        cell("n", &percent(row.rates.accuracy), ""),
    ];
    format!(
        "<tr{class} style=\"--color:var(--{color})\"><th scope=\"row\" class=\"detector\">{}</th>{}</tr>",
        detectors.cell(&row.detector),
        cells.concat()
    )
}

fn cell(class: &str, text: &str, below: &str) -> String {
    format!("<td class=\"{class}\">{text}{below}</td>")
}

/// A share as a dot on a line from 0 to 1 with its interval, and as text for screen readers.
fn dot(value: Option<f64>, interval: Option<[f64; 2]>) -> String {
    let Some(value) = value else {
        return String::new();
    };
    let [low, high] = interval.unwrap_or([value, value]);
    let words = interval.map_or_else(
        || "no interval".to_owned(),
        |[low, high]| format!("95 % interval {} to {} %", percent_bare(low), percent_bare(high)),
    );
    format!(
        "<span class=\"ci\" role=\"img\" title=\"{words}\" aria-label=\"{words}\" style=\"--at:{value:.4};--lo:{low:.4};--hi:{high:.4}\"><i></i></span>"
    )
}

fn span_of_rates(row: &Row) -> String {
    let Some(intervals) = &row.intervals else {
        return String::new();
    };
    let [low, high] = intervals.false_alarms_per_series_day.map(|end| rate(Some(end)));
    if low == DASH || low == high {
        return String::new();
    }
    format!("<small>{low} to {high}</small>")
}
