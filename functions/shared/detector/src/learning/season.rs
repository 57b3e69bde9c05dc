//! Season: mean and variance of a series by time of day or week.
//!
//! - **Tables.** 288 buckets, each with an exponentially weighted mean and variance. If samples come at least every half
//!   hour, a bucket is five minutes of the day, and each weekday has a level relative to the others. Rarer samples have
//!   a bucket per hour of the day and one per hour of the week, since one hour of a weekday then has enough visits.
//! - **Choice of the cycle.** Both expectations, by day and by week, are compared with each sample; the weekly one is
//!   used once its error has been a tenth smaller for some weeks. A spec can also declare the season.
//! - **Constants.** The rate of 0.1 was chosen on the AIOps 2018 KPI series.
//! - **Cost.** One or two buckets per sample; 2,016 bytes of buckets and 76 of scalars.
//! - **Limits.** Cycles of other lengths, holidays, and the first three periods of a season.

use std::fmt;

use crate::bytes::{ByteReader, ByteWriter};
use crate::learning::bucket::SeasonBucket;
use crate::learning::zone::Zone;
use domain::Sample;

/// Number of buckets: five minutes of a day each, the finest common sampling interval.
pub(crate) const N_BUCKETS: usize = 288;
/// Hours of a day; with hourly buckets, those of the day come before those of the week.
pub(crate) const N_HOURS: usize = 24;
const N_WEEKDAYS: usize = 7;
const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
/// Interval from which a bucket is an hour: two samples fall into one.
const COARSE_US: f64 = HOUR_US as f64 / 2.0;
/// 1 January 1970 was a Thursday, the fourth day of a week that begins on Monday.
const FIRST_WEEKDAY: i64 = 3;
/// Weight of the newest visit to a bucket, after an even average of the first ten.
const BUCKET_RATE: f64 = 0.1;
/// Visits from which a bucket is used.
const BUCKET_VISITS_MIN: u8 = 3;
/// Weight of the newest day in the level of its weekday, after an even average of the first three: about a month.
const WEEKDAY_RATE: f64 = 0.3;
/// Range of a weekday's level, as a share of the daily mean: beyond is an outage, not a season.
const LEVEL_MIN: f64 = 0.1;
const LEVEL_MAX: f64 = 10.0;
/// Samples from which a day is learned.
const DAY_SAMPLES_MIN: f64 = 12.0;
/// Time constant of the comparison of both expectations, in days.
const COMPARED_DAYS: f64 = 14.0;
/// The weekly expectation is used if its error is below this share of the daily one.
const WEEK_ERROR_SHARE: f64 = 0.9;
/// Largest error that is learned in the comparison, in deviations.
const ERROR_MAX: f64 = 8.0;

/// Cycle of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Season {
    /// A day, or a week once that has proven more precise.
    #[default]
    Auto,
    /// A day.
    Day,
    /// A week.
    Week,
    /// None: the long mean is the only expectation.
    None,
}

impl Season {
    /// Every season.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Day, Self::Week, Self::None];
}

impl fmt::Display for Season {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Day => "day",
            Self::Week => "week",
            Self::None => "none",
        })
    }
}

/// Cycle of a series and its time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calendar {
    /// Cycle.
    pub season: Season,
    /// Time zone of the days.
    pub zone: Zone,
}

/// Buckets of a sample in day and week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeasonPosition {
    season: Season,
    /// Bucket of the time of day.
    day: usize,
    /// Bucket of the hour of the week; `None` with five-minute buckets.
    week: Option<usize>,
    weekday: usize,
}

impl SeasonPosition {
    /// True if samples are so rare that a bucket is an hour.
    pub(crate) fn is_coarse(self) -> bool {
        self.week.is_some()
    }
}

impl Calendar {
    /// Position of `sample` in a series with samples `interval_us` apart.
    pub(crate) fn position(self, sample: Sample, interval_us: f64) -> SeasonPosition {
        let local_us = self.zone.local_us(sample.at_us());
        let of_day = local_us.rem_euclid(DAY_US);
        let weekday =
            (local_us.div_euclid(DAY_US) + FIRST_WEEKDAY).rem_euclid(N_WEEKDAYS as i64) as usize;
        let hour = (of_day / HOUR_US) as usize;
        let season = self.season;
        if interval_us >= COARSE_US {
            let week = Some(N_HOURS + N_HOURS * weekday + hour);
            SeasonPosition { season, day: hour, week, weekday }
        } else {
            let day = (of_day / (DAY_US / N_BUCKETS as i64)) as usize;
            SeasonPosition { season, day, week: None, weekday }
        }
    }
}

