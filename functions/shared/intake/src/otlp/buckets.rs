//! Quantiles of the observations that a histogram counts in buckets.
//!
//! A quantile is as exact as its bucket is narrow: within one, observations are taken to be spread evenly, of an exponential
//! histogram by their logarithm.

use crate::code::RejectionCode;
use crate::sample_fault::SampleFault;

/// Most buckets that are read of a histogram: twice the 320 that SDKs send by default for both signs, and room.
const BUCKETS_READ_MAX: usize = 2_048;

/// Buckets of a histogram with explicit bounds, or of an exponential one.
#[derive(Debug, Clone, Default)]
pub(super) struct Buckets {
    /// Number of observations in each bucket with explicit bounds; one more than bounds.
    pub(super) counts: Vec<u64>,
    pub(super) bounds: Vec<f64>,
    /// Number of doublings of the resolution of an exponential histogram: its base is 2^(2^-scale).
    pub(super) scale: i32,
    pub(super) zero_count: u64,
    pub(super) positive: ExponentialBuckets,
    pub(super) negative: ExponentialBuckets,
    /// Least and largest observation, if they were sent.
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
}

/// Buckets of one sign; that at position `i` ends at base^(offset + i + 1).
#[derive(Debug, Clone, Default)]
pub(super) struct ExponentialBuckets {
    pub(super) offset: i32,
    pub(super) counts: Vec<u64>,
}

/// Number of observations between two bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bucket {
    lower: f64,
    upper: f64,
    count: u64,
}

impl Buckets {
    /// Checks that the buckets have this number of observations; a histogram without buckets is valid.
    pub(super) fn check(&self, count: u64) -> Result<(), SampleFault> {
        let lists = [&self.counts, &self.positive.counts, &self.negative.counts];
        let fault = |detail: String| SampleFault::new(RejectionCode::SampleMalformed, detail);
        let n_buckets: usize = lists.iter().map(|counts| counts.len()).sum();
        if n_buckets > BUCKETS_READ_MAX {
            let detail = format!("histogram has more than {BUCKETS_READ_MAX} buckets");
            return Err(fault(detail));
        }
        if n_buckets == 0 {
            return Ok(());
        }
        let is_ascending = self.bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if !self.counts.is_empty() && self.counts.len() != self.bounds.len() + 1 || !is_ascending {
            return Err(fault("histogram has bounds that do not fit its buckets".to_owned()));
        }
        let counts = lists.iter().flat_map(|counts| counts.iter());
        let in_buckets = counts.fold(self.zero_count, |sum, count| sum.saturating_add(*count));
        if in_buckets != count {
            return Err(fault(format!(
                "histogram has `{count}` observations, and `{in_buckets}` in its buckets: wanted the same"
            )));
        }
        Ok(())
    }

    /// The value that this share of the observations does not exceed; `None` without buckets or observations.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let buckets = self.ascending();
        let count: u64 = buckets.iter().map(|bucket| bucket.count).sum();
        if count == 0 {
            return None;
        }
        let rank = share * count as f64;
        let mut below = 0;
        for bucket in buckets.iter().filter(|bucket| bucket.count > 0) {
            let within = below + bucket.count;
            if rank <= within as f64 {
                let part = (rank - below as f64) / bucket.count as f64;
                return Some(self.clamped(bucket.at(part, self.counts.is_empty())));
            }
            below = within;
        }
        None
    }

    /// All buckets from the lowest to the highest.
    fn ascending(&self) -> Vec<Bucket> {
        let mut buckets = Vec::new();
        let first = self.bounds.first().copied().unwrap_or_default();
        let last = self.bounds.last().copied().unwrap_or_default();
        for (i, count) in self.counts.iter().enumerate() {
            // The outermost buckets have one bound: the other is the extreme, or else 0 below and the same above.
            let lower = i.checked_sub(1).map(|below| self.bounds[below]);
            let lower = lower.unwrap_or_else(|| self.min.unwrap_or_else(|| first.min(0.0)));
            let upper = self.bounds.get(i).copied();
            let upper = upper.unwrap_or_else(|| self.max.unwrap_or(last));
            buckets.push(Bucket { lower, upper, count: *count });
        }
        let bound = |index: i64| (index as f64 * (-f64::from(self.scale)).exp2()).exp2();
        let bucket = |of: &ExponentialBuckets, i: usize| {
            let index = i64::from(of.offset) + i as i64;
            Bucket { lower: bound(index), upper: bound(index + 1), count: of.counts[i] }
        };
        let negative = (0..self.negative.counts.len()).rev().map(|i| bucket(&self.negative, i));
        buckets.extend(negative.map(|Bucket { lower, upper, count }| Bucket {
            lower: -upper,
            upper: -lower,
            count,
        }));
        buckets.push(Bucket { lower: 0.0, upper: 0.0, count: self.zero_count });
        buckets.extend((0..self.positive.counts.len()).map(|i| bucket(&self.positive, i)));
        buckets
    }

    fn clamped(&self, value: f64) -> f64 {
        let value = self.min.filter(|min| min.is_finite()).map_or(value, |min| value.max(min));
        self.max.filter(|max| max.is_finite()).map_or(value, |max| value.min(max))
    }
}

