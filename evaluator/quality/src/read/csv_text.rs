//! Reads one CSV file: `timestamp,value[,label][,kind][,series]`, in any order; other columns are ignored.
//!
//! `evaluator generate` writes `kind` and `series`, so that generated series can be scored. A file is read if it can mean
//! one thing only; else it is refused with its line.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use csv::StringRecord;

use super::csv_layout::{CsvColumns, CsvStart, EXPECTED, unpacked};
use super::csv_number::{CsvNumber, NumberStyle};
use super::dataset::Dataset;
use super::origin::SeriesOrigin;
use super::series_draft::{DraftRow, RowOrder, SeriesDraft, draft_of};
use super::time;

/// Maximum rows of one file: two years of seconds.
pub const FILE_ROWS_MAX: usize = 64_000_000;

/// Texts of a label that is no anomaly, and of one that is, in lower case.
const LABELS: [[&str; 6]; 2] =
    [["0", "0.0", "false", "no", "n", "normal"], ["1", "1.0", "true", "yes", "y", "anomaly"]];

/// Reads one file, packed with gzip or not; its name without extension is the name of the series.
pub fn read_csv(path: &Path) -> anyhow::Result<Dataset> {
    read_file(path, RowOrder::Time)
}

/// Reads one file of a benchmark that counts rows as they are written.
pub(super) fn read_csv_as_written(path: &Path) -> anyhow::Result<Dataset> {
    read_file(path, RowOrder::AsWritten)
}

fn read_file(path: &Path, order: RowOrder) -> anyhow::Result<Dataset> {
    let file = File::open(path).with_context(|| format!("read `{}`", path.display()))?;
    read(file, path, order).with_context(|| format!("read `{}`", path.display()))
}

/// Reads CSV text; `path` is its name in errors.
pub fn read_csv_from(text: impl Read, path: &Path) -> anyhow::Result<Dataset> {
    read(text, path, RowOrder::Time).with_context(|| format!("read `{}`", path.display()))
}

