//! Parses the times of files: RFC 3339 or a similar text, or Unix seconds, milliseconds or microseconds.
//!
//! A text without an offset is UTC: benchmark files have no offset, and only intervals matter.

use jiff::Timestamp;
use jiff::civil::DateTime;

/// Numbers below this are Unix seconds (until the year 5138).
const SECONDS_MAX: f64 = 1e11;

/// Numbers below this are Unix milliseconds (until the year 5138), larger ones microseconds.
const MILLISECONDS_MAX: f64 = 1e14;

/// Parses a time into Unix microseconds; `None` if it is not a time.
pub(super) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return from_number(number);
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_microsecond());
    }
    let civil: DateTime = text.parse().ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

fn from_number(number: f64) -> Option<i64> {
    if !number.is_finite() || number < 0.0 {
        return None;
    }
    let unit_us = if number < SECONDS_MAX {
        1e6
    } else if number < MILLISECONDS_MAX {
        1e3
    } else {
        1.0
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
            "2014-04-10 07:15:00",
            "2014-04-10 07:15:00.000000",
            "2014-04-10T07:15:00",
            "2014-04-10T07:15:00Z",
            " 2014-04-10T09:15:00+02:00 ",
        ];
        for text in same {
            assert_eq!(parse(text), Some(1_397_114_100_000_000), "{text}");
        }
    }

    #[test]
    fn texts_that_are_not_times_are_refused() {
        for text in ["", "yesterday", "NaN", "inf", "-5", "2014-13-01 00:00:00", "07:15"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
