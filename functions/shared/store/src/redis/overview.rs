//! Looking at many series of a Redis at once: indexes are counted and memories read by one pipeline, or by one for each
//! shard of a cluster.

use std::collections::BTreeMap;

use async_trait::async_trait;
use redis::{Pipeline, cmd};

use super::{
    Call, RedisStore, anomalous_index, in_one, instances_key, leases_key, pending_index,
    series_index, tenants_index, unreadable,
};
use crate::instances::{INSTANCE_LEASE_S, INSTANCES_MAX};
use crate::overview::PENDING_COUNTED_MAX;
use crate::{
    Counts, Glance, Instance, Instances, Levels, Overview, SERIES_TTL_S, StoreError, member,
};
use domain::{SeriesKey, Tenant};

/// Series that wait, the one that waits longest, and the indexes of series of a shard.
type LevelReply = (u64, Vec<(String, f64)>, Vec<String>);

#[async_trait]
impl Overview for RedisStore {
    async fn levels(&self) -> Result<Levels, StoreError> {
        let now_us = self.now_us().await?;
        let of_shards = self.ask_shards::<LevelReply>(self.shards(), |shard, commands| {
            commands.cmd("ZCARD").arg(pending_index(shard));
            commands.cmd("ZRANGE").arg(pending_index(shard)).arg(0).arg(0).arg("WITHSCORES");
            commands.cmd("SMEMBERS").arg(tenants_index(shard));
        });
        let mut levels = Levels::default();
        let mut indexes: Vec<(u16, Pipeline)> = Vec::new();
        for (shard, (n_pending, oldest, indexes_of_shard)) in self.shards().zip(of_shards.await?) {
            levels.n_pending += n_pending;
            let since_us = oldest.first().map_or(now_us, |(_, at_us)| *at_us as i64);
            levels.oldest_pending_us = levels.oldest_pending_us.max(now_us - since_us);
            let mut counted = redis::pipe();
            for index in &indexes_of_shard {
                counted.cmd("ZCOUNT").arg(index).arg(oldest_active_us(now_us)).arg("+inf");
            }
            indexes.push((shard, counted));
        }
        indexes.retain(|(_, counted)| !counted.is_empty());
        let n_series: Vec<Vec<u64>> = self.connection.query_each(&indexes).await?;
        levels.n_series = n_series.into_iter().flatten().sum();
        Ok(levels)
    }

    async fn count(&self, tenant: &Tenant) -> Result<Counts, StoreError> {
        let oldest_us = oldest_active_us(self.now_us().await?);
        let of_shards = self.ask_shards(self.shards(), |shard, commands| {
            let all = series_index(shard, tenant.part());
            commands.cmd("ZCOUNT").arg(all).arg(oldest_us).arg("+inf");
            commands.cmd("ZCARD").arg(anomalous_index(shard, tenant.part()));
            let last = PENDING_COUNTED_MAX - 1;
            commands.cmd("ZRANGE").arg(pending_index(shard)).arg(0).arg(last);
        });
        let of_shards: Vec<(u64, u64, Vec<String>)> = of_shards.await?;
        let escaped = tenant.escaped();
        let is_theirs =
            |name: &&String| name.split_once(' ').is_some_and(|(owner, _)| owner == escaped);
        let mut counts = Counts::default();
        for (n_series, n_anomalous, waiting) in of_shards {
            counts.n_series += n_series;
            counts.n_anomalous += n_anomalous;
            counts.n_pending += waiting.iter().filter(is_theirs).count() as u64;
        }
        Ok(counts)
    }

    async fn recent(&self, tenant: &Tenant, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        let of_shards = self.ask_shards(self.shards(), |shard, commands| {
            commands.cmd("ZREVRANGE").arg(series_index(shard, tenant.part())).arg(0);
            commands.arg(limit.saturating_sub(1)).arg("WITHSCORES");
        });
        let mut last: Vec<(String, f64)> = in_one(of_shards.await?);
        last.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let keys =
            last.into_iter().take(limit).map(|(name, _)| SeriesKey::from_name(tenant, &name));
        Ok(keys.collect::<Result<_, _>>()?)
    }

    async fn glances(&self, keys: &[SeriesKey]) -> Result<Vec<Glance>, StoreError> {
        let mut by_shard: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (i, key) in keys.iter().enumerate() {
            by_shard.entry(key.shard(self.n_shards)).or_default().push(i);
        }
        let asked: Vec<(u16, Pipeline)> = by_shard
            .iter()
            .map(|(shard, places)| {
                let mut commands = redis::pipe();
                for i in places {
                    let [_, _, anomalies, memory] = self.keys(&keys[*i]).of_series();
                    commands.cmd("GET").arg(memory).cmd("ZCARD").arg(anomalies);
                }
                (*shard, commands)
            })
            .collect();
        let of_shards: Vec<Vec<redis::Value>> = self.connection.query_each(&asked).await?;
        let mut glances = vec![Glance::default(); keys.len()];
        for (replies, places) in of_shards.iter().zip(by_shard.values()) {
            for (i, reply) in places.iter().zip(replies.chunks(2)) {
                glances[*i] = glance_from(reply).ok_or_else(|| unreadable("glance"))?;
            }
        }
        Ok(glances)
    }
}

#[async_trait]
impl Instances for RedisStore {
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

impl RedisStore {
    /// What time it is for the store, in microseconds.
    pub(super) async fn now_us(&self) -> Result<i64, StoreError> {
        let (seconds, us): (i64, i64) =
            self.connection.query(Call::repeatable(0), &cmd("TIME")).await?;
        Ok(seconds * 1_000_000 + us)
    }

    /// The worst series of each shard, those after `after` where there is one; as Redis orders them, those with the
    /// same heat by their name, backwards.
    pub(super) async fn hottest(
        &self,
        tenant: &Tenant,
        after: Option<&(f64, String)>,
        limit: usize,
    ) -> Result<Vec<(f64, String)>, StoreError> {
        let of_shards = self.ask_shards(self.shards(), |shard, commands| {
            let index = anomalous_index(shard, tenant.part());
            let Some((heat, _)) = after else {
                commands.cmd("ZREVRANGE").arg(index).arg(0).arg(limit - 1).arg("WITHSCORES");
                return;
            };
            let heat = member::float(*heat);
            commands.cmd("ZREVRANGEBYSCORE").arg(&index).arg(&heat).arg(&heat).arg("WITHSCORES");
            commands.cmd("ZREVRANGEBYSCORE").arg(&index).arg(format!("({heat}")).arg("-inf");
            commands.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit);
        });
        let of_shards: Vec<Vec<Vec<(String, f64)>>> = of_shards.await?;
        let is_after = |name: &str, heat: f64| {
            after.is_none_or(|(last, last_name)| heat < *last || name < last_name.as_str())
        };
        let hot = of_shards.into_iter().flatten().flatten();
        Ok(hot
            .filter(|(name, heat)| is_after(name, *heat))
            .map(|(name, heat)| (heat, name))
            .collect())
    }
}

/// Since when a series must have received a sample to count, in microseconds.
pub(super) fn oldest_active_us(now_us: i64) -> i64 {
    now_us - SERIES_TTL_S as i64 * 1_000_000
}

fn glance_from(reply: &[redis::Value]) -> Option<Glance> {
    let [memory, n_anomalies] = reply else { return None };
    Some(Glance {
        memory: redis::from_redis_value_ref(memory).ok()?,
        n_anomalies: redis::from_redis_value_ref(n_anomalies).ok()?,
    })
}
