//! The store over its connection: what the ports share.

use redis::{FromRedisValue, Pipeline, Script, Value, cmd};

use domain::SeriesKey;
use protocol::admission::SeriesLimits;

use super::acknowledged::AcknowledgedCounts;
use super::call_turns::CallTurns;
use super::capacity::Capacity;
use super::cardinality_limit::CardinalityLimit;
use super::clock::ServerClocks;
use super::connection::{Call, Connection, RedisOptions};
use super::credentials::RedisCredentials;
use super::keys::SeriesKeys;
use super::reply::CallReply;
use super::scripts::Scripts;
use super::series_calls::{SeriesCall, ShardCalls};
use crate::{SERIES_TTL_S, StoreError, StoreLimits};

/// Series in a Redis, a Valkey or a cluster of them.
#[derive(Debug)]
pub struct RedisStore {
    pub(super) connection: Connection,
    turns: CallTurns,
    pub(super) n_shards: u16,
    pub(super) scripts: Scripts,
    pub(super) limits: StoreLimits,
    pub(super) cardinality: CardinalityLimit,
    pub(super) capacity: Capacity,
    pub(super) clocks: ServerClocks,
    pub(super) acknowledged: AcknowledgedCounts,
}

impl RedisStore {
    /// A store at the address of `options`; connects on the first call.
    pub fn new(options: &RedisOptions) -> Result<Self, StoreError> {
        Self::with_credentials(options, &RedisCredentials::default())
    }

    /// A store with credentials that the address does not hold.
    pub fn with_credentials(
        options: &RedisOptions,
        credentials: &RedisCredentials,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            connection: Connection::new(options, credentials)?,
            turns: CallTurns::new(options.topology),
            n_shards: options.n_shards,
            scripts: Scripts::new(),
            limits: StoreLimits::default(),
            cardinality: CardinalityLimit::default(),
            capacity: Capacity::new(None),
            clocks: ServerClocks::new(options.topology.n_slots(options.n_shards)),
            acknowledged: AcknowledgedCounts::new(options.n_shards),
        })
    }

    /// Limits what a tenant, and all tenants, may store.
    #[must_use]
    pub fn with_limits(self, limits: StoreLimits) -> Self {
        Self { limits, capacity: Capacity::new(limits.memory_bytes), ..self }
    }

    /// Counts the series of a tenant for each new one, so that a deleted series makes room at once.
    #[cfg(feature = "testbed")]
    #[must_use]
    pub fn always_counted(self) -> Self {
        Self { cardinality: CardinalityLimit::always_counted(), ..self }
    }

    /// Limits of series, by the memory of the servers as it was last read.
    pub(super) fn series_limits(&self) -> SeriesLimits {
        self.limits.series(self.capacity.last().max_bytes)
    }

    pub(super) fn keys(&self, key: &SeriesKey) -> SeriesKeys {
        SeriesKeys::new(key, key.shard(self.n_shards))
    }

    pub(super) fn shards(&self) -> std::ops::Range<u16> {
        0..self.n_shards
    }

    /// Runs a script on several series.
    pub(super) async fn call_series<C: SeriesCall>(
        &self,
        script: &Script,
        calls: &[C],
    ) -> Vec<Result<Value, StoreError>> {
        let on_reply = |shard, reply: &CallReply| {
            self.clocks.set(shard, reply.now_us);
            if let Some(n_accepted) = reply.n_accepted {
                self.acknowledged.observe(shard, reply.now_us, n_accepted);
            }
        };
        let limits = self.series_limits().of_shard(self.n_shards);
        let scripts = ShardCalls {
            connection: &self.connection,
            turns: &self.turns,
            n_shards: self.n_shards,
            limits,
        };
        scripts.run(script, calls, on_reply).await
    }

    /// Runs the same commands on several shards; returns the reply of each.
    pub(super) async fn query_shards<T: FromRedisValue>(
        &self,
        shards: impl IntoIterator<Item = u16>,
        write: impl Fn(u16, &mut Pipeline),
    ) -> Result<Vec<T>, StoreError> {
        let commands_of = |shard| {
            let mut commands = redis::pipe();
            write(shard, &mut commands);
            (shard, commands)
        };
        let pipelines: Vec<(u16, Pipeline)> = shards.into_iter().map(commands_of).collect();
        self.connection.query_each(&pipelines).await
    }

    /// Time of the server, in Unix microseconds.
    pub(super) async fn now_us(&self) -> Result<i64, StoreError> {
        let (seconds, us): (i64, i64) =
            self.connection.query(Call::repeatable(0), &cmd("TIME")).await?;
        Ok(seconds * 1_000_000 + us)
    }

    /// Time after which a series must have received a sample to count, in Unix microseconds.
    pub(super) async fn oldest_active_us(&self) -> Result<i64, StoreError> {
        Ok(oldest_active_us(self.now_us().await?))
    }
}

/// Time after which a series must have received a sample to count, in Unix microseconds.
pub(super) fn oldest_active_us(now_us: i64) -> i64 {
    now_us - SERIES_TTL_S as i64 * 1_000_000
}

/// Joins the replies of shards to one command each.
pub(super) fn flatten<T>(replies: Vec<(Vec<T>,)>) -> Vec<T> {
    replies.into_iter().flat_map(|(items,)| items).collect()
}
