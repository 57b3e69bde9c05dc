//! Several signals on one series, each heard at its own threshold; the default.
//!
//! One merged score does not work: on traffic, the distance from hour and season is what helps, and values never seen
//! before are everyday; on other metrics the opposite holds. So each signal has a score and a threshold of its own, set
//! from one budget of false alarms per series and day. What is reported is the signal that is loudest, and the reported
//! score is the share of its threshold: an anomaly is above 1. What makes one signal restless does not make another deaf.
//!
//! The deviation signal counts in full only where the long season of the others agrees that the value is two deviations
//! away: `d sqrt(min(1, |z| / 2))`. The other signals restrain themselves (see [`crate::restraint`]), but for the gap,
//! which cannot repeat itself; what has begun goes on until it is over (see [`crate::hold`]).
//!
//! Thresholds are those of at most 0.2 false alarm runs a series and day, all signals together; another budget moves all
//! of them by `(0.2 / budget)^0.2`, which is how they moved on synthetic traffic. Chosen on that, on the AIOps 2018 KPI
//! and on Microsoft's series. Cost: that of the signals. Memory: 5,923 bytes for all but novelty.

use crate::bucket::Bucket;
use crate::deviation::{Deviation, DeviationState};
use crate::flat::FlatState;
use crate::gap;
use crate::hold::{self, Hold};
use crate::layout::{Reader, Writer};
use crate::mute::Mute;
use crate::novelty::{self, NoveltyState};
use crate::pace::Pace;
use crate::restraint::{Restrained, Restraint};
use crate::season::{Calendar, N_BUCKETS, Season, Spot};
use crate::seasonal::{Residual, SeasonalState};
use crate::shift::{Distances, ShiftState};
use crate::signals::Signals;
use crate::variance::VarianceState;
use crate::zone::Zone;
use domain::{Expectation, JudgedSample, Sample, Signal, Verdict, VerdictKind};

/// Threshold of the deviation signal: higher than alone, since the others find what it leaves.
const DEVIATION_THRESHOLD: f64 = 2.9;

/// False alarm runs a series and day at which the thresholds were set.
const BUDGET: f64 = 0.2;

/// The interval at which they were set: a minute.
const INTERVAL_US: f64 = 60e6;

/// How thresholds follow the budget: a fifth of its logarithm.
const BUDGET_EXPONENT: f64 = 0.2;

/// Distance from the long season from which the deviation signal counts in full.
const AGREED_FROM: f64 = 2.0;

/// Scores that restrain themselves: four of shift, two of variance, one of flat.
const N_RESTRAINED: usize = 7;

/// Whose score each of them is.
const RESTRAINED: [Signal; N_RESTRAINED] = [
    Signal::Shift,
    Signal::Shift,
    Signal::Shift,
    Signal::Shift,
    Signal::Variance,
    Signal::Variance,
    Signal::Flat,
];

/// Deviations around the usual value in which it is normal, for people.
const BAND: f64 = 3.0;

const SECOND_US: f64 = 1e6;
const DAY_US: f64 = 86_400e6;

/// Parameters of `tidemark:signals=,false_alarms_per_day=,season=,time_zone=`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tidemark {
    /// Who is heard.
    pub signals: Signals,
    /// False alarm runs that are tolerated per series and day.
    pub false_alarms_per_day: f64,
    /// The cycle of the series, and the clock it follows.
    pub calendar: Calendar,
}

/// What the signals remember of a series: those of traffic learn together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TidemarkState {
    traffic: Option<TrafficState>,
    novelty: Option<NoveltyVoice>,
}

