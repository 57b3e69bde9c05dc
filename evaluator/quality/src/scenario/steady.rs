//! Noise around one level with a spike at every n-th sample: the test by which the ancestor judged itself.
//!
//! It is here for parity and not as a measure of quality: no season, no drift, one kind of anomaly.

use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::noise::standard_normal;
use super::traffic::START_S;
use super::{AnomalyKind, FieldError, ROWS_MAX};
use crate::labeled::{LabeledEvent, LabeledRow, LabeledSeries};

/// Noise around one level with regular spikes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steady {
    /// How many samples.
    pub n_samples: usize,
    /// How many of them, at the beginning, are not scored.
    pub n_unscored: usize,
    /// The distance of two samples, in seconds.
    pub interval_s: u32,
    /// The level.
    pub level: f64,
    /// The deviation of the noise.
    pub deviation: f64,
    /// Every how many samples one is a spike.
    pub spike_every: usize,
    /// By what share of the value a spike is higher.
    pub spike_share: f64,
}

impl Steady {
    pub(super) fn checked(self) -> Result<Self, FieldError> {
        if !(1..=ROWS_MAX).contains(&self.n_samples) {
            return Err(("n_samples", "1 to 1051200 samples"));
        }
        if self.interval_s == 0 {
            return Err(("interval_s", "at least one second"));
        }
        if self.spike_every == 0 {
            return Err(("spike_every", "at least 1"));
        }
        let numbers = [
            ("level", self.level),
            ("deviation", self.deviation),
            ("spike_share", self.spike_share),
        ];
        match numbers.into_iter().find(|(_, number)| !number.is_finite()) {
            Some((field, _)) => Err((field, "a finite number")),
            None => Ok(self),
        }
    }

    pub(super) fn generate(&self, name: String, random: &mut ChaCha8Rng) -> LabeledSeries {
        let rows: Vec<LabeledRow> = (0..self.n_samples).map(|i| self.row(i, random)).collect();
        let spikes = rows.iter().enumerate().filter(|(_, row)| row.label).map(|(i, _)| i);
        let events = spikes
            .map(|i| LabeledEvent { kind: AnomalyKind::Spike.as_str().to_owned(), rows: i..i + 1 })
            .collect();
        LabeledSeries::new(name, rows, events, self.n_unscored)
    }

    fn row(&self, i: usize, random: &mut ChaCha8Rng) -> LabeledRow {
        let noise = self.level + self.deviation * standard_normal(random);
        let label = (i + 1).is_multiple_of(self.spike_every);
        let value = if label { noise * (1.0 + self.spike_share) } else { noise };
        let at_s = START_S + i as i64 * i64::from(self.interval_s);
        LabeledRow { at_us: at_s * 1_000_000, value, label }
    }
}
