//! Stochastic approximation of a quantile: one number that each sample moves.
//!
//! - **Formula.** `q += rate * (1 - share)` if the sample is above, `q -= rate * share` if not, with rate
//!   `max(0.02, 3 / (n + 5))` after `n` others. It settles where `share` of the samples are above.
//! - **Cost.** A division.

/// Weight of the newest sample, after larger ones at the start.
const RATE: f64 = 0.02;

/// Step of a quantile that `share` of the samples exceed, by one that is above it or not, after `n` others.
pub(crate) fn step(is_above: bool, share: f64, n: u64) -> f32 {
    let rate = RATE.max(3.0 / (n + 5) as f64);
    (rate * if is_above { 1.0 - share } else { -share }) as f32
}
