//! Novelty: distance from all values seen before, for metrics on which a new value matters.
//!
//! - **Features.** The value; its distance from the last few samples (`local`); its distance from the time of day, in
//!   deviations (`seasonal`); and the running mean of the absolute seasonal distance (`volatility`).
//! - **Formula.** Each feature has a set of up to 96 values seen (see [`value_set`]). With `gap` the distance of the feature
//!   from the nearest value of its set, and `rms` the root mean square of such gaps so far, the score is the 4-norm of
//!   `weight * gap / (0.02 + rms)` over the features. A score is reported only if it exceeds every score since the last
//!   reported one, or if that is 75 samples old: one event is reported once.
//! - **Robustness.** No update moves a mean by more than a few of its own deviations, which themselves may grow: an absurd
//!   value has little effect, and a lasting change is learned at an exponential pace.
//! - **Constants.** One or two digits, a power of two, or a natural time. Features, weights and rates were chosen on all
//!   of the Numenta Anomaly Benchmark; the bounds against absurd values on the same series with one sample of 1e15.
//! - **Cost.** Four binary searches, and one pass over a full set that learns; 2,028 bytes of buckets and sets, 156 of
//!   scalars.
//! - **Limits.** Events that resemble earlier ones; unbounded noise; traffic, where almost every value is usual at some
//!   time of the day. A second event within 75 samples is not reported unless its score is higher.

#[cfg(test)]
mod tests;
pub mod value_set;

use crate::bytes::{ByteReader, ByteWriter};
use crate::learning::WideBucket;
use crate::signals::novelty::value_set::{
    FLOOR_LEAST, FLOOR_SHARE, LEARNING_SAMPLES, LONG_RATE, MAGNITUDE_MAX, MOVE_MAX, Nearest,
    ValueSet, bound, is_in_range,
};
use domain::Sample;
use domain::sample::AT_US_MAX;

/// Threshold of the score: best for the standard profile of the benchmark, averaged over nearby thresholds.
pub(crate) const THRESHOLD: f64 = 1.6;
const N_FEATURES: usize = 4;
/// Weights of value, local distance, seasonal distance and volatility, in this order.
const WEIGHTS: [f64; N_FEATURES] = [1.0, 1.0, 0.2, 0.4];
/// Indexes of the features.
const VALUE: usize = 0;
const LOCAL: usize = 1;
const VOLATILITY: usize = 3;
/// Samples after which a lower score is reported again: six hours at five minutes.
const REPORT_APART: u64 = 75;
/// Samples before the means of time of day and of the last few samples are bounded.
const BOUNDED_AFTER: u64 = 50;
/// Weight of the newest sample in the local mean and in volatility: half of each comes from the last four samples.
const LOCAL_RATE: f64 = 0.15;
/// Weight of the newest visit to a bucket, after an even average of the first ten.
const BUCKET_RATE: f64 = 0.1;
/// Largest move of the local mean, in mean distances from it.
const LOCAL_MOVE_MAX: f64 = 6.0;
/// Largest seasonal residual that is learned in the variance of all, in deviations.
const RESIDUAL_MAX: f64 = 8.0;
/// Share of a bucket's own variance in the variance used for it; the rest is the variance of all residuals.
const BUCKET_SHARE: f64 = 0.75;
/// Largest seasonal distance, in deviations.
const SEASONAL_MAX: f64 = 30.0;
/// Number of buckets of the day: two hours each, so that hourly series visit one often.
const N_BUCKETS: usize = 12;
const DAY_US: i64 = 86_400_000_000;
/// Encodes that no sample was seen.
const NO_TIME: i64 = -1;

/// Reported score of a sample, with the band around the nearest value seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NoveltyScore {
    /// Score, compared with [`THRESHOLD`]; 0 if the event has been reported.
    pub(crate) score: f64,
    /// Expected value: the nearest value seen, by the strongest feature.
    pub(crate) value: f64,
    /// Lower end of the band; the sample is outside exactly if it is an anomaly.
    pub(crate) low: f64,
    /// Upper end of the band.
    pub(crate) high: f64,
}

/// Memory of the novelty signal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NoveltyState {
    n: u64,
    newest_us: i64,
    local_mean: f64,
    residual_var: f64,
    volatility: f64,
    // Last reported score, and samples since then.
    reported: f64,
    reported_age: u64,
    buckets: [WideBucket; N_BUCKETS],
    sets: Box<[ValueSet; N_FEATURES]>,
}

/// Features of a sample with the nearest value seen for each; learning reuses them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoveltyFeatures {
    features: [f64; N_FEATURES],
    nearest: [Nearest; N_FEATURES],
    expected: f64,
    scale: f64,
    score: f64,
    /// Feature with the largest share of the score.
    strongest: usize,
}

impl Default for NoveltyState {
    fn default() -> Self {
        Self {
            n: 0,
            newest_us: NO_TIME,
            local_mean: 0.0,
            residual_var: 0.0,
            volatility: 0.0,
            reported: 0.0,
            reported_age: 0,
            buckets: [WideBucket::default(); N_BUCKETS],
            sets: Box::new(std::array::from_fn(|_| ValueSet::default())),
        }
    }
}

