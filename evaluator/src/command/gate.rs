//! `evaluator gate`: checks a record against limits, for CI.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, bail};
use quality::record::{Record, Row};
use quality::report::columns;

use super::report::read;
use crate::exit_code;
use crate::output::write_csv;

/// Arguments of `gate`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct GateArgs {
    /// A record that `--json` wrote.
    record: PathBuf,
    /// Limits: a column of the CSV report, `>=` or `<=`, a number: `event_f1>=0.5`.
    #[arg(required = true)]
    limits: Vec<GateLimit>,
    /// Only rows of this scenario.
    #[arg(long)]
    scenario: Option<String>,
    /// Only rows of this detector.
    #[arg(long, value_name = "SPEC")]
    detector: Option<String>,
}

/// Minimum or maximum of a column.
#[derive(Debug, Clone, PartialEq)]
struct GateLimit {
    column: String,
    side: Side,
    limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    AtLeast,
    AtMost,
}

/// Prints the value of each row for each limit; fails if any limit is missed.
pub(crate) fn run(args: &GateArgs) -> anyhow::Result<ExitCode> {
    let record = read(&args.record)?;
    let rows: Vec<&Row> = record.rows.iter().filter(|row| args.includes(row)).collect();
    if rows.is_empty() {
        bail!("no such row in `{}`: the record has {}", args.record.display(), names(&record));
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["scenario", "detector", "limit", "value", "met"])?;
    let mut all_met = true;
    for row in rows {
        for limit in &args.limits {
            let column = columns(row).find(|(name, _)| *name == limit.column);
            let value = column.map(|(_, text)| text).unwrap_or_default();
            let is_met = limit.is_met(&value);
            all_met &= is_met;
            let met = if is_met { "yes" } else { "no" };
            let limit = limit.to_string();
            writer.write_record([row.scenario.as_str(), &row.detector, &limit, &value, met])?;
        }
    }
    write_csv(writer)?;
    Ok(exit_code::passed(all_met))
}

impl GateArgs {
    fn includes(&self, row: &Row) -> bool {
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
    /// True if the text of a column meets the limit; an undefined number meets none.
    fn is_met(&self, value: &str) -> bool {
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
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let malformed = || {
            format!(
                "`{text}` is not a limit: expected a column of the CSV report, `>=` or `<=`, and a number"
            )
        };
        let (side, (column, limit)) = match (text.split_once(">="), text.split_once("<=")) {
            (Some(parts), None) => (Side::AtLeast, parts),
            (None, Some(parts)) => (Side::AtMost, parts),
            _ => bail!(malformed()),
        };
        let limit: Option<f64> = limit.trim().parse().ok().filter(|limit: &f64| limit.is_finite());
        let limit = limit.with_context(malformed)?;
        let column = column.trim().to_owned();
        if !quality::report::is_column(&column) {
            bail!(malformed());
        }
        Ok(Self { column, side, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_parse_and_malformed_ones_are_errors() {
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
    fn a_limit_is_inclusive_and_an_undefined_number_never_meets_it() {
        let limit: GateLimit = "event_f1>=0.5".parse().unwrap();
        assert_eq!(
            ["0.5", "0.49", "", "NaN"].map(|value| limit.is_met(value)),
            [true, false, false, false]
        );
    }
}
