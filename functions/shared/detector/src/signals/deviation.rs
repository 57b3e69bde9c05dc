//! Deviation: distance from the recent samples and from the season together.
//!
//! - **Formula.** `score = sqrt(zw * zs / max(1, high)) * persistence / factor`, compared with the threshold.
//!   - `zw = |x - mean| / stddev` over the previous `window` samples, without anomalies unless they are half of them;
//!   - `zs = |x - mu| / sigma` for the time of day or week (see [`crate::learning::season`]). Half of the variance
//!     `sigma^2` is that of all residuals, since one bucket has few visits;
//!   - neither distance counts as more than ten times the other, and neither deviation as less than the floor of
//!     [`crate::learning::floor`] and half of the resolution of [`crate::learning::resolution`];
//!   - `high` is the value of `sqrt(zw * zs)` that this series exceeds once in 500 samples: with it, one threshold fits
//!     calm series and noisy ones;
//!   - `persistence` is 1, or `(1 + ln(1 + g)) / 2` if samples are half an hour or more apart, where `g` is the running
//!     mean of the residuals over its own root mean square: such a sample sums up many, so a lasting residual is evidence;
//!   - `factor` is that of [`crate::learning::adaptive_threshold`];
//!   - without a known season, a long exponentially weighted mean replaces it, and the score is divided by 1.5.
//! - **Why.** A value far from the last hour *and* from this time on other days is an anomaly. The morning rise is far from
//!   the hour only, a calm holiday from the season only.
//! - **Robustness.** No sample moves a mean by more than eight deviations, so one absurd value does not hide later
//!   anomalies. If values stay absurd, they are a new normal and are learned without that bound.
//! - **Constants.** Round. Window and rates were chosen on the AIOps 2018 KPI series; the shared half and the once in 500
//!   on these and on Microsoft's cloud-monitoring series; `persistence` on the hourly ones of the latter.
//! - **Cost.** Two passes over the window, one or two buckets; 2,016 bytes of buckets and 176 of scalars.
//! - **Limits.** Misses what happens within a lasting shift, since the window follows it, and cycles that are neither a
//!   day nor a week.

mod band;
mod stored;
#[cfg(test)]
mod tests;

use crate::learning::floor::floor;
use crate::learning::moments::Moments;
use crate::learning::season::{
    Calendar, DailyPosition, MeanVar, MoveBound, SeasonPosition, SeasonTable,
};
use crate::learning::{AdaptiveThreshold, Reference, Resolution, SamplingInterval, SeasonGain};
use crate::signals::deviation::band::{Center, expectation, joint};
use domain::{JudgedSample, Sample, Verdict, VerdictKind};

/// Share of the variance of all residuals in the variance of a bucket: a bucket alone has few visits.
const SHARED_SHARE: f64 = 0.5;
/// Largest noise of a time of day, relative to that of all.
const NOISE_MAX: f64 = 4.0;
/// Weight of the newest residual in the variance of all residuals.
const RESIDUAL_RATE: f64 = 0.001;
/// The same for rare samples: a week and a half of hours, else the first weeks would count for months.
const RESIDUAL_RATE_COARSE: f64 = 0.005;
/// Largest residual that is learned in that variance, in deviations.
const RESIDUAL_MAX: f64 = 3.0;
/// Samples before residuals are bounded so tightly: the season is not known earlier.
const RESIDUAL_BOUNDED_AFTER: u64 = 200;
/// Share of samples above the high quantile: about three a day at one sample a minute.
const HIGH_SHARE: f64 = 0.002;
/// Relative step of the high quantile: fourteen samples above double it.
const HIGH_STEP: f64 = 0.05;
/// Samples after one above the high quantile within which another does not count: a long event is one event.
const HIGH_APART: u8 = 10;
/// Initial high quantile: without a season, the first day is noisy.
const HIGH_START: f64 = 1.5;
/// Least high quantile: a tenth of the value from which it matters.
const HIGH_MIN: f64 = 0.1;
/// Samples before the high quantile moves: the first scores are those of an empty season.
const HIGH_AFTER: u64 = 50;
/// Divisor of the score while the season is unknown.
const SEASONLESS_DIVISOR: f64 = 1.5;
/// Weight of the newest residual in their running mean: an event of hours lasts a few samples.
const DRIFT_RATE: f64 = 0.5;
/// Weight of the newest square of that mean in its mean square.
const DRIFT_SQUARE_RATE: f64 = 0.001;
/// Largest residual that is learned in the running mean, in deviations.
const DRIFT_RESIDUAL_MAX: f64 = 8.0;
/// Least root mean square of the running mean: smaller drifts are no evidence.
const DRIFT_MIN: f64 = 0.15;
/// Samples before the drift counts.
const DRIFT_AFTER: u64 = 100;
/// Weight of the newest sample in the long mean: half of it comes from the last 350 samples.
const LONG_RATE: f64 = 0.002;
/// Largest distance, in deviations: above any threshold.
const DISTANCE_MAX: f64 = 1e4;
/// Largest move of a mean, in its own deviations.
const MOVE_MAX: f64 = 8.0;
/// Samples before moves are bounded: no deviation is known earlier.
const BOUNDED_AFTER: u64 = 10;
/// Length of the first day of a series, in microseconds.
const FIRST_DAY_US: f64 = 86_400e6;
/// Weight of the newest sample in the share of absurd samples.
const ABSURD_RATE: f64 = 0.05;
/// Share of absurd samples from which they are a new normal: 45 in a row.
const ABSURD_SHARE_MAX: f64 = 0.9;

