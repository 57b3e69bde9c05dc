//! Traffic with daily and weekly seasons and typed anomalies.
//!
//! The formulas are those of the experiments behind the published numbers, so that results are comparable. The random
//! numbers differ, and so do single series.

use std::f64::consts::TAU;

use anyhow::ensure;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::anomaly::{AnomalyKind, Canvas, POSITION_STEP};
use super::noise::{Noise, standard_normal, uniform};
use super::time_axis::{self, DAY_S, START_S};
use crate::labeled::{LabeledEvent, LabeledRow, LabeledSeries, usual_cold_start};

/// Rows without a start at the end, so that the longest anomaly ends within the series.
const FREE_AT_END: usize = 500;

/// Minimum mean as a share of the base: some traffic remains at night.
const MEAN_SHARE_MIN: f64 = 0.05;

/// Autocorrelation and step of the slow modulation that no season explains.
const MODULATION_MEMORY: f64 = 0.98;
const MODULATION_DEVIATION: f64 = 0.01;

/// Daily and weekly traffic with typed anomalies.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Duration of a series.
    pub days: f64,
    /// Interval of samples, in seconds.
    pub interval_s: u32,
    /// Noise distributions, which the series use in turn.
    pub noises: Vec<Noise>,
    /// Kinds of anomaly, drawn with equal probability; may be empty if there are no anomalies.
    pub kinds: Vec<AnomalyKind>,
    /// Maximum number of anomalies of a series.
    pub n_events: usize,
    /// Size of the anomalies: 1 as in the published numbers, 0.6 weak, 1.5 strong.
    pub strength: f64,
    /// Duration at the start without anomalies.
    #[serde(default = "clean_days_default")]
    pub clean_days: f64,
    /// One extreme value, to measure its effect on the verdicts after it.
    pub poison: Option<Poison>,
}

/// One extreme value.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poison {
    /// Time, in days since the first sample.
    pub day: f64,
    /// The value.
    pub value: f64,
}

fn clean_days_default() -> f64 {
    2.0
}

impl Traffic {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        time_axis::check(self.days, self.interval_s)?;
        ensure!(
            !self.noises.is_empty(),
            "`noises` is empty: expected at least one of poisson, negbin, heavy, lognormal"
        );
        ensure!(
            !self.kinds.is_empty() || self.n_events == 0,
            "`kinds` is empty: expected at least one kind, or `n_events = 0`"
        );
        let (strength, clean_days) = (self.strength, self.clean_days);
        ensure!((0.0..=10.0).contains(&strength), "`strength` is {strength}: expected 0 to 10");
        ensure!(clean_days >= 0.0, "`clean_days` is {clean_days}: expected 0 or more");
        if let Some(Poison { day, value }) = self.poison {
            ensure!(
                (0.0..self.days).contains(&day) && value.is_finite(),
                "`poison` is {value} on day {day}: expected a finite value on a day of the series"
            );
        }
        Ok(())
    }

    pub(super) fn generate(&self, name: &str, k: usize, random: &mut ChaCha8Rng) -> LabeledSeries {
        let noise = self.noises[k % self.noises.len()];
        let mean = self.mean(random);
        let mut canvas = Canvas::new(mean, (DAY_S / 2.0 / f64::from(self.interval_s)) as usize);
        for start in self.positions(random) {
            let kind = self.kinds[random.random_range(0..self.kinds.len())];
            canvas.put(kind, start, self.strength, random);
        }
        if let Some(Poison { day, value }) = self.poison {
            canvas.poison((day * DAY_S / f64::from(self.interval_s)) as usize, value);
        }
        let (values, events) = canvas.paint(noise, random);
        self.assemble(format!("{name}_{}_{k}", noise.as_str()), &values, events)
    }

    pub(super) fn n_rows(&self) -> usize {
        time_axis::n_rows(self.days, self.interval_s)
    }

    /// The mean at each row: base, day, week, slow modulation.
    fn mean(&self, random: &mut ChaCha8Rng) -> Vec<f64> {
        let base = uniform(50f64.ln(), 5000f64.ln(), random).exp();
        let amplitude = uniform(0.1, 0.6, random);
        let phase = uniform(0.0, TAU, random);
        let weekend = uniform(0.0, 0.25, random);
        let mut modulation = 0.0;
        let mut mean = Vec::with_capacity(self.n_rows());
        for i in 0..self.n_rows() {
            let at_s = START_S as f64 + i as f64 * f64::from(self.interval_s);
            let day = TAU * (at_s % DAY_S) / DAY_S;
            let season = 1.0
                + amplitude * (day + phase).sin()
                + 0.3 * amplitude * (2.0 * day + 2.1 * phase).sin();
            let week = if is_weekend(at_s) { 1.0 - weekend } else { 1.0 };
            mean.push((base * season * week).max(base * MEAN_SHARE_MIN) * f64::exp(modulation));
            modulation =
                MODULATION_MEMORY * modulation + MODULATION_DEVIATION * standard_normal(random);
        }
        mean
    }

    /// The starts of anomalies, ascending, far enough apart that anomalies never touch.
    fn positions(&self, random: &mut ChaCha8Rng) -> Vec<usize> {
        let first = (self.clean_days * DAY_S / f64::from(self.interval_s)) as usize;
        let last = self.n_rows().saturating_sub(FREE_AT_END);
        let n_positions = last.saturating_sub(first) / POSITION_STEP;
        let n_events = self.n_events.min(n_positions);
        let mut positions = rand::seq::index::sample(random, n_positions, n_events).into_vec();
        positions.sort_unstable();
        positions
            .into_iter()
            .map(|position| first + position * POSITION_STEP + random.random_range(0..60))
            .collect()
    }

    fn assemble(
        &self,
        name: String,
        values: &[Option<f64>],
        events: Vec<(AnomalyKind, usize, usize)>,
    ) -> LabeledSeries {
        let mut rows = Vec::with_capacity(values.len());
        // The index of each row after the samples of gaps are removed.
        let mut index = Vec::with_capacity(values.len() + 1);
        for (i, value) in values.iter().enumerate() {
            index.push(rows.len());
            if let Some(value) = *value {
                let at_s = START_S + i as i64 * i64::from(self.interval_s);
                rows.push(LabeledRow { at_us: at_s * 1_000_000, value, label: false });
            }
        }
        index.push(rows.len());
        let mut labeled = Vec::with_capacity(events.len());
        for (kind, start, end) in events {
            // A gap can be detected at the first sample after it.
            let event_rows = if kind == AnomalyKind::Gap {
                index[end]..index[end] + 1
            } else {
                index[start]..index[end]
            };
            for row in &mut rows[event_rows.clone()] {
                row.label = true;
            }
            labeled.push(LabeledEvent { kind: kind.as_str().to_owned(), rows: event_rows });
        }
        let n_cold = usual_cold_start(&rows);
        LabeledSeries::new(name, rows, labeled, n_cold)
    }
}

