//! Distance from everything seen before: for metrics whose values never seen are the news.
//!
//! Four signals are watched: the value, its distance from the last few samples, its distance from the time of day in
//! deviations, and how restless that distance has been. For each a net keeps up to 96 values, and a new one is news
//! by its gap to the nearest: `gap(x, a) = 2 |x - a| / (2 d + |x - l| + |a - l|)` with `l` the running level of the
//! signal and `d` twice its mean distance from it; near the level that is a distance in deviations, far from it one
//! in orders of magnitude, and it never exceeds 2. A gap between two known neighbors counts half. `score` is the
//! 4-norm of `weight * gap / (0.02 + rms)` over the signals, `rms` the root mean square of the signal's gaps so far.
//! A score is said only when it exceeds every score since the last one said, or that one is 75 samples old: news is
//! told once.
//!
//! The gap is the first Padé approximant of the difference of `ln(d + |x - l|)`: without a logarithm, and bounded, it
//! ranks better. A value not visited for 60 days is forgotten. No update moves a mean by more than a few of its own
//! deviations, which themselves may grow: an absurd value costs little, a lasting change is learned geometrically.
//!
//! Constants are round, with one or two digits, a power of two or a natural time. Signals, weights and rates were
//! chosen on the Numenta Anomaly Benchmark, on all of it; the guards against absurd values on the same series with
//! one sample replaced by 1e15. Cost: four binary searches; one pass over a net where a full one learns. Memory: 2,028
//! bytes of buckets and nets, and 156 of scalars. Fails: on events that look like earlier ones, on noise without bounds, on traffic, where almost every value
//! is known at some time of the day. A second event within 75 samples is silent unless larger.

use crate::bucket::Bucket;
use crate::layout::{Reader, Writer};
use domain::Sample;
use domain::sample::{AT_US_MAX, VALUE_ABS_MAX};

/// A score above it is an anomaly: best for the benchmark's standard profile when averaged over nearby thresholds.
pub(crate) const THRESHOLD: f64 = 1.6;

/// Values that a net keeps: 64 do as well on the benchmark, 96 leave room for wider series.
const N_KNOWN: usize = 96;

/// Weights of value, local distance, seasonal distance and restlessness, in this order.
const WEIGHTS: [f64; N_SIGNALS] = [1.0, 1.0, 0.2, 0.4];

const N_SIGNALS: usize = 4;

/// Index of the value among the signals.
const VALUE: usize = 0;

/// Index of the local distance among the signals.
const LOCAL: usize = 1;

/// Least gap that is learned, and half the resolution of a net.
const GAP_LEARNED: f64 = 0.05;

/// Gap from which a value is absurd: a fortyfold distance from the level.
const GAP_ABSURD: f64 = 1.9;

/// Share of a gap between two known neighbors that counts.
const INTERIOR_SHARE: f64 = 0.5;

/// What is added to the usual gap: a series whose gaps are all tiny has no news in one a little less tiny.
const USUAL_SOFT: f64 = 0.02;

/// Largest gap that the usual gap learns, in usual gaps.
const USUAL_MAX: f64 = 20.0;

/// The same where the gap is absurd: one broken value must not dull the scores of the next weeks.
const USUAL_ABSURD_MAX: f64 = 4.0;

/// Least weight of the newest gap in the usual gap: two weeks at five minutes.
const USUAL_RATE: f64 = 1.0 / 4_096.0;

/// Samples after which a lower score can be said again: six hours at five minutes.
const QUIET_SAMPLES: u64 = 75;

/// Days after its last visit at which a known value is forgotten: two of the longest common cycle, a month.
const KEPT_DAYS: u8 = 60;

/// Samples before anything is judged.
const LEARNING_SAMPLES: u64 = 30;

/// Samples before the means of time of day and of the last few samples are bounded.
const BOUNDED_AFTER: u64 = 50;

/// Weight of the newest sample in levels, their deviations, and the variance of all seasonal distances.
const LONG_RATE: f64 = 0.001;