/// The novelty signal, and how much lower its voice is.
#[derive(Debug, Clone, PartialEq, Default)]
struct NoveltyVoice {
    state: NoveltyState,
    pace: Pace,
    mute: Mute,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct TrafficState {
    deviation: DeviationState,
    seasonal: SeasonalState,
    shift: ShiftState,
    variance: VarianceState,
    flat: FlatState,
    restraints: [Restraint; N_RESTRAINED],
    hold: Hold,
}

impl TidemarkState {
    pub(crate) fn new(signals: Signals) -> Self {
        let has_traffic = signals.contains_any(Signals::TRAFFIC);
        let has_novelty = signals.contains(Signal::Novelty);
        Self {
            traffic: has_traffic.then(TrafficState::default),
            novelty: has_novelty.then(NoveltyVoice::default),
        }
    }

    pub(crate) fn len(&self) -> usize {
        let traffic = self.traffic.as_ref().map_or(0, |_| TrafficState::LEN);
        traffic + self.novelty.as_ref().map_or(0, |_| NoveltyVoice::LEN)
    }

    /// Scalars first: they all change with each sample, and of the tables behind them a few bytes.
    pub(crate) fn write(&self, out: &mut Writer) {
        if let Some(traffic) = &self.traffic {
            traffic.write_scalars(out);
        }
        if let Some(novelty) = &self.novelty {
            novelty.write_scalars(out);
        }
        if let Some(traffic) = &self.traffic {
            traffic.write_tables(out);
        }
        if let Some(novelty) = &self.novelty {
            novelty.state.write_tables(out);
        }
    }

    pub(crate) fn read(signals: Signals, from: &mut Reader<'_>) -> Option<Self> {
        let mut state = Self::new(signals);
        if let Some(traffic) = &mut state.traffic {
            *traffic = TrafficState::read_scalars(from)?;
        }
        if let Some(novelty) = &mut state.novelty {
            *novelty = NoveltyVoice::read_scalars(from)?;
        }
        if let Some(traffic) = &mut state.traffic {
            traffic.read_tables(from)?;
        }
        if let Some(novelty) = &mut state.novelty {
            novelty.state.read_tables(from)?;
        }
        Some(state)
    }
}

impl NoveltyVoice {
    const LEN: usize = NoveltyState::SCALARS_LEN + NoveltyState::TABLES_LEN + Pace::LEN + Mute::LEN;

    fn write_scalars(&self, out: &mut Writer) {
        self.state.write_scalars(out);
        self.pace.write(out);
        self.mute.write(out);
    }

    /// A voice of these scalars, whose tables are to be read.
    fn read_scalars(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            state: NoveltyState::read_scalars(from)?,
            pace: Pace::read(from)?,
            mute: Mute::read(from)?,
        })
    }
}

impl TrafficState {
    const LEN: usize = DeviationState::SCALARS_LEN
        + SeasonalState::SCALARS_LEN
        + ShiftState::SCALARS_LEN
        + VarianceState::LEN
        + FlatState::LEN
        + Hold::LEN
        + N_RESTRAINED * Restraint::LEN
        + ShiftState::RESIDUALS_LEN
        + 2 * N_BUCKETS * Bucket::LEN;

    /// What seldom changes comes last.
    fn write_scalars(&self, out: &mut Writer) {
        self.deviation.write_scalars(out);
        self.seasonal.write_scalars(out);
        self.shift.write_scalars(out);
        self.variance.write(out);
        self.flat.write(out);
        self.hold.write(out);
        self.restraints.iter().for_each(|restraint| restraint.write(out));
    }

    /// The residuals, then both buckets of each time of day, which change together.
    fn write_tables(&self, out: &mut Writer) {
        self.shift.write_residuals(out);
        for (short, long) in self.deviation.buckets().iter().zip(self.seasonal.buckets()) {
            short.write(out);
            long.write(out);
        }
    }

    /// A state of these scalars, whose tables are to be read.
    fn read_scalars(from: &mut Reader<'_>) -> Option<Self> {
        let mut state = Self {
            deviation: DeviationState::read_scalars(from)?,
            seasonal: SeasonalState::read_scalars(from)?,
            shift: ShiftState::read_scalars(from)?,
            variance: VarianceState::read(from)?,
            flat: FlatState::read(from)?,
            hold: Hold::read(from)?,
            restraints: Default::default(),
        };
        for restraint in &mut state.restraints {
            *restraint = Restraint::read(from)?;
        }
        Some(state)
    }