/// Least number of samples that are not anomalies, for the others to be left out of the window.
const USUAL_MIN: usize = 10;

/// Parameters of `deviation:window=,threshold=,min=,season=,time_zone=`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deviation {
    /// Length of the window, in samples.
    pub window: usize,
    /// Score above which a sample is an anomaly: 2 favors recall, 4 precision.
    pub threshold: f64,
    /// Samples required before judging.
    pub min: usize,
    /// Season and time zone.
    pub calendar: Calendar,
}

/// Memory of the deviation signal.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviationState {
    pub(crate) interval: SamplingInterval,
    long: MeanVar,
    absurd_share: f64,
    residual_var: f64,
    high: f64,
    // Samples since the last one above the high quantile; saturates at HIGH_APART.
    since_high: u8,
    drift: f64,
    drift_square: f64,
    threshold: AdaptiveThreshold,
    gain: SeasonGain,
    resolution: Resolution,
    pub(crate) table: SeasonTable,
}

impl Default for DeviationState {
    fn default() -> Self {
        Self {
            interval: SamplingInterval::default(),
            long: MeanVar { mean: 0.0, var: 0.0 },
            absurd_share: 0.0,
            residual_var: 0.0,
            high: HIGH_START,
            since_high: HIGH_APART,
            drift: 0.0,
            drift_square: 0.0,
            threshold: AdaptiveThreshold::default(),
            gain: SeasonGain::default(),
            resolution: Resolution::default(),
            table: SeasonTable::default(),
        }
    }
}

impl DeviationState {
    /// Position of `sample` in a table of days only.
    pub(crate) fn daily_position(&self, calendar: Calendar, sample: Sample) -> DailyPosition {
        let daily = self.table.daily(self.position(calendar, sample));
        let least_deviation = self.resolution.least_deviation();
        DailyPosition { is_used: self.is_seasonal(), least_deviation, ..daily }
    }

    /// Expected value at the time of `sample`, and how noisy that time is, relative to all.
    pub(crate) fn expected_at(&self, calendar: Calendar, sample: Sample) -> (f64, f64) {
        let position = self.position(calendar, sample);
        let noise = self.season(position).filter(|_| self.residual_var > 0.0);
        let noise = noise.map_or(1.0, |MeanVar { var, .. }| {
            let relative = (1.0 - SHARED_SHARE) * var / self.residual_var + SHARED_SHARE;
            relative.sqrt().min(NOISE_MAX)
        });
        (self.expected(position, sample).0, noise)
    }

    /// Expected value and deviation at the time of day or week of `sample`, if the season is known.
    pub(crate) fn seasonal_at(&self, calendar: Calendar, sample: Sample) -> Option<(f64, f64)> {
        let position = self.position(calendar, sample);
        self.season(position).map(|_| self.expected(position, sample))
    }

    /// Factor by which the signal has raised its threshold.
    pub(crate) fn threshold_factor(&self) -> f64 {
        self.threshold.factor()
    }

    fn position(&self, calendar: Calendar, sample: Sample) -> SeasonPosition {
        calendar.position(sample, self.interval.interval_us())
    }

    /// Least deviation that counts.
    fn floor(&self, sample: Sample) -> f64 {
        let is_first = self.interval.n_samples() == 0;
        let long_mean = if is_first { sample.value() } else { self.long.mean };
        floor(long_mean, self.residual_var, self.interval.n_samples())
            .max(self.resolution.least_deviation())
    }

    /// True if the time of day counts: on the first day, and while it explains the series.
    fn is_seasonal(&self) -> bool {
        self.is_first_day() || self.gain.is_used()
    }

    fn is_first_day(&self) -> bool {
        (self.interval.n_samples() as f64) * self.interval.interval_us() < FIRST_DAY_US
    }

    /// Expectation of the season, if it counts.
    fn season(&self, position: SeasonPosition) -> Option<MeanVar> {
        self.table.expected(position).filter(|_| self.is_seasonal())
    }

