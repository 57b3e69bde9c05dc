//! Recall by kind of anomaly, as a table with cells tinted by recall.

use std::collections::BTreeMap;

use page::escape;

use super::detectors::{DetectorRole, Detectors};
use super::text::{DASH, count, percent_whole, plain};
use crate::record::Record;

/// Counts of one detector for one kind of anomaly, over all scenarios.
#[derive(Debug, Default, Clone, Copy)]
struct KindCounts {
    n_events: u64,
    caught: u64,
    delay_sum: f64,
}

/// The section; empty if no row has kinds.
pub(crate) fn section(record: &Record, detectors: &Detectors<'_>) -> String {
    let kinds = counts_by_kind(record, detectors);
    if kinds.is_empty() {
        return String::new();
    }
    let shown = columns(detectors);
    let heading =
        |i: &usize| format!("<th scope=\"col\">{}</th>", detectors.cell(detectors.all[*i].spec));
    let header = shown.iter().map(heading).collect::<Vec<_>>().concat();
    let body: String = kinds.iter().map(|(kind, counts)| kind_row(kind, counts, &shown)).collect();
    format!(
        r#"<section id="kinds" aria-labelledby="kinds-title">
  <h2 id="kinds-title">Recall by kind of anomaly</h2>
  <p class="caption">Share of caught anomalies by kind, over all scenarios, with the mean of the median delays in samples. A detector that always alarms catches everything: compare with its false alarms above.</p>
  <div class="scroll" tabindex="0" role="region" aria-label="Recall by kind of anomaly"><table class="tinted"><thead><tr><th scope="col">Kind</th>{header}</tr></thead><tbody>{body}</tbody></table></div>
</section>"#
    )
}

/// All detectors but the silent one.
fn columns(detectors: &Detectors<'_>) -> Vec<usize> {
    (0..detectors.all.len())
        .filter(|i| {
            let named = &detectors.all[*i];
            named.role != DetectorRole::Baseline || named.spec != "silent"
        })
        .collect()
}

/// Counts of each detector by kind, in the order of the detectors.
fn counts_by_kind<'a>(
    record: &'a Record,
    detectors: &Detectors<'_>,
) -> BTreeMap<&'a str, Vec<KindCounts>> {
    let mut kinds: BTreeMap<&str, Vec<KindCounts>> = BTreeMap::new();
    for row in &record.rows {
        for score in &row.by_kind {
            let counts = kinds
                .entry(&score.kind)
                .or_insert_with(|| vec![KindCounts::default(); detectors.all.len()]);
            let counts = &mut counts[detectors.index(&row.detector)];
            counts.n_events += score.n_events;
            counts.caught += score.caught;
            counts.delay_sum += score.delay_median.unwrap_or_default() * score.caught as f64;
        }
    }
    kinds
}

fn kind_row(kind: &str, counts: &[KindCounts], shown: &[usize]) -> String {
    let n_events = counts.iter().map(|counts| counts.n_events).max().unwrap_or_default();
    let cells: String = shown.iter().map(|i| cell(counts[*i])).collect();
    format!(
        "<tr><th scope=\"row\">{}<small>{}</small></th>{cells}</tr>",
        escape(&kind.replace('_', " ")),
        count(n_events as i64)
    )
}

fn cell(counts: KindCounts) -> String {
    if counts.n_events == 0 {
        return format!("<td class=\"none\">{DASH}</td>");
    }
    let recall = counts.caught as f64 / counts.n_events as f64;
    let delay = (counts.caught > 0)
        .then(|| (10.0 * counts.delay_sum / counts.caught as f64).round() / 10.0);
    let delay = delay
        .map_or_else(String::new, |delay| format!("<small>after {}</small>", plain(Some(delay))));
    format!("<td style=\"--at:{recall:.3}\">{}\u{a0}%{delay}</td>", percent_whole(recall))
}
