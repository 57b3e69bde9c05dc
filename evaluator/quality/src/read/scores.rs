//! Reads the scores of another detector: a folder with a file for each series, `timestamp,anomaly_score`.
//!
//! A score that is shifted by one row would count as a late alarm. So each row of the data must have its row here, in
//! the same order and at the same time.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use rayon::prelude::*;

use super::dataset::Dataset;
use super::origin::SeriesOrigin;
use super::time;
use crate::labeled::LabeledSeries;

/// The column of scores, named as in the Numenta benchmark.
pub const SCORE_COLUMN: &str = "anomaly_score";

/// Reads the score of every row of every series of `dataset`.
pub fn read_scores(folder: &Path, dataset: &Dataset) -> anyhow::Result<Vec<Vec<f64>>> {
    let mut files = BTreeSet::new();
    if let Some(twice) = dataset.origins.iter().find(|origin| !files.insert(&origin.file)) {
        bail!(
            "two series are called `{}`: scores belong to a series by the name of their file",
            twice.file.display()
        );
    }
    let both = dataset.series.par_iter().zip(&dataset.origins);
    both.map(|(series, origin)| {
        let path = folder.join(&origin.file);
        read_series(&path, series, origin).with_context(|| format!("read `{}`", path.display()))
    })
    .collect()
}

fn read_series(
    path: &Path,
    series: &LabeledSeries,
    origin: &SeriesOrigin,
) -> anyhow::Result<Vec<f64>> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(File::open(path)?);
    let headers = reader.headers()?.clone();
    let column = |name: &str| {
        headers.iter().position(|header| header.eq_ignore_ascii_case(name)).with_context(|| {
            format!("line 1: column `{name}` is missing: expected `timestamp,{SCORE_COLUMN}`")
        })
    };
    let columns = [column("timestamp")?, column(SCORE_COLUMN)?];
    let mut records = Vec::with_capacity(series.rows.len());
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let at = record.get(columns[0]).unwrap_or_default();
        records.push((time::parse(at), line, record));
    }
    // Rows of data are sorted, so a program that wrote a score for each row of a file may have another order.
    if series.rows.is_sorted_by_key(|row| row.at_us) {
        records.sort_by_key(|(at_us, ..)| *at_us);
    }
    let mut scores = Vec::with_capacity(series.rows.len());
    let mut rows = records.iter();
    let mut last_line = 1;
    for (row, time) in series.rows.iter().zip(origin.times.iter()) {
        let Some((at_us, line, record)) = rows.next() else {
            bail!("line {}: a row is missing: expected the score of `{time}`", last_line + 1);
        };
        last_line = *line;
        let [at, text] = columns.map(|i| record.get(i).unwrap_or_default());
        ensure!(
            *at_us == Some(row.at_us),
            "line {line}: timestamp `{at}` differs from that of the data, `{time}`"
        );
        let score: Option<f64> = text.parse().ok().filter(|score: &f64| score.is_finite());
        scores.push(score.with_context(|| {
            format!("line {line}: {SCORE_COLUMN} `{text}` is not a finite number")
        })?);
    }
    if let Some((_, line, _)) = rows.next() {
        bail!("line {line}: one row too many: the data has {} rows", series.rows.len());
    }
    Ok(scores)
}