impl NoveltyState {
    /// Encoded length of the scalars, in bytes.
    pub(crate) const SCALARS_LEN: usize = 56 + N_FEATURES * ValueSet::SCALARS_LEN;

    /// Encoded length of the buckets and sets, in bytes.
    pub(crate) const TABLES_LEN: usize =
        N_BUCKETS * WideBucket::LEN + N_FEATURES * ValueSet::VALUES_LEN;

    /// Features of `sample`.
    pub(crate) fn features(&self, sample: Sample) -> NoveltyFeatures {
        let value = sample.value();
        let (expected, scale) = (self.expected(sample), self.scale(sample));
        let is_known = self.buckets[bucket_of(sample)].visits > 1;
        let seasonal = if is_known { (value - expected) / scale } else { 0.0 };
        let seasonal = seasonal.clamp(-SEASONAL_MAX, SEASONAL_MAX);
        let volatility = self.volatility + LOCAL_RATE * (seasonal.abs() - self.volatility);
        let local = if self.n == 0 { 0.0 } else { value - self.local_mean };
        // Single precision, like the values of a set: the gap of a value to itself is zero.
        let features =
            [value, local, seasonal, volatility].map(|feature| f64::from(feature as f32));
        let nearest = std::array::from_fn(|k| self.sets[k].nearest(features[k]));
        let scores = std::array::from_fn(|k| WEIGHTS[k] * self.sets[k].score(nearest[k]));
        let (score, strongest) = if self.is_learning() { (0.0, VALUE) } else { norm(&scores) };
        NoveltyFeatures { features, nearest, expected, scale, score, strongest }
    }

    /// Score of `sample` by its features; `None` while learning.
    pub(crate) fn judge(&self, sample: Sample, of: &NoveltyFeatures) -> Option<NoveltyScore> {
        if self.is_learning() {
            return None;
        }
        let score = if self.is_reported(of.score) { of.score } else { 0.0 };
        let set = &self.sets[of.strongest];
        let nearest = of.nearest[of.strongest].value;
        let (center, scale) = match of.strongest {
            VALUE => (nearest, 1.0),
            LOCAL => (self.local_mean + nearest, 1.0),
            _ => (of.expected, of.scale),
        };
        // Distance from the center at which this feature alone would reach the threshold.
        let gap = THRESHOLD / WEIGHTS[of.strongest] * set.usual_gap();
        let width = 2.0 * set.unit()
            + (of.features[of.strongest] - set.level).abs()
            + (nearest - set.level).abs();
        let reach = (gap / 2.0 * width * scale).min(MAGNITUDE_MAX);
        Some(banded(score, sample.value(), center, reach))
    }

    /// Learns `sample` with its features, unless it is not newer than all before.
    pub(crate) fn learn(&mut self, sample: Sample, of: &NoveltyFeatures) {
        if sample.at_us() <= self.newest_us {
            return;
        }
        let day = (sample.at_us() / DAY_US) as u8;
        if self.n == 0 {
            self.local_mean = sample.value();
        }
        for (k, set) in self.sets.iter_mut().enumerate() {
            set.learn(of.features[k], of.nearest[k], day, self.n);
        }
        self.volatility = of.features[VOLATILITY];
        self.learn_score(of.score);
        self.learn_means(sample, of.expected);
        // Expiry comes last, so that a sample is judged and learned with the same sets.
        if sample.at_us() / DAY_US != self.newest_us / DAY_US {
            self.sets.iter_mut().for_each(|set| set.expire(day));
        }
        self.n += 1;
        self.newest_us = sample.at_us();
    }

    fn learn_means(&mut self, sample: Sample, expected: f64) {
        let rate = 1.0 / (self.n + 1) as f64;
        let residual = sample.value() - expected;
        let is_bounded = self.n + 1 > BOUNDED_AFTER;
        let residual_max =
            bound(is_bounded, (RESIDUAL_MAX * self.residual_var.sqrt()).max(FLOOR_LEAST));
        let learned = residual.clamp(-residual_max, residual_max);
        self.residual_var += LONG_RATE.max(rate) * (learned * learned - self.residual_var);
        let local_max =
            bound(is_bounded, LOCAL_MOVE_MAX * self.sets[LOCAL].spread.max(FLOOR_LEAST));
        let local = (sample.value() - self.local_mean).clamp(-local_max, local_max);
        self.local_mean += LOCAL_RATE.max(rate) * local;
        let move_max = bound(is_bounded, MOVE_MAX * self.residual_var.sqrt().max(FLOOR_LEAST));
        let residual = residual.clamp(-move_max, move_max);
        learn_in(&mut self.buckets[bucket_of(sample)], expected, residual);
    }

    fn is_learning(&self) -> bool {
        self.n < LEARNING_SAMPLES
    }

