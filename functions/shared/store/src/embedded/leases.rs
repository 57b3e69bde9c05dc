//! Rate limits and leases of processes in the memory of the process.

use async_trait::async_trait;
use domain::Tenant;

use super::store::EmbeddedStore;
use crate::rate_limit::TokenBucket;
use crate::{
    INSTANCE_LEASE_S, INSTANCES_MAX, Instance, InstanceLeases, RateLimiter, StoreError, TokenGrant,
    TokenRequest,
};

#[async_trait]
impl RateLimiter for EmbeddedStore {
    async fn take_tokens(
        &self,
        tenant: &Tenant,
        request: &TokenRequest,
    ) -> Result<TokenGrant, StoreError> {
        let now_us = (self.clock)();
        let mut state = self.lock();
        let full = || TokenBucket::new(now_us, request.burst);
        let bucket = state.buckets.entry(tenant.clone()).or_insert_with(full);
        Ok(bucket.take(now_us, request))
    }
}

#[async_trait]
impl InstanceLeases for EmbeddedStore {
    async fn renew_lease(&self, instance: &Instance) -> Result<(), StoreError> {
        let now_us = (self.clock)();
        let end_us = now_us + INSTANCE_LEASE_S as i64 * 1_000_000;
        let mut state = self.lock();
        state.instances.retain(|_, (end_us, _)| *end_us > now_us);
        let field = instance.field();
        if state.instances.len() < INSTANCES_MAX || state.instances.contains_key(&field) {
            state.instances.insert(field, (end_us, instance.clone()));
        }
        Ok(())
    }

    async fn end_lease(&self, instance: &Instance) -> Result<(), StoreError> {
        self.lock().instances.remove(&instance.field());
        Ok(())
    }

    async fn instances(&self) -> Result<Vec<Instance>, StoreError> {
        let now_us = (self.clock)();
        let state = self.lock();
        let live = state.instances.values().filter(|(end_us, _)| *end_us > now_us);
        Ok(live.map(|(_, instance)| instance.clone()).collect())
    }
}
