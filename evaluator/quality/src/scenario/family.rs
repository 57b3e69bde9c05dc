//! Series of twelve families that are unlike traffic: jobs, latencies, queues, counts, series at a cap, and others.
//!
//! A detector that keeps its budget on traffic only is tuned to its own generator. Each family has what breaks one usual
//! assumption: a season shorter than a day, a tail, a bound, zeros, steps. Sizes are choices; `BIAS.md` names them.

use std::f64::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};
use serde::Deserialize;

use super::noise::{standard_normal, uniform};
use super::time_axis::{self, DAY_S, START_S};
use crate::labeled::{LabeledEvent, LabeledRow, LabeledSeries, usual_cold_start};

/// Rows between two possible starts of anomalies: more than the longest one.
const POSITION_STEP: usize = 400;

/// Days at the start without anomalies.
const CLEAN_DAYS: f64 = 2.0;

/// A family of series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FamilyKind {
    /// A job in the same minutes of each hour, and little else.
    HourlyJob,
    /// A job of an hour each night.
    NightlyJob,
    /// Latencies with a heavy tail and single slow minutes.
    HeavyLatency,
    /// A queue that fills and drains: values depend on those before.
    QueueDepth,
    /// A few events a minute, often none.
    SparseCounts,
    /// A share at its upper bound.
    AtCap,
    /// CPU in percent, between two bounds, with a day.
    CpuPercent,
    /// Workdays, weekends, and a weekday like a Sunday each two weeks.
    WeeklyHolidays,
    /// A share of success near 100 %.
    SuccessShare,
    /// A small whole number that moves in steps.
    ReplicaCount,
    /// Memory that grows and falls back.
    SawTooth,
    /// One of two levels at random.
    TwoModes,
}

/// Series of one family, with anomalies.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// The family.
    pub kind: FamilyKind,
    /// Duration of a series.
    pub days: f64,
    /// Interval of samples, in seconds.
    pub interval_s: u32,
    /// Maximum number of anomalies of a series.
    pub n_events: usize,
}

/// An effect on the values of a family.
#[derive(Debug, Clone, Copy)]
enum Effect {
    Spike,
    Burst,
    Dip,
    Shift,
    Outage,
}

impl Effect {
    const ALL: [Self; 5] = [Self::Spike, Self::Burst, Self::Dip, Self::Shift, Self::Outage];

    fn as_str(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Burst => "burst",
            Self::Dip => "dip",
            Self::Shift => "level_shift",
            Self::Outage => "outage",
        }
    }

    fn len(self, random: &mut ChaCha8Rng) -> usize {
        random.random_range(match self {
            Self::Spike => 1..2,
            Self::Burst => 5..15,
            Self::Dip => 10..40,
            Self::Shift => 120..300,
            Self::Outage => 10..60,
        })
    }
}

impl Family {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        time_axis::check(self.days, self.interval_s)
    }

    pub(super) fn n_rows(&self) -> usize {
        time_axis::n_rows(self.days, self.interval_s)
    }

    pub(super) fn generate(&self, name: String, random: &mut ChaCha8Rng) -> LabeledSeries {
        let mut process = Process::new(self.kind, random);
        let interval_s = i64::from(self.interval_s);
        let time_s = |i: usize| START_S + i as i64 * interval_s;
        let mut values: Vec<f64> =
            (0..self.n_rows()).map(|i| process.next(time_s(i) as f64, random)).collect();
        let scale = typical(&values);
        let mut events = Vec::new();
        for start in self.positions(random) {
            let effect = Effect::ALL[random.random_range(0..Effect::ALL.len())];
            let end = (start + effect.len(random)).min(values.len());
            let size = uniform(3.0, 8.0, random);
            for value in &mut values[start..end] {
                *value = process.changed(effect, *value, scale, size);
            }
            events.push(LabeledEvent { kind: effect.as_str().to_owned(), rows: start..end });
        }
        let is_labeled = |i: usize| events.iter().any(|event| event.rows.contains(&i));
        let row = |(i, value): (usize, &f64)| LabeledRow {
            at_us: time_s(i) * 1_000_000,
            value: (value * 1_000.0).round() / 1_000.0,
            label: is_labeled(i),
        };
        let rows: Vec<LabeledRow> = values.iter().enumerate().map(row).collect();
        let n_cold = usual_cold_start(&rows);
        LabeledSeries::new(name, rows, events, n_cold)
    }

    /// The starts of anomalies, ascending and far apart.
    fn positions(&self, random: &mut ChaCha8Rng) -> Vec<usize> {
        let first = (CLEAN_DAYS * DAY_S / f64::from(self.interval_s)) as usize;
        let n_positions = self.n_rows().saturating_sub(first) / POSITION_STEP;
        let n_events = self.n_events.min(n_positions);
        let mut positions = rand::seq::index::sample(random, n_positions, n_events).into_vec();
        positions.sort_unstable();
        positions.into_iter().map(|position| first + position * POSITION_STEP).collect()
    }
}

/// The mean of the absolute steps between neighbors, and a hundredth of the level: a size that shows in every family.
fn typical(values: &[f64]) -> f64 {
    let n = values.len().max(2) as f64;
    let steps: f64 = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
    let level: f64 = values.iter().map(|value| value.abs()).sum();
    steps / (n - 1.0) + 0.01 * level / n
}

/// The random process of one series.
struct Process {
    kind: FamilyKind,
    /// Two numbers that make the series differ: a level and a share.
    level: f64,
    share: f64,
    /// State that depends on earlier values.
    state: f64,
}