    /// True if a sample of this score is reported: no recent report had a higher one.
    fn is_reported(&self, score: f64) -> bool {
        self.reported_age >= REPORT_APART || score > self.reported
    }

    /// Learns the last reported score: with its age, it stands for the last 75 scores.
    fn learn_score(&mut self, score: f64) {
        if score > 0.0 && self.is_reported(score) {
            (self.reported, self.reported_age) = (score, 0);
        } else {
            self.reported_age = self.reported_age.saturating_add(1).min(REPORT_APART);
        }
    }

    /// Expected value at the sample's time of day.
    fn expected(&self, sample: Sample) -> f64 {
        let bucket = &self.buckets[bucket_of(sample)];
        match (bucket.visits, self.n) {
            (0, 0) => sample.value(),
            (0, _) => self.sets[VALUE].level,
            _ => f64::from(bucket.mean),
        }
    }

    /// Usual deviation at the sample's time of day.
    fn scale(&self, sample: Sample) -> f64 {
        let bucket = &self.buckets[bucket_of(sample)];
        let own = if bucket.visits > 2 { f64::from(bucket.var) } else { self.residual_var };
        let var = BUCKET_SHARE * own + (1.0 - BUCKET_SHARE) * self.residual_var;
        var.sqrt() + FLOOR_LEAST + FLOOR_SHARE * sample.value().abs()
    }

    pub(crate) fn write_scalars(&self, out: &mut ByteWriter) {
        out.u64(self.n);
        out.i64(self.newest_us);
        out.f64s(&[self.local_mean, self.residual_var, self.volatility, self.reported]);
        out.u64(self.reported_age);
        self.sets.iter().for_each(|set| set.write_scalars(out));
    }

    pub(crate) fn write_tables(&self, out: &mut ByteWriter) {
        self.buckets.iter().for_each(|bucket| bucket.write(out));
        self.sets.iter().for_each(|set| set.write_values(out));
    }

    /// Reads the scalars; buckets and sets stay empty until [`Self::read_tables`].
    pub(crate) fn read_scalars(from: &mut ByteReader<'_>) -> Option<Self> {
        let mut state = Self {
            n: from.count()?,
            newest_us: from.i64().filter(|at_us| (NO_TIME..=AT_US_MAX).contains(at_us))?,
            local_mean: from.finite().filter(|value| value.abs() <= MAGNITUDE_MAX)?,
            residual_var: from.not_negative()?,
            volatility: from.not_negative().filter(|value| *value <= SEASONAL_MAX)?,
            reported: from.not_negative()?,
            reported_age: from.count()?,
            ..Self::default()
        };
        for set in state.sets.iter_mut() {
            *set = ValueSet::read_scalars(from)?;
        }
        Some(state)
    }

    pub(crate) fn read_tables(&mut self, from: &mut ByteReader<'_>) -> Option<()> {
        for bucket in &mut self.buckets {
            *bucket = WideBucket::read(from).filter(|bucket| is_in_range(bucket.mean))?;
        }
        self.sets.iter_mut().try_for_each(|set| set.read_values(from))
    }
}

/// Moves a bucket by `residual`, the distance from the expected value.
fn learn_in(bucket: &mut WideBucket, expected: f64, residual: f64) {
    if bucket.visits == 0 {
        *bucket = WideBucket { mean: (expected + residual) as f32, var: 0.0, visits: 1 };
        return;
    }
    bucket.visits = bucket.visits.saturating_add(1);
    let rate = BUCKET_RATE.max(1.0 / f64::from(bucket.visits));
    let var = f64::from(bucket.var);
    bucket.var = (var + rate * (residual * residual - var)) as f32;
    bucket.mean = (f64::from(bucket.mean) + rate * residual) as f32;
}

/// Bucket of the sample's time of day.
fn bucket_of(sample: Sample) -> usize {
    (sample.at_us() % DAY_US) as usize / (DAY_US as usize / N_BUCKETS)
}

/// 4-norm of the scores, and the index of the largest.
fn norm(scores: &[f64; N_FEATURES]) -> (f64, usize) {
    let (mut sum, mut largest) = (0.0, 0);
    for (k, score) in scores.iter().enumerate() {
        let square = score * score;
        sum += square * square;
        if *score > scores[largest] {
            largest = k;
        }
    }
    (sum.sqrt().sqrt(), largest)
}

/// Band of `reach` around `center`, adjusted so that exactly an anomaly lies outside.
///
/// The adjustment is needed since the band is that of one feature, while the score combines four and suppresses repeats.
fn banded(score: f64, value: f64, center: f64, reach: f64) -> NoveltyScore {
    let (mut low, mut high) = (center - reach, center + reach);
    if score <= THRESHOLD {
        (low, high) = (low.min(value), high.max(value));
    } else if value >= center {
        high = high.min(center.midpoint(value)).min(value.next_down());
        low = low.min(high);
    } else {
        low = low.max(center.midpoint(value)).max(value.next_up());
        high = high.max(low);
    }
    NoveltyScore { score, value: center.clamp(low, high), low, high }
}