    fn read_tables(&mut self, from: &mut Reader<'_>) -> Option<()> {
        self.shift.read_residuals(from)?;
        let (short, long) = (self.deviation.buckets_mut(), self.seasonal.buckets_mut());
        for (short, long) in short.iter_mut().zip(long) {
            *short = Bucket::read(from)?;
            *long = Bucket::read(from)?;
        }
        Some(())
    }

    fn interval_s(&self) -> f64 {
        self.deviation.pace().interval_us() / SECOND_US
    }
}

/// What was heard of one sample: in all, and from each signal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    /// That of the loudest signal.
    pub(crate) verdict: Verdict,
    traffic: Option<TrafficHeard>,
    novelty: Verdict,
}

/// What the signals of traffic say of one sample.
#[derive(Debug, Clone, Copy)]
struct TrafficHeard {
    /// The deviation signal's own verdict, by its own threshold.
    deviation: Verdict,
    /// The same as a share of the threshold, as far as the long season agrees.
    agreed: f64,
    spot: Spot,
    residual: Residual,
    distances: [Option<Distances>; 4],
    kept: f64,
    /// In thresholds, before restraint.
    raw: [f64; N_RESTRAINED],
    /// In thresholds, after it.
    restrained: [Restrained; N_RESTRAINED],
    gap: f64,
    /// The usual step from sample to sample, in the unit of the samples.
    usual_step: f64,
    /// The signal whose anomaly goes on.
    held: Option<Signal>,
}

impl Heard {
    /// Nothing but `verdict`, of a detector that has no signals.
    pub(crate) fn only(verdict: Verdict) -> Self {
        Self { verdict, traffic: None, novelty: Verdict::unjudged(VerdictKind::Learning) }
    }
}

impl TrafficHeard {
    /// The score of `signal`, in thresholds.
    fn score(&self, signal: Signal) -> f64 {
        match signal {
            Signal::Deviation => self.agreed,
            Signal::Gap => muffled(self.gap),
            Signal::Shift | Signal::Variance | Signal::Flat | Signal::Novelty => {
                let scores = RESTRAINED.iter().zip(self.restrained);
                let own = scores.filter(|(whose, _)| **whose == signal);
                muffled(own.fold(0.0, |max, (_, restrained)| restrained.score.max(max)))
            }
        }
    }

    /// What `signal` expected: for all but the deviation signal the value usual at this time.
    fn expectation(&self, signal: Signal) -> Expectation {
        let own = self.deviation.expectation.filter(|_| signal == Signal::Deviation);
        let reach = if signal == Signal::Variance { self.usual_step } else { self.residual.scale };
        let value = self.residual.center;
        let (low, high) = (value - BAND * reach, value + BAND * reach);
        own.unwrap_or(Expectation { signal, value, low, high })
    }

    /// What is usual while an anomaly of `signal` goes on: what would end it, by the long season alone.
    fn expectation_of_end(&self, signal: Signal) -> Expectation {
        let Residual { center: value, scale, .. } = self.residual;
        let reach = hold::DISTANCE_MIN * scale;
        Expectation { signal, value, low: value - reach, high: value + reach }
    }

    /// The loudest of `signals`, with its score.
    fn loudest(&self, signals: Signals) -> (Signal, f64) {
        let scores = signals.iter().map(|signal| (signal, self.score(signal)));
        scores.fold(
            (Signal::Deviation, 0.0),
            |loudest, next| {
                if next.1 > loudest.1 { next } else { loudest }
            },
        )
    }

    /// The one of `signals` that an anomaly begins with.
    fn begun(&self, signals: Signals) -> Option<Signal> {
        let (signal, score) = self.loudest(signals);
        (score > 1.0).then_some(signal)
    }

