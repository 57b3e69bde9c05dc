//! Distance from the local window and the season together.
//!
//! `score = sqrt(zw * zs / max(1, u)) * p / m`, where neither distance counts as more than ten times the other, with `zw = |x - mean| / stddev` over the previous `window` samples and
//! `zs = |x - mu| / sigma` of the sample's time of day or week (see [`crate::season`]); half of `sigma`'s variance is
//! that of all residuals, since one bucket is seldom visited. Where the season is not known yet, a long exponentially
//! weighted mean stands for it, and the score is divided by 1.5. Neither deviation counts as less than 1 % of the long mean. `u` is the value of
//! `sqrt(zw * zs)` that this series exceeds once in 500 samples. Where samples are half an hour or more apart, each
//! sums up many, and residuals that last are news: `p = (1 + ln(1 + g)) / 2`, with `g` their running mean over its own
//! root mean square; otherwise `p` is 1. `m` is the divisor of [`crate::mute`].
//!
//! A value far from the last hour *and* from this time on other days is an anomaly; the morning rise is far from the
//! hour only, a quiet holiday from the season only. Dividing by `u` lets one threshold serve calm series and
//! restless ones. No update moves a table by more than eight of its deviations, so that one absurd value cannot
//! blind the weeks that follow; values that stay absurd are a new normal, and are learned without that bound.
//!
//! Constants are round. Window and rates were chosen on the AIOps 2018 KPI series; the half and the once in 500 on
//! these and on Microsoft's cloud-monitoring series; `p` on the hourly ones of the latter. Cost: two passes over the
//! window, one or two buckets. Memory: 2,592 bytes of buckets and 166 of scalars. Fails: within a lasting shift (the window follows it), on cycles
//! that are neither a day nor a week.

use crate::bucket::Bucket;
use crate::layout::{Reader, Writer};
use crate::moments::Moments;
use crate::mute::Mute;
use crate::pace::Pace;
use crate::season::{Bound, Calendar, N_BUCKETS, Place, Spot, Table, Usual};
use crate::window::values;
use domain::{Expectation, JudgedSample, Sample, Signal, Verdict, VerdictKind};

/// Share of the variance of all residuals in that of a bucket: a bucket alone is a handful of visits.
const SHARED_SHARE: f64 = 0.5;

/// Weight of the newest residual in the variance of all of them.
const RESIDUAL_RATE: f64 = 0.001;

/// The same where samples are rare: a week and a half of hours, or the first weeks would be remembered for months.
const RESIDUAL_RATE_COARSE: f64 = 0.005;

/// Largest residual that counts in that variance, in deviations.
const RESIDUAL_MAX: f64 = 3.0;

/// Samples before residuals are bounded: the season is not known earlier.
const RESIDUAL_BOUNDED_AFTER: u64 = 200;

/// How often the usual high is exceeded, per sample: about three times a day at one a minute.
const HIGH_SHARE: f64 = 0.002;

/// Step of the usual high, relative: fourteen times above it double it.
const HIGH_STEP: f64 = 0.05;

/// Samples after one above the usual high in which another does not count: a long event is one event.
const HIGH_APART: u8 = 10;

/// The usual high of a series of which nothing is known: a first day without a season is restless.
const HIGH_START: f64 = 1.5;

/// By what a score is divided while the season is not known: the first days have only the last hour to go by.
const DOUBT: f64 = 1.5;

/// Least usual high: a tenth of what counts at all.
const HIGH_MIN: f64 = 0.1;

/// Samples before the usual high moves: the first scores are those of an empty season.
const HIGH_AFTER: u64 = 50;

/// Weight of the newest residual in their running mean: an event of hours lasts a few samples.
const DRIFT_RATE: f64 = 0.5;

/// Weight of the newest square of that mean in its mean square.
const DRIFT_SQUARE_RATE: f64 = 0.001;

/// Largest residual that counts in their running mean, in deviations.
const DRIFT_RESIDUAL_MAX: f64 = 8.0;

/// Least root mean square: residuals that hardly drift make no news of a little.
const DRIFT_MIN: f64 = 0.15;

/// Samples before the drift counts.
const DRIFT_AFTER: u64 = 100;

