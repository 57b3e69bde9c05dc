//! Traffic with a day and a week, and typed anomalies in it.
//!
//! The arithmetic is that of the experiments behind the published numbers (`reference/synthetic.py`),
//! so that figures stay comparable; the random numbers are not the same, so single series differ.

use std::f64::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::anomaly::{Canvas, POSITION_STEP};
use super::noise::{standard_normal, uniform};
use super::{AnomalyKind, FieldError, Noise, ROWS_MAX};
use crate::labeled::{LabeledEvent, LabeledRow, LabeledSeries, usual_cold_start};

/// Time of the first sample, Unix seconds: a midnight, UTC.
pub(super) const START_S: i64 = 1_699_920_000;

const DAY_S: f64 = 86_400.0;

/// Rows left free at the end, so that the longest anomaly ends before the series does.
const FREE_AT_END: usize = 500;

/// Smallest mean as a share of the base: traffic never quite stops at night.
const MEAN_SHARE_MIN: f64 = 0.05;

/// Memory and deviation of the slow modulation that no season explains.
const MODULATION_MEMORY: f64 = 0.98;
const MODULATION_DEVIATION: f64 = 0.01;

/// Daily and weekly traffic with typed anomalies.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// How long a series is.
    pub days: f64,
    /// The distance of two samples, in seconds.
    pub interval_s: u32,
    /// The laws of scattering, taken in turn by the series.
    pub noises: Vec<Noise>,
    /// The kinds of anomaly, drawn with equal chance; may be empty when there are no anomalies.
    pub kinds: Vec<AnomalyKind>,
    /// How many anomalies a series has, at most.
    pub n_events: usize,
    /// How strong they are: 1 as in the published numbers, 0.6 weak, 1.5 strong.
    pub strength: f64,
    /// How long the beginning without anomalies is.
    #[serde(default = "quiet_days_default")]
    pub quiet_days: f64,
    /// One absurd value, to see what it does to all that follow.
    pub poison: Option<Poison>,
}

/// One absurd value.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poison {
    /// When, in days since the first sample.
    pub day: f64,
    /// The value.
    pub value: f64,
}

fn quiet_days_default() -> f64 {
    2.0
}

impl Traffic {
    pub(super) fn checked(self) -> Result<Self, FieldError> {
        if self.interval_s == 0 {
            return Err(("interval_s", "at least one second"));
        }
        if !(self.days > 0.0 && self.days.is_finite() && (1..=ROWS_MAX).contains(&self.n_rows())) {
            return Err(("days", "a duration of 1 to 1051200 samples"));
        }
        if self.noises.is_empty() {
            return Err(("noises", "at least one of poisson, negbin, heavy, lognormal"));
        }
        if self.kinds.is_empty() && self.n_events > 0 {
            return Err(("kinds", "at least one kind, or n_events = 0,"));
        }
        if !(0.0..=10.0).contains(&self.strength) {
            return Err(("strength", "a number from 0 to 10"));
        }
        if self.quiet_days.is_nan() || self.quiet_days < 0.0 {
            return Err(("quiet_days", "a number that is not negative"));
        }
        match self.poison {
            Some(Poison { day, value })
                if !((0.0..self.days).contains(&day) && value.is_finite()) =>
            {
                Err(("poison", "a day within the series and a finite value"))
            }
            _ => Ok(self),
        }
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

    fn n_rows(&self) -> usize {
        (self.days * DAY_S / f64::from(self.interval_s)) as usize
    }

    /// The expected value at each row: base, day, week, slow modulation.
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

    /// Where anomalies begin: rising, far enough apart never to touch.
    fn positions(&self, random: &mut ChaCha8Rng) -> Vec<usize> {
        let first = (self.quiet_days * DAY_S / f64::from(self.interval_s)) as usize;
        let last = self.n_rows().saturating_sub(FREE_AT_END);
        let n_places = last.saturating_sub(first) / POSITION_STEP;
        let n_events = self.n_events.min(n_places);
        let mut places = rand::seq::index::sample(random, n_places, n_events).into_vec();
        places.sort_unstable();
        places
            .into_iter()
            .map(|place| first + place * POSITION_STEP + random.random_range(0..60))
            .collect()
    }

    fn assemble(
        &self,
        name: String,
        values: &[Option<f64>],
        events: Vec<(AnomalyKind, usize, usize)>,
    ) -> LabeledSeries {
        let mut rows = Vec::with_capacity(values.len());
        // The index that each place has when the samples of gaps are left out.
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
            // A gap shows in the first sample after it.
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
        for mut scenario in Scenario::catalogue().unwrap() {
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
    fn a_gap_is_labelled_on_the_first_sample_after_it() {
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
