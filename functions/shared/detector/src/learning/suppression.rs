//! Repeat suppression: one alarm per event, and fewer alarms on a noisy series.
//!
//! Works on scores that are shares of a threshold (above 1 is an alarm), by two rules:
//!
//! - **Once.** After an alarm, further scores are suppressed until 30 samples in a row stay below the threshold; a score
//!   of three thresholds is reported anyway. An engineer needs to learn that something began, not that it continues.
//! - **Fewer.** Counts the runs per day above the threshold, over a week. Beyond one a day the threshold rises in
//!   proportion: a noisy series raises its threshold, a single event does not.
//!
//! The first rule was chosen on the AIOps 2018 KPI series, where most false alarms are long; the one run a day on
//! synthetic traffic with two events a day. **Cost:** two comparisons; 10 bytes per score.

use crate::bytes::{ByteReader, ByteWriter};

/// Samples below the threshold that end a run.
const RUN_GAP: u8 = 30;
/// Score that is reported again within a run, in thresholds.
const STRONG: f64 = 3.0;
/// Runs a day that leave the threshold alone.
const RUNS_PER_DAY: f64 = 1.0;
/// Time constant of the run count, in days.
const MEMORY_DAYS: f64 = 7.0;

/// A score after suppression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SuppressedScore {
    /// Score, in thresholds; at most 1 if it only repeats an alarm.
    pub(crate) score: f64,
    /// True if the score was suppressed as a repetition.
    pub(crate) is_repeat: bool,
}

/// Alarm history of one score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Suppression {
    runs_per_day: f64,
    // Samples since then; both saturate at RUN_GAP.
    since_crossing: u8,
    since_alarm: u8,
}

impl Default for Suppression {
    fn default() -> Self {
        Self { runs_per_day: 0.0, since_crossing: RUN_GAP, since_alarm: RUN_GAP }
    }
}

impl Suppression {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 10;

    pub(crate) fn write(&self, out: &mut ByteWriter) {
        out.f64(self.runs_per_day);
        out.u8(self.since_crossing);
        out.u8(self.since_alarm);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self {
            runs_per_day: from.not_negative()?,
            since_crossing: from.u8()?,
            since_alarm: from.u8()?,
        })
    }

    /// Decay of the run count over `days`, at most one.
    pub(crate) fn decay(days: f64) -> f64 {
        (-days.clamp(0.0, 1.0) / MEMORY_DAYS).exp()
    }

    /// Applies both rules to the score of the next sample; `decay` is that of the time since the previous sample.
    pub(crate) fn judge(&self, score: f64, decay: f64) -> SuppressedScore {
        let score = score / (self.rate_with(score, decay) / RUNS_PER_DAY).max(1.0);
        let is_repeat = score > 1.0 && score < STRONG && self.since_alarm < RUN_GAP;
        SuppressedScore { score: if is_repeat { score / STRONG } else { score }, is_repeat }
    }

    /// Learns the score of the newest sample.
    pub(crate) fn learn(&mut self, score: f64, decay: f64) {
        let rate = self.rate_with(score, decay);
        let is_alarm = score / (rate / RUNS_PER_DAY).max(1.0) > 1.0;
        self.since_crossing = samples_since(score > 1.0, self.since_crossing);
        self.since_alarm = samples_since(is_alarm, self.since_alarm);
        self.runs_per_day = rate;
    }

    fn rate_with(&self, score: f64, decay: f64) -> f64 {
        let rate = self.runs_per_day * decay;
        let is_new_run = score > 1.0 && self.since_crossing >= RUN_GAP;
        rate + f64::from(u8::from(is_new_run)) / MEMORY_DAYS
    }
}

fn samples_since(is_now: bool, before: u8) -> u8 {
    if is_now { 0 } else { RUN_GAP.min(before.saturating_add(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: f64 = 1.0 / 1440.0;

    fn alarms(scores: impl Iterator<Item = f64>) -> Vec<u64> {
        let mut suppression = Suppression::default();
        let decay = Suppression::decay(MINUTE);
        let mut alarms = Vec::new();
        for (n, score) in (0..).zip(scores) {
            if suppression.judge(score, decay).score > 1.0 {
                alarms.push(n);
            }
            suppression.learn(score, decay);
        }
        alarms
    }

    #[test]
    fn a_lasting_event_is_one_alarm() {
        let scores = (0..500).map(|n| if (100..300).contains(&n) { 1.5 } else { 0.2 });
        assert_eq!(alarms(scores), [100]);
    }

    #[test]
    fn a_much_higher_score_is_an_alarm_again() {
        let scores = (0..500).map(|n| if n == 110 { 4.0 } else { 1.5 });
        assert_eq!(alarms(scores), [0, 110]);
    }

    #[test]
    fn hourly_alarms_raise_the_threshold() {
        let scores = (0..1440 * 10).map(|n| if n % 60 == 0 { 1.5 } else { 0.2 });
        let alarms = alarms(scores);
        assert!(alarms.len() < 20, "{alarms:?}");
    }

    #[test]
    fn daily_alarms_leave_the_threshold_alone() {
        let scores = (0..1440 * 40).map(|n| if n % 1500 == 0 { 1.1 } else { 0.2 });
        assert_eq!(alarms(scores).len(), 39);
    }
}
