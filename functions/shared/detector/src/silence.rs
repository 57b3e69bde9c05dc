//! Silence: detects that a series has stopped, by the receiver's clock.
//!
//! - **Why another clock.** Senders batch, delay and drift, so sample times do not show when a sample is overdue. The
//!   state learns how old the newest sample usually is when the next one arrives.
//! - **Formula.** `age += 0.1 * (min(observed, 3 * age + 60 s) - age)`. A series is silent once its newest sample is older
//!   than the pause that the gap signal reports, than 2.5 usual ages, and than the usual age plus a minute.
//! - **Cost.** A few operations per batch; 13 bytes of the memory's header.
//! - **Limits.** A series that stops every night is reported silent every night, and as a gap every morning.

use crate::bytes::{ByteReader, ByteWriter};

/// Weight of the newest age.
const RATE: f64 = 0.1;

/// Largest age that is learned, in usual ages, besides [`SLACK_US`].
const AGE_MAX: f64 = 3.0;

/// Age at which a series is silent, in usual ages; the gap signal has the same factor for intervals.
const OVERDUE_AGES: f64 = 2.5;

/// Delay of senders and networks that is tolerated beyond the usual age, in microseconds: a minute.
const SLACK_US: f64 = 60e6;

/// A scheduled check is replaced only if it is off by more than the time until it divided by this: fewer writes.
const CHECK_TOLERANCE: i64 = 4;

/// Time at which the sweep checks if a series has become silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceCheck {
    /// At this time of the receiver's clock, in microseconds.
    At(i64),
    /// Not at all: the series is silent already, or has neither a gap signal nor an open episode.
    Never,
}

/// Silence of a series, and the usual age of its newest sample at receipt.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SilenceState {
    /// True if the series has been reported silent since its newest sample.
    pub is_silent: bool,
    // Usual age, in seconds; 0 before the first receipt.
    age_s: f32,
    check_us: Option<i64>,
}

impl SilenceState {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 13;

    /// Learns a receipt at `now_us` of the receiver's clock, when the newest sample before was that of `newest_us`.
    pub(crate) fn record_receipt(&mut self, now_us: i64, newest_us: i64) {
        if self.is_silent {
            return; // The age after an outage is not usual.
        }
        let observed_us = now_us.saturating_sub(newest_us).max(0) as f64;
        let age_us = f64::from(self.age_s) * 1e6;
        let age_us = if age_us == 0.0 {
            observed_us
        } else {
            let observed_us = observed_us.min(AGE_MAX * age_us + SLACK_US);
            age_us + RATE * (observed_us - age_us)
        };
        self.age_s = (age_us / 1e6) as f32;
    }

    /// Age of the newest sample at which the series is silent, in microseconds, if a pause of `gap_us` is a gap.
    pub(crate) fn silent_after_us(&self, gap_us: f64) -> i64 {
        let age_us = f64::from(self.age_s) * 1e6;
        gap_us.max(OVERDUE_AGES * age_us).max(age_us + SLACK_US) as i64
    }

    /// Schedules the next check `after_us` after the cursor, or never; `None` if the scheduled one still fits.
    pub(crate) fn next_check(
        &mut self,
        cursor_us: i64,
        after_us: Option<i64>,
    ) -> Option<SilenceCheck> {
        let Some(after_us) = after_us.filter(|_| !self.is_silent) else {
            return self.check_us.take().map(|_| SilenceCheck::Never);
        };
        let check_us = cursor_us.saturating_add(after_us);
        let tolerance_us = (after_us / CHECK_TOLERANCE).unsigned_abs();
        if self.check_us.is_some_and(|scheduled_us| check_us.abs_diff(scheduled_us) <= tolerance_us)
        {
            return None;
        }
        self.check_us = Some(check_us);
        Some(SilenceCheck::At(check_us))
    }

    pub(crate) fn write(&self, out: &mut ByteWriter) {
        out.u8(u8::from(self.is_silent));
        out.f32(self.age_s);
        out.i64(self.check_us.unwrap_or_default());
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        let is_silent = from.bool()?;
        let age_s = from.finite_f32().filter(|age_s| *age_s >= 0.0)?;
        let check_us = Some(from.i64()?).filter(|check_us| *check_us != 0);
        Some(Self { is_silent, age_s, check_us })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: i64 = 1_000_000;

    /// State after `n` receipts, each of a sample `age_s` old.
    fn received(n: i64, age_s: i64) -> SilenceState {
        let mut silence = SilenceState::default();
        (0..n).for_each(|i| silence.record_receipt((i + age_s) * SECOND_US, i * SECOND_US));
        silence
    }

    #[test]
    fn a_sender_that_batches_or_delays_is_not_silent_between_two_batches() {
        let per_second = 6e6;
        assert_eq!(received(50, 1).silent_after_us(per_second), 61 * SECOND_US);
        assert_eq!(received(50, 300).silent_after_us(per_second), 750 * SECOND_US);
    }

    #[test]
    fn a_backfill_of_old_samples_does_not_delay_the_detection_for_long() {
        let mut silence = received(1, 4 * 86_400);
        (0..150).for_each(|_| silence.record_receipt(SECOND_US, 0));
        assert!(silence.silent_after_us(0.0) < 90 * SECOND_US);
    }

    #[test]
    fn an_outage_is_not_learned_as_usual_age() {
        let mut silence = received(50, 60);
        let before = silence;
        silence.is_silent = true;
        silence.record_receipt(86_400 * SECOND_US, 0);
        silence.is_silent = false;
        assert_eq!(silence, before);
    }

    #[test]
    fn the_time_of_the_next_check_changes_seldom() {
        let mut silence = SilenceState::default();
        let checks =
            (0..3_600).filter_map(|s| silence.next_check(s * SECOND_US, Some(61 * SECOND_US)));
        assert!((200..250).contains(&checks.count()));
        silence.is_silent = true;
        assert_eq!(silence.next_check(0, Some(61 * SECOND_US)), Some(SilenceCheck::Never));
        assert_eq!(silence.next_check(0, Some(61 * SECOND_US)), None);
    }
}
