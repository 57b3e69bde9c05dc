//! `evaluator gate`: bars that a record must reach, for CI.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::bail;
use quality::record::{Record, Row};
use quality::report::columns;
use thiserror::Error;

use super::report::read;
use crate::exit_code;
use crate::output::write_csv;

/// Arguments of `gate`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct GateArgs {
    /// A record that `--json` wrote.
    pub(crate) record: PathBuf,
    /// Bars: a column of the CSV report, `>=` or `<=`, a number: `event_f1>=0.5`.
    #[arg(required = true)]
    pub(crate) bars: Vec<GateLimit>,
    /// Only rows of this scenario.
    #[arg(long)]
    pub(crate) scenario: Option<String>,
    /// Only rows of this detector.
    #[arg(long, value_name = "SPEC")]
    pub(crate) detector: Option<String>,
}

/// A number that a column must reach, or must not exceed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GateLimit {
    column: String,
    side: Side,
    limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    AtLeast,
    AtMost,
}

/// Prints each row's value of each bar, and answers whether all are reached.
pub(crate) fn run(args: &GateArgs) -> anyhow::Result<ExitCode> {
    let record = read(&args.record)?;
    let rows: Vec<&Row> = record.rows.iter().filter(|row| args.wants(row)).collect();
    if rows.is_empty() {
        bail!("no such row in `{}`: it has {}", args.record.display(), names(&record));
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["scenario", "detector", "bar", "value", "reached"])?;
    let mut all_reached = true;
    for row in rows {
        for bar in &args.bars {
            let value = columns(row)
                .find(|(name, _)| *name == bar.column)
                .map(|(_, text)| text)
                .unwrap_or_default();
            let reached = bar.is_reached(&value);
            all_reached &= reached;
            let word = if reached { "yes" } else { "no" };
            let bar = bar.to_string();
            writer.write_record([row.scenario.as_str(), &row.detector, &bar, &value, word])?;
        }
    }
    write_csv(writer)?;
    Ok(exit_code::passed(all_reached))
}

impl GateArgs {
    fn wants(&self, row: &Row) -> bool {
        self.scenario.as_ref().is_none_or(|scenario| *scenario == row.scenario)
            && self.detector.as_ref().is_none_or(|detector| *detector == row.detector)
    }
}

fn names(record: &Record) -> String {
    let names: Vec<String> =
        record.rows.iter().map(|row| format!("`{}` on `{}`", row.detector, row.scenario)).collect();
    names.join(", ")
}

impl GateLimit {
    /// Whether the text of a column reaches it; an undefined number reaches none.
    fn is_reached(&self, value: &str) -> bool {
        value.parse::<f64>().is_ok_and(|value| match self.side {
            Side::AtLeast => value >= self.limit,
            Side::AtMost => value <= self.limit,
        })
    }
}

impl std::fmt::Display for GateLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = if self.side == Side::AtLeast { ">=" } else { "<=" };
        write!(f, "{}{side}{}", self.column, self.limit)
    }
}

impl FromStr for GateLimit {
    type Err = GateLimitError;

    fn from_str(text: &str) -> Result<Self, GateLimitError> {
        let malformed = || GateLimitError { text: text.to_owned() };
        let (side, (column, limit)) = match (text.split_once(">="), text.split_once("<=")) {
            (Some(parts), None) => (Side::AtLeast, parts),
            (None, Some(parts)) => (Side::AtMost, parts),
            _ => return Err(malformed()),
        };
        let limit = limit
            .trim()
            .parse()
            .ok()
            .filter(|limit: &f64| limit.is_finite())
            .ok_or_else(malformed)?;
        let column = column.trim().to_owned();
        if !quality::report::is_column(&column) {
            return Err(malformed());
        }
        Ok(Self { column, side, limit })
    }
}

/// The text is no bar.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a bar: a column of the CSV report, `>=` or `<=`, and a number are wanted")]
pub(crate) struct GateLimitError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_read_back_and_mistakes_are_named() {
        for text in ["event_f1>=0.5", "false_alarms_per_series_day<=0.3"] {
            assert_eq!(text.parse::<GateLimit>().unwrap().to_string(), text);
        }
        for text in
            ["event_f1", "event_f1=1", "event_f1>=", "event_f1>=NaN", "beauty>=1", "fp<=1>=0"]
        {
            assert!(text.parse::<GateLimit>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_bar_is_reached_at_its_limit_and_never_by_an_undefined_number() {
        let bar: GateLimit = "event_f1>=0.5".parse().unwrap();
        assert_eq!(
            ["0.5", "0.49", "", "NaN"].map(|value| bar.is_reached(value)),
            [true, false, false, false]
        );
    }
}
