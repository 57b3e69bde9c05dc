//! Lowers the voice of a signal that speaks too often on one series.
//!
//! A signal's threshold is right for most series, and wrong for the few on which it would cry wolf many times a day.
//! Each alarm run multiplies what a score must reach by 1.1, each half day takes that back: a series with two runs
//! a day is heard as it is, one with ten is soon asked four times as much. Incidents are rarer than that, so they
//! stay as loud as they were. Cost: one exponential per sample. Memory: 9 bytes. Fails: where several real incidents
//! a day are usual, the smaller ones are missed.

use crate::layout::{Reader, Writer};

/// Growth of the divisor by one alarm run, as a logarithm: seven runs double it.
const STEP: f64 = 0.1;

/// Alarm runs a day that leave the divisor where it is. Chosen with [`STEP`] on the KPI and Microsoft series.
const RUNS_PER_DAY: f64 = 2.0;

/// Largest divisor: what is four times the threshold is always heard.
const DIVISOR_MAX: f64 = 4.0;

/// Samples after an alarm in which another belongs to the same run: an event with pauses is one event.
const RUN_APART: u8 = 60;

/// Longest time between two samples that counts, in days: silence is no calm.
const PAUSE_DAYS_MAX: f64 = 1.0;

const DAY_US: f64 = 86_400_000_000.0;

/// How much lower the voice is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mute {
    divisor: f64,
    // Samples, no further than it matters.
    since_alarm: u8,
}

impl Default for Mute {
    fn default() -> Self {
        Self { divisor: 1.0, since_alarm: RUN_APART }
    }
}

impl Mute {
    /// Length of its layout, in bytes.
    pub(crate) const LEN: usize = 9;

    /// By what a score is divided, from 1 to 4.
    pub(crate) fn divisor(&self) -> f64 {
        self.divisor
    }

    /// Remembers whether the signal alarmed on the newest sample, `pause_us` after the one before it.
    pub(crate) fn learn(&mut self, pause_us: f64, is_alarm: bool) {
        let is_new_run = is_alarm && self.since_alarm >= RUN_APART;
        let days = (pause_us / DAY_US).clamp(0.0, PAUSE_DAYS_MAX);
        let runs = f64::from(u8::from(is_new_run)) - RUNS_PER_DAY * days;
        self.divisor = (self.divisor * (STEP * runs).exp()).clamp(1.0, DIVISOR_MAX);
        self.since_alarm =
            if is_alarm { 0 } else { RUN_APART.min(self.since_alarm.saturating_add(1)) };
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.f64(self.divisor);
        out.u8(self.since_alarm);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let divisor = from.finite().filter(|divisor| (1.0..=DIVISOR_MAX).contains(divisor))?;
        Some(Self { divisor, since_alarm: from.u8()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_US: f64 = 60_000_000.0;

    /// The divisor after `days` of minutes with `runs_per_day` single alarms a day.
    fn after(days: i64, runs_per_day: i64) -> f64 {
        let mut mute = Mute::default();
        for minute in 1..days * 1_440 {
            mute.learn(MINUTE_US, minute % (1_440 / runs_per_day) == 0);
        }
        mute.divisor()
    }

    #[test]
    fn a_signal_that_speaks_twice_a_day_is_heard_as_it_is() {
        assert!(after(14, 1) < 1.11);
        assert!(after(14, 2) < 1.15);
    }

    #[test]
    fn a_signal_that_speaks_ten_times_a_day_is_muted_within_days() {
        assert!(after(2, 10) > 2.0);
        assert!(after(7, 12) > 0.95 * DIVISOR_MAX);
    }

    #[test]
    fn a_long_event_mutes_no_more_than_one_alarm_and_calm_unmutes() {
        let mut mute = Mute::default();
        for _ in 0..200 {
            mute.learn(MINUTE_US, true);
        }
        assert!((1.0..1.11).contains(&mute.divisor()));
        for _ in 0..3_000 {
            mute.learn(MINUTE_US, false);
        }
        assert_eq!(mute.divisor(), 1.0);
    }
}
