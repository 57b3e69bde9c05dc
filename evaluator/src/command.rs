//! The commands, one per file, and what they share: writing reports, warning, progress.

pub mod compare;
pub mod gate;
pub mod generate;
pub mod list;
mod output;
mod progress;
pub mod records;
pub mod report;
pub mod run;
pub mod score;
mod scores;
mod source;
pub mod sweep;
pub mod tune;

use std::process::ExitCode;

pub(crate) use self::output::{splice_into, write_stdout, write_to};
use crate::cli::{Cli, Command};
use crate::{capacity, flame, load, replay};

/// Carries out what the command line asks for.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::List(args) => list::run(&args)?,
        Command::Generate(args) => generate::run(&args)?,
        Command::Run(args) => run::run(&args)?,
        Command::Score(args) => score::run(&args)?,
        Command::Sweep(args) => sweep::run(&args)?,
        Command::Tune(args) => return tune::run(&args),
        Command::Records(args) => records::run(&args)?,
        Command::Report(args) => report::run(&args)?,
        Command::Gate(args) => return gate::run(&args),
        Command::Compare(args) => return compare::run(&args),
        Command::Replay(args) => return replay::run(&args),
        Command::Load(args) => return load::run(&args),
        Command::Capacity(args) => return capacity::run(&args),
        Command::Flame(args) => return flame::run(&args),
    }
    Ok(ExitCode::SUCCESS)
}
