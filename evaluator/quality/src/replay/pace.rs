//! Due times of batches, so that a month is replayed in an hour with the original intervals.

use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;

use super::batch::Batch;

/// Speed relative to the recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpeedUp(f64);

impl FromStr for SpeedUp {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let number = text.strip_suffix('x').unwrap_or(text).parse().ok();
        let factor = number.filter(|factor: &f64| factor.is_finite() && *factor > 0.0);
        factor.map(Self).with_context(|| {
            format!(
                "speed-up `{text}` is not a factor: expected a positive number like `60` or `60x`"
            )
        })
    }
}

/// Due time of each batch from the start: the scaled time of the newest sample so far. Without a speed-up all batches are
/// due at once.
pub(super) fn dues(batches: &[Batch], speed_up: Option<SpeedUp>) -> Vec<Duration> {
    let (Some(SpeedUp(factor)), Some(first)) = (speed_up, batches.first()) else {
        return vec![Duration::ZERO; batches.len()];
    };
    let start_us = first.samples.iter().map(domain::Sample::at_us).min().unwrap_or_default();
    // Times may step back in real data; due times never do.
    let mut newest_us = start_us;
    let due = |batch: &Batch| {
        newest_us = newest_us.max(batch.newest_us());
        Duration::from_secs_f64((newest_us - start_us) as f64 / 1e6 / factor)
    };
    batches.iter().map(due).collect()
}

#[cfg(test)]
mod tests {
    use domain::Sample;

    use super::*;

    fn batch(seconds: &[i64]) -> Batch {
        Batch {
            samples: seconds.iter().map(|s| Sample::new(1_000_000 * s, 0.0).unwrap()).collect(),
        }
    }

    #[test]
    fn a_speed_up_is_a_positive_factor() {
        assert_eq!("3600x".parse::<SpeedUp>().unwrap(), SpeedUp(3600.0));
        assert_eq!("0.5".parse::<SpeedUp>().unwrap(), SpeedUp(0.5));
        for text in ["", "x", "0", "-1", "nan", "inf", "1e999", "fast"] {
            let parsed: Result<SpeedUp, _> = text.parse();
            assert!(parsed.is_err(), "{text}");
        }
    }

    #[test]
    fn a_batch_is_due_at_the_scaled_time_of_its_newest_sample() {
        let batches = [batch(&[100, 160]), batch(&[220, 280]), batch(&[150]), batch(&[400])];
        let dues = dues(&batches, Some(SpeedUp(60.0)));
        let seconds: Vec<f64> = dues.iter().map(Duration::as_secs_f64).collect();
        assert_eq!(seconds, [1.0, 3.0, 3.0, 5.0]);
    }

    #[test]
    fn without_a_speed_up_everything_is_due_at_once() {
        assert_eq!(dues(&[batch(&[1]), batch(&[2])], None), [Duration::ZERO; 2]);
        assert!(dues(&[], Some(SpeedUp(1.0))).is_empty());
    }
}
