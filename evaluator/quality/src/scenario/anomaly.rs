//! The kinds of anomaly and their effect on traffic.
//!
//! Durations and sizes are drawn from the ranges of the experiments behind the published numbers. They are choices;
//! `BIAS.md` lists which detectors they favor.

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::noise::{Noise, uniform};

/// Distance of two possible starts, in rows: more than the longest anomaly plus the jitter of a start.
pub(super) const POSITION_STEP: usize = 400;

/// A kind of anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyKind {
    /// One sample, 1.5 to 4 times as high.
    Spike,
    /// A few samples, 1.4 to 3 times as high.
    Burst,
    /// Some samples that lose 40 to 85 %.
    Dip,
    /// Values drop to zero, or to one percent.
    Outage,
    /// 30 to 60 % more or less, for hours.
    LevelShift,
    /// A linear rise to the double or triple that ends suddenly.
    Ramp,
    /// The noise grows three to seven times.
    Variance,
    /// Samples are missing.
    Gap,
    /// Alternating high and low values.
    Flapping,
    /// Two to five times as high for an hour or more, reached within three samples.
    Storm,
    /// The value is constant.
    TrendFreeze,
    /// The traffic of the opposite time of day.
    WrongTime,
    /// One extreme value.
    Poison,
}

impl AnomalyKind {
    /// The name in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Burst => "burst",
            Self::Dip => "dip",
            Self::Outage => "outage",
            Self::LevelShift => "level_shift",
            Self::Ramp => "ramp",
            Self::Variance => "variance",
            Self::Gap => "gap",
            Self::Flapping => "flapping",
            Self::Storm => "storm",
            Self::TrendFreeze => "trend_freeze",
            Self::WrongTime => "wrong_time",
            Self::Poison => "poison",
        }
    }

    /// Range of the duration, in samples.
    fn len_range(self) -> Range<usize> {
        match self {
            Self::Spike | Self::Poison => 1..2,
            Self::Burst => 3..11,
            Self::Dip => 5..31,
            Self::Outage => 5..61,
            Self::LevelShift => 120..300,
            Self::Ramp => 60..240,
            Self::Variance => 60..200,
            Self::Gap => 5..60,
            Self::Flapping => 20..60,
            Self::Storm => 40..180,
            Self::TrendFreeze => 30..120,
            Self::WrongTime => 60..180,
        }
    }
}

/// An anomaly with its first row and the row after its last, before gaps are removed.
pub(super) type PlacedAnomaly = (AnomalyKind, usize, usize);

/// A series under construction: the mean at each row, and the effects of anomalies.
#[derive(Debug)]
pub(super) struct Canvas {
    mean: Vec<f64>,
    half_day: usize,
    factor: Vec<f64>,
    noise_factor: Vec<f64>,
    kept: Vec<bool>,
    frozen: Vec<Range<usize>>,
    fixed: Vec<(usize, f64)>,
    events: Vec<PlacedAnomaly>,
}

