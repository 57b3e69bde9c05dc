//! Finds the layout of a CSV file: what precedes the header, the separator, and the columns.
//!
//! Exports begin with a byte order mark, comments, or a line that names the separator; a file that is no CSV at all is
//! named by its first bytes.

use std::io::{self, Read};

use anyhow::{Context, bail};
use csv::StringRecord;

use super::time;

/// Bytes at the start of a file in which the header must be.
const HEAD_LEN: u64 = 1 << 16;

/// Separators of columns.
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];

/// Most columns that an error lists.
const LISTED_MAX: usize = 8;

/// Shortest text that shows a header to be a row: seconds and dates have more, the name of a column such as `99` fewer.
const TIME_LEN_MIN: usize = 8;

/// Columns of a file, for errors.
pub(super) const EXPECTED: &str = "expected `timestamp,value[,label]` and at least one row";

/// Names of the columns, the usual one first.
const TIMESTAMP: [&str; 9] =
    ["timestamp", "time", "ts", "date", "datetime", "ds", "@timestamp", "_time", "epoch"];
const VALUE: [&str; 3] = ["value", "_value", "y"];
const LABEL: [&str; 3] = ["label", "is_anomaly", "anomaly"];

/// Start of a CSV text.
#[derive(Debug)]
pub(super) struct CsvStart {
    /// Bytes read, from the header on.
    pub(super) head: Vec<u8>,
    /// Lines before the header.
    pub(super) n_skipped: u64,
    /// Separator of columns.
    pub(super) separator: u8,
    /// Place of the header, for errors.
    pub(super) header_place: String,
}

impl CsvStart {
    /// Reads the start of a text.
    pub(super) fn read(text: &mut impl Read) -> anyhow::Result<Self> {
        let mut head = Vec::new();
        text.take(HEAD_LEN).read_to_end(&mut head)?;
        if let Some(what) = other_format(&head) {
            bail!("the file is {what}: {EXPECTED}, as UTF-8 text");
        }
        let mut at = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let (mut n_skipped, mut named) = (0, None);
        let mut first = None;
        while let Some(line) = line_at(&head, at) {
            let text = String::from_utf8_lossy(line).trim().to_owned();
            let separator =
                text.to_ascii_lowercase().strip_prefix("sep=").and_then(|s| s.chars().next());
            if !text.is_empty() && !text.starts_with('#') && separator.is_none() {
                break;
            }
            named = named.or(separator);
            if !text.is_empty() {
                first.get_or_insert(text);
            }
            at += line.len();
            n_skipped += 1;
        }
        let header = String::from_utf8_lossy(line_at(&head, at).unwrap_or_default()).into_owned();
        let separator = named.unwrap_or_else(|| separator_of(&header));
        let place = format!("line {}", n_skipped + 1);
        let header_place = match first {
            Some(first) => format!("{place} (the header, since line 1 is `{}`)", clipped(&first)),
            None => place,
        };
        head.drain(..at.min(head.len()));
        Ok(Self {
            head,
            n_skipped,
            separator: u8::try_from(separator).unwrap_or(b','),
            header_place,
        })
    }
}

/// The line that begins at `at`, with its end; `None` at the end of the text.
fn line_at(text: &[u8], at: usize) -> Option<&[u8]> {
    let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
    let len = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
    rest.get(..len)
}

/// Description of a file that is not CSV, by its first bytes.
fn other_format(head: &[u8]) -> Option<&'static str> {
    Some(match head {
        [b'P', b'K', 3, 4, ..] => "a ZIP archive or a spreadsheet",
        [0xd0, 0xcf, 0x11, 0xe0, ..] => "a spreadsheet",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "compressed with zstd",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "compressed with xz",
        [b'B', b'Z', b'h', ..] => "compressed with bzip2",
        [b'P', b'A', b'R', b'1', ..] => "a Parquet file",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=127, 0, ..] | [1..=127, 0, 1..=127, ..] => {
            "in UTF-16"
        }
        [b'{' | b'[', ..] => "JSON",
        [b'<', ..] => "a page or XML, so its header is missing",
        _ => return None,
    })
}

/// The most frequent separator of a line outside quotes; a comma if there is none.
fn separator_of(header: &str) -> char {
    let mut counts = [0; SEPARATORS.len()];
    let mut is_quoted = false;
    for c in header.chars() {
        is_quoted ^= c == '"';
        if let Some(i) = SEPARATORS.iter().position(|separator| *separator == c && !is_quoted) {
            counts[i] += 1;
        }
    }
    // The first of several equal counts, and so the comma.
    let most = counts.iter().max().copied().unwrap_or_default();
    counts.iter().position(|count| *count == most).map_or(',', |i| SEPARATORS[i])
}

/// Indexes of the columns.
#[derive(Debug)]
pub(super) struct CsvColumns {
    pub(super) timestamp: usize,
    pub(super) value: usize,
    pub(super) label: Option<usize>,
    pub(super) kind: Option<usize>,
    pub(super) series: Option<usize>,
}

