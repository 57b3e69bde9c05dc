//! Looking at many series of a Redis at once: indexes are counted, memories read, by one pipeline a shard.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::future::{join, try_join, try_join_all};
use redis::cmd;

use super::{
    Call, Redis, anomalous_index, instances_key, leases_key, pending_index, series_index,
    tenants_index, unreadable,
};
use crate::instances::{INSTANCE_LEASE_S, INSTANCES_MAX};
use crate::overview::PENDING_COUNTED_MAX;
use crate::{
    Counts, Glance, Instance, Instances, Levels, Overview, SERIES_TTL_S, SeriesKey, StoreError,
    Tenant, member,
};

#[async_trait]
impl Overview for Redis {
    async fn levels(&self) -> Result<Levels, StoreError> {
        let now_us = self.now_us().await?;
        let of_shards = self.shards().map(|shard| self.levels_of_shard(shard, now_us));
        let mut sum = Levels::default();
        for levels in try_join_all(of_shards).await? {
            sum.n_series += levels.n_series;
            sum.n_pending += levels.n_pending;
            sum.oldest_pending_us = sum.oldest_pending_us.max(levels.oldest_pending_us);
        }
        Ok(sum)
    }

    async fn count(&self, tenant: &Tenant) -> Result<Counts, StoreError> {
        let of_shards = self.shards().map(|shard| self.count_marked(shard, tenant));
        let (n_series, marked) =
            try_join(self.count_active(tenant), try_join_all(of_shards)).await?;
        let (n_anomalous, n_pending) =
            marked.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        Ok(Counts { n_series, n_anomalous, n_pending })
    }

    async fn recent(&self, tenant: &Tenant, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        let shards = self.shards().map(|shard| async move {
            let mut command = cmd("ZREVRANGE");
            command.arg(series_index(shard, tenant.part())).arg(0);
            command.arg(limit.saturating_sub(1)).arg("WITHSCORES");
            self.connection.query::<Vec<(String, f64)>>(Call::repeatable(shard), &command).await
        });
        let mut last: Vec<(String, f64)> =
            try_join_all(shards).await?.into_iter().flatten().collect();
        last.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        last.into_iter().take(limit).map(|(name, _)| SeriesKey::from_name(tenant, &name)).collect()
    }

    async fn glances(&self, keys: &[SeriesKey]) -> Result<Vec<Glance>, StoreError> {
        let mut by_shard: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (i, key) in keys.iter().enumerate() {
            by_shard.entry(key.shard(self.n_shards)).or_default().push(i);
        }
        let of_shards = by_shard.iter().map(|(shard, places)| async move {
            let mut commands = redis::pipe();
            for i in places {
                let [_, _, anomalies, memory] = self.keys(&keys[*i]).of_series();
                commands.cmd("GET").arg(memory).cmd("ZCARD").arg(anomalies);
            }
            self.connection
                .query_all::<Vec<redis::Value>>(Call::repeatable(*shard), &commands)
                .await
        });
        let mut glances = vec![Glance::default(); keys.len()];
        for (replies, places) in try_join_all(of_shards).await?.iter().zip(by_shard.values()) {
            for (i, reply) in places.iter().zip(replies.chunks(2)) {
                glances[*i] = glance_from(reply).ok_or_else(|| unreadable("glance"))?;
            }
        }
        Ok(glances)
    }
}

#[async_trait]
impl Instances for Redis {
    async fn report(&self, instance: &Instance) -> Result<(), StoreError> {
        let mut call = self.scripts.report.prepare_invoke();
        call.key(leases_key()).key(instances_key());
        call.arg(instance.field()).arg(instance.numbers());
        call.arg(INSTANCE_LEASE_S).arg(INSTANCES_MAX);
        self.connection.invoke(Call::repeatable(0), &call).await
    }

    async fn withdraw(&self, instance: &Instance) -> Result<(), StoreError> {
        let mut commands = redis::pipe();
        commands.cmd("ZREM").arg(leases_key()).arg(instance.field()).ignore();
        commands.cmd("HDEL").arg(instances_key()).arg(instance.field()).ignore();
        self.connection.query_all(Call::repeatable(0), commands.atomic()).await
    }

    async fn instances(&self) -> Result<Vec<Instance>, StoreError> {
        let mut commands = redis::pipe();
        commands.cmd("HGETALL").arg(instances_key());
        commands.cmd("ZRANGEBYSCORE").arg(leases_key());
        let now_us = self.now_us().await?;
        commands.arg(now_us).arg("+inf");
        let (numbers, fields): (BTreeMap<String, String>, Vec<String>) =
            self.connection.query_all(Call::repeatable(0), &commands).await?;
        Ok(fields.iter().filter_map(|field| Instance::read(field, numbers.get(field)?)).collect())
    }
}

