//! `evaluator compare`: in which numbers two records differ, for a change that should change nothing, or something.

use std::path::PathBuf;
use std::process::ExitCode;

use super::output::write_stdout;
use super::report::read;
use crate::cli::EXIT_MISSED;
use crate::record::{Record, Row};
use crate::report::columns;

/// What no two runs share.
const IGNORED: &str = "micros_per_sample";

/// Arguments of `compare`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The record to compare with.
    pub old: PathBuf,
    /// The record to compare.
    pub new: PathBuf,
}

/// Prints each difference and answers whether there is none; the time per sample is not compared.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    let differences = differences(&old, &new);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["scenario", "detector", "column", "old", "new"])?;
    for difference in &differences {
        writer.write_record(difference)?;
    }
    write_stdout(&String::from_utf8(writer.into_inner()?)?)?;
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_MISSED) })
}

/// A row that only one record has differs in its column `row`.
fn differences(old: &Record, new: &Record) -> Vec<[String; 5]> {
    let mut differences = Vec::new();
    for row in &old.rows {
        match same_row(new, row) {
            Some(other) => differences.extend(between(row, other)),
            None => differences.push(lonely(row, ["there", "missing"])),
        }
    }
    let added = new.rows.iter().filter(|row| same_row(old, row).is_none());
    differences.extend(added.map(|row| lonely(row, ["missing", "there"])));
    differences
}

fn same_row<'a>(record: &'a Record, row: &Row) -> Option<&'a Row> {
    record
        .rows
        .iter()
        .find(|other| (&other.scenario, &other.detector) == (&row.scenario, &row.detector))
}

fn between(old: &Row, new: &Row) -> Vec<[String; 5]> {
    let pairs = columns(old)
        .zip(columns(new))
        .filter(|((name, old), (_, new))| *name != IGNORED && old != new);
    pairs
        .map(|((name, before), (_, after))| {
            [old.scenario.clone(), old.detector.clone(), name.to_owned(), before, after]
        })
        .collect()
}

fn lonely(row: &Row, [old, new]: [&str; 2]) -> [String; 5] {
    [row.scenario.clone(), row.detector.clone(), "row".to_owned(), old.to_owned(), new.to_owned()]
}
