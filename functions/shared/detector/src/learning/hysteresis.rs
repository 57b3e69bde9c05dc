//! Hysteresis: an anomaly that has begun lasts until the series has returned to usual.
//!
//! - **Rule.** After an alarm, the anomaly continues while the residual from the long season stays on its side, at least
//!   2 deviations and 0.3 of its farthest distance away. After five such samples, one or two nearer ones do not interrupt
//!   it. More than ten nearer samples in a row end it, and so do 240 samples in total: by then the level is the new usual,
//!   or an engineer knows. A continuing anomaly has the score of its own sample, which may be below 1.
//! - **Why.** Signals detect that something begins; an outage of an hour should be an anomaly for an hour, and one
//!   episode.
//! - **Constants.** Chosen on synthetic traffic. On the AIOps 2018 KPI series, whose residuals wander for hours, they
//!   lengthen false alarms but do not add any.
//! - **Cost.** A comparison; 12 bytes.
//! - **Limits.** Has no effect while the season is unknown.

use crate::bytes::{ByteReader, ByteWriter};
use domain::Signal;

/// Least distance at which an anomaly continues, in deviations.
pub(crate) const DISTANCE_MIN: f64 = 2.0;
/// Share of the farthest distance at which an anomaly continues.
const DISTANCE_SHARE: f64 = 0.3;
/// Nearer samples in a row that do not end the anomaly yet.
const NEARER_MAX: u8 = 10;
/// Nearer samples in a row that are part of an anomaly that has continued for [`LASTING_MIN`] samples.
const BRIDGED_MAX: u8 = 2;
/// Samples from which an anomaly is bridged: a single spike ends with the sample after it.
const LASTING_MIN: u8 = 5;
/// Samples after which the anomaly ends anyway.
const LEN_MAX: u8 = 240;

/// The continuing anomaly, if any.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Hysteresis {
    signal: Option<Signal>,
    farthest: f64,
    n_left: u8,
    // Samples at which the anomaly continued; saturates at LASTING_MIN.
    n_far: u8,
    // Saturates at NEARER_MAX + 1.
    n_nearer: u8,
}

impl Hysteresis {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 12;

    /// Signal of the anomaly that continues at a residual of `z` deviations; `None` if none does.
    pub(crate) fn judge(&self, z: f64) -> Option<Signal> {
        let is_bridged = self.n_far >= LASTING_MIN && self.n_nearer < BRIDGED_MAX;
        self.signal.filter(|_| is_bridged || self.is_far(z))
    }

    fn is_far(&self, z: f64) -> bool {
        let least = (DISTANCE_SHARE * self.farthest.abs()).max(DISTANCE_MIN);
        z * self.farthest.signum() >= least
    }

    /// Learns the newest residual, and the signal of an anomaly that begins with it.
    pub(crate) fn learn(&mut self, z: f64, begins: Option<Signal>) {
        let continues = self.signal.is_some() && self.is_far(z);
        self.n_far = LASTING_MIN.min(self.n_far + u8::from(continues));
        self.n_left = self.n_left.saturating_sub(1);
        self.n_nearer =
            if continues { 0 } else { (NEARER_MAX + 1).min(self.n_nearer.saturating_add(1)) };
        if self.n_left == 0 || self.n_nearer > NEARER_MAX {
            self.signal = None;
        }
        if let Some(signal) = begins.filter(|_| z.abs() >= DISTANCE_MIN) {
            let is_new = self.signal.is_none();
            if is_new || z.abs() > self.farthest.abs() {
                self.farthest = z;
                self.n_nearer = 0;
            }
            if is_new {
                self.signal = Some(signal);
                self.n_left = LEN_MAX;
                self.n_far = 0;
            }
        }
    }

    pub(crate) fn write(&self, out: &mut ByteWriter) {
        out.u8(self.signal.map_or(0, |signal| signal as u8 + 1));
        out.f64(self.farthest);
        out.u8(self.n_left);
        out.u8(self.n_far);
        out.u8(self.n_nearer);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        let signal = match from.u8()? {
            0 => None,
            code => Some(*Signal::ALL.get(usize::from(code) - 1)?),
        };
        let (farthest, n_left) = (from.finite()?, from.u8()?);
        let (n_far, n_nearer) = (from.u8()?, from.u8()?);
        Some(Self { signal, farthest, n_left, n_far: n_far.min(LASTING_MIN), n_nearer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Indexes of the residuals at which an anomaly that began with the first one continues.
    fn continuing(residuals: impl IntoIterator<Item = f64>) -> Vec<usize> {
        let mut hysteresis = Hysteresis::default();
        let mut continuing = Vec::new();
        for (i, z) in residuals.into_iter().enumerate() {
            if hysteresis.judge(z).is_some() {
                continuing.push(i);
            }
            hysteresis.learn(z, (i == 0).then_some(Signal::Shift));
        }
        continuing
    }

    #[test]
    fn an_outage_continues_until_its_end() {
        let outage = std::iter::repeat_n(-12.0, 60).chain(std::iter::repeat_n(0.5, 40));
        assert_eq!(continuing(outage), (1..62).collect::<Vec<_>>());
    }

    #[test]
    fn a_short_pause_is_bridged_and_a_long_one_ends_the_anomaly() {
        let z = |i| if (20..25).contains(&i) || (50..70).contains(&i) { 0.0 } else { 9.0 };
        let at = continuing((0..100).map(z));
        assert!(at.contains(&30) && !at.contains(&23) && at.iter().all(|i| *i < 52), "{at:?}");
    }

    #[test]
    fn a_lasting_anomaly_is_not_interrupted_by_a_sample_or_two() {
        let z = |i| if i % 6 == 5 { 0.5 } else { 9.0 };
        assert_eq!(continuing((0..60).map(z)).len(), 58);
        assert_eq!(continuing([9.0, 9.0, 0.5, 9.0]), [1, 3]);
    }

    #[test]
    fn a_residual_on_the_other_side_does_not_continue_the_anomaly() {
        assert_eq!(continuing([8.0, -8.0, -8.0, 8.0]), [3]);
    }

    #[test]
    fn an_anomaly_ends_after_its_longest_duration() {
        assert_eq!(continuing(std::iter::repeat_n(9.0, 1_000)).len(), usize::from(LEN_MAX));
    }
}
