//! A series while its file is read: rows in the order of the file, then sorted by time.

use std::cmp::Ordering;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::ensure;

use super::csv_number::CsvNumber;
use super::dataset::Dataset;
use super::origin::{SeriesOrigin, TimeTexts};
use crate::labeled::{KIND_UNKNOWN, LabeledEvent, LabeledRow, LabeledSeries};

/// Order of the rows of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOrder {
    /// By time, each time once, as a store holds them.
    Time,
    /// As they are written: a benchmark counts its rows.
    AsWritten,
}

/// One row of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct DraftRow {
    pub(super) at_us: i64,
    pub(super) value: f64,
    pub(super) label: bool,
    pub(super) number: CsvNumber,
}

/// A series that is being read.
#[derive(Debug)]
pub(super) struct SeriesDraft {
    name: String,
    rows: Vec<LabeledRow>,
    lines: Vec<u64>,
    times: TimeTexts,
    kinds: Vec<(usize, String)>,
    /// Values with an ambiguous comma, by row, as thousands.
    thousands: Vec<(usize, f64)>,
    back: LineCount,
}

/// Number of lines with an irregularity, and the first of them.
#[derive(Debug, Default)]
struct LineCount {
    n: usize,
    first: u64,
}

impl LineCount {
    fn note(&mut self, line: u64) {
        if self.n == 0 || line < self.first {
            self.first = line;
        }
        self.n += 1;
    }
}

/// The draft of a series; rows without a series belong to one that is named like the file.
pub(super) fn draft_of<'a>(
    drafts: &'a mut Vec<SeriesDraft>,
    series: &str,
    path: &Path,
) -> &'a mut SeriesDraft {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = if series.is_empty() { stem.as_ref() } else { series };
    // Rows of a series are usually adjacent, so search from the last series.
    let i = drafts.iter().rposition(|draft| draft.name == name).unwrap_or_else(|| {
        drafts.push(SeriesDraft {
            name: name.to_owned(),
            rows: Vec::new(),
            lines: Vec::new(),
            times: TimeTexts::default(),
            kinds: Vec::new(),
            thousands: Vec::new(),
            back: LineCount::default(),
        });
        drafts.len() - 1
    });
    &mut drafts[i]
}

impl SeriesDraft {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn push(&mut self, row: DraftRow, time: &str, kind: &str, line: u64) {
        self.times.push(time);
        if self.rows.last().is_some_and(|previous| row.at_us < previous.at_us) {
            self.back.note(line);
        }
        if row.label && !kind.is_empty() {
            self.kinds.push((self.rows.len(), kind.to_owned()));
        }
        if let CsvNumber::Ambiguous { thousands, .. } = row.number {
            self.thousands.push((self.rows.len(), thousands));
        }
        self.rows.push(LabeledRow { at_us: row.at_us, value: row.value, label: row.label });
        self.lines.push(line);
    }

    pub(super) fn read_commas_as_thousands(&mut self) {
        for (i, value) in std::mem::take(&mut self.thousands) {
            self.rows[i].value = value;
        }
    }

