//! Gap: a sample that comes late after the one before.
//!
//! - **Formula.** `score = pause / max(2.5 * usual, 1 s)`, where `usual` is the larger of the interval of
//!   [`crate::learning::interval`] and the pause that one sample in a hundred exceeds. Late and repeated times have a
//!   negative or zero pause and are never alarms.
//!   A pause that began in the same hour of the day three times, each within eight days of the one before, is usual up to
//!   1.5 times its running mean length: opening hours, a nightly batch.
//! - **Why.** Lost samples and random arrival times are usual for some series: a tail that falls geometrically reaches
//!   2.5 times its hundredth about once in a hundred thousand samples.
//! - **Cost.** A logarithm and an exponential; 100 bytes.
//! - **Limits.** A weekend that begins in the same hour as each night is reported on each Monday. A series that stops
//!   permanently has no next sample to judge: the sweep finds it (see [`crate::silence`]).

use crate::bytes::{ByteReader, ByteWriter};
use crate::learning::season::{Calendar, N_HOURS};
use crate::learning::{SamplingInterval, quantile};
use domain::Sample;

/// Pause that is an alarm, in usual intervals.
pub(crate) const INTERVALS_MIN: f64 = 2.5;
/// Least pause that is an alarm, in microseconds: a sender that batches writes bursts with short pauses between.
const PAUSE_US_MIN: f64 = 1e6;
/// Share of the pauses beyond the usual one.
const USUAL_SHARE: f64 = 0.01;
/// Excess of a pause that is jitter, as a logarithm.
const JITTER: f32 = 0.1;
/// Largest usual pause, as a logarithm: longer than all time that a sample can have.
const LN_US_MAX: f32 = 44.0;
/// Samples before judging.
const JUDGED_AFTER: u64 = 20;
const DAY_US: f64 = 86_400e6;

/// Pauses that began in one hour of the day, from which they are usual.
const REGULAR_MIN: u8 = 3;
/// Longest time between two pauses of the same hour that are regular, in days: a week and a day.
const REGULAR_DAYS_MAX: u8 = 8;
/// Length of a regular pause up to which the next one is usual, in mean lengths.
const REGULAR_FACTOR: f64 = 1.5;
/// Weight of the newest regular pause in their mean, after an even average of the first four.
const REGULAR_RATE: f32 = 0.25;

/// Assessment of the pause before a sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pause {
    /// Length, in thresholds.
    pub(crate) score: f64,
    /// True for one that would be an alarm if it recurred at no hour.
    pub(crate) is_long: bool,
}

/// Assesses the pause before `sample`.
pub(crate) fn judge(
    interval: &SamplingInterval,
    pause: UsualPause,
    regular: &RegularPauses,
    calendar: Calendar,
    sample: Sample,
) -> Pause {
    let pause_us = interval.pause_us(sample).max(0.0);
    let Some(least_us) = pause_us_min(interval, pause) else {
        return Pause { score: 0.0, is_long: false };
    };
    let is_long = pause_us > least_us;
    let regular_us = if is_long { regular.usual_us(calendar, interval.last_us()) } else { 0.0 };
    Pause { score: pause_us / least_us.max(regular_us), is_long }
}

/// Shortest pause that is an alarm, in microseconds; `None` while the interval is unknown.
pub(crate) fn pause_us_min(interval: &SamplingInterval, pause: UsualPause) -> Option<f64> {
    let is_known = interval.n_samples() > JUDGED_AFTER && interval.interval_us() > 0.0;
    is_known
        .then(|| (INTERVALS_MIN * interval.interval_us().max(pause.high_us())).max(PAUSE_US_MIN))
}

/// Pause that one sample in a hundred exceeds, as a quantile of its logarithm.
///
/// Equal to the interval if samples come regularly, and larger if they come in bunches, at random, or are lost at times.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct UsualPause {
    ln_us: f32,
}

impl UsualPause {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 4;

