//! Explanation: the scores of all signals, the usual values, and the parameter that would silence an anomaly.
//!
//! Computed from the state after the newest sample: what the state was before an older one is not stored. Reads only
//! small accessors of detectors and signals, and changes nothing.

use domain::{Sample, Signal, Verdict};

use crate::detectors::tidemark::Tidemark;
use crate::learning::moments::Moments;
use crate::signal_score::{SignalScore, UsualValue};
use crate::spec::NUMBER_MAX;
use crate::window::values;
use crate::{Detector, Judge, ThresholdFactors};

/// Halvings of the range of the budget, as a logarithm: the result is exact to a millionth.
const BUDGET_STEPS: usize = 30;

/// Scores and usual values at the time of one sample, by the state of its series now.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleExplanation {
    /// Each signal of the detector; empty while learning, and for a sample that cannot be judged.
    pub signals: Vec<SignalScore>,
    /// Usual value at this time of the day or week; `None` without a season, or while it is unknown.
    pub season: Option<UsualValue>,
    /// Usual value of the samples before it that the detector reads.
    pub recent: Option<UsualValue>,
}

/// Value of a detector's parameter at which a sample would have been no anomaly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SilencingValue {
    /// Name of the parameter.
    pub parameter: &'static str,
    /// Its value now.
    pub now: f64,
    /// The value nearest to it that silences the sample; `None` if no valid one does.
    pub needed: Option<f64>,
}

impl Judge {
    /// Explains a sample of the window, or one like it, by the state now.
    pub fn explain(&self, sample: Sample) -> SampleExplanation {
        let nothing = SampleExplanation { signals: Vec::new(), season: None, recent: None };
        let Some(read) = self.read_configured(sample) else { return nothing };
        let memory = self.memory();
        let detector = &memory.detector;
        let before = self.read_window().before(read.at_us(), detector.window_len());
        let factors = &self.threshold_factors(read.at_us());
        let signals = match detector {
            _ if !self.learning().is_ready() => Vec::new(),
            Detector::Tidemark(tidemark) => memory.state.shares(tidemark, before, read, factors),
            simple => {
                let verdict = memory.state.judge(simple, before, read, factors).verdict;
                of_simple(&verdict, simple, factors)
            }
        };
        let level = memory.state.level();
        let recent = level.or_else(|| median(values(before).collect()));
        SampleExplanation { signals, season: memory.state.seasonal(detector, read), recent }
    }

    /// Finds the parameter's value that would have silenced an anomaly of `signal` with this stored score.
    ///
    /// The share of the threshold is scaled as it would change on the state now.
    pub fn silencing_value(&self, sample: Sample, signal: Signal, score: f64) -> SilencingValue {
        let detector = self.memory().detector;
        let Detector::Tidemark(tidemark) = detector else {
            let factor = self.threshold_factors(sample.at_us()).of(signal);
            let needed = round_up(score / factor).filter(|needed| *needed <= NUMBER_MAX);
            return SilencingValue { parameter: "threshold", now: detector.threshold(), needed };
        };
        let now = tidemark.false_alarms_per_day;
        let share_at = |false_alarms_per_day: f64| {
            let other = Tidemark { false_alarms_per_day, ..tidemark };
            let read = self.read_configured(sample)?;
            let before = self.read_window().before(read.at_us(), Tidemark::WINDOW);
            let factors = self.threshold_factors(read.at_us());
            let signals = self.memory().state.shares(&other, before, read, &factors);
            signals.into_iter().find(|share| share.signal == signal).map(|share| share.score)
        };
        let reference = share_at(now).filter(|share| *share > 0.0);
        let is_silent = |budget: f64| {
            let ratio = match (reference, share_at(budget)) {
                (Some(reference), Some(share)) => share / reference,
                _ => tidemark.relative_share(budget),
            };
            score * ratio <= 1.0
        };
        SilencingValue { parameter: "false_alarms_per_day", now, needed: budget(now, is_silent) }
    }
}

/// True for a verdict of an anomaly that only continues: its own score would not raise one.
pub fn is_continuation(detector: &Detector, verdict: &Verdict) -> bool {
    matches!(detector, Detector::Tidemark(_)) && verdict.is_anomaly() && verdict.score <= 1.0
}

fn of_simple(
    verdict: &Verdict,
    detector: &Detector,
    factors: &ThresholdFactors,
) -> Vec<SignalScore> {
    let feedback_factor = factors.of(Signal::Deviation);
    let (score, threshold) = (verdict.score, detector.threshold() * feedback_factor);
    let of =
        |signal| SignalScore { signal, score, threshold, adaptive_factor: 1.0, feedback_factor };
    verdict.expectation.map(|expectation| of(expectation.signal)).into_iter().collect()
}

/// Largest budget below `now` that silences, with two significant digits; `None` if the least one does not.
fn budget(now: f64, is_silent: impl Fn(f64) -> bool) -> Option<f64> {
    let (mut low, mut high) = (Tidemark::FALSE_ALARMS_PER_DAY_MIN.ln(), now.ln());
    if !is_silent(low.exp()) {
        return None;
    }
    for _ in 0..BUDGET_STEPS {
        let middle = low.midpoint(high);
        if is_silent(middle.exp()) { low = middle } else { high = middle }
    }
    let unit = 10_f64.powf(low.exp().log10().floor() - 1.0);
    Some(((low.exp() / unit).floor() * unit).max(Tidemark::FALSE_ALARMS_PER_DAY_MIN))
}

/// The next number with three significant digits at or above `score`.
fn round_up(score: f64) -> Option<f64> {
    let unit = 10_f64.powf(score.log10().floor() - 2.0);
    Some((score / unit).ceil() * unit).filter(|rounded| rounded.is_finite())
}