/// Weight of the newest sample in the long mean: half of it is the last 350 samples.
const LONG_RATE: f64 = 0.002;

/// Least deviation, as a share of the long mean: a service that never varied may vary by 1 %.
const FLOOR_SHARE: f64 = 0.01;

/// Least deviation of all: keeps a series of zeros from a division by zero.
const FLOOR_LEAST: f64 = 1e-12;

/// Largest distance that counts, in deviations: what lies beyond is beyond any threshold.
const DISTANCE_MAX: f64 = 1e4;

/// Largest ratio of the two distances that counts: far from the last hour is no news as long as it is usual now.
const RATIO_MAX: f64 = 10.0;

/// Largest move of a table, in its own deviations.
const MOVE_MAX: f64 = 8.0;

/// Samples before moves are bounded: no deviation is known earlier.
const BOUNDED_AFTER: u64 = 10;

/// Weight of the newest sample in the share of absurd samples.
const ABSURD_RATE: f64 = 0.05;

/// Share of absurd samples that are a new normal: 45 in a row.
const ABSURD_SHARE_MAX: f64 = 0.9;

/// Parameters of `deviation:window=,threshold=,min=,season=,time_zone=`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deviation {
    /// Samples of the local window.
    pub window: usize,
    /// An anomaly has a score above it: 2 favors recall, 4 precision.
    pub threshold: f64,
    /// Samples wanted before anything is judged.
    pub min: usize,
    /// The cycle of the series, and the clock it follows.
    pub calendar: Calendar,
}

/// What the signal remembers of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviationState {
    pace: Pace,
    long: Usual,
    absurd_share: f64,
    residual_var: f64,
    usual_high: f64,
    // Samples since the last one above the usual high, no further than it matters.
    since_high: u8,
    drift: f64,
    drift_square: f64,
    mute: Mute,
    table: Table,
}

impl Default for DeviationState {
    fn default() -> Self {
        Self {
            pace: Pace::default(),
            long: Usual { mean: 0.0, var: 0.0 },
            absurd_share: 0.0,
            residual_var: 0.0,
            usual_high: HIGH_START,
            since_high: HIGH_APART,
            drift: 0.0,
            drift_square: 0.0,
            mute: Mute::default(),
            table: Table::default(),
        }
    }
}

impl DeviationState {
    /// Length of its scalars, in bytes.
    pub(crate) const SCALARS_LEN: usize = Pace::LEN + 57 + Mute::LEN + Table::SCALARS_LEN;

    pub(crate) fn write_scalars(&self, out: &mut Writer) {
        self.pace.write(out);
        out.f64(self.long.mean);
        out.f64(self.long.var);
        out.f64(self.absurd_share);
        out.f64(self.residual_var);
        out.f64(self.usual_high);
        out.u8(self.since_high);
        out.f64(self.drift);
        out.f64(self.drift_square);
        self.mute.write(out);
        self.table.write_scalars(out);
    }