    pub(crate) fn write(self, out: &mut ByteWriter) {
        out.f32(self.ln_us);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self { ln_us: from.finite_f32().filter(|ln_us| (0.0..=LN_US_MAX).contains(ln_us))? })
    }

    fn high_us(self) -> f64 {
        f64::from(self.ln_us).exp()
    }

    /// Learns the pause before the newest sample, after `n` others.
    pub(crate) fn learn(&mut self, pause_us: f64, n: u64) {
        let ln_us = pause_us.max(1.0).ln() as f32;
        if n <= 1 {
            self.ln_us = ln_us;
            return;
        }
        let step = quantile::step(ln_us > self.ln_us + JITTER, USUAL_SHARE, n);
        self.ln_us = (self.ln_us + step).clamp(0.0, LN_US_MAX);
    }
}

/// Pauses that recur at a time of day, by the hour in which they begin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct RegularPauses {
    hours: [RegularPause; N_HOURS],
}

/// Pauses that began in one hour of the day.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct RegularPause {
    // Mean length, as a fraction of a day in 1/256; saturates at 255 days and is 0 without any.
    days_256: u16,
    n_pauses: u8,
    // Day of the newest, modulo 256.
    day: u8,
}

impl RegularPauses {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 4 * N_HOURS;

    pub(crate) fn write(&self, out: &mut ByteWriter) {
        for hour in &self.hours {
            out.bytes(&hour.days_256.to_le_bytes());
            out.u8(hour.n_pauses);
            out.u8(hour.day);
        }
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        let mut state = Self::default();
        for hour in &mut state.hours {
            let days_256 = u16::from_le_bytes([from.u8()?, from.u8()?]);
            *hour = RegularPause { days_256, n_pauses: from.u8()?, day: from.u8()? };
        }
        Some(state)
    }

    /// Longest pause after a sample at `last_us` that is usual at that time, in microseconds; 0 if none is.
    pub(crate) fn usual_us(&self, calendar: Calendar, last_us: i64) -> f64 {
        let (day, hour) = calendar.day_and_hour(last_us);
        let pause = self.hours[hour];
        let is_usual = pause.n_pauses >= REGULAR_MIN && pause.age_days(day) <= REGULAR_DAYS_MAX;
        if is_usual { REGULAR_FACTOR * f64::from(pause.days_256) / 256.0 * DAY_US } else { 0.0 }
    }

    /// Learns a pause of `pause_us`, longer than usual for most samples, after a sample at `last_us`.
    pub(crate) fn learn(&mut self, calendar: Calendar, last_us: i64, pause_us: f64) {
        let (day, hour) = calendar.day_and_hour(last_us);
        let pause = &mut self.hours[hour];
        if pause.age_days(day) > REGULAR_DAYS_MAX {
            *pause = RegularPause::default();
        }
        let rate = REGULAR_RATE.max(1.0 / (f32::from(pause.n_pauses) + 1.0));
        let (old, new) = (f32::from(pause.days_256), (pause_us / DAY_US * 256.0) as f32);
        // The cast saturates, so a pause of a year is one of 255 days.
        pause.days_256 = (old + rate * (new - old)).round() as u16;
        pause.n_pauses = pause.n_pauses.saturating_add(1);
        pause.day = day;
    }
}

