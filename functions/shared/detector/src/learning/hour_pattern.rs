//! Pattern of the hour: values that recur at the same minute of each hour, such as those of a job.
//!
//! - **Formula.** `e = x - level`, where the level follows the samples, none of which moves it far. For each minute of the
//!   hour, a mean and a variance of `e`. A minute is part of the pattern from the twelfth hour on, if its mean is at least
//!   four of its deviations and five of the usual distances from the level. Its mean is then subtracted from each sample,
//!   and no sample moves it by more than three of its deviations: an outage during one run of a job does not end the
//!   pattern, so the next run is no anomaly.
//! - **Why.** The season knows five minutes of the day: a job of one minute each hour would be noise to it, as large as
//!   what it should detect. With the job subtracted, the same load at another minute is an anomaly, and so is a missing job.
//! - **Constants.** Round; chosen on synthetic jobs.
//! - **Cost.** Two square roots; 480 bytes of minutes and 19 of scalars.
//! - **Limits.** A job each two hours, or one that jitters by a minute.

use crate::bytes::{ByteReader, ByteWriter};
use domain::Sample;

/// Minutes of an hour.
const N_MINUTES: usize = 60;
const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;
/// Weight of the newest sample in the level.
const LEVEL_RATE: f64 = 0.1;
/// Largest distance from the level that is learned, in usual distances.
const DISTANCE_MAX: f64 = 3.0;
/// Weight of the newest distance in the usual distance.
const SPREAD_RATE: f64 = 0.01;
/// Weight of the newest visit to a minute, after an even average of the first twenty.
const MINUTE_RATE: f64 = 0.05;
/// Hours from which the pattern is used.
const HOURS_MIN: u8 = 12;
/// Least mean of a minute of the pattern, in its own deviations, and in usual distances from the level.
const DEVIATIONS_MIN: f64 = 4.0;
const SPREADS_MIN: f64 = 5.0;
/// Largest distance from the mean of a minute of the pattern that is learned, in deviations.
const MOVE_MAX: f64 = 3.0;

/// Distance from the level at one minute of the hour.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct MinuteMoments {
    mean: f32,
    var: f32,
}

/// Values that recur each hour.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HourPattern {
    level: f64,
    spread: f64,
    // Hours seen; saturates.
    n_hours: u8,
    // Hour of the newest sample, modulo 256.
    hour: u8,
    // True once a minute was part of the pattern.
    is_found: bool,
    minutes: Box<[MinuteMoments; N_MINUTES]>,
}

impl Default for HourPattern {
    fn default() -> Self {
        Self {
            level: 0.0,
            spread: 0.0,
            n_hours: 0,
            hour: 0,
            is_found: false,
            minutes: Box::new([MinuteMoments::default(); N_MINUTES]),
        }
    }
}

fn minute(at_us: i64) -> usize {
    (at_us.rem_euclid(HOUR_US) / MINUTE_US) as usize
}

impl HourPattern {
    /// Encoded length of the scalars, in bytes.
    pub(crate) const SCALARS_LEN: usize = 19;

    /// Encoded length of the minutes, in bytes.
    pub(crate) const MINUTES_LEN: usize = N_MINUTES * 8;

    pub(crate) fn write_scalars(&self, out: &mut ByteWriter) {
        out.f64s(&[self.level, self.spread]);
        out.u8(self.n_hours);
        out.u8(self.hour);
        out.u8(u8::from(self.is_found));
    }