    /// A state of these scalars, with empty buckets.
    pub(crate) fn read_scalars(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            pace: Pace::read(from)?,
            long: Usual { mean: from.finite()?, var: from.not_negative()? },
            absurd_share: from.not_negative()?,
            residual_var: from.not_negative()?,
            usual_high: from.not_negative()?,
            since_high: from.u8()?,
            drift: from.finite()?,
            drift_square: from.not_negative()?,
            mute: Mute::read(from)?,
            table: Table::read_scalars(from)?,
        })
    }

    pub(crate) fn buckets(&self) -> &[Bucket; N_BUCKETS] {
        self.table.buckets()
    }

    pub(crate) fn buckets_mut(&mut self) -> &mut [Bucket; N_BUCKETS] {
        self.table.buckets_mut()
    }

    /// How often the samples come.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Where another table of days finds `sample`.
    pub(crate) fn spot(&self, calendar: Calendar, sample: Sample) -> Spot {
        self.table.spot(calendar.place(sample, self.pace.interval_us()))
    }

    /// Least deviation that counts.
    fn floor(&self, sample: Sample) -> f64 {
        let long_mean = if self.pace.n_samples() == 0 { sample.value() } else { self.long.mean };
        FLOOR_SHARE * long_mean.abs() + FLOOR_LEAST
    }

    /// Center and deviation of what is usual at the sample's time.
    fn usual(&self, place: Place, sample: Sample) -> (f64, f64) {
        let Usual { mean, var } = self.table.usual(place).map_or(self.long, |usual| Usual {
            var: (1.0 - SHARED_SHARE) * usual.var + SHARED_SHARE * self.residual_var,
            ..usual
        });
        (mean, var.sqrt().max(self.floor(sample)))
    }

    /// The running mean of the residuals with one more, in deviations.
    fn drift_with(&self, distance: f64) -> f64 {
        let distance = distance.clamp(-DRIFT_RESIDUAL_MAX, DRIFT_RESIDUAL_MAX);
        self.drift + DRIFT_RATE * (distance - self.drift)
    }

    /// What a lasting residual adds to the score of rare samples.
    fn persistence(&self, place: Place, distance: f64) -> f64 {
        if !place.is_coarse() {
            return 1.0;
        }
        let is_known = self.pace.n_samples() > DRIFT_AFTER;
        let drift = self.drift_with(distance).abs() / self.drift_square.sqrt().max(DRIFT_MIN);
        if is_known { drift.ln_1p().midpoint(1.0) } else { 0.5 }
    }

    /// By what the distance is divided to make a score.
    fn divisor(&self, place: Place, distance: f64) -> f64 {
        let doubt = if self.table.usual(place).is_none() { DOUBT } else { 1.0 };
        let loudness = self.persistence(place, distance) / self.mute.divisor();
        self.usual_high.max(1.0).sqrt() * doubt / loudness
    }

    /// Moves the usual high a step towards the score that is exceeded once in 500 samples.
    fn learn_high(&mut self, undivided: f64) {
        // A value beyond all distance is broken, and teaches nothing of what is high.
        let is_above = undivided > self.usual_high && undivided < DISTANCE_MAX * 0.999;
        let is_apart = self.since_high >= HIGH_APART;
        if self.pace.n_samples() > HIGH_AFTER {
            let counted = f64::from(u8::from(is_above && is_apart));
            let step = (HIGH_STEP * (counted - HIGH_SHARE)).exp();
            // Neither a long calm nor a storm of alarms moves it beyond recall.
            self.usual_high = (self.usual_high * step).clamp(HIGH_MIN, DISTANCE_MAX);
        }
        self.since_high =
            if is_above { 0 } else { HIGH_APART.min(self.since_high.saturating_add(1)) };
    }

    fn learn_drift(&mut self, distance: f64) {
        self.drift = self.drift_with(distance);
        let rate = DRIFT_SQUARE_RATE.max(1.0 / (self.pace.n_samples() + 1) as f64);
        let square = (self.drift * self.drift).min(9.0 * self.drift_square + 0.02);
        self.drift_square += rate * (square - self.drift_square);
    }

    fn learn_residual(&mut self, place: Place, residual: f64, scale: f64) {
        let n = self.pace.n_samples();
        let rate = if place.is_coarse() { RESIDUAL_RATE_COARSE } else { RESIDUAL_RATE };
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
        let rate = LONG_RATE.max(1.0 / self.pace.n_samples() as f64);
        let move_max = self.deviations_max() * self.long.var.sqrt().max(floor);
        let distance = (sample.value() - self.long.mean).clamp(-move_max, move_max);
        self.long.mean += rate * distance;
        self.long.var = (1.0 - rate) * (self.long.var + rate * distance * distance);
    }

    /// Largest move of a table, in deviations: unbounded while little is known, or the unusual lasts.
    fn deviations_max(&self) -> f64 {
        let is_free = self.pace.n_samples() < BOUNDED_AFTER || self.absurd_share > ABSURD_SHARE_MAX;
        if is_free { f64::INFINITY } else { MOVE_MAX }
    }
}

