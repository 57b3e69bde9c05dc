//! The store over its connection: what the ports share.

use redis::{FromRedisValue, Pipeline, Script, Value, cmd};

use domain::SeriesKey;

use super::cardinality_limit::CardinalityLimit;
use super::clock::ServerClocks;
use super::connection::{Call, Connection, RedisOptions};
use super::credentials::RedisCredentials;
use super::keys::SeriesKeys;
use super::scripts::Scripts;
use super::series_calls::{self, SeriesCall};
use crate::{SERIES_MAX_DEFAULT, SERIES_TTL_S, StoreError};

/// Series in a Redis, a Valkey or a cluster of them.
#[derive(Debug)]
pub struct RedisStore {
    pub(super) connection: Connection,
    pub(super) n_shards: u16,
    pub(super) scripts: Scripts,
    pub(super) cardinality: CardinalityLimit,
    pub(super) clocks: ServerClocks,
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
            n_shards: options.n_shards,
            scripts: Scripts::new(),
            cardinality: CardinalityLimit::new(SERIES_MAX_DEFAULT),
            clocks: ServerClocks::new(options.n_shards),
        })
    }

    /// Limits the series of a tenant.
    #[must_use]
    pub fn with_series_max(self, series_max: u64) -> Self {
        Self { cardinality: CardinalityLimit::new(series_max), ..self }
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
        let on_time = |shard, now_us| self.clocks.set(shard, now_us);
        series_calls::call(&self.connection, script, calls, self.n_shards, on_time).await
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
