//! The summary: one paragraph and five numbers on the default detector, beside the rolling z-score.

use page::escape;

use super::detectors::{DetectorRole, Detectors, split};
use super::text::{DASH, counted, days, percent, rate, share};
use super::totals;
use crate::record::{Record, Row};

/// The paragraph under the title.
pub(crate) fn lead(record: &Record, detectors: &Detectors<'_>) -> String {
    let Some(default) = of_role(record, detectors, DetectorRole::Default) else {
        return "This record has no detector besides baselines.".to_owned();
    };
    let reference = of_role(record, detectors, DetectorRole::RollingZscore);
    [
        scope(record, &default),
        sentence(&default),
        reference.map_or_else(String::new, |reference| reference_sentence(&reference)),
        totals::row(record, "silent").map_or_else(String::new, |silent| silent_sentence(&silent)),
    ]
    .concat()
}

/// Totals of the detector with that role.
fn of_role(record: &Record, detectors: &Detectors<'_>, role: DetectorRole) -> Option<Row> {
    detectors.of_role(role).and_then(|named| totals::row(record, named.spec))
}

/// Number and size of the scenarios.
fn scope(record: &Record, all: &Row) -> String {
    let n_scenarios = record.rows.iter().filter(|row| row.detector == all.detector).count();
    format!(
        "Measured on {} with {} over {}, with {}. ",
        counted(n_scenarios, "scenario", "scenarios"),
        counted(all.n_series, "series", "series"),
        days(all.series_days),
        counted(all.events.n_events as usize, "labeled anomaly", "labeled anomalies"),
    )
}

fn sentence(all: &Row) -> String {
    format!(
        "The default detector, <strong>{}</strong>, catches <strong>{}</strong> of the anomalies; <strong>{}</strong> of its reports are correct; it raises <strong>{}</strong> false alarms per series and day{}.",
        escape(split(&all.detector).0),
        percent(all.events.recall),
        percent(all.events.precision),
        rate(all.false_alarms_per_series_day),
        in_days(all.false_alarms_per_series_day),
    )
}

/// The interval between two false alarms, for rates below one a day.
fn in_days(rate: Option<f64>) -> String {
    match rate {
        Some(rate) if rate > 0.0 && rate < 0.7 => format!(", one in about {:.0} days", 1.0 / rate),
        _ => String::new(),
    }
}

fn reference_sentence(all: &Row) -> String {
    format!(
        " The rolling z-score (window 50, 2 sigma) on the same series catches {}, {} of its reports are correct, and it raises {} false alarms per series and day.",
        percent(all.events.recall),
        percent(all.events.precision),
        rate(all.false_alarms_per_series_day),
    )
}

/// The accuracy of a detector that never alarms.
fn silent_sentence(silent: &Row) -> String {
    format!(
        " A detector that never alarms has an accuracy of {} here, so accuracy alone means nothing.",
        percent(silent.rates.accuracy)
    )
}

/// The numbers, each beside that of the rolling z-score.
pub(crate) fn key_figures(record: &Record, detectors: &Detectors<'_>) -> String {
    let Some(default) = of_role(record, detectors, DetectorRole::Default) else {
        return String::new();
    };
    let reference = of_role(record, detectors, DetectorRole::RollingZscore);
    let figure = |name: &str, text: &dyn Fn(&Row) -> String| {
        let beside = reference.as_ref().map_or_else(String::new, |reference| {
            format!("<dd class=\"beside\">rolling z-score <b>{}</b></dd>", text(reference))
        });
        format!("<div><dt>{name}</dt><dd class=\"large\">{}</dd>{beside}</div>", text(&default))
    };
    [
        "<dl class=\"summary\">".to_owned(),
        figure("Anomalies caught (recall)", &|all| percent(all.events.recall)),
        figure("Correct reports (precision)", &|all| percent(all.events.precision)),
        figure("F1 of both", &|all| share(all.events.f1)),
        figure("False alarms per series and day", &|all| rate(all.false_alarms_per_series_day)),
        figure("Median delay, in samples", &|all| median_delays(record, &all.detector)),
        "</dl>".to_owned(),
    ]
    .concat()
}

/// Range of the median delays of all scenarios.
fn median_delays(record: &Record, spec: &str) -> String {
    let rows = record.rows.iter().filter(|row| row.detector == spec);
    let mut medians: Vec<f64> =
        rows.filter_map(|row| row.delay_samples).map(|delay| delay.median).collect();
    medians.sort_by(f64::total_cmp);
    match (medians.first(), medians.last()) {
        (Some(low), Some(high)) if low == high => format!("{low}"),
        (Some(low), Some(high)) => format!("{low} to {high}"),
        _ => DASH.to_owned(),
    }
}
