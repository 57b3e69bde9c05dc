//! Parses the times of files: RFC 3339 or a similar text, or Unix seconds, milliseconds, microseconds or nanoseconds.
//!
//! A text without an offset is UTC: benchmark files have no offset, and only intervals matter. A text that may be two
//! dates, such as `09/07/2026`, is none.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::TimeZone;

/// Numbers below this are Unix seconds (until the year 5138).
const SECONDS_MAX: f64 = 1e11;

/// Numbers below this are Unix milliseconds (until the year 5138).
const MILLISECONDS_MAX: f64 = 1e14;

/// Numbers below this are Unix microseconds (until the year 5138), larger ones nanoseconds.
const MICROSECONDS_MAX: f64 = 1e17;

/// Day numbers of spreadsheets from 1970 to 2100. With a fraction they would be seconds of the first day of 1970.
const SERIAL_DAYS: std::ops::Range<f64> = 25_569.0..73_051.0;

/// Forms with the name of the month, which cannot be another date.
const NAMED_MONTHS: [&str; 6] = [
    "%d-%b-%Y %H:%M:%S",
    "%d %b %Y %H:%M:%S",
    "%b %d, %Y %H:%M:%S",
    "%d-%b-%Y %H:%M",
    "%d %b %Y %H:%M",
    "%b %d, %Y %H:%M",
];

/// Form of the logs of web servers, with an offset.
const WEB_LOG: &str = "%d/%b/%Y:%H:%M:%S %z";

/// Parses a time into Unix microseconds; `None` if it is not a time.
pub(super) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        let is_serial_day =
            text.contains('.') && SERIAL_DAYS.contains(&number) && number.fract() != 0.0;
        return from_number(number).filter(|_| !is_serial_day);
    }
    from_text(text).or_else(|| from_text(&standard(text)?)).or_else(|| from_words(text))
}

/// A hint on a text that is not a time: why, or nothing.
pub(super) fn hint(text: &str) -> &'static str {
    let parts: Vec<&str> = text.split(['/', '.', '-', ' ', 'T']).take(3).collect();
    let lens: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let are_digits = parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if text.parse::<f64>().is_ok_and(|number| SERIAL_DAYS.contains(&number)) {
        ": it may be the day number of a spreadsheet"
    } else if are_digits && matches!(lens.as_slice(), [1 | 2, 1 | 2, 2 | 4]) {
        ": its day and its month may be either way round"
    } else {
        ""
    }
}

fn from_text(text: &str) -> Option<i64> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_microsecond());
    }
    // A civil time would ignore an offset or a zone.
    let civil: DateTime = text.parse().ok()?;
    utc(civil)
}

/// The text in the form of RFC 3339: `2026/09/07` and `2026.09.07` with hyphens, ` UTC` and ` +0000` without the space.
fn standard(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    for (i, separator) in [(4, '-'), (7, '-')] {
        if text.get(i..=i).is_some_and(|found| found == "/" || found == ".") {
            let is_year_first = text.get(..4)?.bytes().all(|byte| byte.is_ascii_digit());
            if is_year_first {
                text.replace_range(i..=i, &separator.to_string());
            }
        }
    }
    let (start, zone) = match text.rsplit_once(' ') {
        Some((start, "UTC" | "GMT" | "Z")) => (start, "Z"),
        Some((start, offset)) if offset.starts_with(['+', '-']) => (start, offset),
        _ => (
            text.strip_suffix("UTC").unwrap_or(&text),
            if text.ends_with("UTC") { "Z" } else { "" },
        ),
    };
    Some(format!("{start}{zone}"))
}

/// A time with the name of its month.
fn from_words(text: &str) -> Option<i64> {
    if let Ok(zoned) = rfc2822::parse(text) {
        return Some(zoned.timestamp().as_microsecond());
    }
    if let Ok(timestamp) = strtime::parse(WEB_LOG, text).and_then(|parsed| parsed.to_timestamp()) {
        return Some(timestamp.as_microsecond());
    }
    let parsed = NAMED_MONTHS.iter().find_map(|form| strtime::parse(form, text).ok())?;
    utc(parsed.to_datetime().ok()?)
}

fn utc(civil: DateTime) -> Option<i64> {
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

fn from_number(number: f64) -> Option<i64> {
    if !number.is_finite() || number < 0.0 {
        return None;
    }
    let unit_us = if number < SECONDS_MAX {
        1e6
    } else if number < MILLISECONDS_MAX {
        1e3
    } else if number < MICROSECONDS_MAX {
        1.0
    } else {
        1e-3
    };
    Some((number * unit_us).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_formats_of_a_time_give_the_same_microseconds() {
        let same = [
            "1397114100",
            "1397114100.0",
            "1397114100000",
            "1397114100000000",
            "1397114100000000000",
            "2014-04-10 07:15:00",
            "2014-04-10 07:15:00.000000",
            "2014-04-10 07:15",
            "2014-04-10T07:15:00",
            "2014-04-10T07:15:00Z",
            " 2014-04-10T09:15:00+02:00 ",
            "2014-04-10 07:15:00 UTC",
            "2014-04-10 07:15:00UTC",
            "2014-04-10 07:15:00 +0000",
            "2014-04-10 09:15:00 +02:00",
            "2014-04-10 07:15:00+00",
            "2014/04/10 07:15:00",
            "2014.04.10 07:15",
            "2014/04/10 09:15:00 +0200",
            "Thu, 10 Apr 2014 07:15:00 GMT",
            "10-Apr-2014 07:15:00",
            "10 Apr 2014 07:15",
            "Apr 10, 2014 07:15:00",
            "10/Apr/2014:09:15:00 +0200",
        ];
        for text in same {
            assert_eq!(parse(text), Some(1_397_114_100_000_000), "{text}");
        }
        assert_eq!(parse("2014-04-10"), Some(1_397_088_000_000_000));
    }

    #[test]
    fn texts_that_are_not_times_are_refused() {
        for text in [
            "",
            "yesterday",
            "NaN",
            "inf",
            "-5",
            "2014-13-01 00:00:00",
            "07:15",
            "09/07/2026 00:00",
            "07.09.2026",
            "45000.5",
            "2014-04-10 07:15:00 CEST",
            "2014-04-10 07:15:00 PM",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(hint("09/07/2026 00:00").contains("month"));
        assert!(hint("45000.5").contains("spreadsheet"));
        assert_eq!(hint("yesterday"), "");
    }
}
