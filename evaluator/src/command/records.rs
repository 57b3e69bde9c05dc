//! `evaluator records`: rows of all records that were kept in a table of DynamoDB, in any form of a report.

use anyhow::Context;
use aws::{Dynamo, QualityRow};
use store::HistoryOptions;

use crate::cli::Output;
use crate::provenance;
use crate::record::{Record, Row, SeriesCounts};

/// Arguments of `records`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The table, found as by every AWS SDK (`AWS_REGION`, `AWS_ENDPOINT_URL_DYNAMODB`).
    #[arg(value_name = "TABLE")]
    pub kept_in: String,
    /// Only this scenario or folder of data.
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,
    /// Only this detector.
    #[arg(long, value_name = "SPEC")]
    pub detector: Option<String>,
    /// Where reports go.
    #[command(flatten)]
    pub output: Output,
}

/// Reads and shows.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let rows = with_table(&args.kept_in, async |table| table.quality().await)
        .with_context(|| format!("read the records in `{}`", args.kept_in))?;
    let is_wanted = |row: &QualityRow| {
        args.dataset.as_ref().is_none_or(|it| *it == row.dataset)
            && args.detector.as_ref().is_none_or(|it| *it == row.detector)
    };
    let rows: Result<Vec<Row>, _> = rows.iter().filter(|it| is_wanted(it)).map(shown).collect();
    args.output.write(&Record {
        title: format!("Detection quality, as kept in {}", args.kept_in),
        command: provenance::command_line(),
        commit: None,
        seed: 0,
        rows: rows?,
        traces: Vec::new(),
        sweeps: Vec::new(),
        scenarios: Vec::new(),
    })
}

/// Keeps the rows of a record; the same record again changes nothing.
pub(super) fn keep(table: &str, record: &Record) -> anyhow::Result<()> {
    let kept_us = jiff::Timestamp::now().as_microsecond();
    let rows: Result<Vec<QualityRow>, _> =
        record.rows.iter().map(|row| kept(record, row, kept_us)).collect();
    let rows = rows?;
    with_table(table, async |table| {
        for row in &rows {
            table.keep_quality(row).await?;
        }
        Ok(())
    })
    .with_context(|| format!("keep the record in `{table}`"))
}

/// Without the counts of each series, which may be longer than an item can be.
fn kept(record: &Record, row: &Row, kept_us: i64) -> anyhow::Result<QualityRow> {
    let Record { command, commit, seed, .. } = record;
    let row = Row { by_series: SeriesCounts::default(), ..row.clone() };
    Ok(QualityRow {
        dataset: row.scenario.clone(),
        detector: row.detector.clone(),
        commit: commit.clone(),
        seed: *seed,
        command: command.clone(),
        kept_us,
        row: serde_json::to_string(&row)?,
    })
}

/// The row under a name that says of which commit it is.
fn shown(kept: &QualityRow) -> anyhow::Result<Row> {
    let row: Row = serde_json::from_str(&kept.row)
        .with_context(|| format!("parse the row of `{}` and `{}`", kept.dataset, kept.detector))?;
    let commit = kept.commit.as_deref().unwrap_or("no commit");
    Ok(Row { scenario: format!("{} ({commit}, seed {})", kept.dataset, kept.seed), ..row })
}

/// What is asked of a table.
fn with_table<T>(
    table: &str,
    ask: impl AsyncFnOnce(&Dynamo) -> Result<T, store::HistoryError>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let options = HistoryOptions { table: table.to_owned(), days: 1 };
    runtime.context("start the runtime")?.block_on(async {
        let table = Dynamo::new(options, || jiff::Timestamp::now().as_microsecond()).await;
        Ok(ask(&table).await?)
    })
}
