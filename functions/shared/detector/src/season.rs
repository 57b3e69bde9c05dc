//! What is usual at this time of the day or of the week.
//!
//! A table of 288 buckets, each an exponentially weighted mean and variance. Samples that come at least every half
//! hour are told apart by five minutes of the day and, between days, by the weekday's share of the level; rarer ones
//! by hour of the day and by hour of the week, since a single hour of a weekday can then be known by itself.
//! Whether the week matters is found: both expectations are compared with what comes, and the week is asked once it
//! has been a tenth nearer for some weeks. A season can also be declared.
//!
//! Rate .1 was chosen on the AIOps 2018 KPI series. Cost: one or two buckets. Memory: 2,592 bytes of buckets and 76 of scalars. Fails: on cycles of
//! other lengths, on holidays, while a season is younger than three of its periods.

use std::fmt;

use crate::bucket::Bucket;
use crate::layout::{Reader, Writer};
use crate::zone::Zone;
use domain::Sample;

/// Buckets: five minutes of a day each, the finest common sampling interval that still has a daily visit.
pub(crate) const N_BUCKETS: usize = 288;

/// Hours of the day come first where a bucket is an hour, then those of the week.
const N_HOURS: usize = 24;

/// Days of the week.
const N_WEEKDAYS: usize = 7;

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

/// Interval from which a bucket is an hour: two samples fall into one.
const COARSE_US: f64 = HOUR_US as f64 / 2.0;

/// 1 January 1970 was a Thursday, the fourth day of a week that begins on Monday.
const FIRST_WEEKDAY: i64 = 3;

/// Weight of the newest visit to a bucket, once ten visits have been averaged evenly.
const BUCKET_RATE: f64 = 0.1;

/// Visits that make a bucket worth asking.
const BUCKET_VISITS_MIN: u8 = 3;

/// Weight of the newest such day in the level of a weekday, once three have been averaged evenly: a month of weeks.
const WEEKDAY_RATE: f64 = 0.3;

/// Least and most that a weekday's level may be of the usual: beyond lies an outage, not a season.
const LEVEL_MIN: f64 = 0.1;
const LEVEL_MAX: f64 = 10.0;

/// Samples that make a day worth remembering.
const DAY_SAMPLES_MIN: f64 = 12.0;

/// Days that the comparison of the expectations spans.
const COMPARED_DAYS: f64 = 14.0;

/// The week is asked when it has been this much nearer.
const WEEK_NEARER: f64 = 0.9;

/// Largest error that counts in the comparison, in deviations.
const ERROR_MAX: f64 = 8.0;

/// Which cycle the samples of a series follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Season {
    /// A day, and a week where it has proven nearer.
    #[default]
    Auto,
    /// A day.
    Day,
    /// A week.
    Week,
    /// None: the long mean is all that is usual.
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

/// The cycle of a series, and the clock it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calendar {
    /// Which cycle.
    pub season: Season,
    /// Where its days begin.
    pub zone: Zone,
}

/// Where a sample lies in day and week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    season: Season,
    day: usize,
    /// The bucket of the hour of the week, where buckets are hours.
    week: Option<usize>,
    weekday: usize,
}

impl Place {
    /// Whether samples come so rarely that a bucket is an hour.
    pub(crate) fn is_coarse(self) -> bool {
        self.week.is_some()
    }
}

impl Calendar {
    /// Where `sample` lies, on a series whose samples are `interval_us` apart.
    pub(crate) fn place(self, sample: Sample, interval_us: f64) -> Place {
        let local_us = self.zone.local_us(sample.at_us());
        let of_day = local_us.rem_euclid(DAY_US);
        let weekday =
            (local_us.div_euclid(DAY_US) + FIRST_WEEKDAY).rem_euclid(N_WEEKDAYS as i64) as usize;
        let hour = (of_day / HOUR_US) as usize;
        let season = self.season;
        if interval_us >= COARSE_US {
            let week = Some(N_HOURS + N_HOURS * weekday + hour);
            Place { season, day: hour, week, weekday }
        } else {
            let day = (of_day / (DAY_US / N_BUCKETS as i64)) as usize;
            Place { season, day, week: None, weekday }
        }
    }
}