impl Deviation {
    /// Judges `sample` against `before`, the samples before it in time order, and what is remembered.
    pub fn judge(
        &self,
        before: &[JudgedSample],
        state: &DeviationState,
        sample: Sample,
    ) -> Verdict {
        let before = &before[before.len().saturating_sub(self.window)..];
        let Some(local) = Moments::of(values(before)).filter(|_| before.len() >= self.min) else {
            return Verdict::unjudged(VerdictKind::Learning);
        };
        let value = sample.value();
        if local.stddev == 0.0 && value == local.mean {
            return Verdict::unjudged(VerdictKind::Constant);
        }
        let place = self.calendar.place(sample, state.pace.interval_us());
        let local_scale = local.stddev.max(state.floor(sample));
        let (usual, usual_scale) = state.usual(place, sample);
        let local_distance = ((value - local.mean).abs() / local_scale).min(DISTANCE_MAX);
        let usual_distance = (value - usual) / usual_scale;
        let divisor = state.divisor(place, usual_distance);
        let score = joint(local_distance, usual_distance.abs().min(DISTANCE_MAX)) / divisor;
        let reach = self.threshold * divisor;
        let local = Center { value: local.mean, reach: reach * local_scale };
        let usual = Center { value: usual, reach: reach * usual_scale };
        Verdict::scored(score, self.threshold, expectation(local, usual, value))
    }

    /// Remembers `sample`, the newest of its series, and what was said of it.
    pub fn learn(&self, state: &mut DeviationState, sample: Sample, verdict: &Verdict) {
        if state.pace.n_samples() == 0 {
            state.long.mean = sample.value();
        }
        let place = self.calendar.place(sample, state.pace.interval_us());
        let pause_us = state.pace.pause_us(sample);
        let floor = state.floor(sample);
        let (usual, scale) = state.usual(place, sample);
        let residual = sample.value() - usual;
        let is_known = state.pace.n_samples() >= BOUNDED_AFTER;
        let is_absurd = is_known && residual.abs() > MOVE_MAX * scale;
        state.absurd_share += ABSURD_RATE * (f64::from(u8::from(is_absurd)) - state.absurd_share);
        state.learn_high(verdict.score * state.divisor(place, residual / scale));
        state.mute.learn(pause_us, verdict.is_anomaly());
        state.learn_drift(residual / scale);
        state.table.compare(place, sample, scale, pause_us);
        self.learn_season(state, sample);

        state.pace.learn(sample);
        state.learn_residual(place, residual, scale);
        state.learn_long(sample, floor);
    }

    /// Remembers `sample` in its buckets only: what a late sample may do.
    pub fn learn_season(&self, state: &mut DeviationState, sample: Sample) {
        let place = self.calendar.place(sample, state.pace.interval_us());
        let bound = Bound {
            long: state.long,
            deviations_max: state.deviations_max(),
            floor: state.floor(sample),
        };
        state.table.learn(place, sample, bound);
    }
}

/// The two distances as one: their geometric mean, where neither counts as more than ten times the other.
fn joint(a: f64, b: f64) -> f64 {
    (a.min(RATIO_MAX * b) * b.min(RATIO_MAX * a)).sqrt()
}

/// A center, and the distance from it that is just an anomaly when that from the other is as many deviations.
#[derive(Debug, Clone, Copy)]
struct Center {
    value: f64,
    reach: f64,
}

impl Center {
    /// Half the band around it in which a value is normal however far it is from the other.
    fn near(self) -> f64 {
        self.reach / RATIO_MAX.sqrt()
    }
}

