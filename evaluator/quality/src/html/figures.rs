//! The report in one paragraph and in five numbers: the default detector beside the ancestor's rule.

use page::escape;

use crate::html::detectors::{DetectorRole, Detectors, split};
use crate::html::pooled;
use crate::html::text::{DASH, counted, days, percent, rate, share};
use crate::record::{Record, Row};

/// The paragraph under the title.
pub(crate) fn lead(record: &Record, detectors: &Detectors<'_>) -> String {
    let Some(default) = of_role(record, detectors, DetectorRole::Default) else {
        return "This record holds no detector besides baselines.".to_owned();
    };
    let theirs = of_role(record, detectors, DetectorRole::RollingZscore);
    [
        scope(record, &default),
        sentence(&default),
        theirs.map_or_else(String::new, |theirs| ancestor_sentence(&theirs)),
        pooled::row(record, "silent").map_or_else(String::new, |silent| silent_sentence(&silent)),
    ]
    .concat()
}

/// All rows of the detector of that role, added up.
fn of_role(record: &Record, detectors: &Detectors<'_>, role: DetectorRole) -> Option<Row> {
    detectors.of_role(role).and_then(|named| pooled::row(record, named.spec))
}

/// What was measured on.
fn scope(record: &Record, all: &Row) -> String {
    let n_scenarios = record.rows.iter().filter(|row| row.detector == all.detector).count();
    format!(
        "Measured on {} with {} over {}, holding {}. ",
        counted(n_scenarios, "scenario", "scenarios"),
        counted(all.n_series, "series", "series"),
        days(all.series_days),
        counted(all.events.n_events as usize, "labelled anomaly", "labelled anomalies"),
    )
}

fn sentence(all: &Row) -> String {
    format!(
        "The default detector, <strong>{}</strong>, catches <strong>{}</strong> of the anomalies; <strong>{}</strong> of what it reports is right; it raises <strong>{}</strong> false alarms per series and day{}.",
        escape(split(&all.detector).0),
        percent(all.events.recall),
        percent(all.events.precision),
        rate(all.false_alarms_per_series_day),
        in_days(all.false_alarms_per_series_day),
    )
}

/// How rare that is, where a rate below one a day is hard to picture.
fn in_days(rate: Option<f64>) -> String {
    match rate {
        Some(rate) if rate > 0.0 && rate < 0.7 => format!(", one in about {:.0} days", 1.0 / rate),
        _ => String::new(),
    }
}

fn ancestor_sentence(all: &Row) -> String {
    format!(
        " The ancestor’s rule on the same series catches {}, is right in {} of its reports and raises {} false alarms per series and day.",
        percent(all.events.recall),
        percent(all.events.precision),
        rate(all.false_alarms_per_series_day),
    )
}

/// What accuracy is worth, told by the detector that never speaks.
fn silent_sentence(silent: &Row) -> String {
    format!(
        " A detector that never speaks is {} accurate here, which is why accuracy is never shown alone.",
        percent(silent.rates.accuracy)
    )
}

/// The numbers, each with the ancestor's beside it.
pub(crate) fn key_figures(record: &Record, detectors: &Detectors<'_>) -> String {
    let Some(ours) = of_role(record, detectors, DetectorRole::Default) else {
        return String::new();
    };
    let theirs = of_role(record, detectors, DetectorRole::RollingZscore);
    let figure = |name: &str, text: &dyn Fn(&Row) -> String| {
        let beside = theirs.as_ref().map_or_else(String::new, |theirs| {
            format!("<dd class=\"beside\">ancestor’s rule <b>{}</b></dd>", text(theirs))
        });
        format!("<div><dt>{name}</dt><dd class=\"large\">{}</dd>{beside}</div>", text(&ours))
    };
    [
        "<dl class=\"figures\">".to_owned(),
        figure("Anomalies caught (recall)", &|all| percent(all.events.recall)),
        figure("Reports that are right (precision)", &|all| percent(all.events.precision)),
        figure("F1 of both", &|all| share(all.events.f1)),
        figure("False alarms per series and day", &|all| rate(all.false_alarms_per_series_day)),
        figure("Median delay, in samples", &|all| median_delays(record, &all.detector)),
        "</dl>".to_owned(),
    ]
    .concat()
}

/// The medians of the scenarios, from the shortest to the longest.
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