/// Weight of the newest sample in the local mean and in restlessness: half of each is the last four samples.
const LOCAL_RATE: f64 = 0.15;

/// Weight of the newest visit to a bucket, once ten visits have been averaged evenly.
const BUCKET_RATE: f64 = 0.1;

/// Largest move of a level or of a bucket, in deviations.
const MOVE_MAX: f64 = 16.0;

/// Largest move of the local mean, in mean distances from it.
const LOCAL_MOVE_MAX: f64 = 6.0;

/// Largest seasonal distance that the variance of all learns, in deviations.
const RESIDUAL_MAX: f64 = 8.0;

/// Share of a bucket's own variance in that of its distances; the rest is that of all.
const BUCKET_SHARE: f64 = 0.75;

/// Largest seasonal distance, in deviations.
const SEASONAL_MAX: f64 = 30.0;

/// Buckets of the day: two hours each, so that hourly series visit one often.
const N_BUCKETS: usize = 12;

/// A day, in microseconds.
const DAY_US: i64 = 86_400_000_000;

/// Least deviation of all.
const FLOOR_LEAST: f64 = 1e-9;

/// Least deviation, as a share of the level: what is below is rounding.
const FLOOR_SHARE: f64 = 1e-6;

/// Largest magnitude of what is remembered: local distances of accepted values reach twice [`VALUE_ABS_MAX`].
const KNOWN_ABS_MAX: f64 = 4.0 * VALUE_ABS_MAX;

/// Stands for the newest time of a series that has none.
const NO_TIME: i64 = -1;

/// What is said of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reading {
    /// An anomaly when above [`THRESHOLD`]; 0 where the news has been told.
    pub(crate) score: f64,
    /// What was expected instead: the nearest known value, by the signal that says most.
    pub(crate) value: f64,
    /// Lower end of the band around it. The sample is outside exactly when it is an anomaly.
    pub(crate) low: f64,
    /// Upper end of the band.
    pub(crate) high: f64,
}

/// A value seen before, and the day of its last visit, modulo 256.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(C, packed)]
struct Known {
    value: f32,
    day: u8,
}

/// What has been seen of one signal; `known[..len]` is sorted.
#[derive(Debug, Clone, PartialEq)]
struct Net {
    level: f64,
    spread: f64,
    usual_square: f64,
    len: u8,
    known: [Known; N_KNOWN],
}

/// Where a value falls in a net.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Known values below it.
    index: usize,
    /// The gap to the nearest known value; none in an empty net.
    gap: Option<f64>,
    /// The gap as it counts.
    counted: f64,
    /// The nearest known value.
    nearest: f64,
}

/// What the signal remembers of a series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NoveltyState {
    n: u64,
    newest_us: i64,
    local_mean: f64,
    residual_var: f64,
    restlessness: f64,
    peak: f64,
    peak_age: u64,
    buckets: [Bucket; N_BUCKETS],
    nets: Box<[Net; N_SIGNALS]>,
}

/// The signals of a sample, and where each falls.
struct SilenceCheck {
    signals: [f64; N_SIGNALS],
    places: [Place; N_SIGNALS],
    usual: f64,
    usual_scale: f64,
    score: f64,
    /// The signal that says most.
    speaker: usize,
}

impl Default for Net {
    fn default() -> Self {
        let known = [Known::default(); N_KNOWN];
        Self { level: 0.0, spread: 0.0, usual_square: 0.0, len: 0, known }
    }
}

impl Default for NoveltyState {
    fn default() -> Self {
        Self {
            n: 0,
            newest_us: NO_TIME,
            local_mean: 0.0,
            residual_var: 0.0,
            restlessness: 0.0,
            peak: 0.0,
            peak_age: 0,
            buckets: [Bucket::default(); N_BUCKETS],
            nets: Box::new(std::array::from_fn(|_| Net::default())),
        }
    }
}

impl NoveltyState {
    /// Length of its scalars, in bytes.
    pub(crate) const SCALARS_LEN: usize = 56 + N_SIGNALS * Net::SCALARS_LEN;

