//! Rows of records in a DynamoDB table, one for each data set, detector, commit and seed.

use anyhow::Context;
use aws::{HistoryOptions, HistoryTable, QualityRow};
use quality::record::{Record, Row, SeriesCounts};

/// Stores the rows of a record; the same record again changes nothing.
pub(crate) fn store(table: &str, record: &Record) -> anyhow::Result<()> {
    let kept_us = jiff::Timestamp::now().as_microsecond();
    let rows: Result<Vec<QualityRow>, _> =
        record.rows.iter().map(|row| stored_row(record, row, kept_us)).collect();
    let rows = rows?;
    with_table(table, async |table| {
        for row in &rows {
            table.save_quality(row).await?;
        }
        Ok(())
    })
    .with_context(|| format!("store the record in `{table}`"))
}

/// Reads all rows, by data set and detector.
pub(crate) fn read(table: &str) -> anyhow::Result<Vec<QualityRow>> {
    with_table(table, async |table| Ok(table.quality().await?))
        .with_context(|| format!("read the records in `{table}`"))
}

/// Drops the counts of each series, which may exceed the size limit of an item.
fn stored_row(record: &Record, row: &Row, kept_us: i64) -> anyhow::Result<QualityRow> {
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

fn with_table<T>(
    table: &str,
    call: impl AsyncFnOnce(&HistoryTable) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let options = HistoryOptions { table: table.to_owned(), days: 1 };
    runtime.context("start the runtime")?.block_on(async {
        call(&HistoryTable::new(options, || jiff::Timestamp::now().as_microsecond()).await).await
    })
}
