//! A folder of scores of another detector: a file for each series of the data, `timestamp,anomaly_score`.
//!
//! A score that slips by one row would be scored as if the detector had been late, so nothing is guessed: each row
//! of the data has its row here, in the same order, at the same time.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use csv::StringRecord;
use rayon::prelude::*;

use super::{Dataset, ReadError, SeriesOrigin, time, unreadable};
use crate::labeled::LabeledSeries;

/// The column of scores, as the Numenta benchmark calls it.
pub const SCORE_COLUMN: &str = "anomaly_score";

/// The columns of a file of scores.
const WANTED: &str = "timestamp,anomaly_score";

/// Reads the scores of every row of every series of `dataset`.
pub fn read_scores(folder: &Path, dataset: &Dataset) -> Result<Vec<Vec<f64>>, ReadError> {
    let mut files = BTreeSet::new();
    if let Some(twice) = dataset.origins.iter().find(|origin| !files.insert(&origin.file)) {
        return Err(ReadError::Ambiguous { path: twice.file.clone() });
    }
    let both = dataset.series.par_iter().zip(&dataset.origins);
    both.map(|(series, origin)| read_series(&folder.join(&origin.file), series, origin)).collect()
}

fn read_series(
    path: &Path,
    series: &LabeledSeries,
    origin: &SeriesOrigin,
) -> Result<Vec<f64>, ReadError> {
    let file = File::open(path).map_err(unreadable(path))?;
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(file);
    let malformed = |source| ReadError::Malformed { path: path.to_owned(), source };
    let headers = reader.headers().map_err(malformed)?.clone();
    let column = |name: &'static str| {
        let found = headers.iter().position(|header| header.eq_ignore_ascii_case(name));
        found.ok_or_else(|| ReadError::ColumnMissing {
            path: path.to_owned(),
            column: name,
            wanted: WANTED,
        })
    };
    if headers.is_empty() {
        return Err(ReadError::Empty { path: path.to_owned(), wanted: WANTED });
    }
    let columns = [column("timestamp")?, column(SCORE_COLUMN)?];
    let mut scores = Vec::with_capacity(series.rows.len());
    let mut record = StringRecord::new();
    let mut line = 1;
    for (row, time) in series.rows.iter().zip(origin.times.iter()) {
        if !reader.read_record(&mut record).map_err(malformed)? {
            let why = format!("a row is missing: the score of `{time}` is wanted");
            return Err(ReadError::Misfit { path: path.to_owned(), line: line + 1, why });
        }
        line = record.position().map_or(0, csv::Position::line);
        let [at, score] = columns.map(|i| record.get(i).unwrap_or_default());
        if time::parse(at) != Some(row.at_us) {
            let why = format!("timestamp `{at}` is not that of the data, `{time}`");
            return Err(ReadError::Misfit { path: path.to_owned(), line, why });
        }
        scores.push(parse_score(score, path, line)?);
    }
    if reader.read_record(&mut record).map_err(malformed)? {
        let line = record.position().map_or(0, csv::Position::line);
        let why = format!("a row too many: the data has {} rows", series.rows.len());
        return Err(ReadError::Misfit { path: path.to_owned(), line, why });
    }
    Ok(scores)
}

fn parse_score(text: &str, path: &Path, line: u64) -> Result<f64, ReadError> {
    let score = text.parse().ok().filter(|score: &f64| score.is_finite());
    score.ok_or_else(|| ReadError::Field {
        path: path.to_owned(),
        line,
        column: SCORE_COLUMN,
        text: text.to_owned(),
        wanted: "a finite number",
    })
}
