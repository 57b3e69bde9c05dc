//! Maintenance time of a policy: once, or recurring by the days and hours of a time zone.
//!
//! Recurring: `Mon-Fri 22:00-06:00 Europe/Berlin`, `Sat+Sun 00:00-24:00`, `02:00-04:00`. Once:
//! `2026-12-24T18:00..2026-12-26T06:00 Europe/Berlin`. Without a zone, UTC. One that ends before it begins ends on the next
//! day.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{DateTime, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

const MINUTES_PER_DAY: u16 = 1_440;

/// Form of a maintenance time, for errors.
pub(crate) const EXPECTED: &str = "a time such as `Mon-Fri 22:00-06:00 Europe/Berlin`, `Sat+Sun 00:00-24:00` or \
     `2026-12-24T18:00..2026-12-26T06:00 Europe/Berlin`, several separated by `;`";

/// Time in which anomalies make no alert.
#[derive(Debug, Clone, PartialEq)]
pub struct MaintenanceTime {
    text: String,
    zone: TimeZone,
    when: When,
}

#[derive(Debug, Clone, PartialEq)]
enum When {
    /// By day of the week, Monday first, from and until minutes of the day.
    Weekly { days: [bool; 7], from_min: u16, until_min: u16 },
    /// From and until a local time.
    Once { from: DateTime, until: DateTime },
}

impl MaintenanceTime {
    /// True if the time contains `at_us`, in Unix microseconds.
    pub fn contains(&self, at_us: i64) -> bool {
        let Ok(at) = Timestamp::from_microsecond(at_us) else { return false };
        let local = self.zone.to_datetime(at);
        match &self.when {
            When::Once { from, until } => (*from..*until).contains(&local),
            When::Weekly { days, from_min, until_min } => {
                let minute = u16::try_from(local.hour()).unwrap_or_default() * 60
                    + u16::try_from(local.minute()).unwrap_or_default();
                let today = usize::from(local.weekday().to_monday_zero_offset().unsigned_abs());
                if from_min < until_min {
                    return days[today] && (*from_min..*until_min).contains(&minute);
                }
                let yesterday = (today + 6) % 7;
                (days[today] && minute >= *from_min) || (days[yesterday] && minute < *until_min)
            }
        }
    }
}

impl fmt::Display for MaintenanceTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for MaintenanceTime {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let text = words.join(" ");
        let mut zone = TimeZone::UTC;
        if let Some(name) = words.pop_if(|word| is_zone(word)) {
            zone = TimeZoneDatabase::bundled().get(name).map_err(drop)?;
        }
        let when = match words.as_slice() {
            [range] if range.contains("..") => once(range),
            [hours] => weekly("Mon-Sun", hours),
            [days, hours] => weekly(days, hours),
            _ => None,
        };
        Ok(Self { text, zone, when: when.ok_or(())? })
    }
}

/// True for a word that can only be the name of a zone.
fn is_zone(word: &str) -> bool {
    !word.contains(':') && !DAYS.iter().any(|(day, _)| word.starts_with(day))
}

fn once(range: &str) -> Option<When> {
    let (from, until) = range.split_once("..")?;
    let (from, until): (DateTime, DateTime) = (from.parse().ok()?, until.parse().ok()?);
    let is_bounded = until.checked_sub(366.days()).is_ok_and(|earliest| earliest <= from);
    (from < until && is_bounded).then_some(When::Once { from, until })
}

fn weekly(days: &str, hours: &str) -> Option<When> {
    let (from, until) = hours.split_once('-')?;
    let (from_min, until_min) = (minute_of_day(from)?, minute_of_day(until)?);
    let is_some_time = from_min != until_min && from_min < MINUTES_PER_DAY;
    is_some_time.then_some(When::Weekly { days: days_of(days)?, from_min, until_min })
}

fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let is_two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !is_two_digits(hour) || !is_two_digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let of_day = hour * 60 + minute;
    (minute < 60 && of_day <= MINUTES_PER_DAY).then_some(of_day)
}

fn days_of(text: &str) -> Option<[bool; 7]> {
    let position = |name: &str| DAYS.iter().position(|(day, _)| *day == name);
    let mut days = [false; 7];
    for part in text.split('+') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (position(first)?, position(last)?);
        let n_days = (last + 7 - first) % 7;
        (0..=n_days).for_each(|i| days[(first + i) % 7] = true);
    }
    Some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(text: &str, at: &str) -> bool {
        let time: MaintenanceTime = text.parse().unwrap_or_else(|()| panic!("{text}"));
        assert_eq!(time.to_string(), text);
        let at: Timestamp = at.parse().unwrap();
        time.contains(at.as_microsecond())
    }

    #[test]
    fn recurring_times_follow_the_local_clock() {
        let cases = [
            // 2026-11-30 is a Monday; Berlin is an hour ahead in winter, and two in summer.
            ("Mon-Fri 22:00-23:00 Europe/Berlin", "2026-11-30T21:30:00Z", true),
            ("Mon-Fri 22:00-23:00 Europe/Berlin", "2026-11-30T22:00:00Z", false),
            ("Mon-Fri 22:00-23:00 Europe/Berlin", "2026-07-06T20:30:00Z", true),
            ("Mon-Fri 22:00-23:00 Europe/Berlin", "2026-11-29T21:30:00Z", false),
            ("Sun 23:00-02:00", "2026-11-30T01:59:59Z", true),
            ("Sun 23:00-02:00", "2026-11-30T02:00:00Z", false),
            ("Sun 23:00-02:00", "2026-11-29T01:00:00Z", false),
            ("Fri-Mon 00:00-24:00", "2026-11-30T23:59:59Z", true),
            ("Sat+Sun 00:00-24:00", "2026-11-30T00:00:00Z", false),
            ("02:00-04:00", "2026-11-30T03:00:00Z", true),
        ];
        for (text, at, expected) in cases {
            assert_eq!(contains(text, at), expected, "{text} at {at}");
        }
    }

    #[test]
    fn a_single_time_excludes_its_end() {
        let text = "2026-12-24T18:00..2026-12-26T06:00 Europe/Berlin";
        let cases = [("16:59:59Z", false), ("17:00:00Z", true)];
        for (at, expected) in cases {
            assert_eq!(contains(text, &format!("2026-12-24T{at}")), expected, "{at}");
        }
        assert!(!contains(text, "2026-12-26T05:00:00Z"));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "Mon",
            "Mon 22-23",
            "Mon 25:00-26:00",
            "Mon 24:00-01:00",
            "Mon 02:00-02:00",
            "Mon 2:00-3:00",
            "Mon 02:60-03:00",
            "Monday 02:00-03:00",
            "Mon 02:00-03:00 Mars/Base",
            "2026-12-26T06:00..2026-12-24T18:00",
            "2026-12-26T06:00..2036-12-24T18:00",
            "Mon Tue 02:00-03:00",
        ] {
            assert!(text.parse::<MaintenanceTime>().is_err(), "{text}");
        }
    }
}
