//! The command line of the evaluator: parses, runs, and turns an error into an exit code.

use std::process::ExitCode;

use clap::Parser;
use evaluator::cli::{self, Cli};

fn main() -> ExitCode {
    match evaluator::command::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => cli::report(&error),
    }
}
