//! Sends load to a running deployment, and tells what came back and what it took.
//!
//! `replay` asks whether verdicts are right; this asks how many a second, how fast, and at what cost. A scenario says
//! what is sent (`scenario`, then `schedule` and `body`), `drive` sends it over `connection`s, `tally` counts,
//! `watch` looks at the processes meanwhile, and a `record` of it is shown as `table` or `page`.

mod body;
mod check;
mod connection;
mod drive;
mod page;
mod process;
mod record;
mod scenario;
mod schedule;
mod table;
mod tally;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{ArgGroup, Args as ClapArgs};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Url;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::body::Writer;
use self::connection::Target;
use self::drive::Shared;
pub use self::record::{Check, Cost, Figures, Latency, LoadRecord, Tick};
pub use self::scenario::{LoadScenarioError, Pace, Request, Scenario, Stage};
use self::tally::Tally;
use self::watch::{Reading, Watch};
use crate::cli::EXIT_MISSED;
use crate::command::{write_stdout, write_to};
use crate::{provenance, replay};

/// How often progress is told and a point of the charts is made.
const TICK: Duration = Duration::from_secs(1);

/// Send load to a running deployment, and tell rates, latencies and what it took.
///
/// The latency of a request that has a time to be sent counts from that time, whether or not it could be sent then.
/// An interrupt (Ctrl-C) ends it with the report of what was until then. Exits with 1 when a check is missed.
#[derive(Debug, Clone, ClapArgs)]
#[command(group(ArgGroup::new("load").required(true).multiple(false).args(["scenario", "rate", "clients", "list"])))]
pub struct Args {
    /// A scenario: one of `--list`, or a path that ends in `.toml`.
    scenario: Option<String>,
    /// List the scenarios, as CSV.
    #[arg(long)]
    list: bool,
    /// Without a scenario: requests a second, whatever the answers.
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Without a scenario: clients that send as soon as they are answered.
    #[arg(long, value_name = "N")]
    clients: Option<f64>,
    /// With `--clients`: milliseconds from one request of a client to its next, whatever the answers.
    #[arg(long, value_name = "MS", requires = "clients")]
    every_ms: Option<f64>,
    /// Where the deployment answers, for example `http://127.0.0.1:8080`.
    #[arg(long, required_unless_present = "list")]
    url: Option<Url>,
    /// How long; a scenario becomes longer or shorter as a whole.
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Samples in one request, in the place of what a scenario says.
    #[arg(long, value_name = "N")]
    batch: Option<u32>,
    /// Series, in the place of what a scenario says.
    #[arg(long, value_name = "N")]
    series: Option<u32>,
    /// Send samples without a time: they get that of their receipt, and never come late.
    #[arg(long)]
    no_time: bool,
    /// Read this path in the place of sending samples.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["batch", "series", "no_time"])]
    get: Option<String>,
    /// Source name of the samples.
    #[arg(long, value_name = "NAME", default_value = "load")]
    source: String,
    /// File whose first line is the API key.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Most connections of a rate; past it requests wait, which counts as their latency.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connections: u32,
    /// Longest wait for an answer, in seconds.
    #[arg(long, value_name = "S", default_value_t = 15.0)]
    timeout: f64,
    /// Threads that send; more than one takes processors from a deployment on the same machine.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Processes whose time and memory are told; those that listen on the port of `--url` on this machine unless given.
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// Address of the Redis whose time and memory are told.
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    #[command(flatten)]
    checks: check::Bars,
    #[command(flatten)]
    output: Output,
}

/// Where the report goes.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Reports (`-` is stdout; a table on stdout when none is given)")]
struct Output {
    /// Write the record as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write one HTML page with charts over time.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print the table even when files are written.
    #[arg(long)]
    table: bool,
}

/// Sends, and writes the reports.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.list {
        return list();
    }
    let scenario = args.scenario()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.threads as usize)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let record = runtime.block_on(measure(args, scenario))?;
    args.output.write(&record)?;
    let is_met = record.checks.iter().all(|check| check.is_met);
    Ok(if is_met { ExitCode::SUCCESS } else { ExitCode::from(EXIT_MISSED) })
}

