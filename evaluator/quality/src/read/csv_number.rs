//! Parses the values of files: decimal points or commas, thousands separators, and texts for a missing number.
//!
//! `1,234` is one thing in London and another in Berlin. The other values of the file decide; without any that does, the
//! file is refused.

use anyhow::{bail, ensure};

/// Texts of a missing number, in lower case.
const MISSING: [&str; 11] =
    ["", "null", "na", "n/a", "#n/a", "nan", "none", "nil", "-", "\\n", "missing"];

/// A value as its text shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum CsvNumber {
    /// Without separators; NaN if the number is missing.
    Plain(f64),
    /// With a decimal point.
    Point(f64),
    /// With a decimal comma.
    DecimalComma(f64),
    /// With commas between thousands.
    Thousands(f64),
    /// With one comma before three digits.
    Ambiguous {
        /// The number if the comma separates decimals.
        decimal: f64,
        /// The number if the comma separates thousands.
        thousands: f64,
    },
}

impl CsvNumber {
    /// Parses a value; `None` if it is not a number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if MISSING.contains(&text.to_ascii_lowercase().as_str()) {
            return Some(Self::Plain(f64::NAN));
        }
        if !text.contains([',', ' ', '\u{a0}', '\u{202f}']) {
            let number = text.parse().ok()?;
            return Some(if text.contains('.') {
                Self::Point(number)
            } else {
                Self::Plain(number)
            });
        }
        let joined = without_spaces(text)?;
        if !joined.contains(',') {
            return Some(Self::Plain(joined.parse().ok()?));
        }
        with_commas(&joined)
    }
}

/// Removes spaces between groups of three digits; `None` if they are elsewhere.
fn without_spaces(text: &str) -> Option<String> {
    let groups: Vec<&str> = text.split([' ', '\u{a0}', '\u{202f}']).collect();
    let (first, rest) = groups.split_first()?;
    let (last, middle) = match rest.split_last() {
        None => return Some(text.to_owned()),
        Some((last, middle)) => (last.split(['.', ',']).next()?, middle),
    };
    let is_group = |group: &&str| group.len() == 3 && is_digits(group);
    let first = unsigned(first);
    let is_grouped = (1..=3).contains(&first.len())
        && is_digits(first)
        && middle.iter().all(is_group)
        && is_group(&last);
    is_grouped.then(|| groups.concat())
}