    /// Length of its buckets and nets, in bytes.
    pub(crate) const TABLES_LEN: usize = N_BUCKETS * Bucket::LEN + N_SIGNALS * Net::KNOWN_LEN;

    /// What is said of `sample`; none while learning.
    pub(crate) fn judge(&self, sample: Sample) -> Option<Reading> {
        (self.n >= LEARNING_SAMPLES).then(|| self.reading(sample, &self.look(sample)))
    }

    /// Remembers `sample`, unless it is not newer than all before.
    pub(crate) fn learn(&mut self, sample: Sample) {
        self.judge_and_learn(sample);
    }

    /// What [`Self::judge`] says, and then [`Self::learn`], at the price of one.
    pub(crate) fn judge_and_learn(&mut self, sample: Sample) -> Option<Reading> {
        let is_late = sample.at_us() <= self.newest_us;
        if is_late {
            return self.judge(sample);
        }
        let look = self.look(sample);
        let reading = (self.n >= LEARNING_SAMPLES).then(|| self.reading(sample, &look));
        self.remember(sample, &look);
        reading
    }

    fn look(&self, sample: Sample) -> SilenceCheck {
        let value = sample.value();
        let usual = self.usual(sample);
        let usual_scale = self.usual_scale(sample);
        let is_known = self.buckets[bucket_of(sample)].visits > 1;
        let seasonal = if is_known { (value - usual) / usual_scale } else { 0.0 };
        let seasonal = seasonal.clamp(-SEASONAL_MAX, SEASONAL_MAX);
        let restlessness = self.restlessness + LOCAL_RATE * (seasonal.abs() - self.restlessness);
        let local = if self.n == 0 { 0.0 } else { value - self.local_mean };
        // Singles, like what is remembered: the gap of a value to itself is zero.
        let signals = [value, local, seasonal, restlessness].map(|signal| f64::from(signal as f32));
        let places = std::array::from_fn(|k| self.nets[k].place(signals[k]));
        let said = std::array::from_fn(|k| WEIGHTS[k] * self.nets[k].score(places[k]));
        let (score, speaker) = if self.n < LEARNING_SAMPLES { (0.0, VALUE) } else { norm(&said) };
        SilenceCheck { signals, places, usual, usual_scale, score, speaker }
    }

    /// Whether a sample of this score is told: nothing larger was of late.
    fn is_news(&self, score: f64) -> bool {
        self.peak_age >= QUIET_SAMPLES || score > self.peak
    }

    fn reading(&self, sample: Sample, look: &SilenceCheck) -> Reading {
        let score = if self.is_news(look.score) { look.score } else { 0.0 };
        let net = &self.nets[look.speaker];
        let nearest = look.places[look.speaker].nearest;
        let (center, scale) = match look.speaker {
            VALUE => (nearest, 1.0),
            LOCAL => (self.local_mean + nearest, 1.0),
            _ => (look.usual, look.usual_scale),
        };
        // How far from the center this signal alone would reach the threshold.
        let gap = THRESHOLD / WEIGHTS[look.speaker] * net.usual_gap();
        let width = 2.0 * net.unit()
            + (look.signals[look.speaker] - net.level).abs()
            + (nearest - net.level).abs();
        let reach = (gap / 2.0 * width * scale).min(KNOWN_ABS_MAX);
        banded(score, sample.value(), center, reach)
    }