    /// What is said while an anomaly of `signals` goes on: a shift while it is held, restlessness and rest by themselves.
    fn going_on(&self, signals: Signals) -> Option<Verdict> {
        if let Some(signal) = self.held {
            return Some(Verdict::scored(hold::GOING_ON, 1.0, self.expectation_of_end(signal)));
        }
        let is_again = |(signal, restrained): &(Signal, Restrained)| {
            *signal != Signal::Shift && restrained.is_again && signals.contains(*signal)
        };
        let again = RESTRAINED.into_iter().zip(self.restrained).find(is_again);
        again.map(|(signal, _)| Verdict::scored(hold::GOING_ON, 1.0, self.expectation(signal)))
    }

    /// The verdict of the loudest of `signals`.
    fn verdict(&self, signals: Signals) -> Verdict {
        let (signal, score) = self.loudest(signals);
        if score <= 1.0 {
            if let Some(verdict) = self.going_on(signals) {
                return verdict;
            }
            if matches!(self.deviation.kind, VerdictKind::Learning | VerdictKind::Constant) {
                return Verdict::unjudged(self.deviation.kind);
            }
        }
        Verdict::scored(score, 1.0, self.expectation(signal))
    }
}

/// A score as it is, or its fourth power below the threshold.
///
/// These scores come near their threshold far more often than the deviation signal's; muffled, a score of 0.8 is about as
/// rare whoever gave it, and scores can be ranked and swept.
fn muffled(score: f64) -> f64 {
    if score > 1.0 { score } else { score.powi(4) }
}

impl Tidemark {
    /// The default: for traffic, CPU, latency and whatever else follows the hours.
    pub const TRAFFIC: Self = Self {
        signals: Signals::TRAFFIC,
        false_alarms_per_day: BUDGET,
        calendar: Calendar { season: Season::Auto, zone: Zone::UTC },
    };

    /// For metrics whose values never seen before are the news.
    pub const NOVELTY: Self = Self { signals: Signals::NOVELTY, ..Self::TRAFFIC };

    /// Samples of the window that it reads.
    pub const WINDOW: usize = 50;

    /// Samples wanted before anything is judged.
    pub const MIN: usize = 10;

    /// By how much every threshold is higher than at the budget and interval it was set for.
    ///
    /// With six times as many samples a day there are six times as many chances of a false alarm.
    fn strictness(&self, interval_us: f64) -> f64 {
        let per_sample = if interval_us > 0.0 { (INTERVAL_US / interval_us).max(1.0) } else { 1.0 };
        let excess = BUDGET / self.false_alarms_per_day * per_sample;
        if excess == 1.0 { 1.0 } else { excess.powf(BUDGET_EXPONENT) }
    }

    fn deviation(&self) -> Deviation {
        Deviation {
            window: Self::WINDOW,
            threshold: DEVIATION_THRESHOLD,
            min: Self::MIN,
            calendar: self.calendar,
        }
    }

    /// What each signal says of `sample`, after `before` in time order and what is remembered.
    pub(crate) fn hear(
        &self,
        before: &[JudgedSample],
        state: &TidemarkState,
        sample: Sample,
    ) -> Heard {
        let traffic = state.traffic.as_ref().map(|state| self.hear_traffic(before, state, sample));
        let unjudged = Verdict::unjudged(VerdictKind::Learning);
        let novelty =
            state.novelty.as_ref().map_or(unjudged, |voice| self.hear_novelty(voice, sample));
        let of_traffic = traffic.map_or(unjudged, |traffic| traffic.verdict(self.signals));
        let is_novelty = traffic.is_none() || novelty.score > of_traffic.score;
        let verdict = if is_novelty { novelty } else { of_traffic };
        Heard { verdict, traffic, novelty }
    }

    fn hear_novelty(&self, voice: &NoveltyVoice, sample: Sample) -> Verdict {
        let Some(reading) = voice.state.judge(sample) else {
            return Verdict::unjudged(VerdictKind::Learning);
        };
        let strictness = self.strictness(voice.pace.interval_us());
        let threshold = novelty::THRESHOLD * strictness * voice.mute.divisor();
        let novelty::Reading { score, value, low, high } = reading;
        let expectation = Expectation { signal: Signal::Novelty, value, low, high };
        Verdict::scored(score / threshold, 1.0, expectation)
    }