fn read(text: impl Read, path: &Path, order: RowOrder) -> anyhow::Result<Dataset> {
    let mut text = unpacked(text)?;
    let CsvStart { head, n_skipped, separator, header_place } = CsvStart::read(&mut text)?;
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .delimiter(separator)
        .comment(Some(b'#'))
        .from_reader(Cursor::new(head).chain(text));
    let headers = reader.headers()?.clone();
    if headers.is_empty() {
        bail!("the file has no rows: {EXPECTED}");
    }
    let columns = CsvColumns::find(&headers, &header_place)?;
    let mut drafts: Vec<SeriesDraft> = Vec::new();
    let mut style = NumberStyle::default();
    let mut record = StringRecord::new();
    let mut n_rows = 0;
    while reader.read_record(&mut record)? {
        n_rows += 1;
        ensure!(n_rows <= FILE_ROWS_MAX, "the file has more than {FILE_ROWS_MAX} rows");
        let line = record.position().map_or(0, csv::Position::line) + n_skipped;
        let row = row(&columns, &headers, &record, &mut style, line)
            .with_context(|| format!("line {line}"))?;
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
    let commas_are_thousands = style.commas_are_thousands()?;
    let mut dataset = Dataset::default();
    let is_alone = drafts.len() == 1;
    for mut draft in drafts {
        let file = if is_alone {
            SeriesOrigin::of_file(path)
        } else {
            SeriesOrigin::of_part(path, draft.name())
        };
        if commas_are_thousands {
            draft.read_commas_as_thousands();
        }
        draft.finish(path, file, order, &mut dataset)?;
    }
    Ok(dataset)
}

fn row(
    columns: &CsvColumns,
    headers: &StringRecord,
    record: &StringRecord,
    style: &mut NumberStyle,
    line: u64,
) -> anyhow::Result<DraftRow> {
    ensure!(
        record.iter().skip(headers.len()).all(str::is_empty),
        "{} columns, but the header has {}: expected quotes around a value with a separator in it",
        record.len(),
        headers.len()
    );
    let text = record.get(columns.timestamp).unwrap_or_default();
    let at_us = time::parse(text).with_context(|| {
        format!(
            "timestamp `{text}` is not a time like `2024-01-31 07:15:00` or Unix seconds{}",
            time::hint(text)
        )
    })?;
    let text = record.get(columns.value).context("value `` is not a number")?;
    let number = CsvNumber::parse(text).with_context(|| {
        format!("value `{text}` is not a number: expected one like 12.5, without a unit, or none")
    })?;
    let value = style.record(number, text, line);
    let text = field(record, columns.label);
    let label = match columns.label {
        Some(_) => parse_label(text).with_context(|| {
            format!("label `{text}` is not 0 or 1, false or true, normal or anomaly")
        })?,
        None => false,
    };
    Ok(DraftRow { at_us, value, label, number })
}

/// The text of a column; empty if the column is missing.
fn field(record: &StringRecord, column: Option<usize>) -> &str {
    column.and_then(|i| record.get(i)).unwrap_or_default()
}

fn parse_label(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let [normal, anomalous] = LABELS.map(|labels| labels.contains(&text.as_str()));
    (normal || anomalous).then_some(anomalous)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled::{LabeledRow, LabeledSeries};

    fn read(text: &str) -> anyhow::Result<Dataset> {
        read_csv_from(text.as_bytes(), Path::new("some/file.csv"))
    }

    fn series(text: &str) -> LabeledSeries {
        read(text).unwrap().series.remove(0)
    }

    /// The rows of a file as `seconds=value`.
    fn rows(text: &str) -> String {
        let row = |row: &LabeledRow| format!("{}={}", row.at_us / 1_000_000, row.value);
        series(text).rows.iter().map(row).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn errors_name_file_and_line() {
        let cases = [
            ("", "no rows"),
            ("timestamp,value\n", "no rows"),
            ("when,value\n1,2\n", "line 1: column `timestamp`"),
            ("timestamp,count\n1,2\n", "line 1: column `value`"),
            ("timestamp,value\n1,2\nsoon,3\n", "line 3: timestamp `soon`"),
            ("timestamp,value\n1,high\n", "line 2: value `high`"),
            ("timestamp,value\n1,50%\n", "line 2: value `50%`"),
            ("timestamp,value\n1\n", "line 2: value ``"),
            ("timestamp,value,label\n1,2,0\n2,3,maybe\n", "line 3: label `maybe`"),
            ("timestamp,value,label\n1,2,2\n", "0 or 1"),
            ("timestamp,value,label\n1,2\n", "line 2: label ``"),
            ("timestamp,value\n1,2\n2,1,234\n", "line 3: 3 columns, but the header has 2"),
            ("# note\n\ntimestamp,value\n1,2\nx,2\n", "line 5: timestamp `x`"),
            ("timestamp,value\n09/07/2026 00:00,2\n", "line 2: timestamp `09/07/2026 00:00`"),
            ("timestamp,value\n46000.25,2\n", "line 2: timestamp `46000.25`"),
            ("timestamp;value\n1;1,234\n", "line 2: value `1,234` may have decimals"),
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
    fn separators_comments_and_other_names_change_nothing() {
        for text in [
            "timestamp,value\n1,2.5\n2,3\n",
            "timestamp;value\n1;2,5\n2;3\n",
            "ds\ty\n1\t2.5\n2\t3\n",
            "sep=;\n\"Time\";\"Value\"\n1;2,5\n2;3\n",
            "#datatype,long,double\n,_time,_value\n,1,2.5\n# end of a block\n,2,3\n",
            "timestamp,value,\n1,2.5,\n2,3,\n",
        ] {
            assert_eq!(rows(text), "1=2.5 2=3", "{text}");
        }
    }

    #[test]
    fn a_packed_file_is_read() {
        let mut packed = Vec::new();
        let mut encoder = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, b"timestamp,value\n1,2\n").unwrap();
        encoder.finish().unwrap();
        let dataset = read_csv_from(packed.as_slice(), Path::new("x.csv.gz")).unwrap();
        assert_eq!(dataset.series[0].rows.len(), 1);
        let cut = read_csv_from(&packed[..packed.len() - 9], Path::new("x.csv.gz"));
        assert!(cut.is_err());
    }

    #[test]
    fn missing_numbers_are_rows_without_a_sample() {
        assert_eq!(
            rows("timestamp,value\n1,2\n2,null\n3,NA\n4,\n5,3\n6,4\n7,4\n"),
            "1=2 2=NaN 3=NaN 4=NaN 5=3 6=4 7=4"
        );
    }

    #[test]
    fn commas_between_thousands_are_recognized_by_other_values() {
        assert_eq!(rows("timestamp,value\n1,\"1,234\"\n2,\"1,234,567\"\n"), "1=1234 2=1234567");
        assert_eq!(rows("timestamp;value\n1;1,234\n2;1,5\n"), "1=1.234 2=1.5");
    }

    #[test]
    fn rows_are_sorted_with_their_labels_and_times() {
        let dataset = read("timestamp,value,label\n300,3,1\n100,1,0\n200,2,0\n").unwrap();
        let labeled: Vec<bool> = dataset.series[0].rows.iter().map(|row| row.label).collect();
        assert_eq!(labeled, [false, false, true]);
        assert_eq!(dataset.series[0].events[0].rows, 2..3);
        assert_eq!(dataset.origins[0].times.iter().collect::<Vec<_>>(), ["100", "200", "300"]);
        assert!(dataset.warnings[0].contains("line 3: 1 rows step back"), "{:?}", dataset.warnings);
    }

    #[test]
    fn a_repeated_time_is_no_second_sample() {
        let dataset = read("timestamp,value\n1,5\n2,6\n2,7\n3,8\n4,8\n").unwrap();
        let samples: Vec<bool> =
            dataset.series[0].rows.iter().map(|row| row.sample().is_some()).collect();
        assert_eq!(samples, [true, true, false, true, true]);
        assert!(dataset.warnings[0].contains("line 4: 1 rows repeat"), "{:?}", dataset.warnings);
    }

    #[test]
    fn a_file_of_which_most_rows_cannot_be_judged_is_refused_with_the_reason() {
        let cases = [
            ("timestamp,value\n1,5\n1,6\n2,7\n2,8\n", "2 of 4 rows repeat the time of another row"),
            ("timestamp,value\n1,5\n2,\n3,NA\n", "2 of 3 rows hold no number"),
            ("timestamp,value\n99999999999999999999,5\n", "1 of 1 rows hold no number"),
        ];
        for (text, words) in cases {
            let message = format!("{:#}", read(text).unwrap_err());
            assert!(message.contains(words) && message.contains("line "), "{message}");
        }
    }

    #[test]
    fn columns_come_in_any_order_and_others_are_ignored() {
        let dataset = read("KPI ID,Label,value,Timestamp\nx,TRUE,5,100\n").unwrap();
        assert_eq!(
            dataset.series[0].rows[0],
            LabeledRow { at_us: 100_000_000, value: 5.0, label: true }
        );
    }

    #[test]
    fn series_and_kinds_are_distinguished() {
        let text =
            "series,timestamp,value,label,kind\na,3,1,1,\nb,1,1,0,\na,2,1,1,spike\na,1,1,1,dip\n";
        let dataset = read(text).unwrap();
        let names: Vec<&str> = dataset.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let kinds: Vec<&str> =
            dataset.series[0].events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds, ["dip", "spike", "anomaly"]);
    }
}
