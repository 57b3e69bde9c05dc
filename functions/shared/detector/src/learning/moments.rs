//! Mean and standard deviation of a window, recomputed for each sample.
//!
//! Running sums would be cheaper, but they keep rounding errors of values that have left the window. Two passes over the
//! values, shifted by the first, are exact enough: 1e9 + {0..4} has its deviation of 1.41, and an outlier of 1e15 has no
//! effect once it has left (Chan, Golub and `LeVeque`, "Algorithms for computing the sample variance", 1983).

/// Mean and population standard deviation of at least one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// Number of values.
    pub count: usize,
    /// Mean.
    pub mean: f64,
    /// Population standard deviation.
    pub stddev: f64,
}

impl Moments {
    /// Moments of `values`; `None` if there are none.
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let first = values.clone().next()?;
        let (mut count, mut sum) = (0_usize, 0.0);
        for value in values.clone() {
            count += 1;
            sum += value - first;
        }
        let n = count as f64;
        let shifted_mean = sum / n;
        let squares: f64 = values.map(|value| (value - first - shifted_mean).powi(2)).sum();
        Some(Self { count, mean: first + shifted_mean, stddev: (squares / n).sqrt() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use statrs::statistics::Statistics;

    use super::*;

    #[test]
    fn no_values_have_no_moments() {
        assert_eq!(Moments::of([].into_iter()), None);
    }

    #[test]
    fn a_large_offset_keeps_the_deviation() {
        let moments = Moments::of((0..5).map(|i| 1e9 + f64::from(i))).unwrap();
        assert!((moments.stddev - 2_f64.sqrt()).abs() < 1e-9);
        assert_eq!(moments.mean, 1e9 + 2.0);
    }

    #[test]
    fn equal_values_have_no_deviation() {
        let moments = Moments::of([0.1; 50].into_iter()).unwrap();
        assert_eq!((moments.mean, moments.stddev), (0.1, 0.0));
    }

    proptest! {
        #[test]
        fn moments_equal_those_of_statrs(values in prop::collection::vec(-1e6..1e6_f64, 1..200)) {
            let moments = Moments::of(values.iter().copied()).unwrap();
            let mean = values.iter().mean();
            let stddev = values.iter().population_std_dev();
            prop_assert!((moments.mean - mean).abs() <= 1e-9 * 1e6);
            prop_assert!((moments.stddev - stddev).abs() <= 1e-9 * 1e6);
        }
    }
}
