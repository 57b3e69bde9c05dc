//! Rank of the worst series: the logarithm of a sum of anomalies that decays with time.
//!
//! An anomaly at time t weighs `exp(t / decay)`, so older ones weigh relatively less without being touched again. The
//! weights themselves would overflow, so only logarithms are stored. `series.lua` adds in the same way.

use domain::Judgement;

/// Time in which the weight of an anomaly falls by a factor e: 6 hours, in microseconds.
const DECAY_US: f64 = 6.0 * 3_600.0 * 1e6;

/// Score of the anomalies among `judgements`; `None` if there are none.
pub fn of(judgements: &[Judgement]) -> Option<f64> {
    let anomalies = judgements.iter().filter(|judgement| judgement.verdict.is_anomaly());
    anomalies.map(|judgement| judgement.sample.at_us() as f64 / DECAY_US).reduce(sum)
}

/// Logarithm of the sum of two numbers given by their logarithms.
pub(crate) fn sum(a: f64, b: f64) -> f64 {
    a.max(b) + (-(a - b).abs()).exp().ln_1p()
}
