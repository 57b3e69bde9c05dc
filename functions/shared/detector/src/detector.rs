//! Detector: one of the rules, with its parameters.

use crate::detectors::ewma::Ewma;
use crate::detectors::robust::Robust;
use crate::detectors::tidemark::Tidemark;
use crate::detectors::zscore::{WindowEnd, Zscore};
use crate::learning::season::{Calendar, Season};
use crate::learning::zone::Zone;
use crate::signals::deviation::Deviation;

/// Shortest window: a standard deviation needs two samples.
pub const WINDOW_LEN_MIN: usize = 2;

/// Longest window: each sample reads all of it.
pub const WINDOW_LEN_MAX: usize = 1_024;

/// A detector with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Detector {
    /// Mean and standard deviation of the window.
    Zscore(Zscore),
    /// Median and median absolute deviation of the window.
    Robust(Robust),
    /// Exponentially weighted mean and deviation.
    Ewma(Ewma),
    /// Window and season together.
    Deviation(Deviation),
    /// Several signals, each with its own threshold.
    Tidemark(Tidemark),
}

impl Default for Detector {
    fn default() -> Self {
        Self::Tidemark(Tidemark::TRAFFIC)
    }
}

const ZSCORE: Zscore =
    Zscore { window: 50, threshold: 3.0, min: 30, window_end: WindowEnd::Previous };
const ROBUST: Robust = Robust { window: 50, threshold: 3.5, min: 30 };
const EWMA: Ewma = Ewma { alpha: 0.1, threshold: 4.0, min: 30 };
const DEVIATION: Deviation = Deviation {
    window: 50,
    threshold: 2.5,
    min: 10,
    calendar: Calendar { season: Season::Auto, zone: Zone::UTC },
};

impl Detector {
    /// Every detector with its defaults.
    pub const ALL: [Self; 5] = [
        Self::Tidemark(Tidemark::TRAFFIC),
        Self::Deviation(DEVIATION),
        Self::Zscore(ZSCORE),
        Self::Robust(ROBUST),
        Self::Ewma(EWMA),
    ];

    /// Profiles: composite detectors with a name of their own.
    pub const PROFILES: [(&str, Self); 2] = [
        ("traffic", Self::Tidemark(Tidemark::TRAFFIC)),
        ("novelty", Self::Tidemark(Tidemark::NOVELTY)),
    ];

    /// First word of the text.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Zscore(_) => "zscore",
            Self::Robust(_) => "robust",
            Self::Ewma(_) => "ewma",
            Self::Deviation(_) => "deviation",
            Self::Tidemark(_) => "tidemark",
        }
    }

    /// Score above which a sample is an anomaly.
    pub fn threshold(&self) -> f64 {
        match self {
            Self::Zscore(zscore) => zscore.threshold,
            Self::Robust(robust) => robust.threshold,
            Self::Ewma(ewma) => ewma.threshold,
            Self::Deviation(deviation) => deviation.threshold,
            Self::Tidemark(_) => 1.0,
        }
    }

    /// Length of the window that the detector reads, in samples.
    pub fn window_len(&self) -> usize {
        match self {
            Self::Zscore(zscore) => zscore.window,
            Self::Robust(robust) => robust.window,
            Self::Ewma(_) => 0,
            Self::Deviation(deviation) => deviation.window,
            Self::Tidemark(_) => Tidemark::WINDOW,
        }
    }

    /// Samples required before judging.
    pub fn samples_needed(&self) -> usize {
        match self {
            Self::Zscore(zscore) => zscore.min,
            Self::Robust(robust) => robust.min,
            Self::Ewma(ewma) => ewma.min,
            Self::Deviation(deviation) => deviation.min,
            Self::Tidemark(_) => Tidemark::MIN,
        }
    }

    /// Number of samples before the judged one that the window can contain.
    pub(crate) fn capacity(&self) -> usize {
        match self {
            Self::Ewma(_) => WINDOW_LEN_MAX,
            Self::Zscore(Zscore { window, window_end: WindowEnd::Judged, .. }) => window - 1,
            _ => self.window_len(),
        }
    }

    /// The same detector with its threshold multiplied; the composite one multiplies those of its signals.
    pub(crate) fn with_threshold_factor(self, factor: f64) -> Self {
        let mut detector = self;
        match &mut detector {
            Self::Zscore(Zscore { threshold, .. })
            | Self::Robust(Robust { threshold, .. })
            | Self::Ewma(Ewma { threshold, .. })
            | Self::Deviation(Deviation { threshold, .. }) => *threshold *= factor,
            Self::Tidemark(_) => {}
        }
        detector
    }

    /// Lowers the minimum to the capacity of the window.
    pub(crate) fn lower_min(&mut self) {
        let capacity = self.capacity();
        if let Self::Zscore(Zscore { min, .. })
        | Self::Robust(Robust { min, .. })
        | Self::Deviation(Deviation { min, .. }) = self
        {
            *min = (*min).min(capacity);
        }
    }
}