/// Where a table of days by itself finds a sample, and the level of that day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spot {
    /// The bucket; none where no season is wanted.
    pub(crate) slot: Option<usize>,
    /// The usual level of the weekday as a share of that of a day; 1 where the week is not asked.
    pub(crate) level: f64,
}

/// Mean and variance of what is usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usual {
    pub(crate) mean: f64,
    pub(crate) var: f64,
}

/// How far a sample may move a bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// Center and deviation of the series as a whole.
    pub(crate) long: Usual,
    /// Largest move, in deviations; infinite while little is known.
    pub(crate) deviations_max: f64,
    /// Least deviation.
    pub(crate) floor: f64,
}

/// What a bucket says, once it has been visited often enough.
fn usual_in(bucket: Bucket) -> Option<Usual> {
    let is_known = bucket.visits >= BUCKET_VISITS_MIN;
    is_known.then(|| Usual { mean: f64::from(bucket.mean), var: f64::from(bucket.var) })
}

/// Moves a bucket by a value, within bounds.
fn learn(bucket: &mut Bucket, value: f64, bound: Bound) {
    let (mean, var) = (f64::from(bucket.mean), f64::from(bucket.var));
    // A new bucket starts at its first value, so the bound is on the distance from what was expected there.
    let center = if bucket.visits == 0 { bound.long.mean } else { mean };
    let stddev = var.max(bound.long.var).sqrt().max(bound.floor);
    let move_max = bound.deviations_max * stddev;
    let distance = value.clamp(center - move_max, center + move_max) - mean;
    bucket.visits = bucket.visits.saturating_add(1);
    let rate = BUCKET_RATE.max(1.0 / f64::from(bucket.visits));
    bucket.move_by(distance, rate);
}

/// The level of a weekday, as a share of the usual.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Weekday {
    level: f32,
    days: u8,
}

impl Default for Weekday {
    fn default() -> Self {
        Self { level: 1.0, days: 0 }
    }
}

/// The sums of the day that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Today {
    weekday: u8,
    n_samples: f64,
    value_sum: f64,
    usual_sum: f64,
}

/// The buckets, the weekdays, and how well each told what came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    buckets: Box<[Bucket; N_BUCKETS]>,
    weekdays: [Weekday; N_WEEKDAYS],
    today: Today,
    day_error: f64,
    week_error: f64,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            buckets: Box::new([Bucket::default(); N_BUCKETS]),
            weekdays: [Weekday::default(); N_WEEKDAYS],
            today: Today::default(),
            day_error: 0.0,
            week_error: 0.0,
        }
    }
}

impl Table {
    /// Length of its scalars, in bytes.
    pub(crate) const SCALARS_LEN: usize = N_WEEKDAYS * 5 + 25 + 16;

    pub(crate) fn buckets(&self) -> &[Bucket; N_BUCKETS] {
        &self.buckets
    }

    pub(crate) fn buckets_mut(&mut self) -> &mut [Bucket; N_BUCKETS] {
        &mut self.buckets
    }

    /// What is usual at `place`; none where too little is known.
    pub(crate) fn usual(&self, place: Place) -> Option<Usual> {
        if place.season == Season::None {
            return None;
        }
        let of_day = usual_in(self.buckets[place.day]);
        self.usual_of_week(place).filter(|_| self.is_week(place)).or(of_day)
    }

    /// Where another table of days finds a sample at `place`.
    pub(crate) fn spot(&self, place: Place) -> Spot {
        let day = usual_in(self.buckets[place.day]);
        let week = self.usual_of_week(place).filter(|_| self.is_week(place));
        let level = day.zip(week).map_or(1.0, |(day, week)| week.mean / day.mean);
        let is_level = (LEVEL_MIN..=LEVEL_MAX).contains(&level);
        Spot {
            slot: (place.season != Season::None).then_some(place.day),
            level: if is_level { level } else { 1.0 },
        }
    }

