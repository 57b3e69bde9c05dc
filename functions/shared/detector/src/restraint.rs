//! A signal that speaks once, and less where it speaks often.
//!
//! Two rules for scores that are shares of a threshold (1 is an alarm). *Once*: after an alarm the signal is quiet until
//! it has been below its threshold for 30 samples, unless the score is three times the threshold; who follows the
//! series wants to know that something began. *Less*: the signal counts the runs a day, over a week, in which it would
//! have spoken; beyond one a day its threshold rises in proportion. A restless series mutes the signal, a real event
//! does not. The once was chosen on the AIOps 2018 KPI series, where long alarms are most of the false ones, the one
//! a day on synthetic traffic with two events a day. Cost: a comparison or two. Memory: 10 bytes a score.

use crate::layout::{Reader, Writer};

/// Samples without a crossing that end a run.
const RUN_GAP: u8 = 30;

/// A score that speaks again within a run, in thresholds.
const STRONG: f64 = 3.0;

/// Runs a day that are taken for granted.
const RUNS_PER_DAY: f64 = 1.0;

/// Days over which runs are counted.
const MEMORY_DAYS: f64 = 7.0;

/// What is heard of a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Restrained {
    /// In thresholds; an alarm that was told already is none.
    pub(crate) score: f64,
    /// Whether it would be an alarm, had it not been told already.
    pub(crate) is_again: bool,
}

/// A signal's own alarms so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Restraint {
    runs_per_day: f64,
    // Samples since then, no further than it matters.
    since_crossing: u8,
    since_alarm: u8,
}

impl Default for Restraint {
    fn default() -> Self {
        Self { runs_per_day: 0.0, since_crossing: RUN_GAP, since_alarm: RUN_GAP }
    }
}

impl Restraint {
    /// Length of its layout, in bytes.
    pub(crate) const LEN: usize = 10;

    pub(crate) fn write(&self, out: &mut Writer) {
        out.f64(self.runs_per_day);
        out.u8(self.since_crossing);
        out.u8(self.since_alarm);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            runs_per_day: from.not_negative()?,
            since_crossing: from.u8()?,
            since_alarm: from.u8()?,
        })
    }

    /// The share of a count of runs that is kept after so many days.
    pub(crate) fn kept_after(days: f64) -> f64 {
        (-days.clamp(0.0, 1.0) / MEMORY_DAYS).exp()
    }

    /// What is heard of the score of the next sample; `kept` is what its time since the one before leaves.
    pub(crate) fn judge(&self, score: f64, kept: f64) -> Restrained {
        let score = score / (self.rate_with(score, kept) / RUNS_PER_DAY).max(1.0);
        let was_told = self.since_alarm < RUN_GAP;
        let is_again = score > 1.0 && score < STRONG && was_told;
        Restrained { score: if is_again { score / STRONG } else { score }, is_again }
    }

    /// Remembers the score of the next sample.
    pub(crate) fn learn(&mut self, score: f64, kept: f64) {
        let rate = self.rate_with(score, kept);
        let is_alarm = score / (rate / RUNS_PER_DAY).max(1.0) > 1.0;
        self.since_crossing = since(score > 1.0, self.since_crossing);
        self.since_alarm = since(is_alarm, self.since_alarm);
        self.runs_per_day = rate;
    }

    fn rate_with(&self, score: f64, kept: f64) -> f64 {
        let rate = self.runs_per_day * kept;
        let is_new_run = score > 1.0 && self.since_crossing >= RUN_GAP;
        rate + f64::from(u8::from(is_new_run)) / MEMORY_DAYS
    }
}

/// Samples since something, one after `before`.
fn since(is_now: bool, before: u8) -> u8 {
    if is_now { 0 } else { RUN_GAP.min(before.saturating_add(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: f64 = 1.0 / 1440.0;

    fn alarms(scores: impl Iterator<Item = f64>) -> Vec<u64> {
        let mut restraint = Restraint::default();
        let kept = Restraint::kept_after(MINUTE);
        let mut alarms = Vec::new();
        for (n, score) in (0..).zip(scores) {
            if restraint.judge(score, kept).score > 1.0 {
                alarms.push(n);
            }
            restraint.learn(score, kept);
        }
        alarms
    }

    #[test]
    fn a_lasting_event_is_told_once() {
        let scores = (0..500).map(|n| if (100..300).contains(&n) { 1.5 } else { 0.2 });
        assert_eq!(alarms(scores), [100]);
    }

    #[test]
    fn what_grows_strong_is_told_again() {
        let scores = (0..500).map(|n| if n == 110 { 4.0 } else { 1.5 });
        assert_eq!(alarms(scores), [0, 110]);
    }

    #[test]
    fn a_signal_that_speaks_hourly_mutes_itself() {
        let scores = (0..1440 * 10).map(|n| if n % 60 == 0 { 1.5 } else { 0.2 });
        let told = alarms(scores);
        assert!(told.len() < 20, "{told:?}");
    }

    #[test]
    fn a_signal_that_speaks_daily_keeps_its_threshold() {
        let scores = (0..1440 * 40).map(|n| if n % 1500 == 0 { 1.1 } else { 0.2 });
        assert_eq!(alarms(scores).len(), 39);
    }
}