fn list() -> anyhow::Result<ExitCode> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["scenario", "seconds", "stages", "analysis"])?;
    for it in Scenario::catalogue()? {
        let numbers = [it.seconds().to_string(), it.stages.len().to_string()];
        writer.write_record([&it.name, &numbers[0], &numbers[1], &it.analysis])?;
    }
    write_stdout(&String::from_utf8(writer.into_inner()?)?)?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// The scenario with what the command line changes.
    fn scenario(&self) -> anyhow::Result<Scenario> {
        let mut scenario = match &self.scenario {
            Some(name) => Scenario::find(name)?,
            None => self.own_scenario(),
        };
        if let Some(seconds) = self.seconds {
            scenario = scenario.lasting(seconds);
        }
        for stage in &mut scenario.stages {
            if let Some(path) = &self.get {
                stage.request = Request::Get { path: path.clone() };
            }
            if let Request::Samples { batch, n_series, is_timed } = &mut stage.request {
                *batch = self.batch.unwrap_or(*batch);
                *n_series = self.series.unwrap_or(*n_series);
                *is_timed &= !self.no_time;
            }
        }
        let refuse = |(field, wanted)| anyhow!("`{field}` is not usable: {wanted} wanted");
        for stage in &scenario.stages {
            stage.clone().checked().map_err(refuse)?;
        }
        Ok(scenario)
    }

    /// What the command line says without a scenario.
    fn own_scenario(&self) -> Scenario {
        let pace = match (self.rate, self.clients) {
            (Some(rate), _) => Pace::Rate { per_s: [rate, rate] },
            (None, clients) => {
                let n = clients.unwrap_or(1.0);
                Pace::Clients { n: [n, n], every_ms: self.every_ms }
            }
        };
        let request = Request::Samples { batch: 1, n_series: 1, is_timed: true };
        let stage = Stage { name: None, seconds: 10.0, pace, request, is_warm_up: false };
        Scenario {
            name: "load".to_owned(),
            analysis: "What the command line says.".to_owned(),
            stages: vec![stage],
        }
    }
}

impl Output {
    fn write(&self, record: &LoadRecord) -> anyhow::Result<()> {
        if let Some(path) = &self.json {
            write_to(path, &(serde_json::to_string_pretty(record)? + "\n"))?;
        }
        if let Some(path) = &self.html {
            write_to(path, &page::render(record))?;
        }
        let is_stdout_taken = [&self.json, &self.html].contains(&&Some(PathBuf::from("-")));
        if self.table || (self.json.is_none() && self.html.is_none()) {
            write_stdout(&table::render(record))?;
        } else if !is_stdout_taken {
            write_stdout(&table::verdict(record))?;
        }
        Ok(())
    }
}

