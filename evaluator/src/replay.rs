//! Sends a labelled series to a running deployment and scores the verdicts that come back.
//!
//! What `score` says of a detector in this process, this says of the whole system: the transport, the
//! store, replicas, late and repeated samples. Scoring is the same code; nothing is judged here.

mod answer;
mod batch;
mod deliver;
mod input;
mod outcome;
mod pace;
mod retry;
mod summary;
mod tally;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgGroup, Args as ClapArgs};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Url;

pub(crate) use self::answer::Problem;
use self::batch::{Batch, Destination};
use self::deliver::{Client, Plan};
pub(crate) use self::deliver::{endpoint, http_client};
pub(crate) use self::input::{api_key, metric_of};
use self::outcome::Outcome;
use self::pace::SpeedUp;
pub(crate) use self::retry::{is_worth_repeating, wait};
use self::summary::Summary;
use crate::cli::{EXIT_MISSED, OutputError};
use crate::contender::Contender;
use crate::labeled::Labeled;

/// Most samples of a batch: the most that `ingest` accepts in one request.
const BATCH_LEN_MAX: i64 = 10_000;

/// Most concurrent senders: past it they would measure this machine, not the deployment.
const WRITERS_MAX: i64 = 256;

/// Send a labelled series to a running deployment and score its verdicts.
///
/// Exits with 1 when samples could not be delivered or compared verdicts differ; the summary is still printed.
/// Exits with 3, without a summary, when the deployment refuses a request outright (401, 400, 413).
#[derive(Debug, Clone, ClapArgs)]
#[command(group(ArgGroup::new("input").required(true).args(["csv", "nab", "scenario"])))]
pub struct Args {
    /// Where the deployment answers, for example `http://127.0.0.1:8080`; several replicas take turns.
    #[arg(long, required = true)]
    url: Vec<Url>,
    /// CSV file with the columns `timestamp,value[,label]`.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Folder of the Numenta benchmark, with `data/` and `labels/`.
    #[arg(long, value_name = "FOLDER", requires = "file")]
    nab: Option<PathBuf>,
    /// Series of the benchmark, for example `realAWSCloudwatch/ec2_cpu_utilization_24ae8d.csv`.
    #[arg(long, value_name = "SERIES", requires = "nab")]
    file: Option<String>,
    /// Generated scenario, by name or as a `.toml` file.
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Seed of the generated scenario.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Which series, counted from 0, where the input holds several.
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    series: usize,
    /// Source name of the samples.
    #[arg(long, value_name = "NAME", default_value = "replay")]
    source: String,
    /// Metric name of the samples; the name of the series when absent.
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// Samples in one request; 1 sends them singly.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=BATCH_LEN_MAX))]
    batch: u32,
    /// Concurrent senders; with 1 the samples arrive in order.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=WRITERS_MAX))]
    writers: u32,
    /// Send the batches in a random order drawn from this seed.
    #[arg(long, value_name = "SEED")]
    shuffle_seed: Option<u64>,
    /// How far shuffling may move a batch, in batches; a sample that more than 128 newer ones overtake is too old.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), requires = "shuffle_seed")]
    shuffle_within: u32,
    /// Times faster than the series was recorded, `60` or `60x`; as fast as possible when absent.
    #[arg(long, value_name = "FACTOR")]
    speed_up: Option<SpeedUp>,
    /// Shift all times so that the last sample is now.
    #[arg(long)]
    rebase: bool,
    /// File whose first line is the API key.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Also judge the series in this process with this detector, and count the verdicts that differ.
    #[arg(long, value_name = "SPEC")]
    compare: Option<Contender>,
    /// Tell of each anomaly on stderr as soon as it is answered.
    #[arg(long)]
    print_anomalies: bool,
    /// Write a CSV file with the verdict of each sample.
    #[arg(long, value_name = "FILE")]
    verdicts: Option<PathBuf>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// Sends, waits for the verdicts, and prints what came of it.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let series = input::load(args)?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let outcome = runtime.block_on(send(args, &series))?;
    if let Some(path) = &args.verdicts {
        let written = outcome.write_verdicts(&series, path);
        written.map_err(|source| OutputError { target: path.display().to_string(), source })?;
    }
    let expected = args.compare.as_ref().map(|contender| contender.judge(&series, args.seed, 0));
    let summary = Summary::of(&series, &outcome, expected.as_ref());
    let text = if args.json { summary.json()? } else { summary.table() };
    let written = writeln!(std::io::stdout().lock(), "{text}");
    written.map_err(|source| OutputError { target: "stdout".to_owned(), source })?;
    Ok(if summary.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_MISSED) })
}

/// Delivers every batch and gathers the answers.
async fn send(args: &Args, series: &Labeled) -> anyhow::Result<Outcome> {
    let metric = args.metric.clone().unwrap_or_else(|| input::metric_of(&series.name));
    let destination = Destination { source: args.source.clone(), metric };
    let mut batches = batch::cut(series, args.batch as usize);
    let dues = pace::dues(&batches, args.speed_up);
    if let Some(seed) = args.shuffle_seed {
        batch::shuffle(&mut batches, seed, args.shuffle_within);
    }
    let progress = progress_bar(batches.iter().map(Batch::len).sum());
    let plan = Plan {
        batches,
        dues,
        destination,
        progress: progress.clone(),
        is_talkative: args.print_anomalies,
    };
    let client = Client::new(&args.url, input::api_key(args.api_key_file.as_deref())?)?;
    let outcome = deliver::all(client, plan, series, args.writers as usize).await;
    progress.finish_and_clear();
    outcome
}

/// A bar on stderr; hidden where nobody watches.
fn progress_bar(n_samples: usize) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{bar:40} {human_pos}/{human_len} samples, {per_sec}, {eta} left",
    );
    ProgressBar::new(n_samples as u64)
        .with_style(style.expect("the template is a constant that parses"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(text: &str) -> Result<Args, clap::Error> {
        Cli::try_parse_from(text.split(' ')).map(|cli| cli.args)
    }

    #[test]
    fn exactly_one_input_and_bounded_numbers_are_wanted() {
        let args = parse("replay --url http://127.0.0.1:1 --scenario spike").unwrap();
        assert_eq!((args.batch, args.writers, args.speed_up), (100, 1, None));
        let broken = [
            "replay --scenario spike",
            "replay --url http://a",
            "replay --url a --scenario spike",
            "replay --url http://a --scenario spike --csv a.csv",
            "replay --url http://a --nab folder",
            "replay --url http://a --scenario spike --batch 0",
            "replay --url http://a --scenario spike --batch 10001",
            "replay --url http://a --scenario spike --writers 257",
            "replay --url http://a --scenario spike --speed-up fast",
            "replay --url http://a --scenario spike --shuffle-within 4",
            "replay --url http://a --scenario spike --shuffle-seed 1 --shuffle-within 0",
            "replay --url http://a --scenario spike --compare nothing",
        ];
        for text in broken {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_template_of_the_bar_parses() {
        assert_eq!(progress_bar(7).length(), Some(7));
    }
}