    fn remember(&mut self, sample: Sample, look: &SilenceCheck) {
        let rate = 1.0 / (self.n + 1) as f64;
        let day = (sample.at_us() / DAY_US) as u8;
        if self.n == 0 {
            self.local_mean = sample.value();
        }
        for (k, net) in self.nets.iter_mut().enumerate() {
            net.learn(look.signals[k], look.places[k], day, self.n);
        }
        self.restlessness = look.signals[N_SIGNALS - 1];
        self.remember_score(look.score);
        let residual = sample.value() - look.usual;
        let bounded = self.n + 1 > BOUNDED_AFTER;
        let residual_max =
            bound(bounded, (RESIDUAL_MAX * self.residual_var.sqrt()).max(FLOOR_LEAST));
        let learned = residual.clamp(-residual_max, residual_max);
        self.residual_var += LONG_RATE.max(rate) * (learned * learned - self.residual_var);
        let local_max = bound(bounded, LOCAL_MOVE_MAX * self.nets[LOCAL].spread.max(FLOOR_LEAST));
        let local = (sample.value() - self.local_mean).clamp(-local_max, local_max);
        self.local_mean += LOCAL_RATE.max(rate) * local;
        let move_max = bound(bounded, MOVE_MAX * self.residual_var.sqrt().max(FLOOR_LEAST));
        let residual = residual.clamp(-move_max, move_max);
        learn_in(&mut self.buckets[bucket_of(sample)], look.usual, residual);
        // Forgetting comes last, so that what was judged is what was remembered.
        if sample.at_us() / DAY_US != self.newest_us / DAY_US {
            self.nets.iter_mut().for_each(|net| net.forget(day));
        }
        self.n += 1;
        self.newest_us = sample.at_us();
    }

    /// Remembers the last score told: one number and its age stand for the last 75 scores.
    fn remember_score(&mut self, score: f64) {
        if score > 0.0 && self.is_news(score) {
            (self.peak, self.peak_age) = (score, 0);
        } else {
            self.peak_age = self.peak_age.saturating_add(1).min(QUIET_SAMPLES);
        }
    }

    /// What is usual at the sample's time of day.
    fn usual(&self, sample: Sample) -> f64 {
        let bucket = &self.buckets[bucket_of(sample)];
        match (bucket.visits, self.n) {
            (0, 0) => sample.value(),
            (0, _) => self.nets[VALUE].level,
            _ => f64::from(bucket.mean),
        }
    }

    fn usual_scale(&self, sample: Sample) -> f64 {
        let bucket = &self.buckets[bucket_of(sample)];
        let own = if bucket.visits > 2 { f64::from(bucket.var) } else { self.residual_var };
        let var = BUCKET_SHARE * own + (1.0 - BUCKET_SHARE) * self.residual_var;
        var.sqrt() + FLOOR_LEAST + FLOOR_SHARE * sample.value().abs()
    }

    pub(crate) fn write_scalars(&self, out: &mut Writer) {
        out.u64(self.n);
        out.i64(self.newest_us);
        out.f64(self.local_mean);
        out.f64(self.residual_var);
        out.f64(self.restlessness);
        out.f64(self.peak);
        out.u64(self.peak_age);
        self.nets.iter().for_each(|net| net.write_scalars(out));
    }

    pub(crate) fn write_tables(&self, out: &mut Writer) {
        self.buckets.iter().for_each(|bucket| bucket.write(out));
        self.nets.iter().for_each(|net| net.write_known(out));
    }

    /// A state of these scalars, whose tables are to be read.
    pub(crate) fn read_scalars(from: &mut Reader<'_>) -> Option<Self> {
        let mut state = Self {
            n: from.count()?,
            newest_us: from.i64().filter(|at_us| (NO_TIME..=AT_US_MAX).contains(at_us))?,
            local_mean: from.finite().filter(|value| value.abs() <= KNOWN_ABS_MAX)?,
            residual_var: from.not_negative()?,
            restlessness: from.not_negative().filter(|value| *value <= SEASONAL_MAX)?,
            peak: from.not_negative()?,
            peak_age: from.count()?,
            ..Self::default()
        };
        for net in state.nets.iter_mut() {
            *net = Net::read_scalars(from)?;
        }
        Some(state)
    }

    pub(crate) fn read_tables(&mut self, from: &mut Reader<'_>) -> Option<()> {
        for bucket in &mut self.buckets {
            *bucket = Bucket::read(from).filter(|bucket| is_known_size(bucket.mean))?;
        }
        self.nets.iter_mut().try_for_each(|net| net.read_known(from))
    }
}

impl Net {
    /// Length of its scalars, in bytes.
    const SCALARS_LEN: usize = 25;

    /// Length of what is known, in bytes.
    const KNOWN_LEN: usize = N_KNOWN * 5;