impl Redis {
    /// What time it is for the store, in microseconds.
    async fn now_us(&self) -> Result<i64, StoreError> {
        let (seconds, us): (i64, i64) =
            self.connection.query(Call::repeatable(0), &cmd("TIME")).await?;
        Ok(seconds * 1_000_000 + us)
    }

    async fn levels_of_shard(&self, shard: u16, now_us: i64) -> Result<Levels, StoreError> {
        let waiting = async {
            let mut commands = redis::pipe();
            commands.cmd("ZCARD").arg(pending_index(shard));
            commands.cmd("ZRANGE").arg(pending_index(shard)).arg(0).arg(0).arg("WITHSCORES");
            self.connection
                .query_all::<(u64, Vec<(String, f64)>)>(Call::repeatable(shard), &commands)
                .await
        };
        let (waiting, n_series) = join(waiting, self.count_of_shard(shard, now_us)).await;
        let (n_pending, oldest) = waiting?;
        let since_us = oldest.first().map_or(now_us, |(_, at_us)| *at_us as i64);
        let oldest_pending_us = (now_us - since_us).max(0);
        Ok(Levels { n_series: n_series?, n_pending, oldest_pending_us })
    }

    /// The worst series of one shard, those after `after` where there is one; as Redis orders them, those with the same
    /// heat by their name, backwards.
    pub(super) async fn worst_of_shard(
        &self,
        shard: u16,
        tenant: &Tenant,
        after: Option<&(f64, String)>,
        limit: usize,
    ) -> Result<Vec<(f64, String)>, StoreError> {
        let index = anomalous_index(shard, tenant.part());
        let mut commands = redis::pipe();
        match after {
            None => {
                commands.cmd("ZREVRANGE").arg(index).arg(0).arg(limit - 1).arg("WITHSCORES");
            }
            Some((heat, _)) => {
                let heat = member::float(*heat);
                commands
                    .cmd("ZREVRANGEBYSCORE")
                    .arg(&index)
                    .arg(&heat)
                    .arg(&heat)
                    .arg("WITHSCORES");
                commands.cmd("ZREVRANGEBYSCORE").arg(&index).arg(format!("({heat}")).arg("-inf");
                commands.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit);
            }
        }
        let hot: Vec<Vec<(String, f64)>> =
            self.connection.query_all(Call::repeatable(shard), &commands).await?;
        let is_after = |name: &str, heat: f64| {
            after.is_none_or(|(last, last_name)| heat < *last || name < last_name.as_str())
        };
        Ok(hot
            .into_iter()
            .flatten()
            .filter(|(name, heat)| is_after(name, *heat))
            .map(|(name, heat)| (heat, name))
            .collect())
    }

    /// Series of all tenants in one shard.
    async fn count_of_shard(&self, shard: u16, now_us: i64) -> Result<u64, StoreError> {
        let how = Call::repeatable(shard);
        let indexes: Vec<String> =
            self.connection.query(how, cmd("SMEMBERS").arg(tenants_index(shard))).await?;
        if indexes.is_empty() {
            return Ok(0);
        }
        let oldest_us = now_us - SERIES_TTL_S as i64 * 1_000_000;
        let mut commands = redis::pipe();
        for index in &indexes {
            commands.cmd("ZCOUNT").arg(index).arg(oldest_us).arg("+inf");
        }
        let counts: Vec<u64> = self.connection.query_all(how, &commands).await?;
        Ok(counts.into_iter().sum())
    }

    /// Series of a tenant in one shard that have anomalies, and that wait.
    async fn count_marked(&self, shard: u16, tenant: &Tenant) -> Result<(u64, u64), StoreError> {
        let mut commands = redis::pipe();
        commands.cmd("ZCARD").arg(anomalous_index(shard, tenant.part()));
        commands.cmd("ZRANGE").arg(pending_index(shard)).arg(0).arg(PENDING_COUNTED_MAX - 1);
        let (n_anomalous, waiting): (u64, Vec<String>) =
            self.connection.query_all(Call::repeatable(shard), &commands).await?;
        let escaped = tenant.escaped();
        let is_theirs =
            |name: &&String| name.split_once(' ').is_some_and(|(owner, _)| owner == escaped);
        Ok((n_anomalous, waiting.iter().filter(is_theirs).count() as u64))
    }
}

fn glance_from(reply: &[redis::Value]) -> Option<Glance> {
    let [memory, n_anomalies] = reply else { return None };
    Some(Glance {
        memory: redis::from_redis_value_ref(memory).ok()?,
        n_anomalies: redis::from_redis_value_ref(n_anomalies).ok()?,
    })
}
