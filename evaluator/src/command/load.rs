//! `evaluator load`: sends load to a deployment, and reports rates, latencies and cost.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use load::{
    LoadFormat, LoadLimits, LoadOptions, LoadPace, LoadRecord, LoadRequest, LoadScenario, Stage,
    html, table,
};
use reqwest::Url;

use crate::output::{write_csv, write_stdout, write_to};
use crate::{api_key, exit_code, provenance};

/// Send load to a live deployment and measure rates, latencies and cost.
///
/// If a request has a scheduled time, its latency counts from that time, even if it was sent later.
/// Ctrl-C ends the load and reports what was measured until then. Exits with 1 when a check is missed.
#[derive(Debug, Clone, clap::Args)]
#[command(group(clap::ArgGroup::new("load").required(true).multiple(false).args(["scenario", "rate", "clients", "list"])))]
pub(crate) struct LoadArgs {
    /// A scenario: one of `--list`, or a path that ends in `.toml`.
    scenario: Option<String>,
    /// List the scenarios, as CSV.
    #[arg(long)]
    list: bool,
    /// Without a scenario: requests a second, independent of the answers.
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Without a scenario: clients that send again as soon as they have an answer.
    #[arg(long, value_name = "N")]
    clients: Option<f64>,
    /// With `--clients`: milliseconds from one request of a client to its next, independent of the answers.
    #[arg(long, value_name = "MS", requires = "clients")]
    every_ms: Option<f64>,
    /// Address of the deployment, for example `http://127.0.0.1:8080`. Several are replicas: each request goes to one at random.
    #[arg(long, required_unless_present = "list")]
    url: Vec<Url>,
    /// Duration in seconds; the stages of a scenario are scaled to it.
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Samples in one request, instead of the scenario's number.
    #[arg(long, value_name = "N")]
    batch: Option<u32>,
    /// Series, instead of the scenario's number.
    #[arg(long, value_name = "N")]
    series: Option<u32>,
    /// Send samples without a time: they get the time of their receipt, and are never late.
    #[arg(long)]
    no_time: bool,
    /// Send GET requests for this path instead of samples.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["batch", "series", "no_time"])]
    get: Option<String>,
    /// Format of the samples; in other formats than JSON they always have a time.
    #[arg(long, value_enum, default_value_t, conflicts_with = "get")]
    format: LoadFormat,
    /// Source name of the samples.
    #[arg(long, value_name = "NAME", default_value = "load")]
    source: String,
    /// File whose first line is the API key.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Maximum connections for a rate; further requests wait, and the wait is part of their latency.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connections: u32,
    /// Timeout of an answer, in seconds.
    #[arg(long, value_name = "S", default_value_t = 15.0)]
    timeout: f64,
    /// Threads that send; more than one takes processors from a deployment on the same machine.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Processes to watch; by default those of this machine that listen on the port of `--url`.
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// Address of the Redis to watch.
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    #[command(flatten)]
    limits: LoadLimits,
    #[command(flatten)]
    output: LoadOutput,
}

/// Files of the reports.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Reports (`-` is stdout; a table on stdout when none is given)")]
struct LoadOutput {
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
pub(crate) fn run(args: &LoadArgs) -> anyhow::Result<ExitCode> {
    if args.list {
        return list().map(|()| ExitCode::SUCCESS);
    }
    let options = args.options()?;
    let bar = progress_bar(options.scenario.seconds());
    let record = load::measure(options, |tick| {
        bar.set_position(tick.at_s as u64);
        bar.set_message(table::tick_line(tick));
    })?;
    bar.finish_and_clear();
    args.output.write(&record)?;
    Ok(exit_code::passed(record.checks.iter().all(|check| check.is_met)))
}

fn list() -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["scenario", "seconds", "stages", "analysis"])?;
    for scenario in LoadScenario::catalogue()? {
        let [seconds, stages] = [scenario.seconds().to_string(), scenario.stages.len().to_string()];
        writer.write_record([&scenario.name, &seconds, &stages, &scenario.analysis])?;
    }
    write_csv(writer)
}

impl LoadArgs {
    fn options(&self) -> anyhow::Result<LoadOptions> {
        Ok(LoadOptions {
            scenario: self.scenario()?,
            urls: self.url.clone(),
            api_key: api_key::read(self.api_key_file.as_deref())?,
            source: self.source.clone(),
            format: self.format,
            connections_max: self.connections as usize,
            timeout: Duration::from_secs_f64(self.timeout),
            n_threads: self.threads as usize,
            pids: self.pid.clone(),
            redis_url: self.redis.clone(),
            limits: self.limits.clone(),
            command: provenance::command_line(),
            commit: provenance::commit(),
        })
    }

    /// The scenario with the changes of the command line.
    fn scenario(&self) -> anyhow::Result<LoadScenario> {
        let mut scenario = match &self.scenario {
            Some(name) => LoadScenario::find(name)?,
            None => self.own_scenario(),
        };
        if let Some(seconds) = self.seconds {
            scenario = scenario.lasting(seconds);
        }
        for stage in &mut scenario.stages {
            if let Some(path) = &self.get {
                stage.request = LoadRequest::Get { path: path.clone() };
            }
            if let LoadRequest::Samples { batch, n_series, is_timed } = &mut stage.request {
                *batch = self.batch.unwrap_or(*batch);
                *n_series = self.series.unwrap_or(*n_series);
                *is_timed &= !self.no_time;
            }
        }
        scenario.stages.iter().try_for_each(Stage::check)?;
        Ok(scenario)
    }

    /// One stage with the rate or the clients of the command line.
    fn own_scenario(&self) -> LoadScenario {
        let pace = match (self.rate, self.clients) {
            (Some(rate), _) => LoadPace::Rate { per_s: [rate, rate] },
            (None, clients) => {
                let n = clients.unwrap_or(1.0);
                LoadPace::Clients { n: [n, n], every_ms: self.every_ms }
            }
        };
        let request = LoadRequest::Samples { batch: 1, n_series: 1, is_timed: true };
        let stage = Stage { name: None, seconds: 10.0, pace, request, is_warm_up: false };
        LoadScenario {
            name: "load".to_owned(),
            analysis: "Load from the options of the command line.".to_owned(),
            stages: vec![stage],
        }
    }
}

impl LoadOutput {
    fn write(&self, record: &LoadRecord) -> anyhow::Result<()> {
        if let Some(path) = &self.json {
            write_to(path, &(serde_json::to_string_pretty(record)? + "\n"))?;
        }
        if let Some(path) = &self.html {
            write_to(path, &html::render(record))?;
        }
        let paths = [&self.json, &self.html];
        let is_stdout_taken = paths.iter().any(|path| path.as_deref() == Some(Path::new("-")));
        if self.table || paths.iter().all(|path| path.is_none()) {
            write_stdout(&table::render(record))?;
        } else if !is_stdout_taken {
            write_stdout(&table::checks(record))?;
        }
        Ok(())
    }
}

/// A bar on stderr; nothing is drawn if stderr is no terminal.
fn progress_bar(seconds: f64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} s  {msg}");
    ProgressBar::new(seconds.ceil() as u64)
        .with_style(style.expect("the template is a constant that parses"))
}
