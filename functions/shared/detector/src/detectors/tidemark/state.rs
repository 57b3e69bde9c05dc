//! Memory of the composite detector: the states of its signals, and their bytes.

use crate::bytes::{ByteReader, ByteWriter};
use crate::learning::hour_pattern::HourPattern;
use crate::learning::season::{Calendar, N_BUCKETS};
use crate::learning::{
    AdaptiveThreshold, Baseline, Hysteresis, MarginalThreshold, Reference, SamplingInterval,
    SeasonBucket, Suppression,
};
use crate::signal_set::SignalSet;
use crate::signals::deviation::DeviationState;
use crate::signals::flat::FlatState;
use crate::signals::gap::{RegularPauses, UsualPause};
use crate::signals::novelty::NoveltyState;
use crate::signals::shift::{self, ShiftState};
use crate::signals::step::StepState;
use crate::signals::variance::{self, VarianceState};
use domain::{Sample, Signal};

/// Number of scores with repeat suppression: those of shift and variance, and one of flat.
pub(super) const N_SUPPRESSED: usize = shift::N_SCORES + variance::N_SCORES + 1;

/// Signal of each score with repeat suppression.
pub(super) const SUPPRESSED_SIGNALS: [Signal; N_SUPPRESSED] = [
    Signal::Shift,
    Signal::Shift,
    Signal::Shift,
    Signal::Shift,
    Signal::Variance,
    Signal::Variance,
    Signal::Flat,
];

/// Indexes of the scores of `signal` among those with repeat suppression.
pub(super) fn scores_of(signal: Signal) -> impl Iterator<Item = usize> {
    (0..N_SUPPRESSED).filter(move |i| SUPPRESSED_SIGNALS[*i] == signal)
}

const SECOND_US: f64 = 1e6;

/// Memory of the composite detector; the signals of traffic learn together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TidemarkState {
    pub(super) traffic: Option<TrafficState>,
    pub(super) novelty: Option<NoveltySignalState>,
}

/// Memory of the novelty signal, with its own interval and threshold.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct NoveltySignalState {
    pub(super) novelty: NoveltyState,
    pub(super) interval: SamplingInterval,
    pub(super) threshold: AdaptiveThreshold,
}

/// Memory of all other signals.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct TrafficState {
    pub(super) reference: Reference,
    pub(super) deviation: DeviationState,
    pub(super) baseline: Baseline,
    pub(super) shift: ShiftState,
    pub(super) variance: VarianceState,
    pub(super) flat: FlatState,
    pub(super) suppressions: [Suppression; N_SUPPRESSED],
    pub(super) hysteresis: Hysteresis,
    pub(super) step: StepState,
    pub(super) pause: UsualPause,
    pub(super) regular: RegularPauses,
    // Those of the suppressed scores, then that of the deviation signal.
    pub(super) thresholds: [MarginalThreshold; N_SUPPRESSED + 1],
}

impl TidemarkState {
    pub(crate) fn new(signals: SignalSet) -> Self {
        let has_traffic = signals.contains_any(SignalSet::TRAFFIC);
        let has_novelty = signals.contains(Signal::Novelty);
        Self {
            traffic: has_traffic.then(TrafficState::default),
            novelty: has_novelty.then(NoveltySignalState::default),
        }
    }

    /// Usual value and deviation at the time of day or week of `sample`, if the season is known.
    pub(crate) fn seasonal_at(&self, calendar: Calendar, sample: Sample) -> Option<(f64, f64)> {
        let TrafficState { deviation, reference, .. } = self.traffic.as_ref()?;
        let (value, scale) = deviation.seasonal_at(calendar, reference.relative(sample))?;
        Some((value + reference.at(sample.at_us()), scale))
    }

    /// Factor by which `signal` has raised its own threshold.
    pub(crate) fn adaptive_factor(&self, signal: Signal) -> f64 {
        match (signal, &self.traffic, &self.novelty) {
            (Signal::Novelty, _, Some(novelty)) => novelty.threshold.factor(),
            (Signal::Deviation, Some(traffic), _) => {
                traffic.deviation.threshold_factor() * traffic.thresholds[N_SUPPRESSED].factor()
            }
            (_, Some(traffic), _) => {
                scores_of(signal).map(|i| traffic.thresholds[i].factor()).fold(1.0, f64::max)
            }
            _ => 1.0,
        }
    }

    /// Encoded length, in bytes.
    pub(crate) fn len(&self) -> usize {
        let traffic = self.traffic.as_ref().map_or(0, |_| TrafficState::LEN);
        traffic + self.novelty.as_ref().map_or(0, |_| NoveltySignalState::LEN)
    }

    /// Writes the scalars first: each sample changes all of them, but only a few bytes of the tables.
    pub(crate) fn write(&self, out: &mut ByteWriter) {
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
            novelty.novelty.write_tables(out);
        }
    }

    pub(crate) fn read(signals: SignalSet, from: &mut ByteReader<'_>) -> Option<Self> {
        let mut state = Self::new(signals);
        if let Some(traffic) = &mut state.traffic {
            *traffic = TrafficState::read_scalars(from)?;
        }
        if let Some(novelty) = &mut state.novelty {
            *novelty = NoveltySignalState::read_scalars(from)?;
        }
        if let Some(traffic) = &mut state.traffic {
            traffic.read_tables(from)?;
        }
        if let Some(novelty) = &mut state.novelty {
            novelty.novelty.read_tables(from)?;
        }
        Some(state)
    }
}