impl CsvColumns {
    /// Finds the columns of a header at `place`.
    pub(super) fn find(headers: &StringRecord, place: &str) -> anyhow::Result<Self> {
        let columns = || -> anyhow::Result<Self> {
            Ok(Self {
                timestamp: needed(headers, &TIMESTAMP)?,
                value: needed(headers, &VALUE)?,
                label: column(headers, &LABEL)?,
                kind: column(headers, &["kind"])?,
                series: column(headers, &["series"])?,
            })
        };
        columns().with_context(|| place.to_owned())
    }
}

fn needed(headers: &StringRecord, names: &[&str]) -> anyhow::Result<usize> {
    if let Some(found) = column(headers, names)? {
        return Ok(found);
    }
    let is_time = |header: &str| header.len() >= TIME_LEN_MIN && time::parse(header).is_some();
    if headers.iter().any(is_time) {
        bail!("the header is missing: {EXPECTED}");
    }
    let listed: Vec<String> =
        headers.iter().take(LISTED_MAX).map(|header| format!("`{}`", clipped(header))).collect();
    bail!("column `{}` is missing, the header has {}: {EXPECTED}", names[0], listed.join(", "))
}

/// The column with the first name, or else the only one with another.
fn column(headers: &StringRecord, names: &[&str]) -> anyhow::Result<Option<usize>> {
    let with = |names: &[&str]| -> Vec<usize> {
        let is_named = |header: &str| names.iter().any(|name| header.eq_ignore_ascii_case(name));
        (0..headers.len()).filter(|i| headers.get(*i).is_some_and(is_named)).collect()
    };
    let usual = with(&names[..1]);
    let found = if usual.is_empty() { with(names) } else { usual };
    match found.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(*only)),
        [first, second, ..] => {
            let [first, second] = [first, second].map(|i| headers.get(*i).unwrap_or_default());
            bail!(
                "columns `{first}` and `{second}` may both be the `{}`: expected one, not two",
                names[0]
            )
        }
    }
}

/// The start of a text that an error quotes.
fn clipped(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Unpacks a gzip text; other texts are passed on.
pub(super) fn unpacked<'a>(mut text: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut magic = Vec::new();
    text.by_ref().take(2).read_to_end(&mut magic)?;
    let is_gzip = magic == [0x1f, 0x8b];
    let whole = io::Cursor::new(magic).chain(text);
    Ok(if is_gzip { Box::new(flate2::read::MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(text: &str) -> CsvStart {
        CsvStart::read(&mut text.as_bytes()).unwrap()
    }

    #[test]
    fn the_separator_is_the_most_frequent_one_outside_quotes() {
        let cases = [
            ("timestamp,value", b','),
            ("timestamp;value", b';'),
            ("timestamp\tvalue", b'\t'),
            ("timestamp|value", b'|'),
            ("\"a,b,c\";value", b';'),
            ("sep=;\nvalue", b';'),
            ("value", b','),
        ];
        for (text, separator) in cases {
            assert_eq!(start(text).separator, separator, "{text}");
        }
    }

    #[test]
    fn lines_before_the_header_are_skipped_and_counted() {
        let start = start("\u{feff}#group,false\n\n# note\nsep=,\n,_time,_value\n,1,2\n");
        assert_eq!((start.n_skipped, start.head.as_slice()), (4, &b",_time,_value\n,1,2\n"[..]));
        assert_eq!(start.header_place, "line 5 (the header, since line 1 is `#group,false`)");
    }

    #[test]
    fn a_file_of_another_format_is_named() {
        let cases: [(&[u8], &str); 5] = [
            (b"PK\x03\x04", "spreadsheet"),
            (b"\xff\xfet\0", "UTF-16"),
            (b"t\0i\0", "UTF-16"),
            (b"[{\"timestamp\":1}]", "JSON"),
            (b"<html>", "page"),
        ];
        for (bytes, words) in cases {
            let error = CsvStart::read(&mut &bytes[..]).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_column_has_one_name_or_another_but_not_both() {
        let find = |header: &str| {
            let found = CsvColumns::find(&header.split(',').collect(), "line 1");
            found.map(|c| (c.timestamp, c.value)).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(find("ds,y"), Ok((0, 1)));
        assert_eq!(find("Time,_value"), Ok((0, 1)));
        assert_eq!(find("time,timestamp,y,value"), Ok((1, 3)));
        for (header, words) in [
            ("date,time,value", "`date` and `time`"),
            ("timestamp,value,Value", "`value` and `Value`"),
            ("timestamp,web-1,web-2", "`value` is missing, the header has `timestamp`, `web-1`"),
            ("2026-09-07T00:00:00Z,5", "line 1: the header is missing"),
        ] {
            let error = find(header).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
