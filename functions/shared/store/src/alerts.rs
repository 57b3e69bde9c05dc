//! Alerts of series as they are stored, and the queue of series whose alerts are to be checked.

use domain::SeriesKey;

/// Time after the last notifier for which a store still queues series for it: 7 days, in seconds.
pub const ALERTS_TTL_S: u64 = 7 * 86_400;

/// A series whose alerts are to be checked.
#[derive(Debug, Clone, PartialEq)]
pub struct DueAlerts {
    /// The series.
    pub key: SeriesKey,
    /// Its place in the queue, which a later change of its episodes replaces.
    pub place: i64,
}

/// Alerts of a series, in the text of the notifier.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredAlerts {
    /// Number of the save; 0 if nothing is stored.
    pub version: i64,
    /// The text; empty if nothing is stored.
    pub text: String,
}

/// Place in the queue of checks after the commit of a version: a different place for each change, before all times, in no
/// lasting order, so that no series waits for those that change more often. `episodes.lua` computes the same.
pub(crate) fn place_of(version: i64) -> i64 {
    -1 - version.rem_euclid(1_048_576) * 2_654_435_761 % 4_294_967_296
}

impl StoredAlerts {
    /// Reads `<version> <text>`; nothing stored for other text.
    pub(crate) fn from_text(stored: &str) -> Self {
        let read = stored.split_once(' ').and_then(|(version, text)| {
            Some(Self { version: version.parse().ok()?, text: text.to_owned() })
        });
        read.unwrap_or_default()
    }
}

/// Next place of a series in the queue of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requeue {
    /// The place from which it was taken; if another change of its episodes has moved it since, it stays there.
    pub from: i64,
    /// Time of the next check, in Unix microseconds; `None` for none.
    pub to_us: Option<i64>,
}
