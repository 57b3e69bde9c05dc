//! `evaluator records`: rows of stored records, in any form of a report.

use anyhow::Context;
use aws::QualityRow;
use quality::record::{Record, Row};

use crate::report_output::ReportOutput;
use crate::{provenance, record_table};

/// Arguments of `records`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RecordsArgs {
    /// The DynamoDB table (`AWS_REGION`, `AWS_ENDPOINT_URL_DYNAMODB` and credentials as for every AWS SDK).
    table_name: String,
    /// Only this scenario or folder of data.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Only this detector.
    #[arg(long, value_name = "SPEC")]
    detector: Option<String>,
    #[command(flatten)]
    output: ReportOutput,
}

/// Reads the rows and writes the reports.
pub(crate) fn run(args: &RecordsArgs) -> anyhow::Result<()> {
    let matches = |row: &QualityRow| {
        args.dataset.as_ref().is_none_or(|dataset| *dataset == row.dataset)
            && args.detector.as_ref().is_none_or(|detector| *detector == row.detector)
    };
    let rows = record_table::read(&args.table_name)?;
    let rows: Result<Vec<Row>, _> =
        rows.iter().filter(|row| matches(row)).map(named_by_commit).collect();
    args.output.write(&Record {
        title: format!("Detection quality, as stored in {}", args.table_name),
        command: provenance::command_line(),
        rows: rows?,
        ..Record::default()
    })
}

/// The row under a name that includes its commit and seed.
fn named_by_commit(stored: &QualityRow) -> anyhow::Result<Row> {
    let row: Row = serde_json::from_str(&stored.row).with_context(|| {
        format!("parse the row of `{}` and `{}`", stored.dataset, stored.detector)
    })?;
    let commit = stored.commit.as_deref().unwrap_or("no commit");
    Ok(Row { scenario: format!("{} ({commit}, seed {})", stored.dataset, stored.seed), ..row })
}
