//! Season gain: errors that show if the time of day explains a series better than its long mean.
//!
//! - **Formula.** Running means of `|x - season|` and `|x - long mean|`, from the second day on. The season is used while its
//!   error is at most twice the other.
//! - **Why.** A ramp, and a counter that is sent as a gauge, are far from what they were a day ago. Each midnight would be
//!   a level shift. A season that changes by a few percent a day still explains far more than the long mean.
//! - **Constants.** Round; chosen on straight ramps and on counters with resets.
//! - **Cost.** Two multiplications; 10 bytes.

use crate::bytes::{ByteReader, ByteWriter};

/// Largest error of a season that is used, in errors of the long mean.
const RATIO_MAX: f32 = 2.0;
/// Weight of the newest error, after an even average of the first thousand: less than a day of one sample a minute.
const RATE: f32 = 0.001;
/// Comparisons from which the season is used.
const COMPARED_MIN: u16 = 3;
/// Largest error that is stored.
const ERROR_MAX: f64 = 1e17;

/// Errors of both expectations.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct SeasonGain {
    season_error: f32,
    level_error: f32,
    // Saturates at the inverse of the rate.
    n_compared: u16,
}

impl SeasonGain {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 10;

    pub(crate) fn write(self, out: &mut ByteWriter) {
        out.f32(self.season_error);
        out.f32(self.level_error);
        out.u16(self.n_compared);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self {
            season_error: from.square_f32()?,
            level_error: from.square_f32()?,
            n_compared: from.u16()?,
        })
    }

    /// True if the season explains the series.
    pub(crate) fn is_used(self) -> bool {
        self.n_compared >= COMPARED_MIN && self.season_error <= RATIO_MAX * self.level_error
    }

    /// Learns the distances of the newest sample from the season and from the long mean.
    pub(crate) fn learn(&mut self, from_season: f64, from_level: f64) {
        self.n_compared = self.n_compared.saturating_add(1);
        let rate = RATE.max(1.0 / f32::from(self.n_compared));
        let error = |distance: f64| distance.abs().min(ERROR_MAX) as f32;
        self.season_error += rate * (error(from_season) - self.season_error);
        self.level_error += rate * (error(from_level) - self.level_error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_season_that_is_farther_than_the_mean_is_not_used() {
        let mut gain = SeasonGain::default();
        assert!(!gain.is_used());
        (0..10).for_each(|_| gain.learn(1_440.0, 500.0));
        assert!(!gain.is_used());
        (0..3_000).for_each(|_| gain.learn(10.0, 500.0));
        assert!(gain.is_used());
    }

    #[test]
    fn a_constant_series_uses_its_season() {
        let mut gain = SeasonGain::default();
        (0..10).for_each(|_| gain.learn(0.0, 0.0));
        assert!(gain.is_used());
    }
}
