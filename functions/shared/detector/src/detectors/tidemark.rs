//! Composite detector: several signals on one series, each with its own threshold; the default.
//!
//! - **Why signals.** One merged score does not work. On traffic, the distance from recent samples and season helps, and
//!   values never seen before are common; on other metrics the opposite holds. A signal with many alarms on a series must
//!   not hide the others.
//! - **Score.** The verdict is that of the signal with the largest share of its threshold; a share above 1 is an anomaly.
//!   The deviation signal counts together with the step, which is measured against the tail of the series itself:
//!   `sqrt(d * s)`, each in thresholds and bounded by twice the other (see [`crate::signals::step`]). Shift, variance and flat suppress repeats (see
//!   [`crate::learning::suppression`]), and an anomaly lasts until it is over (see [`crate::learning::hysteresis`]).
//! - **Thresholds.** Set for at most 0.2 false alarm runs per series and day over all signals. Another budget multiplies
//!   them by `(0.2 / budget)^0.2`, as measured on synthetic traffic. Each score then raises its own threshold where
//!   chance reaches it too often (see [`crate::learning::marginal_threshold`]).
//! - **Constants.** Chosen on synthetic traffic, the AIOps 2018 KPI series and Microsoft's series.
//! - **Cost.** That of the signals; 5,597 bytes without novelty.

mod assessment;
mod state;
#[cfg(test)]
mod tests;

use crate::ThresholdFactors;
use crate::detectors::tidemark::assessment::{NoveltyAssessment, TrafficAssessment};
use crate::detectors::tidemark::state::{
    N_SUPPRESSED, NoveltySignalState, SUPPRESSED_SIGNALS, TrafficState,
};
use crate::learning::season::{Calendar, Season};
use crate::learning::zone::Zone;
use crate::learning::{Rarity, Suppression};
use crate::signal_set::SignalSet;
use crate::signals::deviation::Deviation;
use crate::signals::{gap, novelty, shift};
use domain::{Expectation, JudgedSample, Sample, Signal, Verdict, VerdictKind};

pub(crate) use crate::detectors::tidemark::assessment::Assessment;
pub(crate) use crate::detectors::tidemark::state::TidemarkState;

/// Threshold of the deviation signal, which counts together with the step.
const DEVIATION_THRESHOLD: f64 = 2.5;

/// Accepted excess of marginal peaks a day (see [`crate::learning::marginal_threshold`]), in budgets: of the deviation
/// signal, and of each other score.
const DEVIATION_EXCESS: f64 = 2.0;
const SUPPRESSED_EXCESS: f64 = 0.3;

/// Largest ratio of the two scores that the deviation signal joins: a value far from usual by a step that is not is no
/// anomaly.
const RATIO_MAX: f64 = 2.0;

/// False alarm runs per series and day at which the thresholds were set.
const BUDGET: f64 = 0.2;

/// Sampling interval at which the thresholds were set, in microseconds: a minute.
const INTERVAL_US: f64 = 60e6;

/// Exponent by which thresholds follow the budget.
const BUDGET_EXPONENT: f64 = 0.2;

/// Least distance from the season of the deviation signal at which a level is a shift, in deviations. The slow baseline
/// learns a change of the clocks in weeks, that season in days.
const SEASONAL_DISTANCE_MIN: f64 = 1.2;

const DAY_US: f64 = 86_400e6;

/// Parameters of `tidemark:signals=,false_alarms_per_day=,season=,time_zone=`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tidemark {
    /// Signals that count.
    pub signals: SignalSet,
    /// Accepted false alarm runs per series and day.
    pub false_alarms_per_day: f64,
    /// Season and time zone.
    pub calendar: Calendar,
}

/// Geometric mean of both scores, each bounded by [`RATIO_MAX`] times the other.
fn joint(a: f64, b: f64) -> f64 {
    (a.min(RATIO_MAX * b) * b.min(RATIO_MAX * a)).sqrt()
}

impl Tidemark {
    /// The default, for traffic, CPU, latency and other metrics with a daily cycle.
    pub const TRAFFIC: Self = Self {
        signals: SignalSet::TRAFFIC,
        false_alarms_per_day: BUDGET,
        calendar: Calendar { season: Season::Auto, zone: Zone::UTC },
    };

    /// For metrics on which a value never seen before matters.
    pub const NOVELTY: Self = Self { signals: SignalSet::NOVELTY, ..Self::TRAFFIC };

    /// Length of the window that is read, in samples.
    pub const WINDOW: usize = 50;

    /// Least budget.
    pub(crate) const FALSE_ALARMS_PER_DAY_MIN: f64 = 1e-3;

