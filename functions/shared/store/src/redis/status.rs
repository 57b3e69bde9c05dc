//! State of a whole Redis: its shards, gauges and totals, read by one pipeline, or one for each shard of a cluster.

use std::collections::BTreeMap;

use async_trait::async_trait;
use detector::DeployedDetector;
use redis::cmd;

use super::connection::{Call, Topology};
use super::keys::{self, DEPLOYED_KEY, expiries, pending_index};
use super::store::RedisStore;
use crate::status::check_detector;
use crate::{CircuitCounts, DataLoss, StoreError, StoreGauges, StoreMemory, StoreStatus};

/// Number of pending series, the one that waits longest, and the number of series of a shard.
type GaugesReply = (u64, Vec<(String, f64)>, u64);

/// Server time in seconds and microseconds, and the totals of a shard.
type TotalsReply = ((i64, i64), BTreeMap<String, u64>);

/// Field of the totals that counts accepted samples.
const ACCEPTED: &str = "samples accepted";

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

    fn take_loss(&self) -> DataLoss {
        self.acknowledged.take_loss()
    }

    async fn gauges(&self) -> Result<StoreGauges, StoreError> {
        let now_us = self.now_us().await?;
        let replies = self.query_shards::<GaugesReply>(self.shards(), |shard, commands| {
            commands.cmd("ZCARD").arg(pending_index(shard));
            commands.cmd("ZRANGE").arg(pending_index(shard)).arg(0).arg(0).arg("WITHSCORES");
            commands.cmd("ZCOUNT").arg(expiries(shard)).arg(now_us / 1_000_000).arg("+inf");
        });
        let mut gauges = StoreGauges::default();
        for (n_pending, oldest, n_series) in replies.await? {
            gauges.n_pending += n_pending;
            let since_us = oldest.first().map_or(now_us, |(_, at_us)| *at_us as i64);
            gauges.oldest_pending_us = gauges.oldest_pending_us.max(now_us - since_us);
            gauges.n_series += n_series;
        }
        gauges.memory = self.memory().await?;
        gauges.n_series_max = self.limits.series(gauges.memory.max_bytes).of_all;
        Ok(gauges)
    }

    async fn totals(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let replies = self.query_shards::<TotalsReply>(self.shards(), |shard, commands| {
            commands.cmd("TIME").cmd("HGETALL").arg(keys::totals(shard));
        });
        let mut sum = BTreeMap::new();
        for (shard, ((seconds, us), totals)) in self.shards().zip(replies.await?) {
            let n_accepted = totals.get(ACCEPTED).copied().unwrap_or_default();
            self.acknowledged.observe(shard, seconds * 1_000_000 + us, n_accepted);
            for (field, n) in totals {
                *sum.entry(field).or_default() += n;
            }
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
    /// The memory of the servers; unknown if the user may not call `INFO`.
    pub(super) async fn memory(&self) -> Result<StoreMemory, StoreError> {
        if let Some(memory) = self.capacity.fresh() {
            return Ok(memory);
        }
        let shards = match self.connection.topology() {
            Topology::Single => 0..1,
            Topology::Cluster => self.shards(),
        };
        let replies = self.query_shards::<(String, String)>(shards, |_, commands| {
            commands.cmd("INFO").arg("server").cmd("INFO").arg("memory");
        });
        match replies.await {
            Ok(replies) => Ok(self.capacity.set(self.capacity.sum(&replies))),
            Err(StoreError::NotPermitted { .. }) => Ok(self.capacity.set(self.capacity.unknown())),
            Err(error) => Err(error),
        }
    }

    /// With another number of shards, series would be read from the wrong shard.
    fn check_shards(&self, stored: u16) -> Result<(), StoreError> {
        if stored == self.n_shards {
            return Ok(());
        }
        Err(StoreError::ShardsDiffer { stored, configured: self.n_shards })
    }
}
