//! A confusion matrix for each detector, over all scenarios, with the share of each row.

use super::detectors::Detectors;
use super::text::{count, percent};
use super::totals;
use crate::record::{Record, Row};
use crate::score::ratio;

/// The section; empty without rows.
pub(crate) fn section(record: &Record, detectors: &Detectors<'_>) -> String {
    let matrices: String =
        totals::rows(record, detectors).iter().map(|row| matrix(row, detectors)).collect();
    if matrices.is_empty() {
        return String::new();
    }
    format!(
        r#"<section id="confusion" aria-labelledby="confusion-title">
  <h2 id="confusion-title">Confusion matrices</h2>
  <p class="caption">Samples by label and verdict, all scenarios together, with the share of their row. The lower right cell gives a detector that never alarms a high accuracy.</p>
  <div class="matrices">{matrices}</div>
</section>"#
    )
}

fn matrix(row: &Row, detectors: &Detectors<'_>) -> String {
    let point = row.point;
    let line = |label: &str, alarmed: u64, others: u64| {
        let cell = |n: u64| {
            let share = ratio(n as f64, (alarmed + others) as f64);
            format!(
                "<td style=\"--at:{:.3}\">{}<small>{}</small></td>",
                share.unwrap_or_default(),
                count(n as i64),
                percent(share)
            )
        };
        format!("<tr><th scope=\"row\">{label}</th>{}{}</tr>", cell(alarmed), cell(others))
    };
    format!(
        "<table class=\"tinted\"><caption>{}</caption><thead><tr><th></th><th scope=\"col\">alarm</th><th scope=\"col\">none</th></tr></thead><tbody>{}{}</tbody></table>",
        detectors.short_cell(&row.detector),
        line("anomalous", point.tp, point.fn_),
        line("other", point.fp, point.tn)
    )
}