    /// Distance of `sample` from the season, in its deviations; `None` while no season is known.
    pub(crate) fn seasonal_distance(&self, calendar: Calendar, sample: Sample) -> Option<f64> {
        let position = self.position(calendar, sample);
        self.season(position)?;
        let (expected, scale) = self.expected(position, sample);
        Some((sample.value() - expected) / scale)
    }

    /// Compares the season with the long mean.
    fn learn_gain(&mut self, position: SeasonPosition, value: f64) {
        let season = self.table.expected(position).filter(|_| !self.is_first_day());
        if let Some(MeanVar { mean, .. }) = season {
            self.gain.learn(value - mean, value - self.long.mean);
        }
    }

    /// Expected value and deviation at the time of `sample`.
    fn expected(&self, position: SeasonPosition, sample: Sample) -> (f64, f64) {
        let seasonal = self.season(position).map(|MeanVar { mean, var }| MeanVar {
            var: (1.0 - SHARED_SHARE) * var + SHARED_SHARE * self.residual_var,
            mean,
        });
        let MeanVar { mean, var } = seasonal.unwrap_or(self.long);
        (mean, var.sqrt().max(self.floor(sample)))
    }

    /// Running mean of the residuals including `residual`, in deviations.
    fn drift_with(&self, residual: f64) -> f64 {
        let residual = residual.clamp(-DRIFT_RESIDUAL_MAX, DRIFT_RESIDUAL_MAX);
        self.drift + DRIFT_RATE * (residual - self.drift)
    }

    /// Factor of the score for lasting residuals of rare samples.
    fn persistence(&self, position: SeasonPosition, residual: f64) -> f64 {
        if !position.is_coarse() {
            return 1.0;
        }
        let is_known = self.interval.n_samples() > DRIFT_AFTER;
        let drift = self.drift_with(residual).abs() / self.drift_square.sqrt().max(DRIFT_MIN);
        if is_known { drift.ln_1p().midpoint(1.0) } else { 0.5 }
    }

    /// Divisor that turns the joint distance into the score.
    fn divisor(&self, position: SeasonPosition, residual: f64) -> f64 {
        let is_seasonless = self.season(position).is_none();
        let doubt = if is_seasonless { SEASONLESS_DIVISOR } else { 1.0 };
        let weight = self.persistence(position, residual) / self.threshold.factor();
        self.high.max(1.0).sqrt() * doubt / weight
    }

    /// Moves the high quantile by one step of stochastic approximation.
    fn learn_high(&mut self, joint_distance: f64) {
        // A value beyond the largest distance is broken, and no evidence of a noisy series.
        let is_above = joint_distance > self.high && joint_distance < DISTANCE_MAX * 0.999;
        let is_apart = self.since_high >= HIGH_APART;
        if self.interval.n_samples() > HIGH_AFTER {
            let counted = f64::from(u8::from(is_above && is_apart));
            let step = (HIGH_STEP * (counted - HIGH_SHARE)).exp();
            self.high = (self.high * step).clamp(HIGH_MIN, DISTANCE_MAX);
        }
        self.since_high =
            if is_above { 0 } else { HIGH_APART.min(self.since_high.saturating_add(1)) };
    }

    fn learn_drift(&mut self, residual: f64) {
        self.drift = self.drift_with(residual);
        let rate = DRIFT_SQUARE_RATE.max(1.0 / (self.interval.n_samples() + 1) as f64);
        let square = (self.drift * self.drift).min(9.0 * self.drift_square + 0.02);
        self.drift_square += rate * (square - self.drift_square);
    }

    fn learn_residual(&mut self, position: SeasonPosition, residual: f64, scale: f64) {
        let n = self.interval.n_samples();
        let rate = if position.is_coarse() { RESIDUAL_RATE_COARSE } else { RESIDUAL_RATE };
        let rate = rate.max(1.0 / n as f64);
        let bound = match n {
            n if n <= BOUNDED_AFTER => f64::INFINITY,
            n if n <= RESIDUAL_BOUNDED_AFTER => MOVE_MAX * scale,
            _ => RESIDUAL_MAX * scale,
        };
        let residual = residual.clamp(-bound, bound);
        self.residual_var += rate * (residual * residual - self.residual_var);
    }

    fn learn_long(&mut self, sample: Sample, floor: f64) {
        let rate = LONG_RATE.max(1.0 / self.interval.n_samples() as f64);
        let move_max = self.deviations_max() * self.long.var.sqrt().max(floor);
        let distance = (sample.value() - self.long.mean).clamp(-move_max, move_max);
        self.long.mean += rate * distance;
        self.long.var = (1.0 - rate) * (self.long.var + rate * distance * distance);
    }

