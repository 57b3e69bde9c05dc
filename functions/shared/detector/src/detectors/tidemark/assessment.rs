//! Result of judging one sample: the verdict, and what each signal computed, which learning reuses.

use crate::detectors::tidemark::state::{N_SUPPRESSED, SUPPRESSED_SIGNALS, scores_of};
use crate::learning::baseline::Residual;
use crate::learning::hysteresis;
use crate::learning::season::DailyPosition;
use crate::learning::suppression::SuppressedScore;
use crate::signal_set::SignalSet;
use crate::signals::novelty::NoveltyFeatures;
use crate::signals::shift::{self, LevelChanges};
use crate::signals::step::Step;
use domain::{Expectation, Signal, Verdict, VerdictKind};

/// Half of the band shown to people, in deviations.
const BAND: f64 = 3.0;

/// Verdict on one sample, and the intermediate results of a composite detector.
#[derive(Debug)]
pub(crate) struct Assessment {
    /// Verdict of the signal with the highest score.
    pub(crate) verdict: Verdict,
    pub(super) traffic: Option<TrafficAssessment>,
    // Boxed, since other detectors return this type, too.
    pub(super) novelty: Option<Box<NoveltyAssessment>>,
}

impl Assessment {
    /// Assessment of a detector without signals.
    pub(crate) fn without_signals(verdict: Verdict) -> Self {
        Self { verdict, traffic: None, novelty: None }
    }

    /// Share of its threshold that `signal` reaches before repeat suppression; `None` if it is not computed.
    pub(crate) fn share(&self, signal: Signal) -> Option<f64> {
        if signal == Signal::Novelty {
            return self.novelty.as_ref().map(|novelty| novelty.verdict.score);
        }
        self.traffic.as_ref().map(|traffic| traffic.share(signal))
    }
}

/// Results of the novelty signal.
#[derive(Debug)]
pub(super) struct NoveltyAssessment {
    pub(super) features: NoveltyFeatures,
    pub(super) verdict: Verdict,
}

/// Results of all other signals; scores are in thresholds.
#[derive(Debug)]
pub(super) struct TrafficAssessment {
    /// Value that was subtracted from the sample.
    pub(super) reference: f64,
    /// Verdict of the deviation signal alone, by its own threshold.
    pub(super) deviation: Verdict,
    /// Its score together with the step.
    pub(super) joint: f64,
    pub(super) step: Step,
    pub(super) position: DailyPosition,
    pub(super) residual: Residual,
    pub(super) changes: LevelChanges,
    /// Scores of the level changes, in thresholds, before the own tail.
    pub(super) shift_scores: [f64; shift::N_SCORES],
    /// Decay of the run counts since the previous sample.
    pub(super) decay: f64,
    /// Scores before repeat suppression.
    pub(super) raw: [f64; N_SUPPRESSED],
    /// Scores after it.
    pub(super) suppressed: [SuppressedScore; N_SUPPRESSED],
    pub(super) gap: f64,
    /// True if the pause before the sample is a gap, or a regular one.
    pub(super) is_long_pause: bool,
    /// Usual step from sample to sample, in the unit of the samples.
    pub(super) usual_step: f64,
    /// Signal of the anomaly that continues.
    pub(super) continuing: Option<Signal>,
}

impl TrafficAssessment {
    /// Verdict of the highest score among `signals`, else of a continuing anomaly.
    pub(super) fn verdict(&self, signals: SignalSet) -> Verdict {
        let (signal, score) = self.highest(signals);
        if score <= 1.0 {
            if let Some(verdict) = self.continuation(signals) {
                return verdict;
            }
            if matches!(self.deviation.kind, VerdictKind::Learning | VerdictKind::Constant) {
                return Verdict::unjudged(self.deviation.kind);
            }
        }
        Verdict::scored(score, 1.0, self.expectation(signal))
    }

    /// Signal of `signals` that raises an alarm.
    pub(super) fn alarm(&self, signals: SignalSet) -> Option<Signal> {
        let (signal, score) = self.highest(signals);
        (score > 1.0).then_some(signal)
    }

    /// Highest score among `signals`.
    fn highest(&self, signals: SignalSet) -> (Signal, f64) {
        let scores = signals.iter().map(|signal| (signal, self.score(signal)));
        let higher = |highest: (Signal, f64), next: (Signal, f64)| {
            if next.1 > highest.1 { next } else { highest }
        };
        scores.fold((Signal::Deviation, 0.0), higher)
    }

    /// Share of its threshold that `signal` reaches before repeat suppression.
    fn share(&self, signal: Signal) -> f64 {
        match signal {
            Signal::Deviation => self.joint,
            Signal::Gap => self.gap,
            Signal::Shift | Signal::Variance | Signal::Flat | Signal::Novelty => {
                scores_of(signal).map(|i| self.raw[i]).fold(0.0, f64::max)
            }
        }
    }

    fn score(&self, signal: Signal) -> f64 {
        match signal {
            Signal::Deviation => self.joint,
            Signal::Gap => dampened(self.gap),
            Signal::Shift | Signal::Variance | Signal::Flat | Signal::Novelty => {
                let scores = SUPPRESSED_SIGNALS.iter().zip(self.suppressed);
                let own = scores.filter(|(of, _)| **of == signal);
                dampened(own.fold(0.0, |max, (_, suppressed)| suppressed.score.max(max)))
            }
        }
    }

    /// Verdict while an anomaly of `signals` continues: by hysteresis, else by a repeat of variance or flat.
    fn continuation(&self, signals: SignalSet) -> Option<Verdict> {
        let continued = |expectation| Verdict::continued(self.highest(signals).1, expectation);
        if let Some(signal) = self.continuing {
            return Some(continued(
                self.band(signal, hysteresis::DISTANCE_MIN * self.residual.scale),
            ));
        }
        let is_repeat = |(signal, suppressed): &(Signal, SuppressedScore)| {
            *signal != Signal::Shift && suppressed.is_repeat && signals.contains(*signal)
        };
        let repeat = SUPPRESSED_SIGNALS.into_iter().zip(self.suppressed).find(is_repeat);
        repeat.map(|(signal, _)| continued(self.expectation(signal)))
    }

    /// Expected value and band of `signal`: for all but deviation, those of the slow baseline.
    fn expectation(&self, signal: Signal) -> Expectation {
        let own = self.deviation.expectation.filter(|_| signal == Signal::Deviation);
        let unit = if signal == Signal::Variance { self.usual_step } else { self.residual.scale };
        own.map_or_else(|| self.band(signal, BAND * unit), |own| self.absolute(own))
    }

    /// `relative` in the unit of the samples as they came.
    fn absolute(&self, relative: Expectation) -> Expectation {
        let Expectation { signal, value, low, high } = relative;
        let reference = self.reference;
        Expectation {
            signal,
            value: value + reference,
            low: low + reference,
            high: high + reference,
        }
    }

    fn band(&self, signal: Signal, reach: f64) -> Expectation {
        let value = self.residual.center;
        self.absolute(Expectation { signal, value, low: value - reach, high: value + reach })
    }
}

/// Raises a score below the threshold to its fourth power, so that scores of all signals can be ranked together.
///
/// These signals come near their threshold far more often than the deviation signal; dampened, a score of 0.8 is about
/// equally rare for each.
fn dampened(score: f64) -> f64 {
    if score > 1.0 { score } else { score.powi(4) }
}
