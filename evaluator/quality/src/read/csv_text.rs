//! One CSV file: `timestamp,value[,label][,kind][,series]`, columns in any order, others ignored.
//!
//! `kind` and `series` are what `evaluator generate` writes, so that what was generated can be scored.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use csv::StringRecord;

use super::{Dataset, FILE_ROWS_MAX, ReadError, SeriesOrigin, TimeTexts, time, unreadable};
use crate::labeled::{KIND_UNKNOWN, LabeledEvent, LabeledRow, LabeledSeries};

/// The columns of a file of data.
const WANTED: &str = "timestamp,value[,label]";

/// Rows of one kind named in warnings; the rest is counted.
const WARNED_LINES_MAX: usize = 1;

/// Reads one file; the series is named after it.
pub fn read_csv(path: &Path) -> Result<Dataset, ReadError> {
    let file = File::open(path).map_err(unreadable(path))?;
    read_csv_from(file, path)
}

/// Reads CSV text; `path` is what errors and the series call it.
pub fn read_csv_from(text: impl Read, path: &Path) -> Result<Dataset, ReadError> {
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text);
    let malformed = |source| ReadError::Malformed { path: path.to_owned(), source };
    let headers = reader.headers().map_err(malformed)?.clone();
    if headers.is_empty() {
        return Err(ReadError::Empty { path: path.to_owned(), wanted: WANTED });
    }
    let columns = CsvColumns::find(&headers, path)?;
    let mut drafts: Vec<SeriesDraft> = Vec::new();
    let mut record = StringRecord::new();
    let mut n_rows = 0;
    while reader.read_record(&mut record).map_err(malformed)? {
        n_rows += 1;
        if n_rows > FILE_ROWS_MAX {
            return Err(ReadError::TooLong { path: path.to_owned() });
        }
        let line = record.position().map_or(0, csv::Position::line);
        let row = columns.row(&record, path, line)?;
        draft_of(&mut drafts, field(&record, columns.series), path).push(
            row,
            field(&record, Some(columns.timestamp)),
            field(&record, columns.kind),
            line,
        );
    }
    if drafts.is_empty() {
        return Err(ReadError::Empty { path: path.to_owned(), wanted: WANTED });
    }
    let mut dataset = Dataset::default();
    let is_alone = drafts.len() == 1;
    for draft in drafts {
        let file = if is_alone {
            SeriesOrigin::of_file(path)
        } else {
            SeriesOrigin::of_part(path, &draft.name)
        };
        draft.finish(path, file, &mut dataset);
    }
    Ok(dataset)
}

/// Where the columns are.
struct CsvColumns {
    timestamp: usize,
    value: usize,
    label: Option<usize>,
    kind: Option<usize>,
    series: Option<usize>,
}

impl CsvColumns {
    fn find(headers: &StringRecord, path: &Path) -> Result<Self, ReadError> {
        // A byte order mark is no part of a name.
        let find = |name: &str| {
            headers.iter().position(|h| h.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name))
        };
        let need = |column| {
            find(column).ok_or_else(|| ReadError::ColumnMissing {
                path: path.to_owned(),
                column,
                wanted: WANTED,
            })
        };
        Ok(Self {
            timestamp: need("timestamp")?,
            value: need("value")?,
            label: find("label"),
            kind: find("kind"),
            series: find("series"),
        })
    }

    fn row(&self, record: &StringRecord, path: &Path, line: u64) -> Result<LabeledRow, ReadError> {
        let refuse = |column, text: &str, wanted| ReadError::Field {
            path: path.to_owned(),
            line,
            column,
            text: text.to_owned(),
            wanted,
        };
        let text = record.get(self.timestamp).unwrap_or_default();
        let at_us = time::parse(text).ok_or_else(|| {
            refuse("timestamp", text, "a time like `2024-01-31 07:15:00` or Unix seconds")
        })?;
        let text = record.get(self.value).ok_or_else(|| refuse("value", "", "a number"))?;
        let value = parse_value(text).ok_or_else(|| refuse("value", text, "a number"))?;
        let text = field(record, self.label);
        let label = match self.label {
            Some(_) => parse_label(text).ok_or_else(|| refuse("label", text, "0 or 1"))?,
            None => false,
        };
        Ok(LabeledRow { at_us, value, label })
    }
}

/// The text in a column, empty where there is none.
fn field(record: &StringRecord, column: Option<usize>) -> &str {
    column.and_then(|i| record.get(i)).unwrap_or_default()
}

/// Reads a value; an empty field is a missing one, which real exports write for NaN.
fn parse_value(text: &str) -> Option<f64> {
    if text.is_empty() {
        return Some(f64::NAN);
    }
    text.parse().ok()
}

fn parse_label(text: &str) -> Option<bool> {
    match text {
        "0" | "0.0" | "false" | "False" => Some(false),
        "1" | "1.0" | "true" | "True" => Some(true),
        _ => None,
    }
}

/// A series of a file while it is read.
struct SeriesDraft {
    name: String,
    rows: Vec<LabeledRow>,
    times: TimeTexts,
    kinds: Vec<(usize, String)>,
    unjudged: LineCount,
    repeated: LineCount,
    back: LineCount,
}

