//! Reads the clocks. All other code takes time as an argument.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracing::{info, warn};

/// Least jump that is one, in microseconds: clocks that are disciplined move by less.
const JUMP_MIN_US: i64 = 1_000_000;

/// Longest jump back that is bridged, in microseconds: two hours, more than a wrong daylight saving time. After a longer
/// one the earlier time was wrong for long, and is not continued.
const BRIDGED_MAX_US: i64 = 2 * 3_600_000_000;

/// Returns the current time in Unix microseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "one of two clocks of the service; inner code takes time as an argument"
)]
pub fn now_us() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

/// Returns the current time in Unix microseconds, without jumps back of the clock: it continues at its pace until the
/// clock has caught up.
///
/// It stamps samples without a time. With the time before they would be older than judged ones, hence late, and detect
/// nothing for as long as the clock jumped.
#[expect(clippy::disallowed_methods, reason = "the clock that never jumps back")]
pub(crate) fn steady_us() -> i64 {
    let now = Instant::now();
    CLOCK.lock().unwrap_or_else(PoisonError::into_inner).read(now_us(), now)
}

/// Time by which [`steady_us`] is ahead of the clock after a jump back; zero otherwise.
pub(crate) fn clock_ahead() -> Duration {
    let ahead_us = CLOCK.lock().unwrap_or_else(PoisonError::into_inner).ahead_us;
    Duration::from_micros(u64::try_from(ahead_us).unwrap_or_default())
}

static CLOCK: Mutex<SteadyClock> = Mutex::new(SteadyClock { last: None, ahead_us: 0 });

/// A clock that does not follow jumps back.
#[derive(Debug)]
struct SteadyClock {
    /// The last reading, and when it was.
    last: Option<(i64, Instant)>,
    /// Time by which the last reading was ahead of the clock; 0 unless it jumped back.
    ahead_us: i64,
}

impl SteadyClock {
    /// Reads the time from the clock of the system and the one that only moves forward.
    fn read(&mut self, wall_us: i64, now: Instant) -> i64 {
        let steady_us = self.last.map_or(wall_us, |(last_us, at)| {
            let elapsed = now.saturating_duration_since(at);
            last_us.saturating_add(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
        });
        let ahead_us = steady_us - wall_us;
        let is_ahead = (JUMP_MIN_US..=BRIDGED_MAX_US).contains(&ahead_us);
        match (self.ahead_us > 0, is_ahead) {
            (false, true) => warn!(ahead_ms = ahead_us / 1_000, "the clock jumped back"),
            (true, false) => info!("the clock has caught up"),
            _ if ahead_us > BRIDGED_MAX_US => {
                warn!(ahead_ms = ahead_us / 1_000, "the clock jumped back too far to be bridged");
            }
            _ => {}
        }
        self.ahead_us = if is_ahead { ahead_us } else { 0 };
        let time_us = if is_ahead { steady_us } else { wall_us };
        self.last = Some((time_us, now));
        time_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    /// Reads a clock that shows these times, a minute after each other; returns the readings and how far it is ahead.
    fn read(wall_minutes: &[i64]) -> (Vec<i64>, i64) {
        let mut clock = SteadyClock { last: None, ahead_us: 0 };
        #[expect(clippy::disallowed_methods, reason = "an origin; the test adds to it")]
        let mut at = Instant::now();
        let readings = wall_minutes.iter().map(|minutes| {
            at += Duration::from_mins(1);
            clock.read(minutes * 60_000_000, at) / 60_000_000
        });
        (readings.collect(), clock.ahead_us)
    }

    #[test]
    fn a_clock_that_jumps_an_hour_ahead_and_back_continues_at_its_pace() {
        // The third reading is an hour ahead, the fifth is back.
        let (readings, ahead_us) = read(&[100, 101, 162, 163, 104, 105, 106]);
        assert_eq!(readings, [100, 101, 162, 163, 164, 165, 166]);
        assert_eq!(ahead_us, HOUR_US);
    }

    #[test]
    fn after_the_clock_has_caught_up_it_is_followed() {
        let (readings, ahead_us) = read(&[100, 98, 99, 102, 103, 104]);
        assert_eq!(readings, [100, 101, 102, 103, 104, 105]);
        assert_eq!(ahead_us, 60_000_000);
        let (readings, ahead_us) = read(&[100, 98, 99, 104, 105]);
        assert_eq!((readings.as_slice(), ahead_us), (&[100, 101, 102, 104, 105][..], 0));
    }

    #[test]
    fn a_jump_of_days_is_followed() {
        let (readings, ahead_us) = read(&[10_000, 100, 101]);
        assert_eq!((readings.as_slice(), ahead_us), (&[10_000, 100, 101][..], 0));
    }
}