impl Calendar {
    /// Day, modulo 256, and hour of the day at `at_us`.
    pub(crate) fn day_and_hour(self, at_us: i64) -> (u8, usize) {
        let local_us = self.zone.local_us(at_us);
        (local_us.div_euclid(DAY_US) as u8, (local_us.rem_euclid(DAY_US) / HOUR_US) as usize)
    }
}

/// Position of a sample in a table of days only, with the level of its weekday.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DailyPosition {
    /// Bucket of the time of day; `None` without a season.
    pub(crate) bucket: Option<usize>,
    /// Usual level of the weekday as a share of an average day; 1 if the week is not used.
    pub(crate) level: f64,
    /// True if the season explains the series.
    pub(crate) is_used: bool,
    /// Least deviation that counts, by the resolution of the series.
    pub(crate) least_deviation: f64,
}

/// Expected value and its variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MeanVar {
    pub(crate) mean: f64,
    pub(crate) var: f64,
}

/// Bound on how far one sample moves a bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MoveBound {
    /// Mean and variance of the whole series.
    pub(crate) long: MeanVar,
    /// Largest move, in deviations; infinite while little is known.
    pub(crate) deviations_max: f64,
    /// Least deviation.
    pub(crate) floor: f64,
}

/// Expectation of a bucket, if it was visited often enough.
fn expectation(bucket: SeasonBucket) -> Option<MeanVar> {
    let is_known = bucket.visits >= BUCKET_VISITS_MIN;
    is_known.then(|| MeanVar { mean: f64::from(bucket.mean), var: bucket.var() })
}

/// Learns a value in a bucket, within bounds.
fn learn(bucket: &mut SeasonBucket, value: f64, bound: MoveBound) {
    let (mean, var) = (f64::from(bucket.mean), bucket.var());
    // A new bucket starts at its first value, so its bound is around the long mean.
    let center = if bucket.visits == 0 { bound.long.mean } else { mean };
    let stddev = var.max(bound.long.var).sqrt().max(bound.floor);
    let move_max = bound.deviations_max * stddev;
    let distance = value.clamp(center - move_max, center + move_max) - mean;
    bucket.visits = bucket.visits.saturating_add(1);
    let rate = BUCKET_RATE.max(1.0 / f64::from(bucket.visits));
    bucket.move_by(distance, rate);
}

/// Level of a weekday, as a share of an average day.
#[derive(Debug, Clone, Copy, PartialEq)]
struct WeekdayLevel {
    level: f32,
    days: u8,
}

impl Default for WeekdayLevel {
    fn default() -> Self {
        Self { level: 1.0, days: 0 }
    }
}

/// Sums of the current day.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct DaySums {
    weekday: u8,
    n_samples: f64,
    values: f64,
    expected: f64,
}

/// Buckets and weekday levels of a series, and the errors of both expectations.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SeasonTable {
    pub(crate) buckets: Box<[SeasonBucket; N_BUCKETS]>,
    weekdays: [WeekdayLevel; N_WEEKDAYS],
    today: DaySums,
    day_error: f64,
    week_error: f64,
}

impl Default for SeasonTable {
    fn default() -> Self {
        Self {
            buckets: Box::new([SeasonBucket::default(); N_BUCKETS]),
            weekdays: [WeekdayLevel::default(); N_WEEKDAYS],
            today: DaySums::default(),
            day_error: 0.0,
            week_error: 0.0,
        }
    }
}

impl SeasonTable {
    /// Encoded length of the scalars, in bytes.
    pub(crate) const SCALARS_LEN: usize = N_WEEKDAYS * 5 + 25 + 16;

    /// Expectation at `position`; `None` while too little is known.
    pub(crate) fn expected(&self, position: SeasonPosition) -> Option<MeanVar> {
        if position.season == Season::None {
            return None;
        }
        self.of_week_if_used(position).or(expectation(self.buckets[position.day]))
    }

