//! Renders a load record as one HTML page with charts over time; the page loads nothing.

use page::{CHART_SCRIPT, STYLE, embed, escape, fill};
use serde::Serialize;

use crate::record::{Check, Figures, Latency, LoadRecord, Tick};
use crate::table::short;

const PAGE: &str = include_str!("html/page.html");
const SCRIPT: &str = include_str!("html/load.js");

/// Bytes of a megabyte.
const MB: f64 = 1024.0 * 1024.0;

/// Data of the charts.
#[derive(Debug, Serialize)]
struct PanelData<'a> {
    at_s: Vec<f64>,
    stages: Vec<StageStart<'a>>,
    panels: Vec<Panel>,
}

/// Start of a stage.
#[derive(Debug, Serialize)]
struct StageStart<'a> {
    at_s: f64,
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct Panel {
    title: &'static str,
    is_log: bool,
    curves: Vec<PanelCurve>,
}

#[derive(Debug, Serialize)]
struct PanelCurve {
    name: &'static str,
    values: Vec<Option<f64>>,
}

/// The page of a record.
pub fn render(record: &LoadRecord) -> String {
    let watched =
        if record.watched.is_empty() { "no process".to_owned() } else { record.watched.join(", ") };
    let commit = record.commit.as_deref().unwrap_or("unknown");
    fill(
        PAGE,
        &[
            ("title", &escape(&record.scenario)),
            ("style", STYLE),
            ("analysis", &escape(&record.analysis)),
            ("summary", &summary(record)),
            ("checks", &record.checks.iter().map(check).collect::<String>()),
            ("stages", &record.stages.iter().chain([&record.total]).map(row).collect::<String>()),
            ("command", &escape(&record.command)),
            ("commit", &escape(commit)),
            ("watched", &escape(&watched)),
            ("n_cores", &record.n_cores.to_string()),
            ("data", &embed(&data(record))),
            ("script", &format!("{CHART_SCRIPT}\n{SCRIPT}")),
        ],
    )
}

fn summary(record: &LoadRecord) -> String {
    let total = &record.total;
    let latency = |value: fn(&Latency) -> f64| {
        total
            .latency_ms
            .as_ref()
            .map_or("–".to_owned(), |latency| format!("{} ms", short(value(latency))))
    };
    let pairs = [
        ("Answers a second", format!("{:.0}", total.ok_per_s)),
        ("Samples a second", format!("{:.0}", total.samples_per_s)),
        ("Latency, median", latency(|latency| latency.p50)),
        ("Latency, 99 %", latency(|latency| latency.p99)),
        ("Errors", format!("{:.3} %", 100.0 * total.error_rate)),
    ];
    let figure = |(name, value): &(&str, String)| {
        format!("<div><dt>{name}</dt><dd class=\"large\">{value}</dd></div>")
    };
    format!("<dl class=\"summary\">{}</dl>", pairs.iter().map(figure).collect::<String>())
}

fn check(check: &Check) -> String {
    let (class, result) = if check.is_met { ("", "met") } else { ("missed", "missed") };
    format!(
        "<p class=\"caption\"><b class=\"{class}\">{result}</b> {}: {}</p>",
        escape(&check.wanted),
        escape(&check.measured)
    )
}

fn row(figures: &Figures) -> String {
    let latency = figures.latency_ms.as_ref();
    let ms = |value: fn(&Latency) -> f64| {
        latency.map_or("–".to_owned(), |latency| short(value(latency)))
    };
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
    let mb = |bytes: Option<u64>| number(bytes.map(|bytes| bytes as f64 / MB));
    let errors: Vec<String> =
        figures.errors.iter().map(|(fault, n)| format!("{n} {}", escape(fault))).collect();
    let cells = [
        format!("{:.0}", figures.seconds),
        format!("{:.1}", figures.due as f64 / figures.seconds.max(1e-9)),
        format!("{:.1}", figures.ok_per_s),
        format!("{:.0}", figures.samples_per_s),
        if errors.is_empty() { "0".to_owned() } else { errors.join(", ") },
        ms(|latency| latency.p50),
        ms(|latency| latency.p90),
        ms(|latency| latency.p99),
        ms(|latency| latency.p999),
        ms(|latency| latency.max),
        number(figures.cost.server_cores),
        mb(figures.cost.server_bytes),
        number(figures.cost.redis_cores),
        mb(figures.cost.redis_bytes),
        number(figures.cost.own_cores),
    ];
    let cells = cells.join("</td><td class=\"n\">");
    format!("<tr><th scope=\"row\">{}</th><td class=\"n\">{cells}</td></tr>", escape(&figures.name))
}

fn data(record: &LoadRecord) -> PanelData<'_> {
    let ticks = &record.ticks;
    let curve = |name, value: &dyn Fn(&Tick) -> Option<f64>| PanelCurve {
        name,
        values: ticks.iter().map(value).collect(),
    };
    let latency = |name, value: fn(&Latency) -> f64| {
        curve(name, &move |tick: &Tick| tick.latency_ms.as_ref().map(value))
    };
    let mb = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / MB);
    let panel = |title, curves| Panel { title, is_log: false, curves };
    let all = vec![
        panel(
            "Requests a second",
            vec![
                curve("due", &|tick| Some(tick.due_per_s)),
                curve("answered", &|tick| Some(tick.ok_per_s)),
            ],
        ),
        Panel {
            title: "Latency in milliseconds, from the due time",
            is_log: true,
            curves: vec![
                latency("median", |latency| latency.p50),
                latency("90 %", |latency| latency.p90),
                latency("99 %", |latency| latency.p99),
                latency("longest", |latency| latency.max),
            ],
        },
        panel("Errors a second", vec![curve("errors", &|tick| Some(tick.errors_per_s))]),
        panel(
            "Outstanding requests",
            vec![
                curve("under way", &|tick| Some(tick.under_way as f64)),
                curve("waiting for a connection", &|tick| Some(tick.waiting as f64)),
            ],
        ),
        panel(
            "Processors busy",
            vec![
                curve("deployment", &|tick| tick.cost.server_cores),
                curve("Redis", &|tick| tick.cost.redis_cores),
                curve("within Redis scripts", &|tick| tick.cost.redis_script_cores),
                curve("this generator", &|tick| tick.cost.own_cores),
            ],
        ),
        panel(
            "Memory in megabytes",
            vec![
                curve("deployment", &|tick| mb(tick.cost.server_bytes)),
                curve("Redis", &|tick| mb(tick.cost.redis_bytes)),
            ],
        ),
        panel("Samples a second", vec![curve("samples", &|tick| Some(tick.samples_per_s))]),
        panel(
            "Script calls of Redis a second",
            vec![curve("scripts", &|tick| tick.cost.redis_scripts_per_s)],
        ),
    ];
    let panels = all.into_iter().filter_map(Panel::with_something).collect();
    PanelData { at_s: ticks.iter().map(|tick| tick.at_s).collect(), stages: begins(record), panels }
}

impl Panel {
    /// The panel without empty curves; `None` if no curve is left.
    fn with_something(mut self) -> Option<Self> {
        self.curves.retain(|curve| curve.values.iter().any(Option::is_some));
        (!self.curves.is_empty()).then_some(self)
    }
}

fn begins(record: &LoadRecord) -> Vec<StageStart<'_>> {
    let begins = record.stages.iter().scan(0.0, |at_s, stage| {
        let begin = StageStart { at_s: *at_s, name: &stage.name };
        *at_s += stage.seconds;
        Some(begin)
    });
    begins.collect()
}
