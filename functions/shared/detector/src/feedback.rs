//! Feedback of people on one series, and the factors by which it moves the thresholds of signals.
//!
//! - **Rule.** Each answer moves the level of its signals, in powers of two: a false alarm by +1/2, a missed anomaly by
//!   -1/2, at most to +1 and -1; `right` halves the level. A level decays with a half-life of three weeks, and the factor
//!   of a threshold is `2^level`: from 1/2 to 2.
//! - **Why.** Two answers in a row are needed for the whole effect, so one mistaken answer does little; after some months
//!   without answers, the factor is 1 again.
//! - **Determinism.** Factors follow from the stored answers and the time of a sample alone, never from a clock: every
//!   process computes the same ones, and removing an answer undoes it exactly.

use std::fmt;

use domain::Signal;

use crate::SignalSet;

/// Most answers of a series; the oldest is dropped.
pub const FEEDBACK_MAX: usize = 100;

/// Change of a level by one answer.
const STEP: f64 = 0.5;

/// Largest level: twice the threshold, or half of it.
const LEVEL_MAX: f64 = 1.0;

/// Share of the level that `right` leaves.
const RIGHT_SHARE: f64 = 0.5;

/// Time in which a level halves: three weeks, in microseconds.
const HALF_LIFE_US: f64 = 21.0 * 86_400e6;

const N_SIGNALS: usize = Signal::ALL.len();

/// Answer of a person to a verdict, or to its absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedbackVerdict {
    /// The anomaly was none.
    FalseAlarm,
    /// The anomaly was one.
    Right,
    /// An anomaly was not detected.
    Missed,
}

impl FeedbackVerdict {
    /// All answers.
    pub const ALL: [Self; 3] = [Self::FalseAlarm, Self::Right, Self::Missed];

    /// Name in requests, answers and stored text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FalseAlarm => "false_alarm",
            Self::Right => "right",
            Self::Missed => "missed",
        }
    }

    /// Inverse of [`FeedbackVerdict::as_str`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == name)
    }
}

/// Answer about a time of one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feedback {
    /// Answer.
    pub verdict: FeedbackVerdict,
    /// First time that it is about, in microseconds.
    pub start_us: i64,
    /// Last time that it is about, in microseconds.
    pub end_us: i64,
    /// Time at which it was given, in microseconds.
    pub given_us: i64,
    /// Signals whose thresholds it moves.
    pub signals: SignalSet,
}

/// Answers of one series, oldest first, and the levels that follow from them.
#[derive(Clone, PartialEq, Default)]
pub struct FeedbackList {
    given: Box<[Feedback]>,
    // `None` without answers, so that most configurations stay small.
    levels: Option<Box<[SignalLevel; N_SIGNALS]>>,
}

/// Level of one signal at the time of its newest answer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct SignalLevel {
    level: f64,
    at_us: i64,
}

/// Factor of the threshold of each signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdFactors([f64; N_SIGNALS]);

impl ThresholdFactors {
    /// Leaves every threshold as it is.
    pub const ONES: Self = Self([1.0; N_SIGNALS]);

    /// Factor of one signal.
    pub fn of(&self, signal: Signal) -> f64 {
        self.0[signal as usize]
    }
}

impl FeedbackList {
    /// List of answers in any order; keeps the newest [`FEEDBACK_MAX`].
    pub fn new(mut given: Vec<Feedback>) -> Self {
        given.sort_by_key(|feedback| (feedback.given_us, feedback.start_us, feedback.end_us));
        given.drain(..given.len().saturating_sub(FEEDBACK_MAX));
        let mut levels = [SignalLevel::default(); N_SIGNALS];
        for feedback in &given {
            for signal in feedback.signals.iter() {
                levels[signal as usize].learn(feedback);
            }
        }
        let levels = (!given.is_empty()).then(|| Box::new(levels));
        Self { given: given.into(), levels }
    }

    /// Answers, oldest first.
    pub fn given(&self) -> &[Feedback] {
        &self.given
    }

    /// The list with an answer more, which replaces the one about the same times; `None` if that has the same verdict.
    pub fn with(&self, feedback: Feedback) -> Option<Self> {
        let is_same = |other: &&Feedback| {
            (other.start_us, other.end_us) == (feedback.start_us, feedback.end_us)
        };
        if self.given.iter().any(|other| is_same(&other) && other.verdict == feedback.verdict) {
            return None;
        }
        let others = self.given.iter().filter(|other| !is_same(other)).copied();
        Some(Self::new(others.chain([feedback]).collect()))
    }