    /// Largest move of a mean, in deviations; infinite while little is known, or absurd values last.
    fn deviations_max(&self) -> f64 {
        let is_new = self.interval.n_samples() < BOUNDED_AFTER;
        if is_new || self.absurd_share > ABSURD_SHARE_MAX { f64::INFINITY } else { MOVE_MAX }
    }
}

/// Moments of `before` without its anomalies: one must not hide the next. If half of the window is anomalous, that is the
/// new usual, and all of it counts.
fn usual_moments(before: &[JudgedSample], reference: &Reference) -> Option<Moments> {
    let is_anomaly = |judged: &&JudgedSample| {
        matches!(judged.kind(), VerdictKind::Anomaly | VerdictKind::Maintenance)
    };
    let n_anomalies = before.iter().filter(is_anomaly).count();
    let n_usual = before.len() - n_anomalies;
    let all_count = n_usual < USUAL_MIN || n_usual <= n_anomalies;
    let counted = before.iter().filter(|judged| all_count || !is_anomaly(judged));
    Moments::of(counted.map(|judged| judged.sample.value() - reference.at(judged.sample.at_us())))
}

impl Deviation {
    /// Judges `sample` against its memory and `before`, the earlier samples in time order.
    pub fn judge(
        &self,
        before: &[JudgedSample],
        state: &DeviationState,
        sample: Sample,
    ) -> Verdict {
        self.judge_relative(before, state, sample, &Reference::default())
    }

    /// The same for a `sample` without its `reference`, in whose unit the expectation is.
    pub(crate) fn judge_relative(
        &self,
        before: &[JudgedSample],
        state: &DeviationState,
        sample: Sample,
        reference: &Reference,
    ) -> Verdict {
        let before = &before[before.len().saturating_sub(self.window)..];
        let Some(local) = usual_moments(before, reference).filter(|_| before.len() >= self.min)
        else {
            return Verdict::unjudged(VerdictKind::Learning);
        };
        let value = sample.value();
        if local.stddev == 0.0 && value == local.mean {
            return Verdict::unjudged(VerdictKind::Constant);
        }
        let position = state.position(self.calendar, sample);
        let local_scale = local.stddev.max(state.floor(sample));
        let (expected, scale) = state.expected(position, sample);
        let local_distance = ((value - local.mean).abs() / local_scale).min(DISTANCE_MAX);
        let residual = (value - expected) / scale;
        let divisor = state.divisor(position, residual);
        let score = joint(local_distance, residual.abs().min(DISTANCE_MAX)) / divisor;
        let reach = self.threshold * divisor;
        let local = Center { value: local.mean, reach: reach * local_scale };
        let seasonal = Center { value: expected, reach: reach * scale };
        Verdict::scored(score, self.threshold, expectation(local, seasonal, value))
    }

    /// Learns `sample`, the newest of its series, and its verdict.
    pub fn learn(&self, state: &mut DeviationState, sample: Sample, verdict: &Verdict) {
        if state.interval.n_samples() == 0 {
            state.long.mean = sample.value();
        }
        let position = state.position(self.calendar, sample);
        let pause_us = state.interval.pause_us(sample);
        let floor = state.floor(sample);
        let (expected, scale) = state.expected(position, sample);
        let residual = sample.value() - expected;
        let is_known = state.interval.n_samples() >= BOUNDED_AFTER;
        let is_absurd = is_known && residual.abs() > MOVE_MAX * scale;
        state.absurd_share += ABSURD_RATE * (f64::from(u8::from(is_absurd)) - state.absurd_share);
        state.learn_high(verdict.score * state.divisor(position, residual / scale));
        state.threshold.learn(pause_us, verdict.is_anomaly());
        state.learn_drift(residual / scale);
        state.table.compare(position, sample, scale, pause_us);
        state.learn_gain(position, sample.value());
        // On the first day, an anomaly must not be what a new bucket expects of the samples after it, unless it lasts.
        let is_new = state.is_first_day() && state.table.expected(position).is_none();
        if !(is_new && verdict.is_anomaly()) || state.absurd_share > ABSURD_SHARE_MAX {
            self.learn_season(state, sample);
        }

        state.resolution.learn(sample.value(), state.interval.n_samples());
        state.interval.learn(sample);
        state.learn_residual(position, residual, scale);
        state.learn_long(sample, floor);
    }

    /// Learns `sample` in its seasonal buckets only, as a late sample does.
    pub fn learn_season(&self, state: &mut DeviationState, sample: Sample) {
        let position = state.position(self.calendar, sample);
        let bound = MoveBound {
            long: state.long,
            deviations_max: state.deviations_max(),
            floor: state.floor(sample),
        };
        state.table.learn(position, sample, bound);
    }
}
