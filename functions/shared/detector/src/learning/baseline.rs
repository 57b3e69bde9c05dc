//! Seasonal baseline: expected value by time of day, learned slowly, so that single days hardly move it.
//!
//! - **Formula.** Buckets of the time of day, each with an exponentially weighted mean and variance, scaled by one slow
//!   level `ratio` and by the level of the weekday (see [`crate::learning::season`]):
//!   `center = ratio * level * mean`, `scale^2 = (var + shared) / 2`, `z = (x - center) / scale`, where `shared` is the
//!   variance of all residuals. If one sample in a hundred lies beyond ten deviations, the deviation is a poor measure
//!   of the series; `z` is then shrunk until that quantile lies at ten.
//! - **Why.** Updates are winsorized (Tukey, "The future of data analysis", 1962): none moves a bucket by more than 2.5
//!   deviations, so an outage today is not expected tomorrow. The season of the deviation signal follows real traffic
//!   within two days instead: it finds spikes better, this one finds lasting changes.
//! - **Constants.** Bounds, rates and the shared half were chosen on synthetic traffic and on the AIOps 2018 KPI series.
//! - **Cost.** One bucket per sample; 2,016 bytes of buckets and 48 of scalars.
//! - **Limits.** A new level far from the old one takes weeks to become usual.

use crate::bytes::{ByteReader, ByteWriter};
use crate::learning::bucket::SeasonBucket;
use crate::learning::season::{DailyPosition, N_BUCKETS};
use domain::Sample;

/// Weight of the newest visit to a bucket, after an even average of the first hundred: three weeks of one a minute.
const BUCKET_RATE: f64 = 0.01;
/// Visits from which a bucket is used.
const BUCKET_VISITS_MIN: u8 = 3;
/// Share of the variance of all residuals in the variance of a bucket.
const SHARED_SHARE: f64 = 0.5;
/// Weight of the newest residual in the variance of all residuals.
const RESIDUAL_RATE: f64 = 0.001;
/// Largest residual that is learned in that variance, in deviations.
const RESIDUAL_MAX: f64 = 3.0;
/// Samples before residuals are bounded so tightly: the season is not known earlier.
const RESIDUAL_BOUNDED_AFTER: u64 = 200;
/// Largest move of a bucket, in deviations.
const BUCKET_MOVE_MAX: f64 = 2.5;
/// Largest move of any other mean, in its own deviations.
const MOVE_MAX: f64 = 8.0;
/// Samples before moves are bounded: no deviation is known earlier.
const BOUNDED_AFTER: u64 = 10;
/// Weight of the newest sample in the level ratio: half of it comes from the last 3,500 samples.
const RATIO_RATE: f64 = 0.0002;
/// Range of the level ratio.
const RATIO_RANGE: (f64, f64) = (0.05, 20.0);
/// Least bucket mean from which a ratio is learned.
const RATIO_MEAN_MIN: f64 = 1e-9;
/// Weight of the newest sample in the long mean.
const LONG_RATE: f64 = 0.002;
/// Least scale, as a share of the long mean.
const FLOOR_SHARE: f64 = 0.01;
/// Least scale in absolute terms.
const FLOOR_LEAST: f64 = 1e-12;
/// Value of the high quantile above which distances are shrunk, in deviations.
const HIGH_MAX: f64 = 10.0;
/// Share of samples beyond the high quantile.
const HIGH_SHARE: f64 = 0.01;
/// Relative step of the high quantile.
const HIGH_STEP: f64 = 0.005;
/// Initial value and range of the high quantile.
const HIGH_START: f64 = 3.0;
const HIGH_RANGE: (f64, f64) = (0.5, 1e6);
/// Samples before the high quantile moves.
const HIGH_AFTER: u64 = 50;
/// Largest residual, in deviations.
const Z_MAX: f64 = 50.0;

/// Baseline of one series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Baseline {
    n: u64,
    long_mean: f64,
    long_var: f64,
    shared_var: f64,
    ratio: f64,
    high: f64,
    pub(crate) buckets: Box<[SeasonBucket; N_BUCKETS]>,
}

/// Distance of a sample from the baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Residual {
    /// Expected value.
    pub(crate) center: f64,
    /// Usual deviation from it.
    pub(crate) scale: f64,
    /// Distance in usual deviations, shrunk and bounded.
    pub(crate) z: f64,
}

