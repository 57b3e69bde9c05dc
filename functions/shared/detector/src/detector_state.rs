//! Learned state of each detector, and the dispatch of a detector to its state.

use crate::bytes::{ByteReader, ByteWriter};
use crate::detectors::ewma::EwmaState;
use crate::detectors::tidemark::{Assessment, Tidemark, TidemarkState};
use crate::learning::SeasonBucket;
use crate::learning::season::N_BUCKETS;
use crate::signal_score::{SignalScore, UsualValue};
use crate::signals::deviation::DeviationState;
use crate::{Detector, ThresholdFactors};
use domain::{JudgedSample, Sample, Signal};

/// Scalars and tables of a detector.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DetectorState {
    /// No state: the detector reads only the window.
    Stateless,
    Ewma(EwmaState),
    Deviation(Box<DeviationState>),
    Tidemark(Box<TidemarkState>),
}

impl DetectorState {
    pub(crate) fn new(detector: &Detector) -> Self {
        match detector {
            Detector::Zscore(_) | Detector::Robust(_) => Self::Stateless,
            Detector::Ewma(_) => Self::Ewma(EwmaState::default()),
            Detector::Deviation(_) => Self::Deviation(Box::default()),
            Detector::Tidemark(tidemark) => {
                Self::Tidemark(Box::new(TidemarkState::new(tidemark.signals)))
            }
        }
    }

    /// Judges `sample` against the state and `before`, the earlier samples in time order.
    #[inline]
    pub(crate) fn judge(
        &self,
        detector: &Detector,
        before: &[JudgedSample],
        sample: Sample,
        factors: &ThresholdFactors,
    ) -> Assessment {
        let detector = &detector.with_threshold_factor(factors.of(Signal::Deviation));
        Assessment::without_signals(match (detector, self) {
            (Detector::Tidemark(tidemark), Self::Tidemark(state)) => {
                return tidemark.judge(before, state, sample, factors);
            }
            (Detector::Zscore(zscore), _) => zscore.judge(before, sample),
            (Detector::Robust(robust), _) => robust.judge(before, sample),
            (Detector::Ewma(ewma), Self::Ewma(state)) => ewma.judge(state, sample),
            (Detector::Deviation(deviation), Self::Deviation(state)) => {
                deviation.judge(before, state, sample)
            }
            (Detector::Ewma(_) | Detector::Deviation(_) | Detector::Tidemark(_), _) => {
                unreachable!("a memory has the state of its detector")
            }
        })
    }

    /// Learns `sample`, the newest of its series, with its assessment.
    #[inline]
    pub(crate) fn learn(&mut self, detector: &Detector, sample: Sample, assessment: &Assessment) {
        match (detector, self) {
            (Detector::Ewma(ewma), Self::Ewma(state)) => ewma.learn(state, sample),
            (Detector::Deviation(deviation), Self::Deviation(state)) => {
                deviation.learn(state, sample, &assessment.verdict);
            }
            (Detector::Tidemark(tidemark), Self::Tidemark(state)) => {
                tidemark.learn(state, sample, assessment);
            }
            _ => {}
        }
    }

    /// Learns a late sample: in its seasonal buckets only.
    pub(crate) fn learn_late(&mut self, detector: &Detector, sample: Sample) {
        match (detector, self) {
            (Detector::Deviation(deviation), Self::Deviation(state)) => {
                deviation.learn_season(state, sample);
            }
            (Detector::Tidemark(tidemark), Self::Tidemark(state)) => {
                tidemark.learn_season(state, sample);
            }
            _ => {}
        }
    }

    /// Shortest pause that is a gap, in microseconds; `None` without the gap signal, or while the interval is unknown.
    pub(crate) fn gap_us(&self, detector: &Detector) -> Option<f64> {
        match (detector, self) {
            (Detector::Tidemark(tidemark), Self::Tidemark(state)) => tidemark.pause_us_min(state),
            _ => None,
        }
    }

    /// Share of its threshold that each signal of the composite detector reaches.
    pub(crate) fn shares(
        &self,
        tidemark: &Tidemark,
        before: &[JudgedSample],
        sample: Sample,
        factors: &ThresholdFactors,
    ) -> Vec<SignalScore> {
        let Self::Tidemark(state) = self else { return Vec::new() };
        let assessment = tidemark.judge(before, state, sample, factors);
        let of = |signal| {
            Some(SignalScore {
                signal,
                score: assessment.share(signal)?,
                threshold: 1.0,
                adaptive_factor: state.adaptive_factor(signal),
                feedback_factor: factors.of(signal),
            })
        };
        tidemark.signals.iter().filter_map(of).collect()
    }

    /// Usual value at this time of the day or week; `None` without a season, or while it is unknown.
    pub(crate) fn seasonal(&self, detector: &Detector, sample: Sample) -> Option<UsualValue> {
        let (value, deviation) = match (detector, self) {
            (Detector::Deviation(deviation), Self::Deviation(state)) => {
                state.seasonal_at(deviation.calendar, sample)?
            }
            (Detector::Tidemark(tidemark), Self::Tidemark(state)) => {
                state.seasonal_at(tidemark.calendar, sample)?
            }
            _ => return None,
        };
        Some(UsualValue { value, deviation, n_samples: None })
    }

    /// Level of a detector that does not read the window.
    pub(crate) fn level(&self) -> Option<UsualValue> {
        let Self::Ewma(state) = self else { return None };
        let (value, deviation) = state.level();
        (state.n() > 0).then_some(UsualValue { value, deviation, n_samples: None })
    }

    /// Number of samples learned, for a detector that does not count those of its window.
    pub(crate) fn n_samples(&self) -> Option<usize> {
        let Self::Ewma(state) = self else { return None };
        Some(usize::try_from(state.n()).unwrap_or(usize::MAX))
    }

    /// Encoded length, in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Stateless => 0,
            Self::Ewma(_) => EwmaState::LEN,
            Self::Deviation(_) => DeviationState::SCALARS_LEN + N_BUCKETS * SeasonBucket::LEN,
            Self::Tidemark(state) => state.len(),
        }
    }

    pub(crate) fn write(&self, out: &mut ByteWriter) {
        match self {
            Self::Stateless => {}
            Self::Ewma(state) => state.write(out),
            Self::Deviation(state) => {
                state.write_scalars(out);
                state.table.buckets.iter().for_each(|bucket| bucket.write(out));
            }
            Self::Tidemark(state) => state.write(out),
        }
    }

    pub(crate) fn read(detector: &Detector, from: &mut ByteReader<'_>) -> Option<Self> {
        Some(match detector {
            Detector::Zscore(_) | Detector::Robust(_) => Self::Stateless,
            Detector::Ewma(_) => Self::Ewma(EwmaState::read(from)?),
            Detector::Deviation(_) => {
                let mut state = DeviationState::read_scalars(from)?;
                for bucket in state.table.buckets.iter_mut() {
                    *bucket = SeasonBucket::read(from)?;
                }
                Self::Deviation(Box::new(state))
            }
            Detector::Tidemark(tidemark) => {
                Self::Tidemark(Box::new(TidemarkState::read(tidemark.signals, from)?))
            }
        })
    }
}
