//! The evaluator: measures detection quality, sends load, plans capacity.
//!
//! Each file of `command` is a subcommand with its arguments; the files beside it are shared by several. Measuring is
//! the work of the libraries `quality` and `load`.

mod api_key;
mod cli;
mod command;
mod data_source;
mod deployed_series;
mod exit_code;
mod output;
mod progress;
mod provenance;
mod record_table;
mod redact;
mod report_output;
mod splice;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::Cli::parse().run().unwrap_or_else(|error| exit_code::report(&error))
}
