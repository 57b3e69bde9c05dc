//! EWMA chart: distance from an exponentially weighted mean, in its deviations.
//!
//! - **Formula.** `mean += r (x - mean)`, `var = (1 - r) (var + r (x - mean)^2)`, with `r = max(alpha, 1 / n)` (Roberts,
//!   "Control chart tests based on geometric moving averages", 1959; the variance after Finch, "Incremental calculation of
//!   weighted mean and variance", 2009).
//! - **Cost.** A dozen operations; 24 bytes.
//! - **Limits.** Seasons; an outlier decays instead of leaving.

use crate::bytes::{ByteReader, ByteWriter};
use crate::detectors::zscore::deviation_from;
use domain::{Sample, Verdict, VerdictKind};

/// Parameters of `ewma:alpha=,threshold=,min=`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ewma {
    /// Weight of the newest sample, in (0, 1].
    pub alpha: f64,
    /// Score above which a sample is an anomaly.
    pub threshold: f64,
    /// Samples required before judging.
    pub min: usize,
}

/// Memory of the chart.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EwmaState {
    n: u64,
    mean: f64,
    var: f64,
}

impl EwmaState {
    /// Encoded length, in bytes.
    pub const LEN: usize = 24;

    /// Number of samples learned.
    pub(crate) fn n(&self) -> u64 {
        self.n
    }

    /// Mean and standard deviation.
    pub(crate) fn level(&self) -> (f64, f64) {
        (self.mean, self.var.sqrt())
    }

    pub(crate) fn write(&self, out: &mut ByteWriter) {
        out.u64(self.n);
        out.f64s(&[self.mean, self.var]);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self { n: from.count()?, mean: from.finite()?, var: from.not_negative()? })
    }
}

impl Ewma {
    /// Judges `sample` against its memory.
    pub fn judge(&self, state: &EwmaState, sample: Sample) -> Verdict {
        if state.n < self.min as u64 {
            return Verdict::unjudged(VerdictKind::Learning);
        }
        deviation_from(state.mean, state.var.sqrt(), self.threshold, sample)
    }

    /// Learns `sample`, the newest of its series.
    pub fn learn(&self, state: &mut EwmaState, sample: Sample) {
        state.n += 1;
        let rate = self.alpha.max(1.0 / state.n as f64);
        let distance = sample.value() - state.mean;
        state.mean += rate * distance;
        state.var = (1.0 - rate) * (state.var + rate * distance * distance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(values: &[f64]) -> (Ewma, EwmaState) {
        let ewma = Ewma { alpha: 0.1, threshold: 3.0, min: 3 };
        let mut state = EwmaState::default();
        for (i, value) in values.iter().enumerate() {
            ewma.learn(&mut state, Sample::new(i as i64, *value).unwrap());
        }
        (ewma, state)
    }

    #[test]
    fn the_first_samples_have_equal_weight() {
        let (_, state) = learned(&[1.0, 2.0, 3.0, 4.0]);
        assert!((state.mean - 2.5).abs() < 1e-12);
        assert!((state.var - 1.25).abs() < 1e-12);
    }

    #[test]
    fn too_few_samples_are_not_judged() {
        let (ewma, state) = learned(&[1.0, 2.0]);
        assert_eq!(ewma.judge(&state, Sample::new(9, 50.0).unwrap()).kind, VerdictKind::Learning);
    }

    #[test]
    fn constant_history_is_not_judged() {
        let (ewma, state) = learned(&[4.0; 9]);
        assert_eq!(ewma.judge(&state, Sample::new(9, 50.0).unwrap()).kind, VerdictKind::Constant);
    }
}
