//! Renders a load record for a terminal: at most 120 columns, without color.

use std::fmt::Write;

use crate::record::{Figures, Latency, LoadRecord, Tick};

/// Bytes of a megabyte, as `ps` and `redis-cli` count.
const MB: f64 = 1024.0 * 1024.0;

/// The whole report.
pub fn render(record: &LoadRecord) -> String {
    let mut text = String::new();
    let commit = record.commit.as_deref().unwrap_or("unknown");
    line(&mut text, format_args!("{}: {}", record.scenario, record.analysis));
    line(&mut text, format_args!("{} (commit {commit}, {} cores)", record.command, record.n_cores));
    if record.is_interrupted {
        line(&mut text, format_args!("interrupted after {:.0} s", last_s(record)));
    }
    line(&mut text, format_args!(""));
    text.push_str(&stages(record));
    let figures = &record.total;
    line(&mut text, format_args!(""));
    let rate = 100.0 * figures.error_rate;
    line(
        &mut text,
        format_args!(
            "{} requests due, {} answered, {} samples of which {} accepted, {} errors ({rate:.3} %)",
            figures.due,
            figures.ok,
            figures.samples,
            figures.accepted,
            figures.errors.values().sum::<u64>()
        ),
    );
    for (fault, n) in &figures.errors {
        line(&mut text, format_args!("  {n} {fault}"));
    }
    text + &checks(record)
}

/// The checks, one line each.
pub fn checks(record: &LoadRecord) -> String {
    let mut text = String::new();
    for check in &record.checks {
        let result = if check.is_met { "met" } else { "MISSED" };
        line(&mut text, format_args!("{result:<7} {}: {}", check.wanted, check.measured));
    }
    text
}

/// The current figures, for the progress bar.
pub fn tick_line(tick: &Tick) -> String {
    let latency = tick
        .latency_ms
        .map_or("-".to_owned(), |value| format!("{:.1}/{:.1} ms", value.p50, value.p99));
    let cores = tick.cost.server_cores.map_or(String::new(), |cores| format!(", {cores:.1} cores"));
    format!(
        "{:.0}/s due, {:.0}/s answered, p50/p99 {latency}, {:.0} errors/s, {} under way, {} waiting{cores}",
        tick.due_per_s, tick.ok_per_s, tick.errors_per_s, tick.under_way, tick.waiting
    )
}

fn stages(record: &LoadRecord) -> String {
    let name_len = record
        .stages
        .iter()
        .map(|value| value.name.chars().count())
        .max()
        .unwrap_or(5)
        .clamp(5, 44);
    let mut text = String::new();
    line(
        &mut text,
        format_args!(
            "{:<name_len$} {:>8} {:>9} {:>6} {:>7} {:>7} {:>7} {:>5} {:>5} {:>5} {:>6}",
            "stage",
            "req/s",
            "samples/s",
            "errors",
            "p50 ms",
            "p99 ms",
            "max ms",
            "cores",
            "redis",
            "MB",
            "own"
        ),
    );
    for figures in &record.stages {
        line(&mut text, format_args!("{}", row(figures, name_len)));
    }
    text
}

fn row(figures: &Figures, name_len: usize) -> String {
    let name: String = figures.name.chars().take(name_len).collect();
    let latency = |value: fn(&Latency) -> f64| {
        figures.latency_ms.as_ref().map_or("-".to_owned(), |latency| short(value(latency)))
    };
    let cores = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
    let memory = figures
        .cost
        .server_bytes
        .map_or("-".to_owned(), |value| format!("{:.0}", value as f64 / MB));
    format!(
        "{name:<name_len$} {:>8.0} {:>9.0} {:>6} {:>7} {:>7} {:>7} {:>5} {:>5} {memory:>5} {:>6}",
        figures.ok_per_s,
        figures.samples_per_s,
        figures.errors.values().sum::<u64>(),
        latency(|value| value.p50),
        latency(|value| value.p99),
        latency(|value| value.max),
        cores(figures.cost.server_cores),
        cores(figures.cost.redis_cores),
        cores(figures.cost.own_cores),
    )
}

/// Milliseconds with three significant digits.
pub(crate) fn short(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2}"),
        ms if ms < 100.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}

fn last_s(record: &LoadRecord) -> f64 {
    record.ticks.last().map_or(0.0, |tick| tick.at_s)
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    let _infallible = writeln!(text, "{content}");
}