impl Process {
    fn new(kind: FamilyKind, random: &mut ChaCha8Rng) -> Self {
        let level = uniform(20f64.ln(), 500f64.ln(), random).exp();
        Self { kind, level, share: random.random(), state: 0.0 }
    }

    fn next(&mut self, at_s: f64, random: &mut ChaCha8Rng) -> f64 {
        let (level, share) = (self.level, self.share);
        let noise = standard_normal(random);
        let day = 1.0 + 0.5 * (TAU * (at_s / DAY_S + share)).sin();
        let minute = (at_s / 60.0) as i64 % 60;
        let hour = (at_s / 3_600.0) as i64 % 24;
        match self.kind {
            FamilyKind::HourlyJob => {
                let first = (share * 50.0) as i64;
                let job = if (first..first + 5).contains(&minute) { 6.0 } else { 1.0 };
                level * job * (1.0 + 0.05 * noise)
            }
            FamilyKind::NightlyJob => {
                let job = if hour == (share * 6.0) as i64 { 4.0 } else { 1.0 };
                level * job * (1.0 + 0.05 * noise)
            }
            FamilyKind::HeavyLatency => {
                let tail =
                    if random.random::<f64>() < 0.01 { uniform(1.0, 4.0, random) } else { 0.0 };
                level * (0.3 * noise).exp() * (1.0 + tail)
            }
            FamilyKind::QueueDepth => {
                let arrivals = count(level * 0.2 * day, random);
                self.state = (self.state + arrivals - level * 0.24 * (1.0 + 0.2 * noise)).max(0.0);
                self.state.round()
            }
            FamilyKind::SparseCounts => count(0.3 + 2.0 * share * day, random),
            FamilyKind::AtCap => (100.0 + 3.0 * noise - 3.0 * share).min(100.0),
            FamilyKind::CpuPercent => {
                (20.0 + 40.0 * share + 25.0 * (day - 1.0) + 4.0 * noise).clamp(0.0, 100.0)
            }
            FamilyKind::WeeklyHolidays => {
                let n_day = (at_s / DAY_S) as i64;
                let is_holiday = n_day.rem_euclid(14) == (share * 5.0) as i64;
                // Day 0 of the Unix epoch was a Thursday.
                let is_free = (n_day + 4) % 7 >= 5 || is_holiday;
                let work = if is_free { 0.3 } else { 1.0 };
                level * work * day * (1.0 + 0.05 * noise)
            }
            FamilyKind::SuccessShare => 100.0 - 0.05 * (1.0 + share) * (0.5 * noise).exp(),
            FamilyKind::ReplicaCount => {
                let wanted = (3.0 + 8.0 * share * day).round();
                // A step a few minutes late, as an autoscaler makes it.
                if random.random::<f64>() < 0.05 || self.state == 0.0 {
                    self.state = wanted;
                }
                self.state
            }
            FamilyKind::SawTooth => {
                self.state += uniform(0.5, 1.5, random) / (60.0 + 300.0 * share);
                if self.state > 1.0 {
                    self.state = 0.0;
                }
                level * (1.0 + self.state + 0.01 * noise)
            }
            FamilyKind::TwoModes => {
                let mode = if random.random::<f64>() < 0.3 { 2.0 } else { 1.0 };
                level * mode * (1.0 + 0.04 * noise)
            }
        }
    }

    /// The value under an effect of a size, within the bounds of the family.
    fn changed(&self, effect: Effect, value: f64, scale: f64, size: f64) -> f64 {
        let changed = match effect {
            Effect::Spike => value + 2.0 * size * scale,
            Effect::Burst | Effect::Shift => value + size * scale,
            Effect::Dip => value - size * scale,
            Effect::Outage => 0.0,
        };
        match self.kind {
            // Above its bound a share has no value: the same distance below is as anomalous.
            FamilyKind::AtCap | FamilyKind::SuccessShare if changed > 100.0 => {
                (value - size * scale).clamp(0.0, 100.0)
            }
            FamilyKind::CpuPercent => changed.clamp(0.0, 100.0),
            FamilyKind::ReplicaCount | FamilyKind::SparseCounts => changed.round().max(0.0),
            _ => changed.max(0.0),
        }
    }
}

fn count(mean: f64, random: &mut ChaCha8Rng) -> f64 {
    Poisson::new(mean).map_or(0.0, |poisson| poisson.sample(random))
}

#[cfg(test)]
mod tests {
    use crate::scenario::Scenario;

    #[test]
    fn values_stay_within_the_bounds_of_their_family() {
        let bounds = [
            ("family_at_cap", 0.0, 100.0),
            ("family_success_share", 0.0, 100.0),
            ("family_cpu_percent", 0.0, 100.0),
            ("family_sparse_counts", 0.0, 1_000.0),
            ("family_queue_depth", 0.0, 1e6),
        ];
        for (name, low, high) in bounds {
            let mut scenario = Scenario::find(name).unwrap();
            scenario.n_series = 2;
            for series in scenario.generate(1) {
                assert!(series.rows.iter().all(|row| (low..=high).contains(&row.value)), "{name}");
                assert_eq!(series.events.len(), 8, "{name}");
            }
        }
    }

    #[test]
    fn whole_numbers_stay_whole() {
        for name in ["family_replica_count", "family_sparse_counts"] {
            let mut scenario = Scenario::find(name).unwrap();
            scenario.n_series = 1;
            let series = scenario.generate(1).remove(0);
            assert!(series.rows.iter().all(|row| row.value.fract() == 0.0), "{name}");
        }
    }
}