/// How often something was seen, and where first.
#[derive(Default)]
struct LineCount {
    n: usize,
    first: u64,
}

impl LineCount {
    fn note(&mut self, line: u64) {
        if self.n < WARNED_LINES_MAX {
            self.first = line;
        }
        self.n += 1;
    }
}

fn draft_of<'a>(
    drafts: &'a mut Vec<SeriesDraft>,
    series: &str,
    path: &Path,
) -> &'a mut SeriesDraft {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = if series.is_empty() { stem.as_ref() } else { series };
    // Rows of a series usually follow each other, so the last one is looked at first.
    let i = drafts.iter().rposition(|draft| draft.name == name).unwrap_or_else(|| {
        drafts.push(SeriesDraft {
            name: name.to_owned(),
            rows: Vec::new(),
            times: TimeTexts::default(),
            kinds: Vec::new(),
            unjudged: LineCount::default(),
            repeated: LineCount::default(),
            back: LineCount::default(),
        });
        drafts.len() - 1
    });
    &mut drafts[i]
}

impl SeriesDraft {
    fn push(&mut self, row: LabeledRow, time: &str, kind: &str, line: u64) {
        self.times.push(time);
        if let Some(previous) = self.rows.last() {
            match row.at_us.cmp(&previous.at_us) {
                std::cmp::Ordering::Less => self.back.note(line),
                std::cmp::Ordering::Equal => self.repeated.note(line),
                std::cmp::Ordering::Greater => {}
            }
        }
        if row.sample().is_none() {
            self.unjudged.note(line);
        }
        if row.label && !kind.is_empty() {
            self.kinds.push((self.rows.len(), kind.to_owned()));
        }
        self.rows.push(row);
    }

    fn finish(self, path: &Path, file: PathBuf, dataset: &mut Dataset) {
        let notes = [
            (&self.unjudged, "hold no number that can be judged; they are kept and not judged"),
            (
                &self.repeated,
                "repeat the time of the row before; they are judged and not learned from",
            ),
            (&self.back, "step back in time; they are judged as late samples"),
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
    }
}

/// Cuts runs of labels where the kind changes; `kinds` holds rows in order.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Dataset, ReadError> {
        read_csv_from(text.as_bytes(), Path::new("some/file.csv"))
    }

    #[test]
    fn what_cannot_be_meant_is_named_with_file_and_line() {
        let cases = [
            ("", "empty", "no rows"),
            ("timestamp,value\n", "empty", "no rows"),
            ("time,value\n1,2\n", "column_missing", "`timestamp`"),
            ("timestamp,count\n1,2\n", "column_missing", "`value`"),
            ("timestamp,value\n1,2\nsoon,3\n", "field", "line 3: timestamp `soon`"),
            ("timestamp,value\n1,high\n", "field", "line 2: value `high`"),
            ("timestamp,value\n1\n", "field", "line 2: value ``"),
            ("timestamp,value,label\n1,2,0\n2,3,maybe\n", "field", "line 3: label `maybe`"),
            ("timestamp,value,label\n1,2,2\n", "field", "0 or 1"),
            ("timestamp,value,label\n1,2\n", "field", "line 2: label ``"),
        ];
        for (text, code, words) in cases {
            let error = read(text).unwrap_err();
            assert_eq!(error.code(), code, "{text}");
            let message = error.to_string();
            assert!(message.contains("some/file.csv") && message.contains(words), "{message}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error() {
        let error =
            read_csv_from(&b"timestamp,value\n1,\xff\xfe\n"[..], Path::new("x.csv")).unwrap_err();
        assert_eq!(error.code(), "malformed");
    }

    #[test]
    fn nan_repeated_and_stepping_rows_are_kept_with_a_warning() {
        let dataset = read("timestamp,value,label\n100,1,0\n200,nan,1\n200,2,1\n150,,0\n").unwrap();
        assert_eq!(dataset.series[0].rows.len(), 4);
        assert!(dataset.series[0].rows[1].sample().is_none());
        assert_eq!(dataset.series[0].events.len(), 1);
        let all = dataset.warnings.join("\n");
        assert!(all.contains("line 3: 2 rows hold no number"), "{all}");
        assert!(all.contains("line 4: 1 rows repeat"), "{all}");
        assert!(all.contains("line 5: 1 rows step back"), "{all}");
    }

    #[test]
    fn columns_come_in_any_order_and_others_are_ignored() {
        let dataset = read("KPI ID,Label,value,Timestamp\nx,1,5,100\n").unwrap();
        assert_eq!(
            dataset.series[0].rows[0],
            LabeledRow { at_us: 100_000_000, value: 5.0, label: true }
        );
    }

    #[test]
    fn series_and_kinds_are_told_apart() {
        let text =
            "series,timestamp,value,label,kind\na,1,1,1,dip\nb,1,1,0,\na,2,1,1,spike\na,3,1,1,\n";
        let dataset = read(text).unwrap();
        let names: Vec<&str> = dataset.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let kinds: Vec<&str> =
            dataset.series[0].events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds, ["dip", "spike", "anomaly"]);
    }
}
