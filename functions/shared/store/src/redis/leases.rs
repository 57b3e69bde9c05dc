//! Rate limits and leases of processes in Redis.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::Tenant;

use super::connection::Call;
use super::keys::{INSTANCES_KEY, LEASES_KEY, bucket};
use super::store::RedisStore;
use crate::{
    INSTANCE_LEASE_S, INSTANCES_MAX, Instance, InstanceLeases, RateLimiter, StoreError, TokenGrant,
    TokenRequest,
};

#[async_trait]
impl RateLimiter for RedisStore {
    async fn take_tokens(
        &self,
        tenant: &Tenant,
        request: &TokenRequest,
    ) -> Result<TokenGrant, StoreError> {
        let TokenRequest { rate_per_s, burst, min, max } = request;
        let shard = tenant.shard(self.n_shards);
        let mut call = self.scripts.take_tokens.prepare_invoke();
        call.key(bucket(shard, tenant.part()));
        call.arg(rate_per_s).arg(burst).arg(min).arg(max);
        // Repeatable: the bucket refills what was taken twice, but a lost reply would fail the request.
        let (granted, wait_us) = self.connection.invoke(Call::repeatable(shard), &call).await?;
        Ok(TokenGrant { granted, wait_us })
    }
}

#[async_trait]
impl InstanceLeases for RedisStore {
    async fn renew_lease(&self, instance: &Instance) -> Result<(), StoreError> {
        let mut call = self.scripts.renew_lease.prepare_invoke();
        call.key(LEASES_KEY).key(INSTANCES_KEY);
        call.arg(instance.field()).arg(instance.numbers());
        call.arg(INSTANCE_LEASE_S).arg(INSTANCES_MAX);
        self.connection.invoke(Call::repeatable(0), &call).await
    }

    async fn end_lease(&self, instance: &Instance) -> Result<(), StoreError> {
        let mut commands = redis::pipe();
        commands.cmd("ZREM").arg(LEASES_KEY).arg(instance.field()).ignore();
        commands.cmd("HDEL").arg(INSTANCES_KEY).arg(instance.field()).ignore();
        self.connection.query_all(Call::repeatable(0), commands.atomic()).await
    }

    async fn instances(&self) -> Result<Vec<Instance>, StoreError> {
        let now_us = self.now_us().await?;
        let mut commands = redis::pipe();
        commands.cmd("HGETALL").arg(INSTANCES_KEY);
        commands.cmd("ZRANGEBYSCORE").arg(LEASES_KEY).arg(now_us).arg("+inf");
        let (numbers, fields): (BTreeMap<String, String>, Vec<String>) =
            self.connection.query_all(Call::repeatable(0), &commands).await?;
        Ok(fields.iter().filter_map(|field| Instance::read(field, numbers.get(field)?)).collect())
    }
}
