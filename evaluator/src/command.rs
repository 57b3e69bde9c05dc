//! The commands, one per file, and what they share: writing reports, warning, progress.

pub mod compare;
pub mod gate;
pub mod generate;
pub mod list;
mod output;
mod progress;
pub mod report;
pub mod run;
pub mod score;
mod scores;
mod source;
pub mod sweep;
pub mod tune;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::replay;

/// Carries out what the command line asks for.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::List(args) => list::run(&args)?,
        Command::Generate(args) => generate::run(&args)?,
        Command::Run(args) => run::run(&args)?,
        Command::Score(args) => score::run(&args)?,
        Command::Sweep(args) => sweep::run(&args)?,
        Command::Tune(args) => return tune::run(&args),
        Command::Report(args) => report::run(&args)?,
        Command::Gate(args) => return gate::run(&args),
        Command::Compare(args) => return compare::run(&args),
        Command::Replay(args) => return replay::run(&args),
    }
    Ok(ExitCode::SUCCESS)
}
