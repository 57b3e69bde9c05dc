//! The command line: lists the subcommands and runs the one that is asked for.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::command::{
    alerts, capacity, compare, gate, generate, list, load, promise, records, replay, report, run,
    score, sweep, tune,
};
use crate::exit_code::EXIT_CODES;

/// Measures detection quality on synthetic scenarios, on labeled data and on your own history.
#[derive(Debug, Parser)]
#[command(name = "evaluator", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List scenarios and detectors, as CSV.
    List,
    /// Generate the labeled series of a scenario, as CSV.
    Generate(generate::GenerateArgs),
    /// Measure detectors on scenarios.
    #[command(mut_arg("csv_out", |arg| arg.visible_alias("csv")))]
    Run(run::RunArgs),
    /// Measure detectors on labeled data.
    Score(score::ScoreArgs),
    /// Show the actual false alarms a day at each budget, as CSV.
    Promise(promise::PromiseArgs),
    /// Show what other thresholds would give, as CSV.
    Sweep(sweep::SweepArgs),
    /// Recommend a detector for each series of a history, with evidence.
    Tune(tune::TuneArgs),
    /// Show how many alerts a policy would have made of a history, as CSV.
    Alerts(alerts::AlertsArgs),
    /// Convert a record to another form.
    #[command(mut_arg("csv_out", |arg| arg.visible_alias("csv")))]
    Report(report::ReportArgs),
    /// Show the rows that `--record` stored in a DynamoDB table.
    #[command(mut_arg("csv_out", |arg| arg.visible_alias("csv")))]
    Records(records::RecordsArgs),
    /// Check a record against limits, for CI.
    Gate(gate::GateArgs),
    /// Show in which numbers two records differ, as CSV.
    Compare(compare::CompareArgs),
    /// Replay a series against a live deployment and compare its verdicts.
    Replay(replay::ReplayArgs),
    /// Send load to a live deployment and measure rates, latencies and cost.
    Load(load::LoadArgs),
    /// Calculate what a load needs of cache and processors.
    Capacity(capacity::CapacityArgs),
}

impl Cli {
    /// Runs the subcommand.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::List => list::run()?,
            Command::Generate(args) => generate::run(&args)?,
            Command::Run(args) => run::run(&args)?,
            Command::Score(args) => score::run(&args)?,
            Command::Promise(args) => promise::run(&args)?,
            Command::Sweep(args) => sweep::run(&args)?,
            Command::Alerts(args) => alerts::run(&args)?,
            Command::Tune(args) => return tune::run(&args),
            Command::Records(args) => records::run(&args)?,
            Command::Report(args) => report::run(&args)?,
            Command::Gate(args) => return gate::run(&args),
            Command::Compare(args) => return compare::run(&args),
            Command::Replay(args) => return replay::run(&args),
            Command::Load(args) => return load::run(&args),
            Command::Capacity(args) => capacity::run(&args)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