fn median(mut values: Vec<f64>) -> Option<UsualValue> {
    let moments = Moments::of(values.iter().copied())?;
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    let lower = if values.len().is_multiple_of(2) { half - 1 } else { half };
    let value = values[lower].midpoint(values[half]);
    Some(UsualValue { value, deviation: moments.stddev, n_samples: Some(values.len()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_US: i64 = 60_000_000;

    /// Judge of a series around 100, and its newest sample of `newest`.
    fn judged(detector: &str, newest: f64) -> (Judge, Sample, Verdict) {
        let mut judge = Judge::new(detector.parse().unwrap());
        let value = |i: i64| 100.0 + (i * 7_919 % 11) as f64;
        for i in 0..400 {
            judge.judge(Sample::new(i * MINUTE_US, value(i)).unwrap());
        }
        let sample = Sample::new(400 * MINUTE_US, newest).unwrap();
        let verdict = judge.judge(sample).verdict;
        (judge, sample, verdict)
    }

    const ALL: [&str; 6] = ["traffic", "novelty", "deviation", "zscore", "robust", "ewma"];

    #[test]
    fn every_detector_explains_an_anomaly_by_its_signals() {
        for name in ALL {
            let (judge, sample, verdict) = judged(name, 700.0);
            let signal = verdict.anomaly_signal().unwrap();
            let explained = judge.explain(sample);
            assert!(explained.signals.iter().any(|score| score.signal == signal), "{name}");
            let recent = explained.recent.unwrap();
            assert!((90.0..190.0).contains(&recent.value), "{name} {recent:?}");
        }
        let (judge, sample, _) = judged("traffic", 104.0);
        let signals = judge.explain(sample).signals;
        assert_eq!(signals.len(), 5);
        assert!(signals.iter().all(|signal| signal.score < signal.threshold), "{signals:?}");
    }

    #[test]
    fn the_season_is_explained_where_it_is_known() {
        let mut judge = Judge::new(Detector::default());
        let at = |i: i64| Sample::new(i * 5 * MINUTE_US, if i % 288 < 144 { 50.0 } else { 90.0 });
        for i in 0..288 * 5 {
            judge.judge(at(i).unwrap());
        }
        let season = judge.explain(at(288 * 5 - 1).unwrap()).season.unwrap();
        assert!((season.value - 90.0).abs() < 1.0, "{season:?}");
        assert_eq!(judged("zscore", 100.0).0.explain(at(3).unwrap()).season, None);
        assert_eq!(judged("traffic:season=none", 100.0).0.explain(at(3).unwrap()).season, None);
    }

    #[test]
    fn nothing_is_scored_while_learning() {
        let mut judge = Judge::new(Detector::default());
        let sample = Sample::new(0, 5.0).unwrap();
        judge.judge(sample);
        let explained = judge.explain(sample);
        assert_eq!((explained.signals, explained.recent), (Vec::new(), None));
    }

    #[test]
    fn a_simple_detector_is_silent_at_the_named_threshold() {
        for name in ["zscore", "robust", "ewma", "deviation"] {
            let (judge, sample, verdict) = judged(name, 130.0);
            assert!(verdict.is_anomaly(), "{name}");
            let silencing = judge.silencing_value(sample, Signal::Deviation, verdict.score);
            let needed = silencing.needed.unwrap();
            assert!(silencing.now < verdict.score && verdict.score <= needed, "{name}");
            let (_, _, silent) = judged(&format!("{name}:threshold={needed}"), 130.0);
            assert!(!silent.is_anomaly(), "{name} {silencing:?}");
        }
    }

    #[test]
    fn the_composite_detector_is_silent_at_the_named_budget() {
        let mut n_named = 0;
        for newest in [112.0, 114.0, 116.0, 118.0, 120.0, 125.0, 700.0] {
            let (judge, sample, verdict) = judged("traffic:false_alarms_per_day=5", newest);
            let Some(signal) = verdict.anomaly_signal() else { continue };
            let silencing = judge.silencing_value(sample, signal, verdict.score);
            assert_eq!((silencing.parameter, silencing.now), ("false_alarms_per_day", 5.0));
            let Some(needed) = silencing.needed else { continue };
            n_named += 1;
            let spec = format!("traffic:false_alarms_per_day={needed}");
            assert!(needed < 5.0 && !judged(&spec, newest).2.is_anomaly(), "{newest} {needed}");
        }
        assert!(n_named > 0);
        let (judge, sample, verdict) = judged("traffic", 1e9);
        let signal = verdict.anomaly_signal().unwrap();
        assert_eq!(judge.silencing_value(sample, signal, verdict.score).needed, None);
    }

    #[test]
    fn a_budget_is_rounded_to_the_side_of_silence() {
        assert_eq!(budget(0.2, |budget| budget <= 0.123), Some(0.12));
        assert_eq!(budget(0.2, |budget| budget < 1e-4), None);
        assert_eq!(round_up(3.2149), Some(3.22));
    }

    #[test]
    fn an_anomaly_that_only_continues_is_recognized() {
        let mut judge = Judge::new(Detector::default());
        let value = |i: i64| if i < 1_000 { 100.0 + (i * 7_919 % 11) as f64 } else { 700.0 };
        let sample = |i: i64| Sample::new(i * MINUTE_US, value(i)).unwrap();
        let verdicts: Vec<Verdict> = (0..1_020).map(|i| judge.judge(sample(i)).verdict).collect();
        assert!(!is_continuation(&Detector::default(), &verdicts[1_000]));
        assert!(verdicts.iter().any(|verdict| is_continuation(&Detector::default(), verdict)));
    }
}
