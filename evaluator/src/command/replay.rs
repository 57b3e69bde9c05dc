//! `evaluator replay`: sends a labeled series to a deployment and scores the verdicts of its answers.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use quality::contender::Contender;
use quality::labeled::LabeledSeries;
use quality::read::{Dataset, read_csv, read_nab_file};
use quality::replay::{self, Answered, ReplayOptions, SpeedUp};
use quality::scenario::Scenario;
use reqwest::Url;

use crate::output::{OutputError, write_stdout};
use crate::{api_key, exit_code, progress};

/// Maximum samples of a batch: the most that `ingest` accepts in one request.
const BATCH_LEN_MAX: i64 = 10_000;

/// Maximum concurrent senders: more would measure this machine instead of the deployment.
const WRITERS_MAX: i64 = 256;

/// Send a labeled series to a live deployment and score its verdicts.
///
/// Exits with 1 when samples could not be delivered or compared verdicts differ; the summary is still printed.
/// Exits with 3, without a summary, when the deployment refuses a request (401, 400, 413).
#[derive(Debug, Clone, clap::Args)]
#[command(group(clap::ArgGroup::new("input").required(true).args(["csv", "nab", "scenario"])))]
pub(crate) struct ReplayArgs {
    /// Address of the deployment, for example `http://127.0.0.1:8080`; several replicas take turns.
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
    /// Index of the series, from 0, if the input holds several.
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    series: usize,
    /// Source name of the samples.
    #[arg(long, value_name = "NAME", default_value = "replay")]
    source: String,
    /// Metric name of the samples; by default the name of the series.
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// Samples in one request.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=BATCH_LEN_MAX))]
    batch: u32,
    /// Concurrent senders; with 1 the samples arrive in order.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=WRITERS_MAX))]
    writers: u32,
    /// Send the batches in a random order drawn from this seed.
    #[arg(long, value_name = "SEED")]
    shuffle_seed: Option<u64>,
    /// Maximum distance by which shuffling moves a batch, in batches; a sample is too old once more than 128 newer
    /// ones have overtaken it.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), requires = "shuffle_seed")]
    shuffle_within: u32,
    /// Speed relative to the recording, `60` or `60x`; as fast as possible when absent.
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
    /// Print each anomaly to stderr as soon as its answer arrives.
    #[arg(long)]
    print_anomalies: bool,
    /// Write a CSV file with the verdict of each sample.
    #[arg(long, value_name = "FILE")]
    verdicts: Option<PathBuf>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// Sends the series and prints the summary.
pub(crate) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let series = load(args)?;
    let options = args.options(&series)?;
    let bar = progress_bar(replay::n_samples(&series));
    let answered = |batch: &Answered| {
        bar.inc(batch.n_samples as u64);
        if args.print_anomalies {
            print(&bar, &batch.anomalies);
        }
    };
    let outcome = replay::send(options, &series, answered)?;
    bar.finish_and_clear();
    if let Some(path) = &args.verdicts {
        outcome.write_verdicts(&series, path).map_err(OutputError::at(path))?;
    }
    let expected = args.compare.as_ref().map(|contender| contender.judge(&series, args.seed, 0));
    let summary = replay::ReplaySummary::of(&series, &outcome, expected.as_ref());
    let text = if args.json { summary.json()? } else { summary.table() };
    write_stdout(&(text + "\n"))?;
    Ok(exit_code::passed(summary.is_clean()))
}

impl ReplayArgs {
    fn options(&self, series: &LabeledSeries) -> anyhow::Result<ReplayOptions> {
        Ok(ReplayOptions {
            urls: self.url.clone(),
            api_key: api_key::read(self.api_key_file.as_deref())?,
            source: self.source.clone(),
            metric: self.metric.clone().unwrap_or_else(|| replay::metric_of(&series.name)),
            batch_len: self.batch as usize,
            n_writers: self.writers as usize,
            shuffle: self.shuffle_seed.map(|seed| (seed, self.shuffle_within)),
            speed_up: self.speed_up,
        })
    }
}

/// Reads or generates the series.
fn load(args: &ReplayArgs) -> anyhow::Result<LabeledSeries> {
    let mut all = load_all(args)?;
    let n_series = all.len();
    if args.series >= n_series {
        bail!("there is no series {}: the input holds {n_series}, counted from 0", args.series);
    }
    let mut series = all.swap_remove(args.series);
    if args.rebase {
        rebase(&mut series, jiff::Timestamp::now().as_microsecond());
    }
    Ok(series)
}

fn load_all(args: &ReplayArgs) -> anyhow::Result<Vec<LabeledSeries>> {
    let with_warnings = |dataset: Dataset| {
        progress::warn(&dataset.warnings);
        dataset.series
    };
    if let Some(path) = &args.csv {
        return Ok(with_warnings(read_csv(path)?));
    }
    if let (Some(root), Some(file)) = (&args.nab, &args.file) {
        let dataset = read_nab_file(root, file).context(
            "`--nab` expects the folder, `--file` one `<category>/<file>.csv` of its `data`",
        )?;
        return Ok(with_warnings(dataset));
    }
    let name = args.scenario.as_deref().context("no input was named")?;
    Ok(Scenario::find(name)?.generate(args.seed))
}

/// Shifts all times by the same amount, so that the newest one is `now_us`.
fn rebase(series: &mut LabeledSeries, now_us: i64) {
    let newest_us = series.rows.iter().map(|row| row.at_us).max().unwrap_or(now_us);
    for row in &mut series.rows {
        row.at_us = row.at_us.saturating_add(now_us - newest_us);
    }
}

/// Prints anomalies above the bar.
#[expect(clippy::print_stderr, reason = "stdout is for data")]
fn print(bar: &ProgressBar, anomalies: &[String]) {
    bar.suspend(|| anomalies.iter().for_each(|line| eprintln!("  {line}")));
}

/// A bar on stderr; nothing is drawn if stderr is no terminal.
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
    use quality::labeled::LabeledRow;

    use super::*;

    #[derive(Debug, Parser)]
    struct ReplayCli {
        #[command(flatten)]
        args: ReplayArgs,
    }

    fn parse(text: &str) -> Result<ReplayArgs, clap::Error> {
        ReplayCli::try_parse_from(text.split(' ')).map(|cli| cli.args)
    }

    fn series(times_us: &[i64]) -> LabeledSeries {
        let rows =
            times_us.iter().map(|at_us| LabeledRow { at_us: *at_us, value: 1.0, label: false });
        LabeledSeries::from_rows("test".to_owned(), rows.collect())
    }

    #[test]
    fn rebasing_puts_the_newest_sample_at_now_and_keeps_distances() {
        let mut stepping_back = series(&[1_000, 3_000, 2_000]);
        rebase(&mut stepping_back, 50_000);
        let times: Vec<i64> = stepping_back.rows.iter().map(|row| row.at_us).collect();
        assert_eq!(times, [48_000, 50_000, 49_000]);
        rebase(&mut series(&[]), 50_000);
    }

    #[test]
    fn exactly_one_input_and_bounded_numbers_are_accepted() {
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