    /// Samples required before judging.
    pub const MIN: usize = 10;

    /// Factor of all thresholds for this budget and the series' interval.
    ///
    /// With six times as many samples a day, there are six times as many chances of a false alarm.
    fn strictness(&self, interval_us: f64) -> f64 {
        let per_sample = if interval_us > 0.0 { (INTERVAL_US / interval_us).max(1.0) } else { 1.0 };
        let excess = BUDGET / self.false_alarms_per_day * per_sample;
        if excess == 1.0 { 1.0 } else { excess.powf(BUDGET_EXPONENT) }
    }

    /// Ratio of a score's share of its threshold under another budget to that under this one.
    pub(crate) fn relative_share(&self, false_alarms_per_day: f64) -> f64 {
        (false_alarms_per_day / self.false_alarms_per_day).powf(BUDGET_EXPONENT)
    }

    fn deviation(&self) -> Deviation {
        Deviation {
            window: Self::WINDOW,
            threshold: DEVIATION_THRESHOLD,
            min: Self::MIN,
            calendar: self.calendar,
        }
    }

    /// Judges `sample` against its memory and `before`, the earlier samples in time order.
    pub(crate) fn judge(
        &self,
        before: &[JudgedSample],
        state: &TidemarkState,
        sample: Sample,
        factors: &ThresholdFactors,
    ) -> Assessment {
        let of_traffic = |state| self.judge_traffic(before, state, sample, factors);
        let traffic = state.traffic.as_ref().map(of_traffic);
        let of_novelty = |state| Box::new(self.judge_novelty(state, sample, factors));
        let novelty = state.novelty.as_ref().map(of_novelty);
        let unjudged = Verdict::unjudged(VerdictKind::Learning);
        let of_novelty = novelty.as_ref().map_or(unjudged, |novelty| novelty.verdict);
        let of_traffic = traffic.as_ref().map_or(unjudged, |traffic| traffic.verdict(self.signals));
        let is_novelty = traffic.is_none() || of_novelty.score > of_traffic.score;
        let verdict = if is_novelty { of_novelty } else { of_traffic };
        Assessment { verdict, traffic, novelty }
    }

    fn judge_novelty(
        &self,
        state: &NoveltySignalState,
        sample: Sample,
        factors: &ThresholdFactors,
    ) -> NoveltyAssessment {
        let features = state.novelty.features(sample);
        let verdict = state.novelty.judge(sample, &features).map_or(
            Verdict::unjudged(VerdictKind::Learning),
            |novelty::NoveltyScore { score, value, low, high }| {
                let strictness = self.strictness(state.interval.interval_us());
                let factor = state.threshold.factor() * factors.of(Signal::Novelty);
                let threshold = novelty::THRESHOLD * strictness * factor;
                let expectation = Expectation { signal: Signal::Novelty, value, low, high };
                Verdict::scored(score / threshold, 1.0, expectation)
            },
        );
        NoveltyAssessment { features, verdict }
    }

    fn judge_traffic(
        &self,
        before: &[JudgedSample],
        state: &TrafficState,
        sample: Sample,
        factors: &ThresholdFactors,
    ) -> TrafficAssessment {
        let (n, interval_s) = (state.baseline.n(), state.interval_s());
        let reference = state.reference.at(sample.at_us());
        let flat = state.flat.judge(sample, n);
        let sample = state.reference.relative(sample);
        let position = state.deviation.daily_position(self.calendar, sample);
        let residual = state.baseline.residual(position, sample);
        let changes = state.shift.changes(residual.z, n, interval_s);
        let shift_scores = state.shift.judge(residual.z, &changes, n);
        let variance = state.variance.judge(residual.z, n, interval_s);
        let interval = &state.deviation.interval;
        let strictness = self.strictness(interval.interval_us());
        let samples_per_day = DAY_US / interval.interval_us().max(1.0);
        let rarity = Rarity::new(samples_per_day, self.false_alarms_per_day);
        let mut shift = state.shift.shares(shift_scores, strictness, rarity);
        // A level that recent days had at this time of day is no shift, even if the slow baseline does not know it yet.
        let distance = state.deviation.seasonal_distance(self.calendar, sample);
        if distance.is_some_and(|distance| distance.abs() < SEASONAL_DISTANCE_MIN) {
            shift = [0.0; shift::N_SCORES];
        }
        let others = [variance[0], variance[1], flat].map(|score| score / strictness);
        let raw = std::array::from_fn(|i| {
            let share = shift.get(i).copied().unwrap_or_else(|| others[i - shift::N_SCORES]);
            share / (state.thresholds[i].factor() * factors.of(SUPPRESSED_SIGNALS[i]))
        });
        let decay = Suppression::decay(interval.pause_us(sample).max(0.0) / DAY_US);
        let detector = self.deviation();
        let deviation = detector.judge_relative(before, &state.deviation, sample, &state.reference);
        let step = state.step.step(sample.value(), state.expected(self.calendar, sample), n);
        let deviation_share = deviation.score / detector.threshold;
        let step_share = state.step.judge(&step, n, rarity);
        let pause = gap::judge(interval, state.pause, &state.regular, self.calendar, sample);
        TrafficAssessment {
            reference,
            deviation,
            joint: joint(deviation_share, step_share.unwrap_or(deviation_share))
                / (state.thresholds[N_SUPPRESSED].factor() * factors.of(Signal::Deviation)),
            step,
            position,
            residual,
            changes,
            shift_scores,
            decay,
            raw,
            suppressed: std::array::from_fn(|i| state.suppressions[i].judge(raw[i], decay)),
            gap: pause.score / (strictness * factors.of(Signal::Gap)),
            is_long_pause: pause.is_long,
            usual_step: state.variance.usual_step() * residual.scale,
            continuing: state.hysteresis.judge(residual.z),
        }
    }