    /// Reads the scalars; the minutes stay 0.
    pub(crate) fn read_scalars(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self {
            level: from.finite()?,
            spread: from.not_negative()?,
            n_hours: from.u8()?,
            hour: from.u8()?,
            is_found: from.bool()?,
            ..Self::default()
        })
    }

    pub(crate) fn write_minutes(&self, out: &mut ByteWriter) {
        for MinuteMoments { mean, var } in self.minutes.iter() {
            out.f32(*mean);
            out.f32(*var);
        }
    }

    pub(crate) fn read_minutes(&mut self, from: &mut ByteReader<'_>) -> Option<()> {
        for minute in self.minutes.iter_mut() {
            *minute = MinuteMoments { mean: from.finite_f32()?, var: from.square_f32()? };
        }
        Some(())
    }

    /// Value that the pattern adds at `at_us`.
    pub(crate) fn at(&self, at_us: i64) -> f64 {
        if !self.is_found || self.n_hours < HOURS_MIN {
            return 0.0;
        }
        self.of_minute(self.minutes[minute(at_us)])
    }

    fn of_minute(&self, MinuteMoments { mean, var }: MinuteMoments) -> f64 {
        let (mean, var) = (f64::from(mean), f64::from(var));
        let is_part = mean * mean >= DEVIATIONS_MIN * DEVIATIONS_MIN * var
            && mean.abs() > SPREADS_MIN * self.spread;
        if is_part { mean } else { 0.0 }
    }

    /// Learns `sample`, the newest; returns true if it is the first that completes a pattern.
    pub(crate) fn learn(&mut self, sample: Sample) -> bool {
        let hour = sample.at_us().div_euclid(HOUR_US) as u8;
        if self.spread == 0.0 && self.n_hours == 0 {
            self.level = sample.value();
            self.hour = hour;
        }
        if hour != self.hour || self.n_hours == 0 {
            self.n_hours = self.n_hours.saturating_add(1);
            self.hour = hour;
        }
        let distance = sample.value() - self.level;
        let index = minute(sample.at_us());
        let rate = MINUTE_RATE.max(1.0 / f64::from(self.n_hours));
        let moments = self.minutes[index];
        let (mean, var) = (f64::from(moments.mean), f64::from(moments.var));
        let is_part = self.n_hours >= HOURS_MIN && self.of_minute(moments) != 0.0;
        let bound = if is_part { MOVE_MAX * var.sqrt().max(self.spread) } else { f64::INFINITY };
        let step = (distance - mean).clamp(-bound, bound);
        let (mean, var) = (mean + rate * step, (1.0 - rate) * (var + rate * step * step));
        self.minutes[index] = MinuteMoments { mean: mean as f32, var: var as f32 };
        if self.spread == 0.0 {
            self.spread = distance.abs();
        }
        let bounded = distance.clamp(-DISTANCE_MAX * self.spread, DISTANCE_MAX * self.spread);
        self.level += LEVEL_RATE * bounded;
        self.spread += SPREAD_RATE * (bounded.abs() - self.spread);
        let is_first = !self.is_found
            && self.n_hours >= HOURS_MIN
            && self.of_minute(self.minutes[index]) != 0.0;
        self.is_found |= is_first;
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pattern after `hours` of one sample a minute.
    fn learned(hours: i64, value: impl Fn(i64) -> f64) -> HourPattern {
        let mut pattern = HourPattern::default();
        for minute in 0..hours * 60 {
            pattern.learn(Sample::new(minute * MINUTE_US, value(minute)).unwrap());
        }
        pattern
    }

    fn noise(minute: i64) -> f64 {
        ((minute * 7919) % 1009) as f64 / 1009.0 - 0.5
    }

    #[test]
    fn a_job_of_each_hour_is_a_pattern_from_half_a_day_on() {
        let job = |minute: i64| 10.0 + noise(minute) + if minute % 60 == 7 { 50.0 } else { 0.0 };
        assert_eq!(learned(11, job).at(7 * MINUTE_US), 0.0);
        let pattern = learned(20, job);
        assert!((pattern.at(7 * MINUTE_US) - 50.0).abs() < 2.0, "{}", pattern.at(7 * MINUTE_US));
        assert_eq!(pattern.at(37 * MINUTE_US), 0.0);
    }

    #[test]
    fn an_outage_in_one_run_of_the_job_does_not_end_the_pattern_and_a_job_that_ends_does() {
        let job = |minute: i64| 10.0 + noise(minute) + if minute % 60 == 7 { 50.0 } else { 0.0 };
        let outage = |minute: i64| if minute / 60 == 30 { 0.0 } else { job(minute) };
        let after = learned(31, outage).at(7 * MINUTE_US);
        assert!((after - 50.0).abs() < 3.0, "{after}");
        let ended =
            |minute: i64| if minute / 60 >= 30 { 10.0 + noise(minute) } else { job(minute) };
        assert_eq!(learned(60, ended).at(7 * MINUTE_US), 0.0);
    }

    #[test]
    fn noise_ramps_and_constants_have_no_pattern() {
        for value in [
            |minute: i64| 100.0 + 20.0 * noise(minute),
            |minute: i64| 3.0 * minute as f64,
            |_| 5.0,
            |minute: i64| if minute % 97 == 0 { 50.0 } else { 1.0 },
        ] {
            let pattern = learned(60, value);
            assert!((0..60).all(|minute| pattern.at(minute * MINUTE_US) == 0.0));
        }
    }
}