    fn hear_traffic(
        &self,
        before: &[JudgedSample],
        state: &TrafficState,
        sample: Sample,
    ) -> TrafficHeard {
        let (n, interval_s) = (state.seasonal.n(), state.interval_s());
        let spot = state.deviation.spot(self.calendar, sample);
        let residual = state.seasonal.residual(spot, sample);
        let distances = state.shift.distances(residual.z, n, interval_s);
        let shift = state.shift.judge(residual.z, &distances, n);
        let variance = state.variance.judge(residual.z, n, interval_s);
        let flat = state.flat.judge(sample, n);
        let strictness = self.strictness(state.deviation.pace().interval_us());
        let raw = [shift[0], shift[1], shift[2], shift[3], variance[0], variance[1], flat]
            .map(|score| score / strictness);
        let pace = state.deviation.pace();
        let kept = Restraint::kept_after(pace.pause_us(sample).max(0.0) / DAY_US);
        let detector = self.deviation();
        let deviation = detector.judge(before, &state.deviation, sample);
        let agreement = (residual.z.abs() / AGREED_FROM).min(1.0).sqrt();
        TrafficHeard {
            deviation,
            agreed: deviation.score / (detector.threshold * strictness) * agreement,
            spot,
            residual,
            distances,
            kept,
            raw,
            restrained: std::array::from_fn(|i| state.restraints[i].judge(raw[i], kept)),
            gap: gap::judge(pace, sample) / strictness,
            usual_step: state.variance.usual() * residual.scale,
            held: state.hold.judge(residual.z),
        }
    }

    /// Remembers `sample`, the newest of its series, and what was heard of it.
    pub(crate) fn learn(&self, state: &mut TidemarkState, sample: Sample, heard: &Heard) {
        if let (Some(state), Some(heard)) = (&mut state.traffic, &heard.traffic) {
            self.learn_traffic(state, sample, heard);
        }
        if let Some(voice) = &mut state.novelty {
            voice.mute.learn(voice.pace.pause_us(sample), heard.novelty.is_anomaly());
            voice.state.learn(sample);
            voice.pace.learn(sample);
        }
    }

    fn learn_traffic(&self, state: &mut TrafficState, sample: Sample, heard: &TrafficHeard) {
        let n = state.seasonal.n();
        for (restraint, raw) in state.restraints.iter_mut().zip(heard.raw) {
            restraint.learn(raw, heard.kept);
        }
        let z = heard.residual.z;
        state.hold.learn(z, heard.begun(self.signals));
        state.shift.learn(z, &heard.distances, n);
        state.variance.learn(z, n);
        state.flat.learn(sample, n);
        state.seasonal.learn(heard.spot, sample);
        self.deviation().learn(&mut state.deviation, sample, &heard.deviation);
    }

    /// The pause from which the gap signal speaks, in microseconds; none where it is not heard or the pace not known.
    pub(crate) fn gap_us(&self, state: &TidemarkState) -> Option<f64> {
        let traffic = state.traffic.as_ref().filter(|_| self.signals.contains(Signal::Gap))?;
        let pace = traffic.deviation.pace();
        Some(gap::missing_us(pace)? * self.strictness(pace.interval_us()))
    }