    /// The list without the answers that include `at_us`, or without all; `None` if there are none.
    pub fn without(&self, at_us: Option<i64>) -> Option<Self> {
        let includes = |feedback: &&Feedback| {
            at_us.is_none_or(|at_us| (feedback.start_us..=feedback.end_us).contains(&at_us))
        };
        let others: Vec<Feedback> =
            self.given.iter().filter(|feedback| !includes(feedback)).copied().collect();
        (others.len() < self.given.len()).then(|| Self::new(others))
    }

    /// Factors for a sample at `at_us`.
    pub fn factors(&self, at_us: i64) -> ThresholdFactors {
        self.levels.as_ref().map_or(ThresholdFactors::ONES, |levels| {
            ThresholdFactors(levels.map(|level| level.at(at_us).exp2()))
        })
    }
}

impl fmt::Debug for FeedbackList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.given).finish()
    }
}

impl SignalLevel {
    /// Level at a time; before the newest answer, which a sample may be, that of the answer.
    fn at(self, at_us: i64) -> f64 {
        let age_us = at_us.saturating_sub(self.at_us).max(0) as f64;
        self.level * (-age_us / HALF_LIFE_US).exp2()
    }

    fn learn(&mut self, feedback: &Feedback) {
        let level = self.at(feedback.given_us);
        let level = match feedback.verdict {
            FeedbackVerdict::FalseAlarm => level + STEP,
            FeedbackVerdict::Missed => level - STEP,
            FeedbackVerdict::Right => level * RIGHT_SHARE,
        };
        *self = Self { level: level.clamp(-LEVEL_MAX, LEVEL_MAX), at_us: feedback.given_us };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_US: i64 = 86_400_000_000;

    fn given(verdict: FeedbackVerdict, day: i64) -> Feedback {
        let (start_us, end_us, given_us) = (day * DAY_US, day * DAY_US + 60, day * DAY_US + 100);
        let signals = "deviation+shift".parse().unwrap();
        Feedback { verdict, start_us, end_us, given_us, signals }
    }

    fn factor(list: &[Feedback], day: i64) -> f64 {
        FeedbackList::new(list.to_vec()).factors(day * DAY_US).of(Signal::Shift)
    }

    #[test]
    fn false_alarms_raise_and_misses_lower_within_bounds() {
        let alarm = |day| given(FeedbackVerdict::FalseAlarm, day);
        let missed = |day| given(FeedbackVerdict::Missed, day);
        assert!((factor(&[alarm(0)], 0) - 2_f64.sqrt()).abs() < 1e-12);
        assert!((factor(&[missed(0)], 0) - 0.5_f64.sqrt()).abs() < 1e-12);
        let many = |of: fn(FeedbackVerdict, i64) -> Feedback, verdict| {
            let list: Vec<Feedback> = (0..50).map(|day| of(verdict, day)).collect();
            factor(&list, 49)
        };
        assert_eq!(many(given, FeedbackVerdict::FalseAlarm), 2.0);
        assert_eq!(many(given, FeedbackVerdict::Missed), 0.5);
        let list = FeedbackList::new(vec![alarm(0)]);
        assert_eq!(list.factors(0).of(Signal::Gap), 1.0);
        assert_eq!(FeedbackList::default().factors(7), ThresholdFactors::ONES);
    }

    #[test]
    fn an_effect_halves_in_three_weeks_and_by_a_right_answer() {
        let alarm = given(FeedbackVerdict::FalseAlarm, 0);
        let level = |list: &[Feedback], day| factor(list, day).log2();
        assert!((level(&[alarm], 21) - STEP / 2.0).abs() < 1e-6);
        assert!(level(&[alarm], 365) < 1e-3);
        let right = given(FeedbackVerdict::Right, 21);
        assert!((level(&[alarm, right], 21) - STEP / 4.0).abs() < 1e-6);
    }

    #[test]
    fn an_answer_counts_once_is_replaced_and_undone_exactly() {
        let first = given(FeedbackVerdict::FalseAlarm, 1);
        let list = FeedbackList::new(vec![given(FeedbackVerdict::Missed, 0)]);
        let with = list.with(first).unwrap();
        assert_eq!(with.with(Feedback { given_us: 9 * DAY_US, ..first }), None);
        let replaced = with.with(Feedback { verdict: FeedbackVerdict::Right, ..first }).unwrap();
        assert_eq!(replaced.given().len(), 2);
        assert_eq!(with.without(Some(DAY_US + 60)), Some(list.clone()));
        assert_eq!(list.without(Some(DAY_US)), None);
        assert_eq!(with.without(None), Some(FeedbackList::default()));
    }

    #[test]
    fn the_newest_answers_are_kept() {
        let list = (0..150).map(|day| given(FeedbackVerdict::FalseAlarm, day)).rev().collect();
        let list = FeedbackList::new(list);
        assert_eq!((list.given().len(), list.given()[0].start_us), (FEEDBACK_MAX, 50 * DAY_US));
    }
}
