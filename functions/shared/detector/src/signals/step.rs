//! Step: a change that neither the season, the level nor the previous sample explains; a factor of the deviation signal.
//!
//! - **Formula.** `e = x - mu - level` is the residual after season and level;
//!   `j = sqrt(min(|x - x'|, 4 |e|) * |e|) / noise` for the previous sample `x'`: the return from a spike is far from it
//!   only. `noise^2` is the mean of 1 and the variance at this time of day over that of all times. The
//!   score is `j` as a share of 1.2 times the limit of its own tail (see [`crate::learning::own_tail`]). Then
//!   `level += 0.3 * e`, but not during the first 25 samples of an anomaly: the return from it is no alarm.
//! - **Why.** The same distance is rare on one series and hourly on another. What a series does in its own hundred most
//!   unusual samples shows how far an anomaly must reach.
//! - **Constants.** Chosen on the AIOps 2018 KPI series and Microsoft's series.
//! - **Cost.** A square root, an exponential and a logarithm; 25 bytes.
//! - **Limits.** Does not detect a change that lasts: the shift signal does.

use crate::bytes::{ByteReader, ByteWriter};
use crate::learning::{OwnTail, Rarity};

/// Weight of the newest residual in the level.
const LEVEL_RATE: f64 = 0.3;
/// Alarms begin at this multiple of the limit of the own tail.
const LIMIT_FACTOR: f64 = 1.2;
/// Largest change that counts, in residuals.
const RATIO_MAX: f64 = 4.0;
/// Anomalous samples in a row that do not move the level: half of the window of the deviation signal.
const HELD_MAX: u8 = 25;
/// Samples after which the own tail is known. Before, its limit is higher in proportion, and not judged by at all before the
/// first ten samples.
const KNOWN_AFTER: u64 = 100;
const JUDGED_AFTER: u64 = 10;
/// Largest score.
const SHARE_MAX: f64 = 1e4;
/// Least limit: prevents a division by zero.
const LIMIT_MIN: f64 = 1e-300;

/// Memory of the step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct StepState {
    level: f64,
    last: f64,
    // Anomalous samples that did not move the level; saturates at HELD_MAX.
    n_held: u8,
    tail: OwnTail,
}

/// Step of one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    residual: f64,
    size: f64,
}

impl StepState {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 17 + OwnTail::LEN;

    pub(crate) fn write(&self, out: &mut ByteWriter) {
        out.f64s(&[self.level, self.last]);
        out.u8(self.n_held);
        self.tail.write(out);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        let (level, last, n_held) = (from.finite()?, from.finite()?, from.u8()?);
        Some(Self { level, last, n_held: n_held.min(HELD_MAX), tail: OwnTail::read(from)? })
    }

    /// Step of `value` after `n` other samples, where the season expects a value and a noise relative to all.
    pub(crate) fn step(&self, value: f64, (expected, noise): (f64, f64), n: u64) -> Step {
        if n == 0 {
            // Nothing is expected yet: the value itself is no residual.
            return Step { residual: 0.0, size: 0.0 };
        }
        let residual = value - expected - self.level;
        let change = (value - self.last).abs().min(RATIO_MAX * residual.abs());
        Step { residual, size: (change * residual.abs()).sqrt() / noise }
    }

    /// Score of `step` after `n` others, in limits of the own tail; `None` while it is unknown.
    pub(crate) fn judge(&self, step: &Step, n: u64, rarity: Rarity) -> Option<f64> {
        if n < JUDGED_AFTER {
            return None;
        }
        let early = KNOWN_AFTER as f64 / n.min(KNOWN_AFTER) as f64;
        let limit = early * LIMIT_FACTOR * self.tail.limit(rarity)?;
        Some((step.size / limit.max(LIMIT_MIN)).min(SHARE_MAX))
    }

    /// Learns `value`, the newest of its series, with its step, after `n` others.
    pub(crate) fn learn(&mut self, value: f64, step: &Step, n: u64, is_anomaly: bool) {
        if is_anomaly && self.n_held < HELD_MAX {
            self.n_held += 1;
        } else {
            self.level += LEVEL_RATE * step.residual;
        }
        if !is_anomaly {
            self.n_held = 0;
        }
        self.last = value;
        self.tail.learn(step.size, n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores of `value` at each sample, where the season expects 100.
    fn scores(value: impl Fn(u64) -> f64) -> Vec<f64> {
        let mut state = StepState::default();
        let mut scores = Vec::new();
        for n in 0..3_000 {
            let step = state.step(value(n), (100.0, 1.0), n);
            scores.push(state.judge(&step, n, Rarity::new(1_440.0, 0.2)).unwrap_or_default());
            state.learn(value(n), &step, n, scores.last().is_some_and(|score| *score > 1.0));
        }
        scores
    }

    fn noise(n: u64) -> f64 {
        ((n * 7919) % 1009) as f64 / 1009.0 - 0.5
    }

    #[test]
    fn a_jump_is_above_the_own_tail_and_usual_noise_is_not() {
        let scores = scores(|n| 100.0 + noise(n) + if n == 2_500 { 5.0 } else { 0.0 });
        assert!(scores[2_500] > 2.0, "{}", scores[2_500]);
        assert!(scores[200..2_500].iter().all(|score| *score < 1.0));
    }

    #[test]
    fn the_return_from_an_absurd_value_is_no_alarm_and_a_later_jump_is() {
        let jump = |n| {
            if n == 2_500 {
                1e15
            } else if n == 2_510 {
                5.0
            } else {
                0.0
            }
        };
        let scores = scores(|n| 100.0 + noise(n) + jump(n));
        assert!(
            scores[2_501..2_510].iter().all(|score| *score < 1.5),
            "{:?}",
            &scores[2_501..2_510]
        );
        assert!(scores[2_510] > 2.0);
    }

    #[test]
    fn jumps_that_are_usual_for_the_series_are_no_alarms() {
        let scores = scores(|n| 100.0 + noise(n) + if n % 20 == 0 { 2.0 } else { 0.0 });
        assert!(scores[2_000..].iter().all(|score| *score < 1.0));
    }
}