impl Bucket {
    /// The value at this part of the bucket.
    fn at(&self, part: f64, is_exponential: bool) -> f64 {
        let Self { lower, upper, .. } = *self;
        if is_exponential && lower > 0.0 {
            lower * (upper / lower).powf(part)
        } else if is_exponential && upper < 0.0 {
            upper * (lower / upper).powf(1.0 - part)
        } else {
            lower + (upper - lower) * part
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explicit(counts: &[u64], bounds: &[f64]) -> Buckets {
        Buckets { counts: counts.to_vec(), bounds: bounds.to_vec(), ..Buckets::default() }
    }

    #[test]
    fn a_quantile_is_interpolated_in_its_bucket() {
        let buckets = explicit(&[50, 40, 10], &[0.1, 0.5]);
        assert_eq!(buckets.quantile(0.25), Some(0.05));
        assert_eq!(buckets.quantile(0.5), Some(0.1));
        assert!((buckets.quantile(0.7).unwrap() - 0.3).abs() < 1e-9);
        // Above the last bound nothing is known without the largest observation.
        assert_eq!(buckets.quantile(0.99), Some(0.5));
        let known = Buckets { min: Some(0.08), max: Some(2.5), ..buckets };
        assert!((known.quantile(0.99).unwrap() - 2.3).abs() < 1e-9);
        assert!(known.quantile(0.01).unwrap() >= 0.08);
    }

    #[test]
    fn few_observations_have_quantiles_within_their_extremes() {
        let one = Buckets { min: Some(0.3), max: Some(0.3), ..explicit(&[0, 1, 0], &[0.1, 0.5]) };
        for share in [0.5, 0.95, 0.99] {
            assert_eq!(one.quantile(share), Some(0.3));
        }
        assert_eq!(explicit(&[0, 0], &[1.0]).quantile(0.5), None);
        assert_eq!(Buckets::default().quantile(0.5), None);
    }

    #[test]
    fn buckets_of_an_exponential_histogram_are_powers_of_its_base() {
        let positive = ExponentialBuckets { offset: 0, counts: vec![50, 50] };
        let doubling = Buckets { positive, ..Buckets::default() };
        let close = |value: Option<f64>, wanted: f64| {
            assert!((value.unwrap() - wanted).abs() < 1e-9, "{value:?} {wanted}");
        };
        close(doubling.quantile(0.5), 2.0);
        close(doubling.quantile(1.0), 4.0);
        close(doubling.quantile(0.25), 2_f64.sqrt());
        let negative = ExponentialBuckets { offset: 1, counts: vec![25, 25] };
        let both = Buckets { negative, zero_count: 100, scale: 1, ..doubling };
        // From -2^1.5 to -2^0.5, then zero, then from 1 to 2.
        close(both.quantile(0.0), -(1.5_f64.exp2()));
        close(both.quantile(0.1), -2.0);
        close(both.quantile(0.5), 0.0);
        close(both.quantile(1.0), 2.0);
    }

    #[test]
    fn buckets_that_do_not_fit_are_a_fault() {
        assert!(explicit(&[1, 2], &[1.0]).check(3).is_ok());
        assert!(Buckets::default().check(3).is_ok());
        for (buckets, count) in [
            (explicit(&[1, 2], &[1.0]), 4),
            (explicit(&[1, 2], &[]), 3),
            (explicit(&[1, 1, 1], &[2.0, 1.0]), 3),
            (explicit(&vec![0; 3_000], &[]), 0),
            (Buckets { zero_count: 2, ..explicit(&[1, 2], &[1.0]) }, 3),
        ] {
            assert_eq!(buckets.check(count).unwrap_err().code, RejectionCode::SampleMalformed);
        }
    }
}
