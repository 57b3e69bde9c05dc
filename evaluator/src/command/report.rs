//! `evaluator report`: converts a record to another format.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use quality::record::Record;

use crate::report_output::ReportOutput;

/// Arguments of `report`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReportArgs {
    /// A record that `--json` wrote.
    record: PathBuf,
    #[command(flatten)]
    output: ReportOutput,
}

/// Reads the record and writes the reports.
pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<()> {
    args.output.write(&read(&args.record)?)
}

/// Reads a record.
pub(crate) fn read(path: &Path) -> anyhow::Result<Record> {
    let name = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("read `{name}`"))?;
    serde_json::from_str(&text).with_context(|| format!("parse record `{name}`"))
}