    /// Learns `sample`, the newest of its series, with its assessment.
    pub(crate) fn learn(&self, state: &mut TidemarkState, sample: Sample, assessment: &Assessment) {
        if let (Some(state), Some(traffic)) = (&mut state.traffic, &assessment.traffic) {
            self.learn_traffic(state, sample, traffic);
        }
        if let (Some(state), Some(novelty)) = (&mut state.novelty, &assessment.novelty) {
            state.threshold.learn(state.interval.pause_us(sample), novelty.verdict.is_anomaly());
            state.novelty.learn(sample, &novelty.features);
            state.interval.learn(sample);
        }
    }

    fn learn_traffic(&self, state: &mut TrafficState, sample: Sample, traffic: &TrafficAssessment) {
        let n = state.baseline.n();
        let sent = sample;
        let sample = state.reference.relative(sample);
        for (suppression, raw) in state.suppressions.iter_mut().zip(traffic.raw) {
            suppression.learn(raw, traffic.decay);
        }
        let interval = &state.deviation.interval;
        let pause_us = interval.pause_us(sample).max(0.0);
        let age_days = n as f64 * interval.interval_us() / DAY_US;
        if traffic.is_long_pause {
            state.regular.learn(self.calendar, interval.last_us(), pause_us);
        }
        state.pause.learn(pause_us, n);
        for (i, threshold) in state.thresholds.iter_mut().enumerate() {
            let (score, share) = match traffic.raw.get(i) {
                Some(score) => (*score, SUPPRESSED_EXCESS),
                None => (traffic.joint, DEVIATION_EXCESS),
            };
            let excess_per_day = share * self.false_alarms_per_day;
            threshold.learn(score, pause_us / DAY_US, age_days, excess_per_day);
        }
        let z = traffic.residual.z;
        state.hysteresis.learn(z, traffic.alarm(self.signals));
        state.shift.learn(z, &traffic.changes, &traffic.shift_scores, n);
        state.variance.learn(z, n);
        state.flat.learn(sent, n);
        state.baseline.learn(traffic.position, sample);
        let is_anomaly = traffic.alarm(self.signals).is_some();
        state.step.learn(sample.value(), &traffic.step, n, is_anomaly);
        self.deviation().learn(&mut state.deviation, sample, &traffic.deviation);
        state.learn_reference(sent);
    }

    /// Learns `sample` in the season of the deviation signal only, as a late sample does.
    pub(crate) fn learn_season(&self, state: &mut TidemarkState, sample: Sample) {
        if let Some(state) = &mut state.traffic {
            let sample = state.reference.relative(sample);
            self.deviation().learn_season(&mut state.deviation, sample);
        }
    }

    /// Shortest pause that is a gap, in microseconds; `None` without the gap signal, or while the interval is unknown.
    pub(crate) fn pause_us_min(&self, state: &TidemarkState) -> Option<f64> {
        let traffic = state.traffic.as_ref().filter(|_| self.signals.contains(Signal::Gap))?;
        let interval = &traffic.deviation.interval;
        let pause_us_min = gap::pause_us_min(interval, traffic.pause)?;
        let regular_us = traffic.regular.usual_us(self.calendar, interval.last_us());
        Some(pause_us_min.max(regular_us) * self.strictness(interval.interval_us()))
    }
}
