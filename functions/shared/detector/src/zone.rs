//! The time zone in which a series has its days.
//!
//! A season follows people, and people follow their clocks: where a clock steps by an hour, the morning rise comes an
//! hour earlier in UTC. Zones are those of the IANA time zone database, compiled in; nothing is read from the system.

use std::fmt;
use std::str::FromStr;
use std::sync::{LazyLock, OnceLock};

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use thiserror::Error;

/// A zone of the IANA database, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Zone(
    /// Place in [`ZONES`] plus one; 0 is UTC, which needs no table.
    u16,
);

/// Each zone is decoded when it is first asked: there are some six hundred.
static ZONES: LazyLock<Vec<(String, OnceLock<TimeZone>)>> = LazyLock::new(|| {
    let names = TimeZoneDatabase::bundled();
    names.available().map(|name| (name.as_str().to_owned(), OnceLock::new())).collect()
});

impl Zone {
    /// Coordinated universal time, whose days are those of the Unix clock.
    pub const UTC: Self = Self(0);

    /// The name in the database.
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "UTC",
            place => &ZONES[usize::from(place) - 1].0,
        }
    }

    /// The zone's own clock at `at_us`, in microseconds since its 1 January 1970.
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
        let place = ZONES.iter().position(|zone| zone.0 == name).ok_or(ZoneUnknown)?;
        u16::try_from(place + 1).map(Self).map_err(|_too_many| ZoneUnknown)
    }
}

/// No zone of the database has that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no zone of the IANA database has that name")]
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
    fn a_zone_steps_where_its_clocks_do() {
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
    fn names_read_back_and_unknown_ones_do_not() {
        for name in ["UTC", "Europe/Berlin", "Pacific/Chatham"] {
            assert_eq!(name.parse::<Zone>().unwrap().to_string(), name);
        }
        assert!("Mars/Olympus".parse::<Zone>().is_err());
    }
}