fn with_commas(text: &str) -> Option<CsvNumber> {
    let digits = unsigned(text);
    let plain = |text: String| text.parse::<f64>().ok();
    let thousands = plain(text.replace(',', ""));
    if let Some((whole, fraction)) = digits.split_once('.') {
        if is_grouped(whole, ',') && is_digits(fraction) {
            return thousands.map(CsvNumber::Thousands);
        }
        // `5.006.100,25`
        let (whole, fraction) = digits.split_once(',')?;
        let is_german = is_grouped(whole, '.') && is_digits(fraction) && !fraction.is_empty();
        let decimal = plain(text.replace('.', "").replace(',', "."));
        return decimal.filter(|_| is_german).map(CsvNumber::DecimalComma);
    }
    let (whole, fraction) = digits.split_once(',')?;
    if fraction.contains(',') {
        return thousands.filter(|_| is_grouped(digits, ',')).map(CsvNumber::Thousands);
    }
    if whole.is_empty() || !is_digits(whole) || fraction.is_empty() || !is_digits(fraction) {
        return None;
    }
    let decimal = plain(text.replace(',', "."))?;
    let may_be_thousands = is_grouped(digits, ',') && !whole.starts_with('0');
    Some(match thousands.filter(|_| may_be_thousands) {
        Some(thousands) => CsvNumber::Ambiguous { decimal, thousands },
        None => CsvNumber::DecimalComma(decimal),
    })
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// True for groups of three digits after one to three.
fn is_grouped(text: &str, separator: char) -> bool {
    let mut groups = text.split(separator);
    let first = groups.next().unwrap_or_default();
    let mut n_groups = 0;
    let are_groups = groups.all(|group| {
        n_groups += 1;
        group.len() == 3 && is_digits(group)
    });
    are_groups && n_groups > 0 && (1..=3).contains(&first.len()) && is_digits(first)
}

/// The meaning of commas and points in a file, by the values read so far.
#[derive(Debug, Default)]
pub(super) struct NumberStyle {
    point: Option<u64>,
    decimal_comma: Option<u64>,
    thousands: Option<u64>,
    ambiguous: Option<(u64, String)>,
}

impl NumberStyle {
    /// Records the value of a line and returns its number, with an ambiguous comma before decimals.
    pub(super) fn record(&mut self, number: CsvNumber, text: &str, line: u64) -> f64 {
        let (seen, number) = match number {
            CsvNumber::Plain(number) => return number,
            CsvNumber::Point(number) => (&mut self.point, number),
            CsvNumber::DecimalComma(number) => (&mut self.decimal_comma, number),
            CsvNumber::Thousands(number) => (&mut self.thousands, number),
            CsvNumber::Ambiguous { decimal, .. } => {
                self.ambiguous.get_or_insert_with(|| (line, text.to_owned()));
                return decimal;
            }
        };
        seen.get_or_insert(line);
        number
    }

    /// True if ambiguous commas separate thousands; an error if values disagree, or none decides.
    pub(super) fn commas_are_thousands(&self) -> anyhow::Result<bool> {
        let other = self.point.or(self.thousands);
        if let (Some(comma), Some(other)) = (self.decimal_comma, other) {
            bail!(
                "line {}: lines {comma} and {other} use different decimal separators: expected a decimal point in all \
                 values",
                comma.max(other)
            );
        }
        if let Some((line, text)) = &self.ambiguous {
            ensure!(
                self.decimal_comma.is_some() || other.is_some(),
                "line {line}: value `{text}` may have decimals or thousands: expected a decimal point and no other \
                 separator"
            );
        }
        Ok(other.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_number_is_recognized() {
        let cases = [
            ("12", Some(CsvNumber::Plain(12.0))),
            ("-1e3", Some(CsvNumber::Plain(-1000.0))),
            ("inf", Some(CsvNumber::Plain(f64::INFINITY))),
            ("12.5", Some(CsvNumber::Point(12.5))),
            ("12,5", Some(CsvNumber::DecimalComma(12.5))),
            ("-0,125", Some(CsvNumber::DecimalComma(-0.125))),
            ("1234,567", Some(CsvNumber::DecimalComma(1234.567))),
            ("5.006.100,25", Some(CsvNumber::DecimalComma(5_006_100.25))),
            ("5,006,100", Some(CsvNumber::Thousands(5_006_100.0))),
            ("5,006.25", Some(CsvNumber::Thousands(5006.25))),
            ("5 006 100", Some(CsvNumber::Plain(5_006_100.0))),
            ("5\u{a0}006,5", Some(CsvNumber::DecimalComma(5006.5))),
            ("1,234", Some(CsvNumber::Ambiguous { decimal: 1.234, thousands: 1234.0 })),
        ];
        for (text, wanted) in cases {
            assert_eq!(CsvNumber::parse(text), wanted, "{text}");
        }
        for text in
            ["much", "12 ms", "50%", "1,2,3", "12,34.5", "1.2.3", ",5", "5,", "1 2", "0x10", "'5"]
        {
            assert_eq!(CsvNumber::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_missing_number_has_many_names() {
        for text in ["", "null", "NULL", "NA", "n/a", "NaN", "None", "-", "\\N"] {
            assert!(
                matches!(CsvNumber::parse(text), Some(CsvNumber::Plain(number)) if number.is_nan()),
                "{text}"
            );
        }
    }

    #[test]
    fn other_values_decide_what_a_comma_separates() {
        let style = |texts: &[&str]| {
            let mut style = NumberStyle::default();
            for (i, text) in texts.iter().enumerate() {
                style.record(CsvNumber::parse(text).unwrap(), text, i as u64 + 2);
            }
            style.commas_are_thousands().map_err(|error| error.to_string())
        };
        assert_eq!(style(&["1,234", "1,5"]), Ok(false));
        assert_eq!(style(&["1,234", "1.5"]), Ok(true));
        assert_eq!(style(&["1,234", "1,234,567"]), Ok(true));
        assert!(style(&["7", "1,234"]).unwrap_err().contains("line 3: value `1,234`"));
        assert!(style(&["1,5", "1.5"]).unwrap_err().contains("line 3: lines 2 and 3"));
    }
}