    fn known(&self) -> &[Known] {
        &self.known[..usize::from(self.len)]
    }

    /// The distance from the level below which gaps are distances rather than ratios.
    fn unit(&self) -> f64 {
        (2.0 * self.spread).max(FLOOR_LEAST + FLOOR_SHARE * self.level.abs())
    }

    fn usual_gap(&self) -> f64 {
        USUAL_SOFT + self.usual_square.sqrt()
    }

    fn place(&self, value: f64) -> Place {
        let (known, width) = (self.known(), 2.0 * self.unit() + (value - self.level).abs());
        let gap_to =
            |other: f64| 2.0 * (value - other).abs() / (width + (other - self.level).abs());
        let index = known.partition_point(|it| f64::from(it.value) < value);
        let below = index.checked_sub(1).map(|i| f64::from(known[i].value));
        let above = known.get(index).map(|it| f64::from(it.value));
        let ends = (below.map(|it| (gap_to(it), it)), above.map(|it| (gap_to(it), it)));
        match ends {
            (None, None) => Place { index, gap: None, counted: 0.0, nearest: value },
            (Some((gap, nearest)), None) | (None, Some((gap, nearest))) => {
                Place { index, gap: Some(gap), counted: gap, nearest }
            }
            (Some(below), Some(above)) => {
                let (gap, nearest) = if below.0 < above.0 { below } else { above };
                // An absurd neighbor tells nothing of what lies between.
                let is_between = below.0.max(above.0) < GAP_ABSURD;
                let counted = if is_between { INTERIOR_SHARE * gap } else { gap };
                Place { index, gap: Some(gap), counted, nearest }
            }
        }
    }

    fn score(&self, place: Place) -> f64 {
        place.counted / self.usual_gap()
    }

    fn learn(&mut self, value: f64, place: Place, day: u8, n: u64) {
        if n == 0 {
            self.level = value;
        }
        if n >= LEARNING_SAMPLES && place.gap.is_some() {
            let is_absurd = place.counted >= GAP_ABSURD;
            let gap_max = if is_absurd { USUAL_ABSURD_MAX } else { USUAL_MAX };
            let gap = place.counted.min(gap_max * self.usual_gap());
            let rate = USUAL_RATE.max(1.0 / (n + 1 - LEARNING_SAMPLES) as f64);
            self.usual_square += rate * (gap * gap - self.usual_square);
        }
        self.visit(place.index, day);
        if place.gap.is_none_or(|gap| gap > GAP_LEARNED) {
            self.insert(Known { value: value as f32, day }, place.index);
        }
        let rate = LONG_RATE.max(1.0 / (n + 1) as f64);
        let move_max = bound(n >= LEARNING_SAMPLES, MOVE_MAX * self.spread.max(FLOOR_LEAST));
        let distance = (value - self.level).clamp(-move_max, move_max);
        self.spread += rate * (distance.abs() - self.spread);
        self.level += rate * distance;
    }

    /// Both neighbors of what was seen are alive.
    fn visit(&mut self, index: usize, day: u8) {
        let end = usize::from(self.len).min(index + 1);
        for known in &mut self.known[index.saturating_sub(1)..end] {
            known.day = day;
        }
    }

    fn insert(&mut self, new: Known, mut index: usize) {
        if usize::from(self.len) == N_KNOWN {
            let dropped = self.most_crowded();
            self.known.copy_within(dropped + 1.., dropped);
            self.len -= 1;
            if index > dropped {
                index -= 1;
            }
        }
        let len = usize::from(self.len);
        self.known.copy_within(index..len, index + 1);
        self.known[index] = new;
        self.len += 1;
    }

    /// The known value with the smallest gap below it; the ends stay.
    fn most_crowded(&self) -> usize {
        let (unit, mut least, mut crowded) = (self.unit(), f64::INFINITY, 1);
        let mut below = f64::from(self.known[0].value);
        for (i, known) in self.known.iter().enumerate().take(N_KNOWN - 1).skip(1) {
            let value = f64::from(known.value);
            let width = 2.0 * unit + (value - self.level).abs() + (below - self.level).abs();
            let gap = (value - below) / width;
            if gap < least {
                (least, crowded) = (gap, i);
            }
            below = value;
        }
        crowded
    }

