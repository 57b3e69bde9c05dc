//! Reads one CSV file: `timestamp,value[,label][,kind][,series]`, in any order; other columns are ignored.
//!
//! `evaluator generate` writes `kind` and `series`, so that generated series can be scored.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use csv::StringRecord;

use super::dataset::Dataset;
use super::origin::{SeriesOrigin, TimeTexts};
use super::time;
use crate::labeled::{KIND_UNKNOWN, LabeledEvent, LabeledRow, LabeledSeries};

/// Maximum rows of one file: two years of seconds.
pub const FILE_ROWS_MAX: usize = 64_000_000;

/// Columns of a file, for errors.
const EXPECTED: &str = "expected `timestamp,value[,label]` and at least one row";

/// Reads one file; its name without extension is the name of the series.
pub fn read_csv(path: &Path) -> anyhow::Result<Dataset> {
    let file = File::open(path).with_context(|| format!("read `{}`", path.display()))?;
    read_csv_from(file, path)
}

/// Reads CSV text; `path` is its name in errors.
pub fn read_csv_from(text: impl Read, path: &Path) -> anyhow::Result<Dataset> {
    read(text, path).with_context(|| format!("read `{}`", path.display()))
}

fn read(text: impl Read, path: &Path) -> anyhow::Result<Dataset> {
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text);
    let headers = reader.headers()?.clone();
    if headers.is_empty() {
        bail!("the file has no rows: {EXPECTED}");
    }
    let columns = CsvColumns::find(&headers)?;
    let mut drafts: Vec<SeriesDraft> = Vec::new();
    let mut record = StringRecord::new();
    let mut n_rows = 0;
    while reader.read_record(&mut record)? {
        n_rows += 1;
        ensure!(n_rows <= FILE_ROWS_MAX, "the file has more than {FILE_ROWS_MAX} rows");
        let line = record.position().map_or(0, csv::Position::line);
        let row = columns.row(&record).with_context(|| format!("line {line}"))?;
        draft_of(&mut drafts, field(&record, columns.series), path).push(
            row,
            field(&record, Some(columns.timestamp)),
            field(&record, columns.kind),
            line,
        );
    }
    if drafts.is_empty() {
        bail!("the file has no rows: {EXPECTED}");
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

/// Indexes of the columns.
struct CsvColumns {
    timestamp: usize,
    value: usize,
    label: Option<usize>,
    kind: Option<usize>,
    series: Option<usize>,
}

impl CsvColumns {
    fn find(headers: &StringRecord) -> anyhow::Result<Self> {
        // A byte order mark is not part of a name.
        let find = |name: &str| {
            headers.iter().position(|h| h.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name))
        };
        let need = |column| {
            find(column)
                .with_context(|| format!("line 1: column `{column}` is missing: {EXPECTED}"))
        };
        Ok(Self {
            timestamp: need("timestamp")?,
            value: need("value")?,
            label: find("label"),
            kind: find("kind"),
            series: find("series"),
        })
    }

    fn row(&self, record: &StringRecord) -> anyhow::Result<LabeledRow> {
        let text = record.get(self.timestamp).unwrap_or_default();
        let at_us = time::parse(text).with_context(|| {
            format!("timestamp `{text}` is not a time like `2024-01-31 07:15:00` or Unix seconds")
        })?;
        let text = record.get(self.value).context("value `` is not a number")?;
        let value = parse_value(text).with_context(|| format!("value `{text}` is not a number"))?;
        let text = field(record, self.label);
        let label = match self.label {
            Some(_) => {
                parse_label(text).with_context(|| format!("label `{text}` is not 0 or 1"))?
            }
            None => false,
        };
        Ok(LabeledRow { at_us, value, label })
    }
}

/// The text of a column; empty if the column is missing.
fn field(record: &StringRecord, column: Option<usize>) -> &str {
    column.and_then(|i| record.get(i)).unwrap_or_default()
}

/// Parses a value; an empty field is NaN, as real exports write it.
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

/// A series that is being read.
struct SeriesDraft {
    name: String,
    rows: Vec<LabeledRow>,
    times: TimeTexts,
    kinds: Vec<(usize, String)>,
    unjudged: LineCount,
    repeated: LineCount,
    back: LineCount,
}

/// Number of lines with an irregularity, and the first of them.
#[derive(Default)]
struct LineCount {
    n: usize,
    first: u64,
}

impl LineCount {
    fn note(&mut self, line: u64) {
        if self.n == 0 {
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
    // Rows of a series are usually adjacent, so search from the last series.
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
            (&self.unjudged, "hold no number that can be judged; they are not judged"),
            (&self.repeated, "repeat the time of the row before; they are judged, but not learned"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Dataset> {
        read_csv_from(text.as_bytes(), Path::new("some/file.csv"))
    }

    #[test]
    fn errors_name_file_and_line() {
        let cases = [
            ("", "no rows"),
            ("timestamp,value\n", "no rows"),
            ("time,value\n1,2\n", "`timestamp`"),
            ("timestamp,count\n1,2\n", "`value`"),
            ("timestamp,value\n1,2\nsoon,3\n", "line 3: timestamp `soon`"),
            ("timestamp,value\n1,high\n", "line 2: value `high`"),
            ("timestamp,value\n1\n", "line 2: value ``"),
            ("timestamp,value,label\n1,2,0\n2,3,maybe\n", "line 3: label `maybe`"),
            ("timestamp,value,label\n1,2,2\n", "0 or 1"),
            ("timestamp,value,label\n1,2\n", "line 2: label ``"),
        ];
        for (text, words) in cases {
            let message = format!("{:#}", read(text).unwrap_err());
            assert!(message.contains("some/file.csv") && message.contains(words), "{message}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_an_error() {
        let bytes = &b"timestamp,value\n1,\xff\xfe\n"[..];
        let error = read_csv_from(bytes, Path::new("x.csv")).unwrap_err();
        assert!(format!("{error:#}").contains("UTF-8"), "{error:#}");
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
    fn series_and_kinds_are_distinguished() {
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
