//! The order of the worst series: the logarithm of a sum of anomalies that decays with time.
//!
//! An anomaly at time t weighs `exp(t / decay)`, so that older ones weigh less without ever being touched again. The
//! weights themselves would overflow, so only logarithms are kept. `redis/series.lua` adds in the same way.

use domain::Judgement;

use crate::{SCORE_DECAY_US, StoreError};

/// The heat of the anomalies among `judgements`; none when there are none.
pub(crate) fn of(judgements: &[Judgement]) -> Option<f64> {
    let anomalies = judgements.iter().filter(|judgement| judgement.verdict.is_anomaly());
    anomalies.map(|judgement| judgement.sample.at_us() as f64 / SCORE_DECAY_US).reduce(sum)
}

/// The logarithm of the sum of what two logarithms stand for.
pub(crate) fn sum(a: f64, b: f64) -> f64 {
    a.max(b) + (-(a - b).abs()).exp().ln_1p()
}

/// Where a page of the worst ended: heat and name of its last series.
pub(crate) fn cursor((heat, name): &(f64, String)) -> String {
    format!("{heat}:{name}")
}

/// Reads back what [`cursor`] wrote.
pub(crate) fn parse_cursor(text: &str) -> Result<(f64, String), StoreError> {
    let parsed = text.split_once(':').and_then(|(heat, name)| {
        let heat: f64 = heat.parse().ok()?;
        heat.is_finite().then(|| (heat, name.to_owned()))
    });
    parsed.ok_or_else(|| StoreError::CursorInvalid { cursor: text.to_owned() })
}