    /// The same position for a table of days only.
    pub(crate) fn daily(&self, position: SeasonPosition) -> DailyPosition {
        let day = expectation(self.buckets[position.day]);
        let week = self.of_week_if_used(position);
        let level = day.zip(week).map_or(1.0, |(day, week)| week.mean / day.mean);
        let is_level = (LEVEL_MIN..=LEVEL_MAX).contains(&level);
        DailyPosition {
            bucket: (position.season != Season::None).then_some(position.day),
            level: if is_level { level } else { 1.0 },
            is_used: true,
            least_deviation: 0.0,
        }
    }

    fn of_week_if_used(&self, position: SeasonPosition) -> Option<MeanVar> {
        let is_used = match position.season {
            Season::None | Season::Day => false,
            Season::Week => true,
            Season::Auto => self.week_error < WEEK_ERROR_SHARE * self.day_error,
        };
        if is_used { self.of_week(position) } else { None }
    }

    fn of_week(&self, position: SeasonPosition) -> Option<MeanVar> {
        if let Some(week) = position.week {
            return expectation(self.buckets[week]);
        }
        let WeekdayLevel { level, days } = self.weekdays[position.weekday];
        let of_day = expectation(self.buckets[position.day]).filter(|_| days > 0)?;
        Some(MeanVar { mean: of_day.mean * f64::from(level), ..of_day })
    }

    /// Learns the errors of both expectations for `sample`, the newest, `pause_us` after the one before.
    pub(crate) fn compare(
        &mut self,
        position: SeasonPosition,
        sample: Sample,
        scale: f64,
        pause_us: f64,
    ) {
        let of_day = expectation(self.buckets[position.day]);
        if let (Some(day), Some(week)) = (of_day, self.of_week(position)) {
            let rate = (pause_us / (COMPARED_DAYS * DAY_US as f64)).clamp(0.0, 0.1);
            let error =
                |expected: MeanVar| ((sample.value() - expected.mean).abs() / scale).min(ERROR_MAX);
            self.day_error += rate * (error(day) - self.day_error);
            self.week_error += rate * (error(week) - self.week_error);
        }
        if usize::from(self.today.weekday) != position.weekday {
            self.end_day();
            self.today = DaySums { weekday: position.weekday as u8, ..DaySums::default() };
        }
        if let Some(day) = of_day {
            let bound = ERROR_MAX * scale;
            self.today.n_samples += 1.0;
            self.today.values += sample.value().clamp(day.mean - bound, day.mean + bound);
            self.today.expected += day.mean;
        }
    }

    fn end_day(&mut self) {
        let today = self.today;
        let level = today.values / today.expected;
        if today.n_samples < DAY_SAMPLES_MIN || !(LEVEL_MIN..=LEVEL_MAX).contains(&level) {
            return;
        }
        let weekday = &mut self.weekdays[usize::from(today.weekday)];
        weekday.days = weekday.days.saturating_add(1);
        let rate = WEEKDAY_RATE.max(1.0 / f64::from(weekday.days)) as f32;
        weekday.level += rate * (level as f32 - weekday.level);
    }

    /// Learns `sample` in the buckets of its position.
    pub(crate) fn learn(&mut self, position: SeasonPosition, sample: Sample, bound: MoveBound) {
        learn(&mut self.buckets[position.day], sample.value(), bound);
        if let Some(week) = position.week {
            learn(&mut self.buckets[week], sample.value(), bound);
        }
    }

    pub(crate) fn write_scalars(&self, out: &mut ByteWriter) {
        for weekday in &self.weekdays {
            out.f32(weekday.level);
            out.u8(weekday.days);
        }
        let DaySums { weekday, n_samples, values, expected } = self.today;
        out.u8(weekday);
        out.f64s(&[n_samples, values, expected, self.day_error, self.week_error]);
    }

    /// Reads the scalars; the buckets stay empty.
    pub(crate) fn read_scalars(from: &mut ByteReader<'_>) -> Option<Self> {
        let mut table = Self::default();
        for weekday in &mut table.weekdays {
            let is_level = |level: &f32| (LEVEL_MIN..=LEVEL_MAX).contains(&f64::from(*level));
            weekday.level = from.finite_f32().filter(is_level)?;
            weekday.days = from.u8()?;
        }
        table.today = DaySums {
            weekday: from.u8().filter(|weekday| usize::from(*weekday) < N_WEEKDAYS)?,
            n_samples: from.not_negative()?,
            values: from.finite()?,
            expected: from.finite()?,
        };
        table.day_error = from.not_negative()?;
        table.week_error = from.not_negative()?;
        Some(table)
    }
}
