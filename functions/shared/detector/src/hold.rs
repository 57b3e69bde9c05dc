//! What has begun goes on until it is over.
//!
//! Signals notice that something begins; an outage of an hour is an anomaly for an hour, and one episode. After an alarm
//! the anomaly goes on while the residual from the long season stays on its side, at least 2 deviations and 0.3 of
//! where it was at its farthest away; ten samples nearer in a row end it, and so do 240 in all: by then it is what is
//! usual now, or somebody knows. What goes on scores just above 1, less than anything that begins. Constants were
//! chosen on synthetic traffic; on the AIOps 2018 KPI series, whose residuals wander for hours, they lengthen false
//! alarms, and make them no more. Cost: a comparison. Memory: 11 bytes. Fails: where the season is not known yet.

use crate::layout::{Reader, Writer};
use domain::Signal;

/// Score of what goes on, in thresholds.
pub(crate) const GOING_ON: f64 = 1.02;

/// Least distance at which it goes on, in deviations.
pub(crate) const DISTANCE_MIN: f64 = 2.0;

/// Share of the farthest distance at which it goes on.
const DISTANCE_SHARE: f64 = 0.3;

/// Samples nearer than that, in a row, that end it.
const NEARER_MAX: u8 = 10;

/// Samples after which it ends anyway.
const LEN_MAX: u8 = 240;

/// The anomaly that is under way, if any.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Hold {
    signal: Option<Signal>,
    farthest: f64,
    n_left: u8,
    // No further than it matters.
    n_nearer: u8,
}

impl Hold {
    /// Length of its layout, in bytes.
    pub(crate) const LEN: usize = 11;

    /// The signal whose anomaly goes on with a residual of `z` deviations.
    pub(crate) fn judge(&self, z: f64) -> Option<Signal> {
        let least = (DISTANCE_SHARE * self.farthest.abs()).max(DISTANCE_MIN);
        self.signal.filter(|_| z * self.farthest.signum() >= least)
    }

    /// Remembers the newest residual, and the signal that began an anomaly with it.
    pub(crate) fn learn(&mut self, z: f64, begun: Option<Signal>) {
        let goes_on = self.judge(z).is_some();
        self.n_left = self.n_left.saturating_sub(1);
        self.n_nearer =
            if goes_on { 0 } else { (NEARER_MAX + 1).min(self.n_nearer.saturating_add(1)) };
        if self.n_left == 0 || self.n_nearer > NEARER_MAX {
            self.signal = None;
        }
        if let Some(signal) = begun.filter(|_| z.abs() >= DISTANCE_MIN) {
            let is_new = self.signal.is_none();
            if is_new || z.abs() > self.farthest.abs() {
                self.farthest = z;
                self.n_nearer = 0;
            }
            if is_new {
                self.signal = Some(signal);
                self.n_left = LEN_MAX;
            }
        }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u8(self.signal.map_or(0, |signal| signal as u8 + 1));
        out.f64(self.farthest);
        out.u8(self.n_left);
        out.u8(self.n_nearer);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let signal = match from.u8()? {
            0 => None,
            code => Some(*Signal::ALL.get(usize::from(code) - 1)?),
        };
        let (farthest, n_left, n_nearer) = (from.finite()?, from.u8()?, from.u8()?);
        Some(Self { signal, farthest, n_left, n_nearer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the residuals after an alarm at the first, those with which it goes on.
    fn going_on(residuals: impl IntoIterator<Item = f64>) -> Vec<usize> {
        let mut hold = Hold::default();
        let mut going_on = Vec::new();
        for (i, z) in residuals.into_iter().enumerate() {
            if hold.judge(z).is_some() {
                going_on.push(i);
            }
            hold.learn(z, (i == 0).then_some(Signal::Shift));
        }
        going_on
    }

    #[test]
    fn an_outage_goes_on_until_its_end() {
        let outage = std::iter::repeat_n(-12.0, 60).chain(std::iter::repeat_n(0.5, 40));
        assert_eq!(going_on(outage), (1..60).collect::<Vec<_>>());
    }

    #[test]
    fn a_pause_is_bridged_and_a_return_ends_it() {
        let z = |i| if (20..25).contains(&i) || (50..70).contains(&i) { 0.0 } else { 9.0 };
        let at = going_on((0..100).map(z));
        assert!(at.contains(&30) && !at.contains(&22) && at.iter().all(|i| *i < 50), "{at:?}");
    }

    #[test]
    fn the_other_side_is_another_story() {
        assert_eq!(going_on([8.0, -8.0, -8.0, 8.0]), [3]);
    }

    #[test]
    fn what_lasts_for_long_is_usual() {
        assert_eq!(going_on(std::iter::repeat_n(9.0, 1_000)).len(), usize::from(LEN_MAX));
    }
}
