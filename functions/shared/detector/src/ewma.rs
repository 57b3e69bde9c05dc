//! The EWMA chart: distance from an exponentially weighted mean in units of its deviation.
//!
//! `mean += r (x - mean)`, `var = (1 - r) (var + r (x - mean)^2)` with `r = max(alpha, 1 / n)` (Roberts, "Control
//! chart tests based on geometric moving averages", 1959; the variance after Finch, "Incremental calculation of
//! weighted mean and variance", 2009). Cost: a dozen operations. Memory: three numbers. Fails: on seasons; an
//! outlier decays instead of leaving.

use crate::layout::{Reader, Writer};
use crate::zscore::deviation_from;
use domain::{Sample, Verdict, VerdictKind};

/// Parameters of `ewma:alpha=,threshold=,min=`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ewma {
    /// Weight of the newest sample, in (0, 1].
    pub alpha: f64,
    /// An anomaly has a score above it.
    pub threshold: f64,
    /// Samples wanted before anything is judged.
    pub min: usize,
}

/// What the chart remembers of a series.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EwmaState {
    n: u64,
    mean: f64,
    var: f64,
}

impl EwmaState {
    /// Length of its layout, in bytes.
    pub const LEN: usize = 24;

    /// Samples remembered.
    pub(crate) fn n(&self) -> u64 {
        self.n
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u64(self.n);
        out.f64(self.mean);
        out.f64(self.var);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { n: from.count()?, mean: from.finite()?, var: from.not_negative()? })
    }
}

impl Ewma {
    /// Judges `sample` against what is remembered.
    pub fn judge(&self, state: &EwmaState, sample: Sample) -> Verdict {
        if state.n < self.min as u64 {
            return Verdict::unjudged(VerdictKind::Learning);
        }
        deviation_from(state.mean, state.var.sqrt(), self.threshold, sample)
    }

    /// Remembers `sample`.
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
    fn the_first_samples_are_averaged_evenly() {
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
