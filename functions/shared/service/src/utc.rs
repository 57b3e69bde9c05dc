//! Times in sentences: RFC 3339 in UTC, to the second.

const SECOND_US: i64 = 1_000_000;

/// Formats Unix microseconds as `2024-11-20T00:00:00Z`.
pub(crate) fn rfc3339(at_us: i64) -> String {
    alert::rfc3339(at_us - at_us.rem_euclid(SECOND_US))
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
