//! State of a whole Redis: its shards, gauges and totals, read by one pipeline, or one for each shard of a cluster.

use std::collections::BTreeMap;

use async_trait::async_trait;
use detector::DeployedDetector;
use redis::{Pipeline, cmd};

use super::connection::Call;
use super::keys::{self, DEPLOYED_KEY, pending_index, tenants_index};
use super::store::{RedisStore, oldest_active_us};
use crate::status::check_detector;
use crate::{CircuitCounts, StoreError, StoreGauges, StoreStatus};

/// Number of pending series, the one that waits longest, and the series indexes of a shard.
type GaugesReply = (u64, Vec<(String, f64)>, Vec<String>);

#[async_trait]
impl StoreStatus for RedisStore {
    async fn ping(&self) -> Result<(), StoreError> {
        let mut command = cmd("HGET");
        command.arg(DEPLOYED_KEY).arg("shards");
        let stored: Option<u16> = self.connection.query(Call::repeatable(0), &command).await?;
        self.check_shards(stored.unwrap_or(self.n_shards))
    }

    async fn check_deployment(&self, deployed: &DeployedDetector) -> Result<(), StoreError> {
        let (generation, detector) = (deployed.generation.to_string(), deployed.detector);
        let mut commands = redis::pipe();
        commands.cmd("HSETNX").arg(DEPLOYED_KEY).arg("shards").arg(self.n_shards).ignore();
        commands.cmd("HSETNX").arg(DEPLOYED_KEY).arg(&generation);
        commands.arg(detector.to_string()).ignore();
        commands.cmd("HMGET").arg(DEPLOYED_KEY).arg("shards").arg(&generation);
        let ((stored, first),): ((u16, String),) =
            self.connection.query_all(Call::repeatable(0), commands.atomic()).await?;
        self.check_shards(stored)?;
        check_detector(deployed, &first)
    }

    fn circuits(&self) -> CircuitCounts {
        self.connection.circuits()
    }

    async fn gauges(&self) -> Result<StoreGauges, StoreError> {
        let now_us = self.now_us().await?;
        let replies = self.query_shards::<GaugesReply>(self.shards(), |shard, commands| {
            commands.cmd("ZCARD").arg(pending_index(shard));
            commands.cmd("ZRANGE").arg(pending_index(shard)).arg(0).arg(0).arg("WITHSCORES");
            commands.cmd("SMEMBERS").arg(tenants_index(shard));
        });
        let mut gauges = StoreGauges::default();
        let mut indexes: Vec<(u16, Pipeline)> = Vec::new();
        for (shard, (n_pending, oldest, of_tenants)) in self.shards().zip(replies.await?) {
            gauges.n_pending += n_pending;
            let since_us = oldest.first().map_or(now_us, |(_, at_us)| *at_us as i64);
            gauges.oldest_pending_us = gauges.oldest_pending_us.max(now_us - since_us);
            let mut counts = redis::pipe();
            for index in &of_tenants {
                counts.cmd("ZCOUNT").arg(index).arg(oldest_active_us(now_us)).arg("+inf");
            }
            indexes.push((shard, counts));
        }
        indexes.retain(|(_, counts)| !counts.is_empty());
        let n_series: Vec<Vec<u64>> = self.connection.query_each(&indexes).await?;
        gauges.n_series = n_series.into_iter().flatten().sum();
        Ok(gauges)
    }

    async fn totals(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let replies =
            self.query_shards::<(BTreeMap<String, u64>,)>(self.shards(), |shard, commands| {
                commands.cmd("HGETALL").arg(keys::totals(shard));
            });
        let mut sum = BTreeMap::new();
        for (field, n) in replies.await?.into_iter().flat_map(|(totals,)| totals) {
            *sum.entry(field).or_default() += n;
        }
        Ok(sum)
    }

    async fn add_totals(&self, totals: &BTreeMap<String, u64>) -> Result<(), StoreError> {
        if totals.is_empty() {
            return Ok(());
        }
        let mut commands = redis::pipe();
        for (field, n) in totals {
            commands.cmd("HINCRBY").arg(keys::totals(0)).arg(field).arg(*n).ignore();
        }
        self.connection.query_all(Call::once(0), commands.atomic()).await
    }
}

impl RedisStore {
    /// With another number of shards, series would be read from the wrong shard.
    fn check_shards(&self, stored: u16) -> Result<(), StoreError> {
        if stored == self.n_shards {
            return Ok(());
        }
        Err(StoreError::ShardsDiffer { stored, configured: self.n_shards })
    }
}