    fn is_week(&self, place: Place) -> bool {
        match place.season {
            Season::None | Season::Day => false,
            Season::Week => true,
            Season::Auto => self.week_error < WEEK_NEARER * self.day_error,
        }
    }

    fn usual_of_week(&self, place: Place) -> Option<Usual> {
        if let Some(week) = place.week {
            return usual_in(self.buckets[week]);
        }
        let Weekday { level, days } = self.weekdays[place.weekday];
        let of_day = usual_in(self.buckets[place.day]).filter(|_| days > 0)?;
        Some(Usual { mean: of_day.mean * f64::from(level), ..of_day })
    }

    /// Remembers how near both expectations came to `sample`, the newest, `pause_us` after the one before it.
    pub(crate) fn compare(&mut self, place: Place, sample: Sample, scale: f64, pause_us: f64) {
        let of_day = usual_in(self.buckets[place.day]);
        if let (Some(day), Some(week)) = (of_day, self.usual_of_week(place)) {
            let rate = (pause_us / (COMPARED_DAYS * DAY_US as f64)).clamp(0.0, 0.1);
            let error = |usual: Usual| ((sample.value() - usual.mean).abs() / scale).min(ERROR_MAX);
            self.day_error += rate * (error(day) - self.day_error);
            self.week_error += rate * (error(week) - self.week_error);
        }
        if usize::from(self.today.weekday) != place.weekday {
            self.end_day();
            self.today = Today { weekday: place.weekday as u8, ..Today::default() };
        }
        if let Some(day) = of_day {
            let bound = ERROR_MAX * scale;
            self.today.n_samples += 1.0;
            self.today.value_sum += sample.value().clamp(day.mean - bound, day.mean + bound);
            self.today.usual_sum += day.mean;
        }
    }

    fn end_day(&mut self) {
        let today = self.today;
        let level = today.value_sum / today.usual_sum;
        if today.n_samples < DAY_SAMPLES_MIN || !(LEVEL_MIN..=LEVEL_MAX).contains(&level) {
            return;
        }
        let weekday = &mut self.weekdays[usize::from(today.weekday)];
        weekday.days = weekday.days.saturating_add(1);
        let rate = WEEKDAY_RATE.max(1.0 / f64::from(weekday.days)) as f32;
        weekday.level += rate * (level as f32 - weekday.level);
    }

    /// Remembers `sample` in the buckets of its time.
    pub(crate) fn learn(&mut self, place: Place, sample: Sample, bound: Bound) {
        learn(&mut self.buckets[place.day], sample.value(), bound);
        if let Some(week) = place.week {
            learn(&mut self.buckets[week], sample.value(), bound);
        }
    }

    pub(crate) fn write_scalars(&self, out: &mut Writer) {
        for weekday in &self.weekdays {
            out.f32(weekday.level);
            out.u8(weekday.days);
        }
        out.u8(self.today.weekday);
        out.f64(self.today.n_samples);
        out.f64(self.today.value_sum);
        out.f64(self.today.usual_sum);
        out.f64(self.day_error);
        out.f64(self.week_error);
    }

    /// A table of these scalars, with empty buckets.
    pub(crate) fn read_scalars(from: &mut Reader<'_>) -> Option<Self> {
        let mut table = Self::default();
        for weekday in &mut table.weekdays {
            weekday.level =
                from.finite_f32().filter(|it| (LEVEL_MIN..=LEVEL_MAX).contains(&f64::from(*it)))?;
            weekday.days = from.u8()?;
        }
        table.today = Today {
            weekday: from.u8().filter(|weekday| usize::from(*weekday) < N_WEEKDAYS)?,
            n_samples: from.not_negative()?,
            value_sum: from.finite()?,
            usual_sum: from.finite()?,
        };
        table.day_error = from.not_negative()?;
        table.week_error = from.not_negative()?;
        Some(table)
    }
}
