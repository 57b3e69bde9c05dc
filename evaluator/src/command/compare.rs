//! `evaluator compare`: the numbers in which two records differ, with confidence intervals.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use quality::record::{Record, Row};
use quality::report::columns;
use quality::score::bootstrap::{self, Differences};

use super::report::read;
use crate::exit_code;
use crate::output::write_csv;

/// A column that differs between any two runs.
const IGNORED: &str = "micros_per_sample";

/// Columns with an interval of the difference.
const WITH_INTERVAL: [&str; 4] =
    ["event_f1", "event_recall", "event_precision", "false_alarms_per_series_day"];

/// Arguments of `compare`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CompareArgs {
    /// The record to compare with.
    old: PathBuf,
    /// The record to compare; may be the same record, to compare two of its detectors.
    new: PathBuf,
    /// Only this detector of the old record, compared with `--new-detector` of the new one.
    #[arg(long, value_name = "SPEC", requires = "new_detector")]
    old_detector: Option<String>,
    /// Only this detector of the new record.
    #[arg(long, value_name = "SPEC", requires = "old_detector")]
    new_detector: Option<String>,
}

/// Prints each difference, and fails on any; the time per sample is not compared.
///
/// `difference_low` and `difference_high` are the ends of the 95 % interval of new minus old, from resampling the series
/// of both records together; empty if the series differ or are too few.
pub(crate) fn run(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    let old = only(old, args.old_detector.as_deref(), args.new_detector.as_deref())?;
    let new = only(new, args.new_detector.as_deref(), args.new_detector.as_deref())?;
    let differences = differences(&old, &new);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "scenario",
        "detector",
        "column",
        "old",
        "new",
        "difference_low",
        "difference_high",
    ])?;
    for difference in &differences {
        writer.write_record(difference)?;
    }
    write_csv(writer)?;
    Ok(exit_code::passed(differences.is_empty()))
}

/// The rows of one detector, renamed; all rows if none is given.
fn only(mut record: Record, detector: Option<&str>, name: Option<&str>) -> anyhow::Result<Record> {
    let (Some(detector), Some(name)) = (detector, name) else {
        return Ok(record);
    };
    record.rows.retain(|row| row.detector == detector);
    ensure!(
        !record.rows.is_empty(),
        "no row of `{detector}` in the record of `{}`",
        record.command
    );
    for row in &mut record.rows {
        name.clone_into(&mut row.detector);
    }
    Ok(record)
}

/// A row that one record lacks is a difference in the column `row`.
fn differences(old: &Record, new: &Record) -> Vec<[String; 7]> {
    let mut differences = Vec::new();
    for row in &old.rows {
        match same_row(new, row) {
            Some(other) => differences.extend(between(row, other, new.seed)),
            None => differences.push(unpaired(row, ["present", "missing"])),
        }
    }
    let added = new.rows.iter().filter(|row| same_row(old, row).is_none());
    differences.extend(added.map(|row| unpaired(row, ["missing", "present"])));
    differences
}

fn same_row<'a>(record: &'a Record, row: &Row) -> Option<&'a Row> {
    record
        .rows
        .iter()
        .find(|other| (&other.scenario, &other.detector) == (&row.scenario, &row.detector))
}

fn between(old: &Row, new: &Row, seed: u64) -> Vec<[String; 7]> {
    let differing: Vec<(&str, String, String)> = columns(old)
        .zip(columns(new))
        .filter(|((name, old), (_, new))| *name != IGNORED && old != new)
        .map(|((name, old), (_, new))| (name, old, new))
        .collect();
    let has_interval = differing.iter().any(|(name, ..)| WITH_INTERVAL.contains(name));
    let intervals = has_interval
        .then(|| bootstrap::differences(&old.by_series, &new.by_series, seed))
        .flatten();
    let line = |(name, before, after): (&str, String, String)| {
        let [low, high] = interval(intervals.as_ref(), name);
        [old.scenario.clone(), old.detector.clone(), name.to_owned(), before, after, low, high]
    };
    differing.into_iter().map(line).collect()
}

fn interval(differences: Option<&Differences>, column: &str) -> [String; 2] {
    let ends = differences.and_then(|differences| match column {
        "event_f1" => Some(differences.event_f1),
        "event_recall" => Some(differences.recall),
        "event_precision" => Some(differences.precision),
        "false_alarms_per_series_day" => Some(differences.false_alarms_per_series_day),
        _ => None,
    });
    ends.map(|ends| ends.map(|end| end.to_string())).unwrap_or_default()
}

fn unpaired(row: &Row, [old, new]: [&str; 2]) -> [String; 7] {
    let none = String::new();
    let [old, new] = [old, new].map(str::to_owned);
    let (scenario, detector) = (row.scenario.clone(), row.detector.clone());
    [scenario, detector, "row".to_owned(), old, new, none.clone(), none]
}