/// Sends all of a scenario, or what an interrupt leaves of it.
async fn measure(args: &Args, scenario: Scenario) -> anyhow::Result<LoadRecord> {
    let url = args.url.as_ref().context("no `--url` was given")?;
    let target = Target::find(url).await?;
    let pids = if args.pid.is_empty() {
        process::listening_on(target.address())
    } else {
        args.pid.clone()
    };
    let mut watch = Watch::new(pids, args.redis.as_deref()).await?;
    // Before anything is sent: a deployment that is not there is told at once, and not by thousands of errors.
    let reached = tokio::time::timeout(Duration::from_secs_f64(args.timeout), target.connect());
    let unreached = || format!("reach `{url}`");
    reached.await.with_context(unreached)?.with_context(unreached)?;
    let key = replay::api_key(args.api_key_file.as_deref())?;
    let shared = Arc::new(Shared {
        target,
        writer: Mutex::new(Writer::new(url, key.as_deref(), &args.source)),
        tally: Mutex::new(Tally::new(scenario.stages.len())),
        scenario,
        start: Instant::now(),
        start_us: jiff::Timestamp::now().as_microsecond(),
        timeout: Duration::from_secs_f64(args.timeout),
        connections_max: args.connections as usize,
        is_over: AtomicBool::new(false),
        n_under_way: AtomicUsize::new(0),
        n_waiting: AtomicUsize::new(0),
    });
    // Before anything is sent, so that no interrupt is lost.
    let interrupt = signal(SignalKind::interrupt()).context("wait for an interrupt")?;
    let (ticks, is_interrupted) = watched(&shared, &mut watch, interrupt).await;
    let seconds = shared.start.elapsed().as_secs_f64();
    let tally = shared.tally();
    let stages = record::by_stage(&shared.scenario.stages, &tally.stages, &ticks, seconds);
    let is_measured = |stage: usize| !shared.scenario.stages[stage].is_warm_up;
    let total = Figures::of(
        "all".to_owned(),
        false,
        stages.iter().filter(|it| !it.is_warm_up).map(|it| it.seconds).sum(),
        &tally.sum(is_measured),
        Cost::mean(&ticks.iter().filter(|tick| is_measured(tick.stage))),
    );
    Ok(LoadRecord {
        scenario: shared.scenario.name.clone(),
        analysis: shared.scenario.analysis.clone(),
        command: provenance::command_line(),
        commit: provenance::commit(),
        url: url.to_string(),
        n_cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        watched: watch.names(),
        is_interrupted,
        checks: args.checks.of(&total),
        total,
        stages,
        ticks,
    })
}

/// Sends, and looks each second how it goes; answers also whether it was interrupted.
async fn watched(
    shared: &Arc<Shared>,
    watch: &mut Watch,
    mut interrupt: Signal,
) -> (Vec<Tick>, bool) {
    let progress = progress_bar(shared.scenario.seconds());
    let mut sending = tokio::spawn(drive::all(Arc::clone(shared)));
    let mut timer = interval(TICK);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer.tick().await;
    let mut ticks = Vec::new();
    let mut is_interrupted = false;
    let mut before = (shared.start.elapsed(), watch.read().await);
    loop {
        let is_done = tokio::select! {
            _ = &mut sending => true,
            _ = interrupt.recv(), if !is_interrupted => {
                is_interrupted = true;
                shared.is_over.store(true, Ordering::Relaxed);
                continue;
            }
            _ = timer.tick() => false,
        };
        let after = (shared.start.elapsed(), watch.read().await);
        let tick = tick(shared, &before, &after);
        progress.set_position(tick.at_s as u64);
        progress.set_message(table::tick_line(&tick));
        // The last one may be too short to mean anything.
        if !is_done || ticks.is_empty() || tick.seconds > TICK.as_secs_f64() / 4.0 {
            ticks.push(tick);
        }
        before = after;
        if is_done {
            break;
        }
    }
    progress.finish_and_clear();
    (ticks, is_interrupted)
}

/// What was counted between two looks.
fn tick(shared: &Shared, before: &(Duration, Reading), after: &(Duration, Reading)) -> Tick {
    let seconds = after.0.saturating_sub(before.0).as_secs_f64();
    let middle = (before.0 + after.0) / 2;
    let n_begun = schedule::ends(&shared.scenario).filter(|end| *end <= middle).count();
    let per_s = |n: u64| n as f64 / seconds.max(1e-3);
    shared.tally().take(|window| Tick {
        at_s: after.0.as_secs_f64(),
        seconds,
        stage: n_begun.min(shared.scenario.stages.len() - 1),
        due_per_s: per_s(window.n_due),
        ok_per_s: per_s(window.n_ok),
        samples_per_s: per_s(window.n_samples),
        errors_per_s: per_s(window.n_errors()),
        latency_ms: Latency::of(window),
        under_way: shared.n_under_way.load(Ordering::Relaxed),
        waiting: shared.n_waiting.load(Ordering::Relaxed),
        cost: Cost::between(&before.1, &after.1, seconds),
    })
}

/// A bar on stderr; hidden where nobody watches.
fn progress_bar(seconds: f64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} s  {msg}");
    ProgressBar::new(seconds.ceil() as u64)
        .with_style(style.expect("the template is a constant that parses"))
}