/// The band around the center nearest to `value` in which a value is normal.
///
/// It is where `|x - a| |x - b|` is at most the product of the reaches, or where `x` is near one of the two. Where the
/// centers lie far apart it falls in two, and a value between them can be far from both.
fn expectation(a: Center, b: Center, value: f64) -> Expectation {
    let signal = Signal::Deviation;
    let reach = a.reach * b.reach;
    let middle = a.value.midpoint(b.value);
    let half = (a.value - b.value).abs() / 2.0;
    let outer = half.hypot(reach.sqrt());
    let mut band = if half * half <= reach {
        Expectation { signal, value: middle, low: middle - outer, high: middle + outer }
    } else {
        let inner = (half * half - reach).sqrt();
        if value >= middle {
            let value = a.value.max(b.value);
            Expectation { signal, value, low: middle + inner, high: middle + outer }
        } else {
            let value = a.value.min(b.value);
            Expectation { signal, value, low: middle - outer, high: middle - inner }
        }
    };
    for center in [a, b] {
        if (value - center.value).abs() <= center.near() {
            band.low = band.low.min(center.value - center.near());
            band.high = band.high.max(center.value + center.near());
        }
    }
    band
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Detector, Judge};

    /// Ten-minute samples of a day's wave around 100, with a little noise that repeats only after weeks.
    fn wave(i: i64) -> Sample {
        let at_us = i * 600_000_000;
        let phase = (at_us % 86_400_000_000) as f64 / 86_400e6 * std::f64::consts::TAU;
        let noise = ((i * 7919) % 1009) as f64 / 1009.0 - 0.5;
        Sample::new(at_us, 100.0 + 40.0 * phase.sin() + 2.0 * noise).unwrap()
    }

    fn scaled(sample: Sample, factor: f64) -> Sample {
        Sample::new(sample.at_us(), sample.value() * factor).unwrap()
    }

    /// Spikes of 100 % found among those sent on days 12 to 20, after an absurd value was sent in place of one sample.
    fn spikes_found(absurd: Option<(i64, f64)>) -> (usize, usize) {
        let mut judge = Judge::new(Detector::default());
        let (mut sent, mut found) = (0, 0);
        for i in 0..144 * 20 {
            let mut sample = wave(i);
            if let Some((_, value)) = absurd.filter(|(at, _)| i == *at) {
                sample = Sample::new(sample.at_us(), value).unwrap();
            }
            let is_spike = i > 144 * 12 && i % 97 == 0;
            if is_spike {
                sample = scaled(sample, 2.0);
                sent += 1;
            }
            found += usize::from(judge.judge(sample).verdict.is_anomaly() && is_spike);
        }
        (sent, found)
    }

    #[test]
    fn one_absurd_value_leaves_the_recall_of_later_spikes_unchanged() {
        let (sent, found) = spikes_found(None);
        assert!(found * 10 >= sent * 8, "{found} of {sent}");
        for absurd in [1e15, -1e15] {
            assert_eq!(spikes_found(Some((1_440, absurd))), (sent, found));
            assert_eq!(spikes_found(Some((100, absurd))), (sent, found));
        }
    }

    #[test]
    fn a_lasting_change_becomes_the_new_normal() {
        let mut judge = Judge::new(Detector::default());
        let mut n_anomalies_late = 0;
        for i in 0..144 * 14 {
            let factor = if i < 144 * 7 { 1.0 } else { 20.0 };
            let judgement = judge.judge(scaled(wave(i), factor));
            if i > 144 * 10 {
                n_anomalies_late += usize::from(judgement.verdict.is_anomaly());
            }
        }
        assert_eq!(n_anomalies_late, 0);
    }

    #[test]
    fn a_constant_series_is_constant_and_its_first_change_an_anomaly() {
        let mut judge = Judge::new(Detector::default());
        for i in 0..100 {
            let verdict = judge.judge(Sample::new(i * 1_000_000, 0.0).unwrap()).verdict;
            assert_eq!(
                verdict.kind,
                if i < 10 { VerdictKind::Learning } else { VerdictKind::Constant }
            );
        }
        assert!(judge.judge(Sample::new(100_000_000, 1.0).unwrap()).verdict.is_anomaly());
    }

    #[test]
    fn a_value_is_an_anomaly_exactly_outside_its_band() {
        for (a, b, reaches) in
            [(10.0, 10.0, (2.0, 2.0)), (10.0, 13.0, (3.0, 3.0)), (10.0, 30.0, (1.0, 16.0))]
        {
            for i in -200..600 {
                let x = f64::from(i) / 10.0 + 0.037;
                let center = |value, reach| Center { value, reach };
                let band = expectation(center(a, reaches.0), center(b, reaches.1), x);
                let is_inside = (band.low..=band.high).contains(&x);
                let score = joint((x - a).abs() / reaches.0, (x - b).abs() / reaches.1);
                assert_eq!(score <= 1.0, is_inside, "{x} {score} {band:?}");
            }
        }
    }
}
