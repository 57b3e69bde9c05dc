//! Texts of numbers; an undefined number is a dash, never a zero.

/// Replaces an undefined number.
pub(crate) const DASH: &str = "–";

/// A share as a percentage with a non-breaking space: `94.2 %`, `0.12 %`.
pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| DASH.to_owned(), |share| format!("{}\u{a0}%", percent_bare(share)))
}

/// A share in percent, without the sign.
pub(crate) fn percent_bare(share: f64) -> String {
    let percent = 100.0 * share;
    // More digits near the ends: 99.97 % is not 100 %.
    let n_decimals = match percent {
        p if p == 0.0 || p == 100.0 => 0,
        p if !(1.0..99.0).contains(&p) => 2,
        _ => 1,
    };
    format!("{percent:.n_decimals$}")
}

/// A share, or a difference of two, with three decimals.
pub(crate) fn share(value: Option<f64>) -> String {
    let Some(value) = value else {
        return DASH.to_owned();
    };
    let digits = format!("{:.3}", value.abs());
    // Zero after rounding has no sign.
    if value < 0.0 && digits != "0.000" { format!("−{digits}") } else { digits }
}

/// A rate with two significant digits: `35`, `1.4`, `0.021`.
pub(crate) fn rate(value: Option<f64>) -> String {
    match value {
        None => DASH.to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(value) => {
            let n_decimals = (1 - value.abs().log10().floor() as i32).clamp(0, 4) as usize;
            format!("{value:.n_decimals$}")
        }
    }
}

/// A count or a number without needless decimals.
pub(crate) fn plain(value: Option<f64>) -> String {
    match value {
        None => DASH.to_owned(),
        Some(value) if value.fract() == 0.0 && value.abs() < 1e15 => count(value as i64),
        Some(value) => format!("{value:.1}"),
    }
}

/// A whole number with thin spaces between thousands.
pub(crate) fn count(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "−" } else { "" });
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A share in whole percent, with a decimal if it would round to 0 or 100.
pub(crate) fn percent_whole(share: f64) -> String {
    let whole = (100.0 * share).round();
    if (whole == 100.0 && share < 1.0) || (whole == 0.0 && share > 0.0) {
        return format!("{:.1}", 100.0 * share);
    }
    format!("{whole:.0}")
}

/// Total duration of several series: `1 series-day`, `2.5 series-days`.
pub(crate) fn days(days: f64) -> String {
    let shown = if days < 10.0 { (10.0 * days).round() / 10.0 } else { days.round() };
    format!(
        "{} {}",
        plain(Some(shown)),
        if shown == 1.0 { "series\u{2011}day" } else { "series\u{2011}days" }
    )
}

/// A count with its noun: `1 series`, `24 anomalies`.
pub(crate) fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(n as i64), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_digits_that_matter() {
        let cases = [
            (percent(Some(0.942)), "94.2\u{a0}%"),
            (percent(Some(0.0012)), "0.12\u{a0}%"),
            (percent(Some(0.9997)), "99.97\u{a0}%"),
            (percent(Some(1.0)), "100\u{a0}%"),
            (percent(None), DASH),
            (share(Some(0.9)), "0.900"),
            (share(Some(-0.25)), "−0.250"),
            (share(Some(-0.000_1)), "0.000"),
            (rate(Some(35.2)), "35"),
            (rate(Some(1.44)), "1.4"),
            (rate(Some(0.0214)), "0.021"),
            (rate(Some(0.0)), "0"),
            (plain(Some(3.0)), "3"),
            (plain(Some(3.5)), "3.5"),
            (count(1_234_567), "1\u{202f}234\u{202f}567"),
            (count(12), "12"),
            (percent_whole(0.826), "83"),
            (percent_whole(0.997), "99.7"),
            (percent_whole(0.004), "0.4"),
            (percent_whole(1.0), "100"),
            (days(0.98), "1 series\u{2011}day"),
            (days(2.52), "2.5 series\u{2011}days"),
            (days(1546.2), "1\u{202f}546 series\u{2011}days"),
        ];
        for (text, wanted) in cases {
            assert_eq!(text, wanted);
        }
    }
}
