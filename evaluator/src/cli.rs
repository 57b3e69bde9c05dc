//! The command line: what can be asked for, and what the exit codes mean.
//!
//! Only arguments are declared here; each command has its own file in `command`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::command::{compare, gate, generate, list, records, report, run, score, sweep, tune};
use crate::{capacity, flame, load, replay};

/// A bar was missed, records or verdicts differ, or a deployment gave no answer to what was to be applied.
pub const EXIT_MISSED: u8 = 1;

/// Data, a scenario or a record cannot be read, or a deployment refuses a request outright; 2 is clap's, for wrong arguments.
pub const EXIT_INPUT: u8 = 3;

/// A report cannot be written.
pub const EXIT_OUTPUT: u8 = 4;

const EXIT_CODES: &str = "\
Data and reports go to stdout, warnings and progress to stderr.

Exit codes:
  0  done
  1  a bar was missed, records or verdicts differ, or a deployment did not answer `tune --apply`
  2  wrong arguments
  3  data, a scenario or a record cannot be read, or a deployment refuses a request of `replay` outright
     or of `tune --apply` (401, 400, 413 and the like, which no repetition would change)
  4  a report cannot be written";

/// Measures detection quality on synthetic scenarios, on labelled data and on your own history.
#[derive(Debug, Parser)]
#[command(name = "evaluator", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List scenarios and detectors, as CSV.
    List(list::Args),
    /// Generate the labelled series of a scenario, as CSV.
    Generate(generate::Args),
    /// Measure detectors on scenarios.
    #[command(mut_arg("csv_out", |arg| arg.visible_alias("csv")))]
    Run(run::Args),
    /// Measure detectors on labelled data.
    Score(score::Args),
    /// Show what other thresholds would give, as CSV.
    Sweep(sweep::Args),
    /// Recommend a detector for each series of a history, with evidence.
    Tune(tune::Args),
    /// Show a record again in another form.
    #[command(mut_arg("csv_out", |arg| arg.visible_alias("csv")))]
    Report(report::Args),
    /// Show the rows that `--record` kept in a table of DynamoDB.
    #[command(mut_arg("csv_out", |arg| arg.visible_alias("csv")))]
    Records(records::Args),
    /// Hold a record against bars, for CI.
    Gate(gate::Args),
    /// Show in which numbers two records differ, as CSV.
    Compare(compare::Args),
    /// Replay a series against a live deployment and compare its verdicts.
    Replay(replay::Args),
    /// Send load to a live deployment: rates, latencies, and what it takes.
    Load(load::Args),
    /// Reckon what a load needs of cache and processors.
    Capacity(capacity::Args),
    /// Draw a profile of `/debug/pprof` as a flame graph.
    Flame(flame::Args),
}

/// Where reports go; `-` is stdout. Without any of these a table is printed to stdout.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Reports (`-` is stdout; a table on stdout when none is given)")]
pub struct Output {
    /// Print the table even when files are written.
    #[arg(long)]
    pub table: bool,
    /// Write the record as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write one CSV line per scenario and detector.
    #[arg(long, value_name = "FILE")]
    pub csv_out: Option<PathBuf>,
    /// Write Markdown tables.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Write one HTML page with charts.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Replace what stands between `<!-- evaluator:begin NAME -->` and `<!-- evaluator:end NAME -->` in FILE.
    #[arg(long, num_args = 2, value_names = ["FILE", "NAME"])]
    pub splice: Option<Vec<String>>,
    /// Keep each row in this table of DynamoDB, found as by every AWS SDK; `records` shows it again.
    #[arg(long = "record", value_name = "TABLE")]
    pub record_table: Option<String>,
}

/// The record, or the file it goes to, could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write `{target}`")]
pub struct OutputError {
    /// The file, or `stdout`.
    pub target: String,
    /// Why.
    pub source: std::io::Error,
}

/// Prints an error with its causes to stderr and answers its exit code.
///
/// A reader that hangs up (`evaluator list | head -1`) is no error.
#[expect(clippy::print_stderr, reason = "stderr is where a person is told")]
pub fn report(error: &anyhow::Error) -> ExitCode {
    let output = error.chain().find_map(|cause| cause.downcast_ref::<OutputError>());
    if output.is_some_and(|output| output.source.kind() == std::io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error:#}");
    ExitCode::from(if output.is_some() { EXIT_OUTPUT } else { EXIT_INPUT })
}
