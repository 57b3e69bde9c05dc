//! Times in sentences: RFC 3339 in UTC, to the second.

const SECOND_US: i64 = 1_000_000;
const DAY_S: i64 = 86_400;

/// Days of 400 years, after which the calendar repeats.
const CYCLE_DAYS: i64 = 146_097;

/// Days from 1 March of the year 0 to 1 January 1970.
const EPOCH_DAYS: i64 = 719_468;

/// Formats Unix microseconds as `2024-11-20T00:00:00Z`.
pub(crate) fn rfc3339(at_us: i64) -> String {
    let seconds = at_us.div_euclid(SECOND_US);
    let (year, month, day) = civil(seconds.div_euclid(DAY_S));
    let second = seconds.rem_euclid(DAY_S);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a number of days since 1970 (Hinnant, "chrono-compatible low-level date algorithms", 2021).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH_DAYS;
    let cycle = days.div_euclid(CYCLE_DAYS);
    let of_cycle = days.rem_euclid(CYCLE_DAYS);
    let year =
        (of_cycle - of_cycle / 1_460 + of_cycle / 36_524 - of_cycle / (CYCLE_DAYS - 1)) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    // Months begin with March, so that a leap day is the last of its year.
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (cycle * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back_as_the_intake_reads_them() {
        let (mut at_us, step_us) = (0, 37 * 86_400_000_000 + 12_345_000_000);
        while at_us <= domain::sample::AT_US_MAX {
            let text = serde_json::Value::from(rfc3339(at_us)).to_string();
            assert_eq!(intake::time_us(&text), Some(at_us), "{text}");
            at_us += step_us;
        }
    }

    #[test]
    fn a_leap_day_has_its_date() {
        assert_eq!(rfc3339(1_709_164_800_000_000), "2024-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_732_060_800_999_999), "2024-11-20T00:00:00Z");
    }
}
