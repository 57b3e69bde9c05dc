//! Limits the reads of each tenant, by a token bucket in this process.
//!
//! A read costs one token, and a long page one more for each hundred items. The bucket is not shared with other
//! processes: a read changes nothing, so only the process that serves it has to be protected.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Tenant;
use service::{TokenBucket, TokenGrant, TokenRequest};
use tokio::time::Instant;

use crate::error::RequestError;

/// Size of a bucket, in seconds of its rate.
const BURST_S: u64 = 2;

/// Smallest bucket: the longest page and a few more reads.
const BURST_MIN: u64 = 32;

/// The tokens of each tenant. Tenants come from the keys of the configuration, so there are few.
#[derive(Debug)]
pub(crate) struct ReadLimit {
    /// 0 for no limit.
    per_s: u64,
    // A `std::sync::Mutex` and not a Tokio one: it is never locked across an await.
    buckets: Mutex<HashMap<Tenant, TokenBucket>>,
    started_at: Instant,
}

impl ReadLimit {
    pub(crate) fn new(per_s: u64) -> Self {
        Self { per_s, buckets: Mutex::default(), started_at: Instant::now() }
    }

    /// Takes `n` tokens of a tenant, or fails and takes none.
    pub(crate) fn take(&self, tenant: &Tenant, n: usize) -> Result<(), RequestError> {
        if self.per_s == 0 || n == 0 {
            return Ok(());
        }
        let (rate_per_s, n) = (self.per_s, n as u64);
        let burst = (BURST_S * rate_per_s).max(BURST_MIN);
        let now_us = i64::try_from(self.started_at.elapsed().as_micros()).unwrap_or(i64::MAX);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = || TokenBucket::new(now_us, burst);
        let bucket = buckets.entry(tenant.clone()).or_insert_with(full);
        match bucket.take(now_us, &TokenRequest { rate_per_s, burst, min: n, max: n }) {
            TokenGrant { granted: 0, wait_us } => {
                let retry_after = Duration::from_secs((wait_us.max(1) as u64).div_ceil(1_000_000));
                Err(RequestError::ReadRateExceeded { per_s: self.per_s, retry_after })
            }
            TokenGrant { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tenant_reads_at_its_rate_after_a_burst() {
        let limit = ReadLimit::new(50);
        let [one, other] = [Tenant::new("one"), Tenant::new("other")];
        limit.take(&one, 100).unwrap();
        let error = limit.take(&one, 51).unwrap_err();
        let RequestError::ReadRateExceeded { retry_after, .. } = error else { panic!("{error}") };
        assert_eq!(retry_after, Duration::from_secs(2));
        limit.take(&other, 100).unwrap();
        advance(retry_after).await;
        limit.take(&one, 51).unwrap();
        assert!(limit.take(&one, 51).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_page_fits_the_smallest_bucket() {
        ReadLimit::new(1).take(&Tenant::default(), 11).unwrap();
        ReadLimit::new(0).take(&Tenant::default(), 1_000_000).unwrap();
    }
}