impl Default for Baseline {
    fn default() -> Self {
        Self {
            n: 0,
            long_mean: 0.0,
            long_var: 0.0,
            shared_var: 0.0,
            ratio: 1.0,
            high: HIGH_START,
            buckets: Box::new([SeasonBucket::default(); N_BUCKETS]),
        }
    }
}

impl Baseline {
    /// Encoded length of the scalars, in bytes.
    pub(crate) const SCALARS_LEN: usize = 48;

    pub(crate) fn write_scalars(&self, out: &mut ByteWriter) {
        out.u64(self.n);
        out.f64s(&[self.long_mean, self.long_var, self.shared_var, self.ratio, self.high]);
    }

    /// Reads the scalars; the buckets stay empty.
    pub(crate) fn read_scalars(from: &mut ByteReader<'_>) -> Option<Self> {
        let within = |range: (f64, f64)| move |value: &f64| (range.0..=range.1).contains(value);
        Some(Self {
            n: from.count()?,
            long_mean: from.finite()?,
            long_var: from.not_negative()?,
            shared_var: from.not_negative()?,
            ratio: from.finite().filter(within(RATIO_RANGE))?,
            high: from.finite().filter(within(HIGH_RANGE))?,
            ..Self::default()
        })
    }

    /// Number of samples learned.
    pub(crate) fn n(&self) -> u64 {
        self.n
    }

    /// Residual of `sample`.
    pub(crate) fn residual(&self, position: DailyPosition, sample: Sample) -> Residual {
        let (center, scale) = self.expected(position);
        let raw = (sample.value() - center) / scale;
        let z = (raw / (self.high / HIGH_MAX).max(1.0)).clamp(-Z_MAX, Z_MAX);
        Residual { center, scale, z }
    }

    /// Learns `sample`, the newest of its series.
    pub(crate) fn learn(&mut self, position: DailyPosition, sample: Sample) {
        if self.n == 0 {
            self.long_mean = sample.value();
        }
        let (center, scale) = self.expected(position);
        let distance = sample.value() - center;
        let is_known = self.bucket(position).visits >= BUCKET_VISITS_MIN;
        self.learn_high(distance / scale);
        self.learn_bucket(position, sample, scale);
        self.learn_shared(distance, scale);
        if is_known {
            self.learn_ratio(position, sample, scale);
        }
        let move_max = if self.n > BOUNDED_AFTER { self.long_move_max() } else { f64::INFINITY };
        let rate = LONG_RATE.max(1.0 / (self.n + 1) as f64);
        let step = (sample.value() - self.long_mean).clamp(-move_max, move_max);
        self.long_mean += rate * step;
        self.long_var = (1.0 - rate) * (self.long_var + rate * step * step);
        self.n += 1;
    }

    fn floor(&self) -> f64 {
        FLOOR_SHARE * self.long_mean.abs() + FLOOR_LEAST
    }

    fn bucket(&self, position: DailyPosition) -> SeasonBucket {
        position.bucket.map_or(SeasonBucket::default(), |bucket| self.buckets[bucket])
    }

    /// Center and scale at `position`.
    fn expected(&self, position: DailyPosition) -> (f64, f64) {
        let bucket = self.bucket(position);
        let (center, var) = if position.is_used && bucket.visits >= BUCKET_VISITS_MIN {
            let own_share = 1.0 - SHARED_SHARE;
            let var = own_share * bucket.var() + SHARED_SHARE * self.shared_var;
            (self.ratio * position.level * f64::from(bucket.mean), var)
        } else {
            (self.long_mean, self.long_var)
        };
        (center, var.sqrt().max(self.floor()).max(position.least_deviation))
    }

    fn long_move_max(&self) -> f64 {
        MOVE_MAX * self.long_var.sqrt().max(self.floor())
    }

    fn learn_high(&mut self, raw: f64) {
        if self.n <= HIGH_AFTER {
            return;
        }
        let step = HIGH_STEP.max(2.0 / (self.n + 100) as f64);
        let is_above = f64::from(u8::from(raw.abs() > self.high));
        let high = self.high * (step * (is_above - HIGH_SHARE)).exp();
        self.high = high.clamp(HIGH_RANGE.0, HIGH_RANGE.1);
    }

