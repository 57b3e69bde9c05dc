//! Adaptive threshold: rises while a signal raises too many alarms on one series.
//!
//! - **Formula.** Each alarm run multiplies the threshold factor by `e^0.1`; each day divides it by `e^0.2`; it stays in
//!   1..=4. A series with two runs a day keeps its threshold; with ten, the threshold quadruples within days.
//! - **Why.** A fixed threshold fits most series and fails on a few, where it raises an alarm many times a day. Incidents
//!   are rarer than that, so they keep their full score.
//! - **Cost.** One exponential per sample; 9 bytes.
//! - **Limits.** If several real incidents a day are usual, the smaller ones are missed.

use crate::bytes::{ByteReader, ByteWriter};

/// Growth of the factor by one alarm run, as a logarithm: seven runs double it.
const STEP: f64 = 0.1;
/// Alarm runs a day at which the factor stays. Chosen with [`STEP`] on the KPI and Microsoft series.
const RUNS_PER_DAY: f64 = 2.0;
/// Largest factor: a score of four times the threshold is always an alarm.
const FACTOR_MAX: f64 = 4.0;
/// Samples after an alarm within which another belongs to the same run: an event with pauses is one event.
const RUN_APART: u8 = 60;
/// Longest time between two samples that counts, in days: a silence proves no calm.
const PAUSE_DAYS_MAX: f64 = 1.0;
const DAY_US: f64 = 86_400_000_000.0;

/// Threshold factor of one signal on one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AdaptiveThreshold {
    factor: f64,
    // Saturates at RUN_APART.
    since_alarm: u8,
}

impl Default for AdaptiveThreshold {
    fn default() -> Self {
        Self { factor: 1.0, since_alarm: RUN_APART }
    }
}

impl AdaptiveThreshold {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 9;

    /// Factor of the threshold, from 1 to 4.
    pub(crate) fn factor(&self) -> f64 {
        self.factor
    }

    /// Learns if the newest sample, `pause_us` after the one before, was an alarm.
    pub(crate) fn learn(&mut self, pause_us: f64, is_alarm: bool) {
        let is_new_run = is_alarm && self.since_alarm >= RUN_APART;
        let days = (pause_us / DAY_US).clamp(0.0, PAUSE_DAYS_MAX);
        let runs = f64::from(u8::from(is_new_run)) - RUNS_PER_DAY * days;
        self.factor = (self.factor * (STEP * runs).exp()).clamp(1.0, FACTOR_MAX);
        self.since_alarm =
            if is_alarm { 0 } else { RUN_APART.min(self.since_alarm.saturating_add(1)) };
    }

    pub(crate) fn write(&self, out: &mut ByteWriter) {
        out.f64(self.factor);
        out.u8(self.since_alarm);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        let factor = from.finite().filter(|factor| (1.0..=FACTOR_MAX).contains(factor))?;
        Some(Self { factor, since_alarm: from.u8()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_US: f64 = 60_000_000.0;

    /// Factor after `days` of one sample a minute with `runs_per_day` single alarms a day.
    fn after(days: i64, runs_per_day: i64) -> f64 {
        let mut threshold = AdaptiveThreshold::default();
        for minute in 1..days * 1_440 {
            threshold.learn(MINUTE_US, minute % (1_440 / runs_per_day) == 0);
        }
        threshold.factor()
    }

    #[test]
    fn two_alarms_a_day_leave_the_threshold_alone() {
        assert!(after(14, 1) < 1.11);
        assert!(after(14, 2) < 1.15);
    }

    #[test]
    fn ten_alarms_a_day_raise_the_threshold_within_days() {
        assert!(after(2, 10) > 2.0);
        assert!(after(7, 12) > 0.95 * FACTOR_MAX);
    }

    #[test]
    fn a_long_event_counts_as_one_alarm_and_calm_restores_the_threshold() {
        let mut threshold = AdaptiveThreshold::default();
        for _ in 0..200 {
            threshold.learn(MINUTE_US, true);
        }
        assert!((1.0..1.11).contains(&threshold.factor()));
        for _ in 0..3_000 {
            threshold.learn(MINUTE_US, false);
        }
        assert_eq!(threshold.factor(), 1.0);
    }
}