impl RegularPause {
    fn age_days(self, day: u8) -> u8 {
        day.wrapping_sub(self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(minute: i64) -> Sample {
        Sample::new(minute * 60_000_000, 1.0).unwrap()
    }

    fn learned() -> SamplingInterval {
        let mut interval = SamplingInterval::default();
        (0..100).for_each(|minute| interval.learn(sample(minute)));
        interval
    }

    fn judged(sample: Sample) -> f64 {
        judged_after(&learned(), sample)
    }

    fn judged_after(interval: &SamplingInterval, sample: Sample) -> f64 {
        let regular = RegularPauses::default();
        judge(interval, UsualPause::default(), &regular, Calendar::default(), sample).score
    }

    #[test]
    fn lost_samples_and_random_arrivals_raise_the_shortest_gap() {
        let shortest = |pause_min: fn(u64) -> f64| {
            let mut usual = UsualPause::default();
            (0..5_000).for_each(|n| usual.learn(60e6 * pause_min(n), n));
            pause_us_min(&learned(), usual).unwrap() / 60e6
        };
        assert!((2.4..2.8).contains(&shortest(|_| 1.0)));
        let lost = shortest(|n| if n % 20 == 0 { 2.0 } else { 1.0 });
        assert!((4.0..6.5).contains(&lost), "{lost}");
        let random = shortest(|n| -(1.0 - ((n * 7919) % 1009) as f64 / 1009.0).ln());
        assert!((9.0..16.0).contains(&random), "{random}");
    }

    #[test]
    fn three_intervals_without_a_sample_are_an_alarm_and_one_is_none() {
        assert!(judged(sample(103)) > 1.0);
        assert!(judged(sample(101)) < 1.0);
    }

    #[test]
    fn a_moment_between_two_bursts_is_no_gap() {
        let mut interval = SamplingInterval::default();
        let at = |at_us| Sample::new(at_us, 1.0).unwrap();
        (0..100).for_each(|i| interval.learn(at(i / 10 * 300 + i % 10)));
        assert!(judged_after(&interval, at(9 * 300 + 9 + 100_000)) < 1.0);
        assert!(judged_after(&interval, at(9 * 300 + 9 + 1_100_000)) > 1.0);
    }

    #[test]
    fn late_and_repeated_times_are_no_gaps() {
        assert_eq!(judged(sample(99)), 0.0);
        assert_eq!(judged(sample(3)), 0.0);
    }

    #[test]
    fn a_gap_of_a_day_does_not_hide_a_later_one() {
        let mut interval = learned();
        interval.learn(sample(1_540));
        assert!(judged_after(&interval, sample(1_544)) > 1.0);
    }

    /// Scores of the first sample of each day, of a series with samples from eight to six, and days of which the last hour
    /// is missing.
    fn mornings(days: i64, short_days: &[i64]) -> Vec<f64> {
        let (mut interval, mut usual) = (SamplingInterval::default(), UsualPause::default());
        let (mut regular, calendar) = (RegularPauses::default(), Calendar::default());
        let mut scores = Vec::new();
        for day in 0..days {
            let end = if short_days.contains(&day) { 14 * 60 } else { 18 * 60 };
            for minute in (8 * 60..end).step_by(5) {
                let sample = sample(day * 1_440 + minute);
                let Pause { score, is_long } = judge(&interval, usual, &regular, calendar, sample);
                if minute == 8 * 60 {
                    scores.push(score);
                }
                let pause_us = interval.pause_us(sample);
                if is_long {
                    regular.learn(calendar, interval.last_us(), pause_us);
                }
                usual.learn(pause_us, interval.n_samples());
                interval.learn(sample);
            }
        }
        scores
    }

    #[test]
    fn a_pause_each_night_is_usual_after_three_nights() {
        let scores = mornings(20, &[]);
        assert!(scores[1..4].iter().all(|score| *score > 1.0), "{scores:?}");
        assert!(scores[4..].iter().all(|score| *score < 1.0), "{scores:?}");
    }

    #[test]
    fn a_pause_that_begins_early_is_a_gap_where_each_night_has_one() {
        assert!(mornings(20, &[14])[15] > 1.0);
    }

    #[test]
    fn pauses_weeks_apart_are_no_regular_ones() {
        let (mut regular, calendar) = (RegularPauses::default(), Calendar::default());
        for week in 0..10 {
            let last_us = week * 14 * 86_400_000_000;
            regular.learn(calendar, last_us, 3_600e6);
            assert_eq!(regular.usual_us(calendar, last_us), 0.0);
        }
    }
}
