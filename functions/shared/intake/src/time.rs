//! Parses a time as microseconds since the Unix epoch.
//!
//! Numbers are read digit by digit, not as a double: seconds with six decimals have 16 digits, more than a double can
//! represent exactly.

use std::iter;

use domain::sample::AT_US_MAX;
use jiff::Timestamp;

use crate::code::RejectionCode;
use crate::sample_fault::{SampleFault, quoted};
use crate::scalar::{self, JsonKind};

/// Most whole digits of a number of seconds: one more than the last accepted time has. With three more digits for each
/// finer unit, every time from 3 March 1973 to 2255 is unambiguous in all units.
const SECONDS_DIGITS_MAX: i64 = 11;

/// Most whole digits of a number of milliseconds; a number of fewer than 12 digits is in seconds.
const MILLIS_DIGITS_MAX: i64 = SECONDS_DIGITS_MAX + 3;

/// Most whole digits of a number of microseconds.
const MICROS_DIGITS_MAX: i64 = MILLIS_DIGITS_MAX + 3;

/// Most whole digits of a number of nanoseconds.
const NANOS_DIGITS_MAX: i64 = MICROS_DIGITS_MAX + 3;

/// Units: most whole digits, and number of digits to append for microseconds.
const UNITS: [(i64, i64); 4] = [
    (SECONDS_DIGITS_MAX, 6),
    (MILLIS_DIGITS_MAX, 3),
    (MICROS_DIGITS_MAX, 0),
    (NANOS_DIGITS_MAX, -3),
];

/// Nanoseconds per microsecond.
const NANOS_PER_MICRO: i128 = 1_000;

/// Parses the JSON text of a time, as in a sample, to microseconds; `None` if it is not a time.
pub fn time_us(json: &str) -> Option<i64> {
    at_us(json).ok()
}

/// Parses the JSON text of a time: a number, or a string with a number or an RFC 3339 time with an offset.
pub(crate) fn at_us(raw: &str) -> Result<i64, SampleFault> {
    let at_us = match JsonKind::of(raw) {
        JsonKind::Number => from_number(raw),
        JsonKind::String => {
            scalar::text("timestamp", raw).ok().and_then(|text| from_text(text.trim_ascii()))
        }
        _ => None,
    };
    at_us.filter(|at_us| (0..=AT_US_MAX).contains(at_us)).ok_or_else(|| time_invalid(raw))
}

fn time_invalid(raw: &str) -> SampleFault {
    let detail = format!(
        "timestamp {} is not a time: wanted RFC 3339 with an offset, or Unix seconds, milliseconds or \
         microseconds, from 1970 to 2255",
        quoted(raw)
    );
    SampleFault::new(RejectionCode::TimeInvalid, detail)
}

fn from_text(text: &str) -> Option<i64> {
    from_number(text).or_else(|| from_rfc3339(text))
}

fn from_rfc3339(text: &str) -> Option<i64> {
    let parsed: Result<Timestamp, _> = text.parse();
    let timestamp = match parsed {
        Ok(timestamp) => timestamp,
        Err(_) => from_similar(text)?,
    };
    i64::try_from(timestamp.as_nanosecond().div_euclid(NANOS_PER_MICRO)).ok()
}

/// Parses texts with an offset that differ from RFC 3339 in form only: a space before the offset, `UTC` instead of `Z`,
/// and the dates of HTTP and mail.
fn from_similar(text: &str) -> Option<Timestamp> {
    let (start, offset) = match text.rsplit_once(' ') {
        Some((start, "UTC" | "GMT" | "Z")) => (start, "Z"),
        Some((start, offset)) if offset.starts_with(['+', '-']) => (start, offset),
        _ => (text.strip_suffix("UTC")?, "Z"),
    };
    let joined: Option<Timestamp> = format!("{start}{offset}").parse().ok();
    joined.or_else(|| Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp()))
}

fn from_number(text: &str) -> Option<i64> {
    Decimal::parse(text)?.micros()
}

/// Parts of a decimal number, as digits.
struct Decimal<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i32,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let is_negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_decimal = !whole.is_empty() && is_digits(whole) && is_digits(fraction);
        is_decimal.then_some(Self { is_negative, whole, fraction, exponent })
    }

    /// Microseconds, in the unit given by the number of whole digits; truncates finer digits.
    fn micros(&self) -> Option<i64> {
        let digits = || self.whole.bytes().chain(self.fraction.bytes());
        let n_zeros = digits().take_while(|&digit| digit == b'0').count();
        if n_zeros == self.whole.len() + self.fraction.len() {
            return Some(0);
        }
        if self.is_negative {
            return None;
        }
        let n_whole = self.whole.len() as i64 + i64::from(self.exponent) - n_zeros as i64;
        let n_micros = usize::try_from((n_whole + micros_shift(n_whole)?).max(0)).ok()?;
        let significant = digits().skip(n_zeros).chain(iter::repeat(b'0')).take(n_micros);
        Some(significant.fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0')))
    }
}

