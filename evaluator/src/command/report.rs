//! `evaluator report`: a record in another form, without measuring again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::Output;
use crate::record::Record;

/// Arguments of `report`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// A record that `--json` wrote.
    pub record: PathBuf,
    /// Where reports go.
    #[command(flatten)]
    pub output: Output,
}

/// Reads and shows.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    args.output.write(&read(&args.record)?)
}

/// Reads a record.
pub(super) fn read(path: &Path) -> anyhow::Result<Record> {
    let name = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("read `{name}`"))?;
    serde_json::from_str(&text).with_context(|| format!("parse record `{name}`"))
}
