//! Batches: consecutive samples of one request. Rows that are not samples are not sent.

use std::cmp::Reverse;
use std::fmt::Write;

use domain::Sample;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::labeled::{LabeledRow, LabeledSeries};

/// Names of the series in the deployment.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) source: String,
    pub(super) metric: String,
}

/// Samples of one request, in the order of their rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Batch {
    pub(super) samples: Vec<Sample>,
}

impl Batch {
    /// Number of samples; at least one.
    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    /// Time of the newest sample, in Unix microseconds.
    pub(super) fn newest_us(&self) -> i64 {
        self.samples.iter().map(Sample::at_us).max().unwrap_or_default()
    }

    /// The request body: one JSON object per line.
    pub(super) fn body(&self, destination: &Destination) -> String {
        let source = serde_json::Value::from(destination.source.as_str());
        let metric = serde_json::Value::from(destination.metric.as_str());
        let mut body = String::new();
        for sample in &self.samples {
            let (at, value) =
                (milliseconds(sample.at_us()), serde_json::Value::from(sample.value()));
            let _infallible = writeln!(
                body,
                r#"{{"source":{source},"metric":{metric},"timestamp":{at},"value":{value}}}"#
            );
        }
        body
    }
}

/// Unix milliseconds as decimal text, with a fraction only if it is not zero.
fn milliseconds(at_us: i64) -> String {
    let (whole, fraction) = (at_us.div_euclid(1_000), at_us.rem_euclid(1_000));
    if fraction == 0 { whole.to_string() } else { format!("{whole}.{fraction:03}") }
}

/// Splits the samples of a series into batches of at most `len`.
pub(super) fn cut(series: &LabeledSeries, len: usize) -> Vec<Batch> {
    let samples: Vec<Sample> = series.rows.iter().filter_map(LabeledRow::sample).collect();
    samples.chunks(len).map(|samples| Batch { samples: samples.to_vec() }).collect()
}

/// Shuffles the batches so that none moves by more than `within` positions; the same seed gives the same order.
pub(super) fn shuffle(batches: &mut Vec<Batch>, seed: u64, within: u32) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // Each batch may wait for up to `within` others. Of two with the same position the later one goes first, so that
    // batches move even for 1.
    let mut waiting: Vec<(usize, Reverse<usize>, Batch)> = std::mem::take(batches)
        .into_iter()
        .enumerate()
        .map(|(i, batch)| (i + random.random_range(0..=within) as usize, Reverse(i), batch))
        .collect();
    waiting.sort_by_key(|(position, i, _)| (*position, *i));
    batches.extend(waiting.into_iter().map(|(_, _, batch)| batch));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> LabeledSeries {
        let row = |(i, value): (usize, &f64)| LabeledRow {
            at_us: 1_000_000 * i as i64,
            value: *value,
            label: false,
        };
        LabeledSeries::from_rows("test".to_owned(), values.iter().enumerate().map(row).collect())
    }

    #[test]
    fn every_sample_is_in_one_batch_and_other_rows_in_none() {
        let batches = cut(&series(&[0.0, 1.0, f64::NAN, 3.0, 4.0, 5.0]), 2);
        let values: Vec<Vec<f64>> =
            batches.iter().map(|batch| batch.samples.iter().map(Sample::value).collect()).collect();
        assert_eq!(values, [vec![0.0, 1.0], vec![3.0, 4.0], vec![5.0]]);
        assert!(cut(&series(&[]), 2).is_empty());
    }

    #[test]
    fn shuffling_keeps_every_batch_and_depends_on_the_seed_alone() {
        let batches = cut(&series(&[1.0; 50]), 1);
        let shuffled = |seed| {
            let mut batches = batches.clone();
            shuffle(&mut batches, seed, 50);
            batches
        };
        assert_eq!(shuffled(7), shuffled(7));
        assert_ne!(shuffled(7), shuffled(8));
        let mut sorted = shuffled(7);
        sorted.sort_by_key(Batch::newest_us);
        assert_eq!(sorted, batches);
    }

    #[test]
    fn shuffling_moves_no_batch_farther_than_was_asked() {
        let batches = cut(&series(&[1.0; 1_000]), 1);
        for within in [1, 4, 30] {
            let mut shuffled = batches.clone();
            shuffle(&mut shuffled, 7, within);
            let place = |batch: &Batch| (batch.newest_us() / 1_000_000) as u32;
            let moved = (0..).zip(&shuffled).map(|(i, batch)| place(batch).abs_diff(i)).max();
            assert!((1..=within).contains(&moved.unwrap()), "{moved:?} within {within}");
        }
    }

    #[test]
    fn a_body_is_one_object_a_line_with_exact_numbers() {
        let samples = vec![
            Sample::new(1_732_060_800_000_001, 0.1).unwrap(),
            Sample::new(1_000_000, 1e15).unwrap(),
        ];
        let destination = Destination { source: "a \"b\"".to_owned(), metric: "rps".to_owned() };
        let body = Batch { samples }.body(&destination);
        let lines: Vec<serde_json::Value> =
            body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["source"], "a \"b\"");
        assert_eq!(lines[0]["value"], 0.1);
        assert!(
            body.contains("\"timestamp\":1732060800000.001,")
                && body.contains("\"timestamp\":1000,")
        );
        assert_eq!(lines[1]["value"], 1e15);
    }
}
