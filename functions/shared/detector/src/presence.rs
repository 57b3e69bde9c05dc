//! Whether a series is there: when its next sample is due, and since when it is silent.
//!
//! By the receiver's clock, unlike all else of a memory: senders batch, delay and drift, so the clock of the samples
//! says nothing of the moment at which their absence is news. What counts is how old the newest sample usually is when
//! the next one is received: `wait += 0.1 (min(observed, 3 wait + 60 s) - wait)`. Cost: nothing to speak of. Memory: 13
//! bytes of the header. Fails: a series that is quiet every night is told silent every night, as the gap signal tells it
//! every morning.

use crate::layout::{Reader, Writer};

/// Weight of the newest wait.
const RATE: f64 = 0.1;

/// Largest wait that counts, in usual ones, besides [`SLACK_US`].
const WAIT_MAX: f64 = 3.0;

/// Usual waits after which silence is news, as the gap signal has it of intervals.
const MISSING: f64 = 2.5;

/// What senders and networks may dawdle beyond the usual before it is news: a minute, in microseconds.
const SLACK_US: f64 = 60e6;

/// Part of the time to the next look by which the look may be off, so that the store is told of few.
const LOOK_TOLERANCE: i64 = 4;

/// When a store is to look whether a series has fallen silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceCheck {
    /// At this time of the receiver's clock, in microseconds, unless it is told another one before.
    At(i64),
    /// No more: it is silent already, or nobody listens for gaps and no episode is open.
    Never,
}

/// Whether a series is there.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SilenceState {
    /// Whether it is silent since its cursor, and that was told.
    pub is_silent: bool,
    wait_s: f32,
    look_us: Option<i64>,
}

impl SilenceState {
    /// Remembers a receipt at `now_us`, by the receiver's clock, when the newest sample was that of `newest_us`.
    pub(crate) fn receive(&mut self, now_us: i64, newest_us: i64) {
        if self.is_silent {
            return; // An outage is no usual wait.
        }
        let observed_us = now_us.saturating_sub(newest_us).max(0) as f64;
        let wait_us = f64::from(self.wait_s) * 1e6;
        let wait_us = if wait_us == 0.0 {
            observed_us
        } else {
            let observed_us = observed_us.min(WAIT_MAX * wait_us + SLACK_US);
            wait_us + RATE * (observed_us - wait_us)
        };
        self.wait_s = (wait_us / 1e6) as f32;
    }

    /// How long after its newest sample the silence of a series is news, in microseconds, where the gap signal makes it
    /// news after `gap_us`.
    pub(crate) fn silence_after_us(&self, gap_us: f64) -> i64 {
        let wait_us = f64::from(self.wait_s) * 1e6;
        gap_us.max(MISSING * wait_us).max(wait_us + SLACK_US) as i64
    }

    /// When to look next, `after_us` after the cursor or never; none where the time that was told before is as good.
    pub(crate) fn look(&mut self, cursor_us: i64, after_us: Option<i64>) -> Option<SilenceCheck> {
        let Some(after_us) = after_us.filter(|_| !self.is_silent) else {
            return self.look_us.take().map(|_| SilenceCheck::Never);
        };
        let look_us = cursor_us.saturating_add(after_us);
        let is_near =
            |told_us: i64| look_us.abs_diff(told_us) <= (after_us / LOOK_TOLERANCE).unsigned_abs();
        if self.look_us.is_some_and(is_near) {
            return None;
        }
        self.look_us = Some(look_us);
        Some(SilenceCheck::At(look_us))
    }

    /// Length of its layout, in bytes.
    pub(crate) const LEN: usize = 13;

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u8(u8::from(self.is_silent));
        out.f32(self.wait_s);
        out.i64(self.look_us.unwrap_or_default());
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let is_silent = match from.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let wait_s = from.finite_f32().filter(|wait_s| *wait_s >= 0.0)?;
        let look_us = match from.i64()? {
            0 => None,
            look_us => Some(look_us),
        };
        Some(Self { is_silent, wait_s, look_us })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: i64 = 1_000_000;

    /// After `n` receipts, each when the newest sample was `age_s` old.
    fn received(n: i64, age_s: i64) -> SilenceState {
        let mut presence = SilenceState::default();
        (0..n).for_each(|i| presence.receive((i + age_s) * SECOND_US, i * SECOND_US));
        presence
    }

    #[test]
    fn a_sender_that_batches_or_delays_is_not_silent_between_two_batches() {
        let per_second = 6e6;
        assert_eq!(received(50, 1).silence_after_us(per_second), 61 * SECOND_US);
        assert_eq!(received(50, 300).silence_after_us(per_second), 750 * SECOND_US);
    }

    #[test]
    fn old_samples_that_are_sent_once_do_not_delay_the_news_for_long() {
        let mut presence = received(1, 4 * 86_400);
        (0..150).for_each(|_| presence.receive(SECOND_US, 0));
        assert!(presence.silence_after_us(0.0) < 90 * SECOND_US);
    }

    #[test]
    fn an_outage_is_no_usual_wait() {
        let mut presence = received(50, 60);
        let before = presence;
        presence.is_silent = true;
        presence.receive(86_400 * SECOND_US, 0);
        presence.is_silent = false;
        assert_eq!(presence, before);
    }

    #[test]
    fn the_store_is_told_of_few_looks() {
        let mut presence = SilenceState::default();
        let looks = (0..3_600).filter_map(|s| presence.look(s * SECOND_US, Some(61 * SECOND_US)));
        assert!((200..250).contains(&looks.count()));
        presence.is_silent = true;
        assert_eq!(presence.look(0, Some(61 * SECOND_US)), Some(SilenceCheck::Never));
        assert_eq!(presence.look(0, Some(61 * SECOND_US)), None);
    }
}