    /// Drops what has not been visited for [`KEPT_DAYS`] on `day`, the newest, modulo 256.
    ///
    /// After eight silent months a stamp can pass for a younger one; it is then kept for two more at most.
    fn forget(&mut self, day: u8) {
        let mut kept = 0;
        for i in 0..usize::from(self.len) {
            if day.wrapping_sub(self.known[i].day) <= KEPT_DAYS {
                self.known[kept] = self.known[i];
                kept += 1;
            }
        }
        self.known[kept..].fill(Known::default());
        self.len = kept as u8;
    }

    fn write_scalars(&self, out: &mut Writer) {
        out.f64(self.level);
        out.f64(self.spread);
        out.f64(self.usual_square);
        out.u8(self.len);
    }

    fn write_known(&self, out: &mut Writer) {
        for known in &self.known {
            out.f32(known.value);
            out.u8(known.day);
        }
    }

    fn read_scalars(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            level: from.finite().filter(|value| value.abs() <= KNOWN_ABS_MAX)?,
            spread: from.not_negative().filter(|value| *value <= KNOWN_ABS_MAX)?,
            usual_square: from.not_negative()?,
            len: from.u8().filter(|len| usize::from(*len) <= N_KNOWN)?,
            ..Self::default()
        })
    }

    fn read_known(&mut self, from: &mut Reader<'_>) -> Option<()> {
        for known in &mut self.known {
            known.value = from.finite_f32().filter(|value| is_known_size(*value))?;
            known.day = from.u8()?;
        }
        self.known().is_sorted_by(|a, b| a.value <= b.value).then_some(())
    }
}

/// Moves a bucket by `residual`, the distance from what was expected there, which is its mean once it was visited.
fn learn_in(bucket: &mut Bucket, expected: f64, residual: f64) {
    if bucket.visits == 0 {
        *bucket = Bucket { mean: (expected + residual) as f32, var: 0.0, visits: 1 };
        return;
    }
    bucket.visits = bucket.visits.saturating_add(1);
    let rate = BUCKET_RATE.max(1.0 / f64::from(bucket.visits));
    let var = f64::from(bucket.var);
    bucket.var = (var + rate * (residual * residual - var)) as f32;
    bucket.mean = (f64::from(bucket.mean) + rate * residual) as f32;
}

fn is_known_size(value: f32) -> bool {
    f64::from(value).abs() <= KNOWN_ABS_MAX
}

/// The bucket of the sample's time of day.
fn bucket_of(sample: Sample) -> usize {
    (sample.at_us() % DAY_US) as usize / (DAY_US as usize / N_BUCKETS)
}

/// `limit` where moves are bounded.
fn bound(is_bounded: bool, limit: f64) -> f64 {
    if is_bounded { limit } else { f64::INFINITY }
}

/// The 4-norm, and which of them is largest.
fn norm(said: &[f64; N_SIGNALS]) -> (f64, usize) {
    let (mut sum, mut largest) = (0.0, 0);
    for (k, score) in said.iter().enumerate() {
        let square = score * score;
        sum += square * square;
        if *score > said[largest] {
            largest = k;
        }
    }
    (sum.sqrt().sqrt(), largest)
}