impl Canvas {
    /// A series without anomalies; `half_day` is in rows.
    pub(super) fn new(mean: Vec<f64>, half_day: usize) -> Self {
        let n = mean.len();
        Self {
            mean,
            half_day,
            factor: vec![1.0; n],
            noise_factor: vec![1.0; n],
            kept: vec![true; n],
            frozen: Vec::new(),
            fixed: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Adds an anomaly that starts at `start`.
    pub(super) fn put(
        &mut self,
        kind: AnomalyKind,
        start: usize,
        strength: f64,
        random: &mut ChaCha8Rng,
    ) {
        let len = random.random_range(kind.len_range());
        let end = (start + len).min(self.mean.len() - 1);
        let rows = start..end;
        match kind {
            AnomalyKind::Spike => self.scale(rows, 1.0 + strength * uniform(0.5, 3.0, random)),
            AnomalyKind::Burst => self.scale(rows, 1.0 + strength * uniform(0.4, 2.0, random)),
            AnomalyKind::Dip => {
                self.scale(rows, 1.0 - (strength * uniform(0.4, 0.85, random)).min(0.95));
            }
            AnomalyKind::Outage => {
                self.scale(rows, if random.random_range(0..3) == 0 { 0.01 } else { 0.0 });
            }
            AnomalyKind::LevelShift => {
                let sign = if random.random() { 1.0 } else { -1.0 };
                self.scale(rows, 1.0 + strength * sign * uniform(0.3, 0.6, random));
            }
            AnomalyKind::Ramp => self.ramp(rows, strength * uniform(0.8, 2.0, random)),
            AnomalyKind::Variance => {
                self.noise_factor[rows].fill(3.0 + strength * uniform(0.0, 4.0, random));
            }
            AnomalyKind::Gap => self.kept[rows].fill(false),
            AnomalyKind::Flapping => self.flap(rows, strength, random),
            AnomalyKind::Storm => self.storm(rows, strength * uniform(1.0, 4.0, random)),
            AnomalyKind::TrendFreeze => self.frozen.push(rows),
            AnomalyKind::WrongTime => self.shift_by_half_a_day(rows),
            AnomalyKind::Poison => return,
        }
        self.events.push((kind, start, end));
    }

    /// Adds one extreme value.
    pub(super) fn poison(&mut self, row: usize, value: f64) {
        self.fixed.push((row, value));
        self.events.push((AnomalyKind::Poison, row, row + 1));
        self.events.sort_by_key(|(_, start, _)| *start);
    }

    /// Draws the values, `None` for missing samples, and returns them with the anomalies.
    pub(super) fn paint(
        self,
        noise: Noise,
        random: &mut ChaCha8Rng,
    ) -> (Vec<Option<f64>>, Vec<PlacedAnomaly>) {
        let mut values: Vec<f64> = Vec::with_capacity(self.mean.len());
        for i in 0..self.mean.len() {
            let mean = self.mean[i] * self.factor[i];
            let drawn = noise.draw(mean.max(0.0), random);
            let widened = mean + (drawn - mean) * self.noise_factor[i];
            values.push((widened.max(0.0) * 100.0).round() / 100.0);
        }
        for rows in &self.frozen {
            let first = values[rows.start];
            values[rows.clone()].fill(first);
        }
        for (row, value) in &self.fixed {
            values[*row] = *value;
        }
        let kept =
            values.into_iter().zip(&self.kept).map(|(value, kept)| kept.then_some(value)).collect();
        (kept, self.events)
    }

    fn scale(&mut self, rows: Range<usize>, factor: f64) {
        for one in &mut self.factor[rows] {
            *one *= factor;
        }
    }

    fn ramp(&mut self, rows: Range<usize>, height: f64) {
        let last = (rows.len().max(2) - 1) as f64;
        for (i, factor) in self.factor[rows].iter_mut().enumerate() {
            *factor *= 1.0 + height * i as f64 / last;
        }
    }

    fn storm(&mut self, rows: Range<usize>, height: f64) {
        for (i, factor) in self.factor[rows].iter_mut().enumerate() {
            *factor *= 1.0 + height * ((i + 1) as f64 / 3.0).min(1.0);
        }
    }

    fn flap(&mut self, rows: Range<usize>, strength: f64, random: &mut ChaCha8Rng) {
        let half_period = random.random_range(1..4);
        let high = 1.0 + strength * uniform(0.3, 0.8, random);
        let low = (1.0 - strength * uniform(0.3, 0.6, random)).max(0.0);
        for (i, factor) in self.factor[rows].iter_mut().enumerate() {
            *factor *= if (i / half_period) % 2 == 0 { high } else { low };
        }
    }

    fn shift_by_half_a_day(&mut self, rows: Range<usize>) {
        let n = self.mean.len();
        for i in rows {
            self.mean[i] = self.mean[(i + self.half_day) % n];
        }
    }
}