impl NoveltySignalState {
    const LEN: usize = NoveltyState::SCALARS_LEN
        + NoveltyState::TABLES_LEN
        + SamplingInterval::LEN
        + AdaptiveThreshold::LEN;

    fn write_scalars(&self, out: &mut ByteWriter) {
        self.novelty.write_scalars(out);
        self.interval.write(out);
        self.threshold.write(out);
    }

    fn read_scalars(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self {
            novelty: NoveltyState::read_scalars(from)?,
            interval: SamplingInterval::read(from)?,
            threshold: AdaptiveThreshold::read(from)?,
        })
    }
}

impl TrafficState {
    const LEN: usize = Reference::SCALARS_LEN
        + HourPattern::MINUTES_LEN
        + DeviationState::SCALARS_LEN
        + Baseline::SCALARS_LEN
        + ShiftState::SCALARS_LEN
        + VarianceState::LEN
        + FlatState::LEN
        + Hysteresis::LEN
        + StepState::LEN
        + UsualPause::LEN
        + RegularPauses::LEN
        + (N_SUPPRESSED + 1) * MarginalThreshold::LEN
        + N_SUPPRESSED * Suppression::LEN
        + ShiftState::RESIDUALS_LEN
        + 2 * N_BUCKETS * SeasonBucket::LEN;

    /// Writes fields that seldom change last.
    fn write_scalars(&self, out: &mut ByteWriter) {
        self.reference.write_scalars(out);
        self.deviation.write_scalars(out);
        self.baseline.write_scalars(out);
        self.shift.write_scalars(out);
        self.variance.write(out);
        self.flat.write(out);
        self.hysteresis.write(out);
        self.step.write(out);
        self.pause.write(out);
        // A suppression changes with each sample: a changed threshold between two is part of the same slice.
        let [of_suppressed @ .., of_deviation] = &self.thresholds;
        of_deviation.write(out);
        for (suppression, threshold) in self.suppressions.iter().zip(of_suppressed) {
            suppression.write(out);
            threshold.write(out);
        }
    }

    /// Writes the regular pauses and the residuals, then both buckets of each time of day, which change together.
    fn write_tables(&self, out: &mut ByteWriter) {
        self.regular.write(out);
        self.reference.pattern.write_minutes(out);
        self.shift.write_residuals(out);
        for (short, long) in self.deviation.table.buckets.iter().zip(self.baseline.buckets.iter()) {
            short.write(out);
            long.write(out);
        }
    }

    fn read_scalars(from: &mut ByteReader<'_>) -> Option<Self> {
        let mut state = Self {
            reference: Reference::read_scalars(from)?,
            deviation: DeviationState::read_scalars(from)?,
            baseline: Baseline::read_scalars(from)?,
            shift: ShiftState::read_scalars(from)?,
            variance: VarianceState::read(from)?,
            flat: FlatState::read(from)?,
            hysteresis: Hysteresis::read(from)?,
            step: StepState::read(from)?,
            pause: UsualPause::read(from)?,
            regular: RegularPauses::default(),
            suppressions: Default::default(),
            thresholds: Default::default(),
        };
        let [of_suppressed @ .., of_deviation] = &mut state.thresholds;
        *of_deviation = MarginalThreshold::read(from)?;
        for (suppression, threshold) in state.suppressions.iter_mut().zip(of_suppressed) {
            *suppression = Suppression::read(from)?;
            *threshold = MarginalThreshold::read(from)?;
        }
        Some(state)
    }

    fn read_tables(&mut self, from: &mut ByteReader<'_>) -> Option<()> {
        self.regular = RegularPauses::read(from)?;
        self.reference.pattern.read_minutes(from)?;
        self.shift.read_residuals(from)?;
        let (short, long) = (&mut self.deviation.table.buckets, &mut self.baseline.buckets);
        for (short, long) in short.iter_mut().zip(long.iter_mut()) {
            *short = SeasonBucket::read(from)?;
            *long = SeasonBucket::read(from)?;
        }
        Some(())
    }

    /// Learns the reference; if that changes, all but the usual pauses is learned again.
    pub(super) fn learn_reference(&mut self, sample: Sample) {
        if self.reference.learn(sample) {
            *self = Self {
                reference: std::mem::take(&mut self.reference),
                pause: self.pause,
                regular: std::mem::take(&mut self.regular),
                ..Self::default()
            };
        }
    }

    /// Value that the season of the deviation signal expects at the time of `sample`, and the relative noise of that time.
    pub(super) fn expected(&self, calendar: Calendar, sample: Sample) -> (f64, f64) {
        self.deviation.expected_at(calendar, sample)
    }

    pub(super) fn interval_s(&self) -> f64 {
        self.deviation.interval.interval_us() / SECOND_US
    }
}