fn is_weekend(at_s: f64) -> bool {
    // Day 0 of the Unix epoch was a Thursday.
    ((at_s / DAY_S).floor() as i64 + 4) % 7 >= 5
}

#[cfg(test)]
mod tests {
    use crate::scenario::Scenario;

    #[test]
    fn labels_and_events_agree_in_every_scenario() {
        for mut scenario in Scenario::all().unwrap() {
            scenario.n_series = scenario.n_series.min(4);
            for series in scenario.generate(3) {
                let n_labels = series.rows.iter().filter(|row| row.label).count();
                let n_rows: usize = series.events.iter().map(|event| event.rows.len()).sum();
                assert_eq!(n_labels, n_rows, "{}", series.name);
                assert!(
                    series.events.is_sorted_by(|a, b| a.rows.end <= b.rows.start),
                    "{}",
                    series.name
                );
                assert!(series.rows.is_sorted_by(|a, b| a.at_us < b.at_us), "{}", series.name);
                assert!(series.rows.iter().all(|row| row.sample().is_some()), "{}", series.name);
            }
        }
    }

    #[test]
    fn a_mixed_series_has_about_28_events_of_many_kinds_in_14_days() {
        let series = &Scenario::find("mixed").unwrap().generate(0)[0];
        assert!((20..=28).contains(&series.events.len()), "{}", series.events.len());
        let kinds: std::collections::BTreeSet<&str> =
            series.events.iter().map(|event| event.kind.as_str()).collect();
        assert!(kinds.len() >= 6, "{kinds:?}");
    }

    #[test]
    fn a_gap_is_labeled_on_the_first_sample_after_it() {
        let series = &Scenario::find("gap").unwrap().generate(0)[0];
        for event in &series.events {
            let i = event.rows.start;
            assert_eq!(event.rows.len(), 1);
            assert!(series.rows[i].at_us - series.rows[i - 1].at_us > 2 * series.interval_us);
        }
    }

    #[test]
    fn a_frozen_value_does_not_move() {
        let series = &Scenario::find("trend_freeze").unwrap().generate(0)[0];
        for event in &series.events {
            let values: Vec<f64> =
                series.rows[event.rows.clone()].iter().map(|row| row.value).collect();
            assert!(values.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }

    #[test]
    fn poison_is_one_value_and_spikes_come_after_it() {
        let series = &Scenario::find("poison").unwrap().generate(0)[0];
        assert_eq!(series.rows.iter().filter(|row| row.value == 1e15).count(), 1);
        assert_eq!(series.events[0].kind, "poison");
        assert!(
            series.events.len() > 5 && series.events[1..].iter().all(|event| event.kind == "spike")
        );
    }
}