/// A band of `reach` around `center` whose nearer end gives way to `value`, so that exactly an anomaly is outside.
///
/// Several signals have a say, and what was told is told once: one signal's reach alone could contradict the score.
fn banded(score: f64, value: f64, center: f64, reach: f64) -> Reading {
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
    Reading { score, value: center.clamp(low, high), low, high }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN_MINUTES_US: i64 = 600_000_000;
    const LEN: usize = NoveltyState::SCALARS_LEN + NoveltyState::TABLES_LEN;

    /// Where a separate implementation of the same arithmetic tells news of 3,000 samples of the series below.
    const TOLD: [usize; 7] = [30, 122, 144, 700, 1_401, 1_800, 2_803];

    /// The sum of the scores that it tells.
    const SUM: f64 = 151.933_744_0;

    fn sample(i: i64, value: f64) -> Sample {
        Sample::new(i * TEN_MINUTES_US, value).unwrap()
    }

    /// A saw of a day with noise, rare spikes and a shift: the series on which the reference numbers were computed.
    fn saw(n: i64) -> Vec<Sample> {
        let mut seed = 12_345_u64;
        let mut value_at = |i: i64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let noise = (seed >> 40) as f64 / f64::from(1 << 24);
            let spike = if i % 701 == 700 { 200.0 * noise } else { 0.0 };
            let shift = if i >= 1_800 { 30.0 } else { 0.0 };
            100.0 + 40.0 * ((i % 144) as f64 / 144.0) + 5.0 * noise + spike + shift
        };
        (0..n).map(|i| sample(i, value_at(i))).collect()
    }

    fn learned(n: i64) -> NoveltyState {
        let mut state = NoveltyState::default();
        for sample in saw(n) {
            state.learn(sample);
        }
        state
    }

    fn bytes(state: &NoveltyState) -> Vec<u8> {
        let mut out = Writer::default();
        state.write_scalars(&mut out);
        state.write_tables(&mut out);
        out.finish()
    }

    fn read(bytes: &[u8]) -> Option<NoveltyState> {
        let mut from = Reader::new(bytes);
        let mut state = NoveltyState::read_scalars(&mut from)?;
        state.read_tables(&mut from)?;
        Some(state)
    }

    fn is_anomaly(reading: Option<Reading>) -> bool {
        reading.is_some_and(|reading| reading.score > THRESHOLD)
    }

    /// The samples of days 10 to 40 at which a spike, each larger than all before, was found.
    fn spikes_found(absurd_at: Option<i64>) -> Vec<i64> {
        let mut state = NoveltyState::default();
        let mut found = Vec::new();
        for (i, calm) in (0..).zip(saw(144 * 12)) {
            let is_spike = i > 1_000 && i % 97 == 0;
            let value = match i {
                _ if absurd_at == Some(i) => 1e15,
                _ if is_spike => 4.0 * (i - 900) as f64,
                _ => calm.value(),
            };
            if is_anomaly(state.judge_and_learn(sample(i, value))) && is_spike {
                found.push(i);
            }
        }
        found
    }

    #[test]
    fn scores_are_those_of_the_reference() {
        let mut state = NoveltyState::default();
        let mut told = Vec::new();
        let mut sum = 0.0;
        for (i, sample) in saw(3_000).into_iter().enumerate() {
            let reading = state.judge_and_learn(sample);
            sum += reading.map_or(0.0, |reading| reading.score);
            if is_anomaly(reading) {
                told.push(i);
            }
        }
        assert_eq!(told, TOLD);
        assert!((sum - SUM).abs() < 1e-3, "{sum}");
    }

    #[test]
    fn one_absurd_value_leaves_the_recall_of_later_spikes_unchanged() {
        let calm = spikes_found(None);
        assert!(calm.len() >= 5, "{calm:?}");
        // Far enough from the first spike for what is told once.
        assert_eq!(spikes_found(Some(900)), calm);
    }

    #[test]
    fn a_value_seen_is_known_and_forgotten_after_two_months_unseen() {
        for (days, is_news) in [(50, false), (70, true)] {
            let mut state = NoveltyState::default();
            for i in 0..144 * days {
                state.learn(sample(i, if i == 720 { 500.0 } else { 100.0 + (i % 7) as f64 }));
            }
            assert_eq!(is_anomaly(state.judge(sample(144 * days, 500.0))), is_news, "{days} days");
        }
    }

    #[test]
    fn news_is_told_once() {
        let mut state = NoveltyState::default();
        let value = |i: i64| if i >= 400 { 300.0 - (i % 9) as f64 } else { 100.0 + (i % 7) as f64 };
        let told = (0..470).filter(|i| is_anomaly(state.judge_and_learn(sample(*i, value(*i)))));
        assert_eq!(told.filter(|i| *i >= 400).collect::<Vec<_>>(), [400]);
    }

    #[test]
    fn a_lasting_shift_is_learned() {
        let mut state = NoveltyState::default();
        let mut told_late = 0;
        for (i, calm) in (0..).zip(saw(144 * 12)) {
            let factor = if i > 500 { 1e6 } else { 1.0 };
            let reading = state.judge_and_learn(sample(i, calm.value() * factor));
            told_late += usize::from(i > 144 * 8 && is_anomaly(reading) && i % 701 != 700);
        }
        assert!(told_late <= 3, "{told_late}");
    }

    #[test]
    fn too_few_samples_are_not_judged() {
        assert_eq!(learned(29).judge(sample(29, 1e6)), None);
        assert!(is_anomaly(learned(60).judge(sample(60, 1e6))));
    }

    #[test]
    fn a_constant_series_is_silent_and_its_first_change_an_anomaly() {
        let mut state = NoveltyState::default();
        for i in 0..200 {
            assert!(!is_anomaly(state.judge_and_learn(sample(i, 0.0))));
        }
        assert!(is_anomaly(state.judge(sample(200, 1.0))));
    }

    #[test]
    fn late_and_repeated_samples_teach_nothing() {
        let before = learned(300);
        let mut state = before.clone();
        for i in [0, 150, 299] {
            state.learn(sample(i, 1e15));
        }
        assert_eq!(state, before);
    }

    #[test]
    fn judging_and_learning_at_once_says_what_judging_says() {
        let mut state = NoveltyState::default();
        for sample in saw(6_000) {
            let judged = state.judge(sample);
            assert_eq!(state.judge_and_learn(sample), judged);
        }
    }

    #[test]
    fn a_value_is_an_anomaly_exactly_outside_its_band() {
        let mut state = NoveltyState::default();
        for sample in saw(3_000) {
            for factor in [0.0, 0.5, 1.0, 1.1, 3.0] {
                let sample = Sample::new(sample.at_us(), sample.value() * factor).unwrap();
                let Some(reading) = state.judge(sample) else { continue };
                let is_inside = (reading.low..=reading.high).contains(&sample.value());
                assert_eq!(reading.score > THRESHOLD, !is_inside, "{sample:?} {reading:?}");
                assert!((reading.low..=reading.high).contains(&reading.value), "{reading:?}");
            }
            state.learn(sample);
        }
    }

    #[test]
    fn a_state_reads_back_as_it_was() {
        for n in [0, 1, 20, 400, 5_000] {
            let state = learned(n);
            let bytes = bytes(&state);
            assert_eq!(bytes.len(), LEN);
            assert_eq!(read(&bytes), Some(state));
        }
    }

    #[test]
    fn extreme_values_are_remembered() {
        let mut state = NoveltyState::default();
        for i in 0..500 {
            state.learn(sample(i, if i % 50 < 25 { 1e15 } else { -1e15 }));
            assert_eq!(read(&bytes(&state)), Some(state.clone()));
        }
    }

    #[test]
    fn the_state_is_small() {
        const { assert!(LEN <= 4_096) };
    }

    proptest! {
        #[test]
        fn a_corrupted_state_never_panics_and_stays_readable(
            at in 0..LEN - 8, junk in prop::collection::vec(any::<u8>(), 8),
        ) {
            let mut bytes_of = bytes(&learned(400));
            bytes_of[at..at + 8].copy_from_slice(&junk);
            if let Some(mut state) = read(&bytes_of) {
                for i in 400..500 {
                    let late_or_not = Sample::new(i * TEN_MINUTES_US, 100.0 + (i % 9) as f64).unwrap();
                    if let Some(reading) = state.judge_and_learn(late_or_not) {
                        prop_assert!(reading.low <= reading.high && reading.score >= 0.0);
                    }
                }
                prop_assert!(read(&bytes(&state)).is_some());
            }
        }
    }
}