    fn learn_bucket(&mut self, position: DailyPosition, sample: Sample, scale: f64) {
        let Some(index) = position.bucket else { return };
        let bucket = self.buckets[index];
        let mean = f64::from(bucket.mean);
        let value = sample.value() / (self.ratio * position.level);
        let step = if bucket.visits >= BUCKET_VISITS_MIN {
            (value - mean).clamp(-BUCKET_MOVE_MAX * scale, BUCKET_MOVE_MAX * scale)
        } else if self.n > BOUNDED_AFTER {
            // A new bucket starts at its first value, so its bound is around the long mean.
            let center = if bucket.visits > 0 { mean } else { self.long_mean };
            let move_max = self.long_move_max();
            value.clamp(center - move_max, center + move_max) - mean
        } else {
            value - mean
        };
        let bucket = &mut self.buckets[index];
        bucket.visits = bucket.visits.saturating_add(1);
        bucket.move_by(step, BUCKET_RATE.max(1.0 / f64::from(bucket.visits)));
    }

    fn learn_shared(&mut self, distance: f64, scale: f64) {
        let bound = match self.n {
            n if n <= BOUNDED_AFTER => f64::INFINITY,
            n if n <= RESIDUAL_BOUNDED_AFTER => MOVE_MAX * scale,
            _ => RESIDUAL_MAX * scale,
        };
        let distance = distance.clamp(-bound, bound);
        let rate = RESIDUAL_RATE.max(1.0 / (self.n + 1) as f64);
        self.shared_var += rate * (distance * distance - self.shared_var);
    }

    fn learn_ratio(&mut self, position: DailyPosition, sample: Sample, scale: f64) {
        let mean = position.level * f64::from(self.bucket(position).mean);
        if mean.abs() > RATIO_MEAN_MIN {
            let bound = RESIDUAL_MAX * scale / mean.abs();
            let step = (sample.value() / mean - self.ratio).clamp(-bound, bound);
            let ratio = self.ratio + RATIO_RATE * step;
            self.ratio = ratio.clamp(RATIO_RANGE.0, RATIO_RANGE.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(i: i64) -> Sample {
        let at_us = i * 300_000_000;
        let phase = (at_us % 86_400_000_000) as f64 / 86_400e6 * std::f64::consts::TAU;
        let noise = ((i * 7919) % 1009) as f64 / 1009.0 - 0.5;
        Sample::new(at_us, 100.0 + 40.0 * phase.sin() + 4.0 * noise).unwrap()
    }

    fn position(sample: Sample) -> DailyPosition {
        DailyPosition {
            bucket: Some((sample.at_us() / 300_000_000) as usize % N_BUCKETS),
            level: 1.0,
            is_used: true,
            least_deviation: 0.0,
        }
    }

    fn learned(n: i64, absurd: Option<i64>) -> Baseline {
        let mut state = Baseline::default();
        for i in 0..n {
            let value = if absurd == Some(i) { 1e15 } else { wave(i).value() };
            state.learn(position(wave(i)), Sample::new(wave(i).at_us(), value).unwrap());
        }
        state
    }

    #[test]
    fn a_usual_day_has_small_residuals() {
        let state = learned(288 * 8, None);
        assert!(
            (288 * 8..288 * 9).all(|i| state.residual(position(wave(i)), wave(i)).z.abs() < 4.0)
        );
    }

    #[test]
    fn one_absurd_value_hardly_moves_the_baseline() {
        for at in [12, 400, 288 * 6] {
            let (calm, hit) = (learned(288 * 8, None), learned(288 * 8, Some(at)));
            for i in 288 * 8..288 * 9 {
                let (calm, hit) = {
                    let (position, sample) = (position(wave(i)), wave(i));
                    (calm.residual(position, sample), hit.residual(position, sample))
                };
                assert!((calm.center - hit.center).abs() < 0.3 * calm.center, "{at} {i}");
                assert!(hit.scale < 20.0 * calm.scale, "{at} {i}");
            }
        }
    }

    #[test]
    fn an_outage_today_is_not_expected_tomorrow() {
        let mut state = learned(288 * 8, None);
        for i in 288 * 8..288 * 8 + 24 {
            state.learn(position(wave(i)), Sample::new(wave(i).at_us(), 0.0).unwrap());
        }
        assert!(state.residual(position(wave(288 * 9 + 5)), wave(288 * 9 + 5)).z.abs() < 4.0);
    }
}
