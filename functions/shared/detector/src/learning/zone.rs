//! Time zone of a series: determines when its days begin.
//!
//! Traffic follows people, and people follow local clocks: after a change to summer time, the morning rise comes an hour
//! earlier in UTC. The IANA time zone database is compiled in; nothing is read from the system.

use std::fmt;
use std::str::FromStr;
use std::sync::{LazyLock, OnceLock};

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use thiserror::Error;

/// A zone of the IANA database.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Zone(
    /// Index in [`ZONES`] plus one; 0 is UTC, which needs no table.
    u16,
);

/// Names and zones; each of the 600 zones is decoded on first use.
static ZONES: LazyLock<Vec<(String, OnceLock<TimeZone>)>> = LazyLock::new(|| {
    let names = TimeZoneDatabase::bundled();
    names.available().map(|name| (name.as_str().to_owned(), OnceLock::new())).collect()
});

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(0);

    /// Name in the database.
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "UTC",
            index => &ZONES[usize::from(index) - 1].0,
        }
    }

    /// Local time at `at_us`, in microseconds since 1 January 1970 of the local clock.
    pub fn local_us(self, at_us: i64) -> i64 {
        if self == Self::UTC {
            return at_us;
        }
        let (name, zone) = &ZONES[usize::from(self.0) - 1];
        let zone =
            zone.get_or_init(|| TimeZoneDatabase::bundled().get(name).unwrap_or(TimeZone::UTC));
        let Ok(time) = Timestamp::from_microsecond(at_us) else {
            return at_us;
        };
        at_us + i64::from(zone.to_offset(time).seconds()) * 1_000_000
    }
}

impl FromStr for Zone {
    type Err = ZoneUnknown;

    fn from_str(name: &str) -> Result<Self, ZoneUnknown> {
        if name == "UTC" {
            return Ok(Self::UTC);
        }
        let index = ZONES.iter().position(|zone| zone.0 == name).ok_or(ZoneUnknown)?;
        u16::try_from(index + 1).map(Self).map_err(|_too_many| ZoneUnknown)
    }
}

/// Error for a name that the database does not contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the IANA time zone database has no zone of this name")]
pub struct ZoneUnknown;

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(zone: &str, time: &str) -> String {
        let at_us = time.parse::<Timestamp>().unwrap().as_microsecond();
        let local_us = zone.parse::<Zone>().unwrap().local_us(at_us);
        Timestamp::from_microsecond(local_us).unwrap().to_string()
    }

    #[test]
    fn a_zone_follows_its_daylight_saving_time() {
        let cases = [
            ("UTC", "2026-03-29T01:30:00Z", "2026-03-29T01:30:00Z"),
            ("Europe/Berlin", "2026-03-29T00:59:00Z", "2026-03-29T01:59:00Z"),
            ("Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"),
            ("America/New_York", "2026-11-01T05:59:00Z", "2026-11-01T01:59:00Z"),
            ("America/New_York", "2026-11-01T06:00:00Z", "2026-11-01T01:00:00Z"),
            ("Asia/Kolkata", "2026-07-01T00:00:00Z", "2026-07-01T05:30:00Z"),
        ];
        for (zone, time, wanted) in cases {
            assert_eq!(local(zone, time), wanted, "{zone}");
        }
    }

    #[test]
    fn known_names_round_trip_and_unknown_ones_are_errors() {
        for name in ["UTC", "Europe/Berlin", "Pacific/Chatham"] {
            assert_eq!(name.parse::<Zone>().unwrap().to_string(), name);
        }
        assert!("Mars/Olympus".parse::<Zone>().is_err());
    }
}
