//! Recall by kind of anomaly, as a table whose cells are tinted by what they say.

use std::collections::BTreeMap;

use page::escape;

use crate::html::detectors::{DetectorRole, Detectors};
use crate::html::text::{DASH, count, percent_whole, plain};
use crate::record::Record;

/// Anomalies of one kind as one detector met them, over every scenario.
#[derive(Debug, Default, Clone, Copy)]
struct KindCounts {
    n_events: u64,
    caught: u64,
    delay_sum: f64,
}

/// The section; empty when no row tells kinds apart.
pub(crate) fn section(record: &Record, detectors: &Detectors<'_>) -> String {
    let kinds = pooled(record, detectors);
    if kinds.is_empty() {
        return String::new();
    }
    let shown = columns(detectors);
    let heading =
        |i: &usize| format!("<th scope=\"col\">{}</th>", detectors.cell(detectors.all[*i].spec));
    let header = shown.iter().map(heading).collect::<Vec<_>>().concat();
    let body: String = kinds.iter().map(|(kind, met)| kind_row(kind, met, &shown)).collect();
    format!(
        r#"<section id="kinds" aria-labelledby="kinds-title">
  <h2 id="kinds-title">Recall by kind of anomaly</h2>
  <p class="caption">How many of each kind were caught, over all scenarios, and after how many samples: the mean of the median delays. A detector that alarms all the time catches everything: read this beside its false alarms above.</p>
  <div class="scroll" tabindex="0" role="region" aria-label="Recall by kind of anomaly"><table class="heat"><thead><tr><th scope="col">Kind</th>{header}</tr></thead><tbody>{body}</tbody></table></div>
</section>"#
    )
}

/// Everything but the silent detector, which catches nothing by design.
fn columns(detectors: &Detectors<'_>) -> Vec<usize> {
    (0..detectors.all.len())
        .filter(|i| {
            let named = &detectors.all[*i];
            named.role != DetectorRole::Baseline || named.spec != "silent"
        })
        .collect()
}

/// By kind, what each detector met, in the order of the detectors.
fn pooled<'a>(record: &'a Record, detectors: &Detectors<'_>) -> BTreeMap<&'a str, Vec<KindCounts>> {
    let mut kinds: BTreeMap<&str, Vec<KindCounts>> = BTreeMap::new();
    for row in &record.rows {
        for score in &row.by_kind {
            let met = kinds
                .entry(&score.kind)
                .or_insert_with(|| vec![KindCounts::default(); detectors.all.len()]);
            let met = &mut met[detectors.index(&row.detector)];
            met.n_events += score.n_events;
            met.caught += score.caught;
            met.delay_sum += score.delay_median.unwrap_or_default() * score.caught as f64;
        }
    }
    kinds
}

fn kind_row(kind: &str, met: &[KindCounts], shown: &[usize]) -> String {
    let n_events = met.iter().map(|met| met.n_events).max().unwrap_or_default();
    let cells: String = shown.iter().map(|i| cell(met[*i])).collect();
    format!(
        "<tr><th scope=\"row\">{}<small>{}</small></th>{cells}</tr>",
        escape(&kind.replace('_', " ")),
        count(n_events as i64)
    )
}

fn cell(met: KindCounts) -> String {
    if met.n_events == 0 {
        return format!("<td class=\"none\">{DASH}</td>");
    }
    let recall = met.caught as f64 / met.n_events as f64;
    let delay = (met.caught > 0).then(|| (10.0 * met.delay_sum / met.caught as f64).round() / 10.0);
    let delay = delay
        .map_or_else(String::new, |delay| format!("<small>after {}</small>", plain(Some(delay))));
    format!("<td style=\"--at:{recall:.3}\">{}\u{a0}%{delay}</td>", percent_whole(recall))
}
