//! Noise around one level with a spike at every n-th sample.
//!
//! For comparison with a published test of the rolling z-score; not a measure of quality: no season, no drift, one kind
//! of anomaly.

use anyhow::ensure;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::anomaly::AnomalyKind;
use super::noise::standard_normal;
use super::time_axis::{ROWS_MAX, START_S};
use crate::labeled::{LabeledEvent, LabeledRow, LabeledSeries};

/// Noise around one level with regular spikes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steady {
    /// Number of samples.
    pub n_samples: usize,
    /// Number of samples at the start that are not scored.
    pub n_unscored: usize,
    /// Interval of samples, in seconds.
    pub interval_s: u32,
    /// The level.
    pub level: f64,
    /// Standard deviation of the noise.
    pub deviation: f64,
    /// Number of samples from one spike to the next.
    pub spike_every: usize,
    /// Height of a spike, as a share of the value.
    pub spike_share: f64,
}

impl Steady {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let n_samples = self.n_samples;
        ensure!(
            (1..=ROWS_MAX).contains(&n_samples),
            "`n_samples` is {n_samples}: expected 1 to {ROWS_MAX}"
        );
        ensure!(self.interval_s > 0, "`interval_s` is 0: expected at least one second");
        ensure!(self.spike_every > 0, "`spike_every` is 0: expected at least 1");
        let numbers = [
            ("level", self.level),
            ("deviation", self.deviation),
            ("spike_share", self.spike_share),
        ];
        for (field, number) in numbers {
            ensure!(number.is_finite(), "`{field}` is {number}: expected a finite number");
        }
        Ok(())
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