    /// Remembers `sample` in the deviation signal's season only: what a late sample may do.
    pub(crate) fn learn_season(&self, state: &mut TidemarkState, sample: Sample) {
        if let Some(state) = &mut state.traffic {
            self.deviation().learn_season(&mut state.deviation, sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Detector, Judge};

    /// One a minute: a day's wave around 100 with a little noise.
    fn wave(minute: i64) -> Sample {
        let phase = (minute % 1440) as f64 / 1440.0 * std::f64::consts::TAU;
        let noise = ((minute * 7919) % 1009) as f64 / 1009.0 - 0.5;
        at(minute, 100.0 + 40.0 * phase.sin() + 12.0 * noise)
    }

    fn at(minute: i64, value: f64) -> Sample {
        Sample::new(minute * 60_000_000, value).unwrap()
    }

    /// The alarms of five days, of which `change` alters the last: minute and signal.
    fn alarms(change: impl Fn(i64, Sample) -> Option<Sample>) -> Vec<(i64, Signal)> {
        let mut series = Judge::new(Detector::default());
        let mut alarms = Vec::new();
        for minute in 0..1440 * 5 {
            let Some(sample) = change(minute - 1440 * 4, wave(minute)) else { continue };
            let verdict = series.judge(sample).verdict;
            if minute >= 1440 && verdict.is_anomaly() {
                alarms.push((minute - 1440 * 4, verdict.expectation.unwrap().signal));
            }
        }
        alarms
    }

    fn scaled(sample: Sample, factor: f64) -> Sample {
        Sample::new(sample.at_us(), sample.value() * factor).unwrap()
    }

    #[test]
    fn calm_days_are_quiet() {
        assert_eq!(alarms(|_, sample| Some(sample)), []);
    }

    #[test]
    fn each_kind_is_named_by_its_signal() {
        type Change = fn(i64, Sample) -> Option<Sample>;
        let table: [(Signal, Change); 5] = [
            (Signal::Deviation, |t, s| Some(if t == 600 { scaled(s, 3.0) } else { s })),
            (Signal::Shift, |t, s| Some(if t >= 600 { scaled(s, 1.25) } else { s })),
            (Signal::Variance, |t, s| {
                let sign = if t % 2 == 0 { 1.0 } else { -1.0 };
                Some(if (600..660).contains(&t) { scaled(s, 1.0 + 0.15 * sign) } else { s })
            }),
            (Signal::Flat, |t, s| {
                Some(if (600..700).contains(&t) { at(t + 5760, 100.0) } else { s })
            }),
            (Signal::Gap, |t, s| Some(s).filter(|_| !(600..620).contains(&t))),
        ];
        for (signal, change) in table {
            let alarms = alarms(change);
            assert!(
                alarms.iter().any(|(t, whose)| *whose == signal && *t >= 600),
                "{signal:?} {alarms:?}"
            );
            assert!(alarms.iter().all(|(t, _)| *t >= 600), "{signal:?} {alarms:?}");
        }
    }

    #[test]
    fn an_absurd_value_blinds_no_signal() {
        let found = |absurd: bool| {
            alarms(|t, s| {
                let s = if (900..1000).contains(&t) { scaled(s, 1.5) } else { s };
                Some(if absurd && t == -700 { at(t + 5760, 1e15) } else { s })
            })
        };
        assert!(found(true).iter().any(|(t, _)| (900..905).contains(t)), "{:?}", found(true));
        assert!(found(false).iter().any(|(t, _)| (900..905).contains(t)));
    }

    /// The score of a sample four tenths above what is usual, after three days.
    fn score_of_excess(spec: &str) -> Verdict {
        let mut series = Judge::new(spec.parse().unwrap());
        (0..4_500).for_each(|minute| _ = series.judge(wave(minute)));
        series.verdict(scaled(wave(4_500), 1.4))
    }

    #[test]
    fn a_larger_budget_lets_the_same_sample_speak_louder() {
        let score = |budget: &str| {
            score_of_excess(&format!("tidemark:signals=shift,false_alarms_per_day={budget}")).score
        };
        assert!(score("1") > score("0.2") && score("0.2") > score("0.05"));
    }

    #[test]
    fn a_signal_left_out_is_silent() {
        assert!(score_of_excess("traffic").is_anomaly());
        assert!(!score_of_excess("tidemark:signals=gap").is_anomaly());
    }

    #[test]
    fn traffic_is_remembered_in_less_than_eight_kilobytes() {
        assert!(Judge::new(Detector::default()).memory_len() <= 8 * 1024);
    }
}
