//! Limits the samples per second of each tenant, over all processes.
//!
//! The store holds one token bucket per tenant. A process leases blocks of tokens from it, so small requests rarely
//! need a call to the store.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Tenant;
use store::{Store, TokenGrant, TokenRequest};

use crate::error::ServiceError;
use crate::metrics::{StoreOperation, Totals};

/// Bucket size in seconds of the rate: the burst allowed after an equally long pause.
const BURST_S: u64 = 10;

/// Blocks per second of the rate: at most this many leases per second and tenant for small requests, and no process
/// holds back more than a hundredth of a second of the rate.
const BLOCKS_PER_S: u64 = 100;

/// Rate limit with the leased, unused tokens of each tenant.
#[derive(Debug)]
pub(crate) struct RateLimit {
    /// Samples per second; 0 for no limit.
    per_s: u64,
    burst: u64,
    leased: Mutex<HashMap<Tenant, u64>>,
}

impl RateLimit {
    /// Creates a limit whose burst is large enough for the longest request.
    pub(crate) fn new(rate_per_s: u64, n_samples_max: usize) -> Self {
        let burst = (rate_per_s * BURST_S).max(n_samples_max as u64);
        Self { per_s: rate_per_s, burst, leased: Mutex::default() }
    }

    /// Takes `n` tokens of a tenant, or returns [`ServiceError::RateExceeded`] and takes none.
    pub(crate) async fn admit(
        &self,
        store: &dyn Store,
        totals: &Totals,
        (tenant, n): (&Tenant, u64),
    ) -> Result<(), ServiceError> {
        if self.per_s == 0 {
            return Ok(());
        }
        let missing = self.take(tenant, n);
        if missing == 0 {
            return Ok(());
        }
        let max = missing.max(self.per_s / BLOCKS_PER_S);
        let (rate_per_s, burst) = (self.per_s, self.burst);
        let request = TokenRequest { rate_per_s, burst, min: missing, max };
        let call = store.take_tokens(tenant, &request);
        match totals.measure(StoreOperation::Lease, call).await {
            Ok(TokenGrant { granted: 0, wait_us }) => {
                self.give_back(tenant, n - missing);
                let seconds = (wait_us.max(1) as u64).div_ceil(1_000_000);
                let retry_after = Duration::from_secs(seconds);
                Err(ServiceError::RateExceeded { rate_per_s, retry_after })
            }
            Ok(TokenGrant { granted, .. }) => {
                self.give_back(tenant, granted - missing);
                Ok(())
            }
            Err(error) => {
                self.give_back(tenant, n - missing);
                Err(error.into())
            }
        }
    }

    /// Takes up to `n` leased tokens and returns how many are missing.
    fn take(&self, tenant: &Tenant, n: u64) -> u64 {
        let mut leased = self.leased();
        let Some(tokens) = leased.get_mut(tenant) else { return n };
        let taken = n.min(*tokens);
        *tokens -= taken;
        n - taken
    }

    fn give_back(&self, tenant: &Tenant, n: u64) {
        if n > 0 {
            *self.leased().entry(tenant.clone()).or_default() += n;
        }
    }

    fn leased(&self) -> MutexGuard<'_, HashMap<Tenant, u64>> {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
