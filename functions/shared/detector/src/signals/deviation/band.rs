//! Band of normal values for two distances that are judged together.

use domain::{Expectation, Signal};

/// Largest ratio of the two distances: far from the last hour is no anomaly if it is usual at this time.
const RATIO_MAX: f64 = 10.0;

/// Geometric mean of both distances, each bounded by ten times the other.
pub(super) fn joint(a: f64, b: f64) -> f64 {
    (a.min(RATIO_MAX * b) * b.min(RATIO_MAX * a)).sqrt()
}

/// An expected value, and the distance from it at which a value equally far from both is just an anomaly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Center {
    pub(super) value: f64,
    pub(super) reach: f64,
}

impl Center {
    /// Distance within which a value is normal however far it is from the other center.
    fn near(self) -> f64 {
        self.reach / RATIO_MAX.sqrt()
    }
}

/// Band of normal values around the center nearest to `value`.
///
/// A value `x` is normal if `|x - a| |x - b|` is at most the product of the reaches, or if `x` is near one of the centers.
/// If the centers are far apart, the band splits in two, and a value between them can be far from both.
pub(super) fn expectation(a: Center, b: Center, value: f64) -> Expectation {
    let signal = Signal::Deviation;
    let reach = a.reach * b.reach;
    let middle = a.value.midpoint(b.value);
    let half = (a.value - b.value).abs() / 2.0;
    let outer = half.hypot(reach.sqrt());
    let mut band = if half * half <= reach {
        Expectation { signal, value: middle, low: middle - outer, high: middle + outer }
    } else {
        let inner = (half * half - reach).sqrt();
        if value >= middle {
            let value = a.value.max(b.value);
            Expectation { signal, value, low: middle + inner, high: middle + outer }
        } else {
            let value = a.value.min(b.value);
            Expectation { signal, value, low: middle - outer, high: middle - inner }
        }
    };
    for center in [a, b] {
        if (value - center.value).abs() <= center.near() {
            band.low = band.low.min(center.value - center.near());
            band.high = band.high.max(center.value + center.near());
        }
    }
    band
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_an_anomaly_exactly_outside_its_band() {
        for (a, b, reaches) in
            [(10.0, 10.0, (2.0, 2.0)), (10.0, 13.0, (3.0, 3.0)), (10.0, 30.0, (1.0, 16.0))]
        {
            for i in -200..600 {
                let x = f64::from(i) / 10.0 + 0.037;
                let center = |value, reach| Center { value, reach };
                let band = expectation(center(a, reaches.0), center(b, reaches.1), x);
                let is_inside = (band.low..=band.high).contains(&x);
                let score = joint((x - a).abs() / reaches.0, (x - b).abs() / reaches.1);
                assert_eq!(score <= 1.0, is_inside, "{x} {score} {band:?}");
            }
        }
    }
}