    /// Adds the series to a data set; an error if most of its rows cannot be judged.
    pub(super) fn finish(
        mut self,
        path: &Path,
        file: PathBuf,
        order: RowOrder,
        dataset: &mut Dataset,
    ) -> anyhow::Result<()> {
        let mut unjudged = LineCount::default();
        for (row, line) in self.rows.iter().zip(&self.lines) {
            if row.sample().is_none() {
                unjudged.note(*line);
            }
        }
        let (back, repeats) = match order {
            RowOrder::Time => {
                self.sort();
                ("step back in time; they are sorted", "are not judged")
            }
            RowOrder::AsWritten => (
                "step back in time; they are judged as late samples",
                "are judged, but not learned",
            ),
        };
        let repeated = self.mark_repeated(order);
        let n_rows = self.rows.len();
        if order == RowOrder::Time {
            let has_enough =
                |lines: &LineCount, share: usize| lines.n * share < n_rows || lines.n == 0;
            ensure!(
                has_enough(&repeated, 2),
                "line {}: {} of {n_rows} rows repeat the time of another row of the series: expected one value for each \
                 time, or a column `series`",
                repeated.first,
                repeated.n
            );
            ensure!(
                (unjudged.n + repeated.n) * 2 <= n_rows,
                "line {}: {} of {n_rows} rows hold no number that can be judged, or a time before 1970 or after 2255: \
                 expected them in at most half of the rows",
                unjudged.first,
                unjudged.n
            );
        }
        let repeats = format!("repeat the time of another row; they {repeats}");
        let notes = [
            (&unjudged, "hold no number that can be judged; they are not judged"),
            (&repeated, repeats.as_str()),
            (&self.back, back),
        ];
        for (lines, what) in notes.into_iter().filter(|(lines, _)| lines.n > 0) {
            dataset.warnings.push(format!(
                "`{}` line {}: {} rows {what}",
                path.display(),
                lines.first,
                lines.n
            ));
        }
        let mut series = LabeledSeries::from_rows(self.name, self.rows);
        if !self.kinds.is_empty() {
            series.events = split_by_kind(&series.events, &self.kinds);
        }
        dataset.series.push(series);
        dataset.origins.push(SeriesOrigin { file, times: self.times });
        Ok(())
    }

    /// Sorts the rows by time; rows of one time stay in the order of the file.
    fn sort(&mut self) {
        if self.back.n == 0 {
            return;
        }
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by_key(|i| self.rows[*i].at_us);
        self.rows = order.iter().map(|i| self.rows[*i]).collect();
        self.lines = order.iter().map(|i| self.lines[*i]).collect();
        let texts: Vec<&str> = self.times.iter().collect();
        let mut times = TimeTexts::default();
        for i in &order {
            times.push(texts[*i]);
        }
        self.times = times;
        let mut places = vec![0; order.len()];
        for (place, i) in order.iter().enumerate() {
            places[*i] = place;
        }
        for (row, _) in &mut self.kinds {
            *row = places[*row];
        }
        self.kinds.sort_by_key(|(row, _)| *row);
    }

    /// Counts the rows that repeat the time of the sample before; sorted ones lose their value, as a store rejects it.
    fn mark_repeated(&mut self, order: RowOrder) -> LineCount {
        let mut repeated = LineCount::default();
        let mut previous_us = None;
        for (row, line) in self.rows.iter_mut().zip(&self.lines) {
            let is_sample = row.sample().is_some();
            match (order, previous_us.map(|previous_us| row.at_us.cmp(&previous_us))) {
                (RowOrder::Time, Some(Ordering::Equal)) if is_sample => {
                    repeated.note(*line);
                    row.value = f64::NAN;
                }
                (RowOrder::AsWritten, Some(Ordering::Equal)) => repeated.note(*line),
                _ if is_sample || order == RowOrder::AsWritten => previous_us = Some(row.at_us),
                _ => {}
            }
        }
        repeated
    }
}

/// Splits runs of labels at each change of the kind; `kinds` is in the order of rows.
fn split_by_kind(runs: &[LabeledEvent], kinds: &[(usize, String)]) -> Vec<LabeledEvent> {
    let kind_at = |row: usize| {
        kinds
            .binary_search_by_key(&row, |(i, _)| *i)
            .map_or(KIND_UNKNOWN, |found| kinds[found].1.as_str())
    };
    let mut events: Vec<LabeledEvent> = Vec::new();
    for run in runs {
        let mut start = run.rows.start;
        for row in run.rows.clone() {
            let next = row + 1;
            if next == run.rows.end || kind_at(next) != kind_at(start) {
                let rows: Range<usize> = start..next;
                events.push(LabeledEvent { kind: kind_at(start).to_owned(), rows });
                start = next;
            }
        }
    }
    events
}