/// Number of digits to append for microseconds, to a number with `n_whole` whole digits.
fn micros_shift(n_whole: i64) -> Option<i64> {
    UNITS.into_iter().find(|(digits_max, _)| n_whole <= *digits_max).map(|(_, shift)| shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2024-11-20T00:00:00Z.
    const AT_US: i64 = 1_732_060_800_000_000;

    #[test]
    fn every_notation_of_a_time_is_read() {
        let texts = [
            "1732060800",
            "1732060800.0",
            "1.7320608e9",
            "17320608E2",
            "1732060800000",
            "1.7320608e+12",
            "1732060800000000",
            "1732060800000000000",
            r#""1732060800""#,
            r#"" 1732060800000 ""#,
            r#""+1732060800""#,
            r#""0001732060800""#,
            r#""2024-11-20T00:00:00Z""#,
            r#""2024-11-20t00:00:00z""#,
            r#""2024-11-20 00:00:00+00:00""#,
            r#""2024-11-20T01:00:00+01:00""#,
            r#""2024-11-19T19:00:00.000-05:00""#,
            r#""2024-11-20T01:00:00+01:00[Europe/Paris]""#,
            r#""2024-11-20 00:00:00 +0000""#,
            r#""2024-11-20 01:00:00 +01:00""#,
            r#""2024-11-20T00:00:00+0000""#,
            r#""2024-11-20 00:00:00 UTC""#,
            r#""2024-11-20 00:00:00.000 Z""#,
            r#""2024-11-20T00:00Z""#,
            r#""20241120T000000Z""#,
            r#""Wed, 20 Nov 2024 00:00:00 GMT""#,
            r#""Wed, 20 Nov 2024 01:00:00 +0100""#,
            r#""\u0032024-11-20T00:00:00Z""#,
        ];
        for text in texts {
            assert_eq!(at_us(text), Ok(AT_US), "{text}");
        }
    }

    #[test]
    fn fractions_are_exact_to_the_microsecond_and_truncated_below() {
        let cases = [
            ("1732060800.123456", 123_456),
            ("1732060800.1234569", 123_456),
            ("1732060800.000001", 1),
            ("1732060800123.456", 123_456),
            ("1732060800123456.9", 123_456),
            ("1732060800123456999", 123_456),
            ("1732060800.1", 100_000),
            (r#""2024-11-20T00:00:00.123456Z""#, 123_456),
            (r#""2024-11-20T00:00:00.123456999Z""#, 123_456),
            (r#""2024-11-20T00:00:00,5Z""#, 500_000),
        ];
        for (text, fraction_us) in cases {
            assert_eq!(at_us(text), Ok(AT_US + fraction_us), "{text}");
        }
    }

    #[test]
    fn the_accepted_years_have_exact_bounds() {
        let cases = [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("0.0000001", Some(0)),
            ("1e-9", Some(0)),
            ("0e999", Some(0)),
            ("1", Some(1_000_000)),
            ("9007199254740992", Some(AT_US_MAX)),
            ("9007199254.740992", Some(AT_US_MAX)),
            ("9007199254740992999", Some(AT_US_MAX)),
            ("9007199254740993", None),
            ("9007199254.740993", None),
            ("99999999999", None),
            ("-1", None),
            ("-0.0000001", None),
            (r#""1969-12-31T23:59:59.999999Z""#, None),
            (r#""1969-12-31T23:59:59.9999999Z""#, None),
            (r#""2255-06-05T23:47:34.740992Z""#, Some(AT_US_MAX)),
            (r#""2255-06-05T23:47:34.740993Z""#, None),
            ("100000000000000000000", None),
            ("1e400", None),
            ("1e99999999999", None),
            ("1e-99999999999", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(at_us(text).ok(), wanted, "{text}");
        }
    }

    #[test]
    fn units_change_where_documented() {
        let cases = [
            ("100000000000", 100_000_000_000_000),
            ("99999999999999", 99_999_999_999_999_000),
            ("100000000000000", 100_000_000_000_000),
            ("100000000000000000", 100_000_000_000_000),
        ];
        for (text, wanted) in cases {
            assert_eq!(from_number(text), Some(wanted), "{text}");
        }
    }

    #[test]
    fn an_invalid_time_is_rejected_with_the_accepted_formats() {
        let texts = [
            r#""""#,
            r#""now""#,
            r#""NaN""#,
            r#""2024-11-20""#,
            r#""2024-11-20T00:00:00""#,
            r#""2024-11-20 00:00:00 CET""#,
            r#""20/11/2024 00:00:00 UTC""#,
            r#""Wed, 20 Nov 2024 00:00:00""#,
            r#""2024-13-20T00:00:00Z""#,
            r#""2024-11-20T25:00:00Z""#,
            r#""1732060800s""#,
            r#""1.2.3""#,
            r#"".5""#,
            r#""1e""#,
            r#""0x10""#,
            r#""\ud800""#,
            "true",
            "{}",
            "[1]",
        ];
        for text in texts {
            let fault = at_us(text).unwrap_err();
            assert_eq!(fault.code, RejectionCode::TimeInvalid, "{text}");
            assert!(fault.detail.contains("RFC 3339 with an offset"), "{}", fault.detail);
        }
    }

    proptest! {
        #[test]
        fn every_microsecond_survives_every_unit(micros in 100_000_000_000_000..=AT_US_MAX) {
            let texts = [
                format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000),
                format!("{}.{:03}", micros / 1_000, micros % 1_000),
                format!("{micros}"),
                format!("{micros}000"),
                format!("\"{}\"", Timestamp::from_microsecond(micros).unwrap()),
            ];
            for text in texts {
                prop_assert_eq!(at_us(&text), Ok(micros), "{}", text);
            }
        }

        #[test]
        fn any_text_is_read_or_rejected(text in "[-+0-9.eE]{0,24}|\\PC{0,24}") {
            let raw = serde_json::to_string(&text).unwrap();
            if let Ok(at_us) = at_us(&raw) {
                prop_assert!((0..=AT_US_MAX).contains(&at_us));
            }
        }
    }
}
