//! Own tail: how far a score reaches on one series, and the value that it exceeds at a given rate.
//!
//! - **Formula.** Two quantiles of `ln score`, exceeded by 30 % and by 1 % of the samples (see
//!   [`crate::learning::quantile`]). Beyond them the tail is a line in `ln score`:
//!   `limit = exp(q99 + 0.117 * ln(0.01 * samples_per_day / alarms_per_day) * (q99 - q70))`. A power law would have 0.29
//!   instead of 0.117; the tails of load metrics are lighter.
//! - **Why.** A fixed limit raises dozens of alarms a day on a heavy-tailed series, and misses events on a calm one.
//! - **Constants.** Chosen on the AIOps 2018 KPI series and Microsoft's series.
//! - **Cost.** A logarithm for each sample, an exponential for each judgement; 8 bytes.
//! - **Limits.** Scores of 0 are not learned.

use crate::bytes::{ByteReader, ByteWriter};
use crate::learning::quantile;

/// Shares of the samples above the two quantiles.
const SHARES: [f64; 2] = [0.3, 0.01];
/// Slope of the tail beyond the high quantile, in distances of the quantiles per factor of e in rate.
const SLOPE: f64 = 0.117;

/// Logarithm of how much rarer than the high quantile a score must be; the same for all tails of a sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rarity(f64);

impl Rarity {
    /// Rarity of scores that are exceeded `alarms_per_day` times a day.
    pub(crate) fn new(samples_per_day: f64, alarms_per_day: f64) -> Self {
        Self((SHARES[1] * samples_per_day / alarms_per_day).max(1.0).ln())
    }
}

/// Two quantiles of the logarithm of a score; both are 0 before the first.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct OwnTail {
    low: f32,
    high: f32,
}

impl OwnTail {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 8;

    pub(crate) fn write(self, out: &mut ByteWriter) {
        out.f32(self.low);
        out.f32(self.high);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        let quantile = |ln: &f32| ln.abs() <= LN_MAX;
        let low = from.finite_f32().filter(quantile)?;
        Some(Self { low, high: from.finite_f32().filter(quantile)? })
    }

    /// Score that is exceeded as rarely as `rarity` demands; `None` if no score was learned.
    pub(crate) fn limit(self, Rarity(beyond): Rarity) -> Option<f64> {
        if self == Self::default() {
            return None;
        }
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        Some((high + SLOPE * beyond * (high - low).max(0.0)).min(f64::from(LN_MAX)).exp())
    }

    /// Learns a score, after `n` others.
    pub(crate) fn learn(&mut self, score: f64, n: u64) {
        if score > 0.0 {
            self.learn_ln(score.ln() as f32, n);
        }
    }

    fn learn_ln(&mut self, ln: f32, n: u64) {
        if *self == Self::default() {
            *self = Self { low: ln, high: ln };
        }
        for (quantile, share) in [&mut self.low, &mut self.high].into_iter().zip(SHARES) {
            let step = quantile::step(ln > *quantile, share, n);
            *quantile = (*quantile + step).clamp(-LN_MAX, LN_MAX);
        }
    }
}

/// Own tail of a score that stays high for many samples: of a run above the high quantile only the first counts.
///
/// Otherwise two incidents of an hour each day would be the usual tail of the series, and hide the third.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct RunTail {
    tail: OwnTail,
    is_above: bool,
}

impl RunTail {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = OwnTail::LEN + 1;

    pub(crate) fn write(self, out: &mut ByteWriter) {
        self.tail.write(out);
        out.u8(u8::from(self.is_above));
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self { tail: OwnTail::read(from)?, is_above: from.bool()? })
    }

    /// Score that runs exceed as rarely as `rarity` demands; `None` if no score was learned.
    pub(crate) fn limit(self, rarity: Rarity) -> Option<f64> {
        self.tail.limit(rarity)
    }

    /// Learns a score, after `n` others.
    pub(crate) fn learn(&mut self, score: f64, n: u64) {
        let ln = if score > 0.0 { score.ln() as f32 } else { f32::NEG_INFINITY };
        let is_above = ln > self.tail.high;
        if score > 0.0 && !(is_above && self.is_above) {
            self.tail.learn_ln(ln, n);
        }
        self.is_above = is_above;
    }
}

/// Largest magnitude of a quantile: its exponential is far beyond any sample, and finite.
const LN_MAX: f32 = 150.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform numbers in 0..1, the same in each run.
    fn uniform(n: u64) -> f64 {
        let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64
            / (1u64 << 53) as f64
    }

    fn learned(score: impl Fn(f64) -> f64) -> OwnTail {
        let mut tail = OwnTail::default();
        (0..20_000).for_each(|n| tail.learn(score(uniform(n)), n));
        tail
    }

    #[test]
    fn a_heavy_tail_has_a_higher_limit_than_a_light_one() {
        let (light, heavy) = (learned(|u| 1.0 + u), learned(|u| (1.0 - u).powf(-0.5)));
        let limit = |tail: OwnTail| tail.limit(Rarity::new(1_440.0, 0.2)).unwrap();
        assert!((1.9..3.0).contains(&limit(light)), "{}", limit(light));
        assert!(limit(heavy) > 12.0, "{}", limit(heavy));
    }

    #[test]
    fn a_smaller_budget_and_more_samples_raise_the_limit() {
        let tail = learned(|u| -(1.0 - u).ln());
        assert!(tail.limit(Rarity::new(1_440.0, 0.05)) > tail.limit(Rarity::new(1_440.0, 0.2)));
        assert!(tail.limit(Rarity::new(86_400.0, 0.2)) > tail.limit(Rarity::new(1_440.0, 0.2)));
        assert_eq!(tail.limit(Rarity::new(24.0, 1.0)), tail.limit(Rarity::new(24.0, 10.0)));
    }

    #[test]
    fn incidents_that_last_for_hours_hardly_raise_the_limit_of_runs() {
        let limit = |is_incident: fn(u64) -> bool| {
            let mut tail = RunTail::default();
            for n in 0..30_000 {
                tail.learn(if is_incident(n) { 50.0 } else { 1.0 + uniform(n) }, n);
            }
            tail.limit(Rarity::new(1_440.0, 0.2)).unwrap()
        };
        assert!(limit(|n| n % 700 < 60) < 1.3 * limit(|_| false), "{}", limit(|n| n % 700 < 60));
        assert!(limit(|n| n % 20 == 0) > 40.0);
    }

    #[test]
    fn zeros_are_not_learned() {
        assert_eq!(learned(|_| 0.0).limit(Rarity::new(1_440.0, 0.2)), None);
    }
}
