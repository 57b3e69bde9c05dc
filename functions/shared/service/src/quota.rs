//! How fast a tenant may send.
//!
//! The bucket of a tenant is in the store, one for all processes. A process takes a block of it at a time and gives
//! that out by itself, so that a tenant's small requests do not each ask the store.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Tenant;
use store::{Lease, Leased};

use crate::error::ServiceError;
use crate::service::Service;

/// How many seconds of its rate a tenant may send at once, after a pause as long.
const BURST_S: u64 = 10;

/// Blocks in which a second's samples are leased: at most so many round trips a second and tenant for small requests,
/// and no process holds back more than the hundredth part of a second.
const BLOCKS_PER_S: u64 = 100;

/// The bound on samples a second, and what is left of the blocks of each tenant.
#[derive(Debug)]
pub(crate) struct Rate {
    /// 0 for no bound.
    per_s: u64,
    burst: u64,
    // A `std::sync::Mutex` and not a Tokio one: it is never held over a wait.
    held: Mutex<HashMap<Tenant, u64>>,
}

impl Rate {
    /// A bound under which the longest request still passes, if not often.
    pub(crate) fn new(rate_per_s: u64, n_samples_max: usize) -> Self {
        let burst = (rate_per_s * BURST_S).max(n_samples_max as u64);
        Self { per_s: rate_per_s, burst, held: Mutex::default() }
    }

    /// Takes up to `n` of what is held, and answers how many are missing.
    fn take(&self, tenant: &Tenant, n: u64) -> u64 {
        let mut held = self.held();
        let Some(held) = held.get_mut(tenant) else { return n };
        let taken = n.min(*held);
        *held -= taken;
        n - taken
    }

    fn give_back(&self, tenant: &Tenant, n: u64) {
        if n > 0 {
            *self.held().entry(tenant.clone()).or_default() += n;
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Tenant, u64>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Counts `n` samples against the rate of a tenant.
    pub async fn admit(&self, tenant: &Tenant, n: usize) -> Result<(), ServiceError> {
        let (rate, n) = (self.rate(), n as u64);
        if rate.per_s == 0 {
            return Ok(());
        }
        let missing = rate.take(tenant, n);
        if missing == 0 {
            return Ok(());
        }
        let most = missing.max(rate.per_s / BLOCKS_PER_S);
        let (rate_per_s, burst) = (rate.per_s, rate.burst);
        let wanted = Lease { rate_per_s, burst, least: missing, most };
        match self.store().lease(tenant, &wanted).await {
            Ok(Leased { granted: 0, wait_us }) => {
                rate.give_back(tenant, n - missing);
                let seconds = (wait_us.max(1) as u64).div_ceil(1_000_000);
                let retry_after = Duration::from_secs(seconds);
                Err(ServiceError::RateExceeded { rate_per_s, retry_after })
            }
            Ok(Leased { granted, .. }) => {
                rate.give_back(tenant, granted - missing);
                Ok(())
            }
            Err(error) => {
                rate.give_back(tenant, n - missing);
                Err(error.into())
            }
        }
    }
}
