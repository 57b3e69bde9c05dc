//! Configurations in Redis: a key of each series, and two keys of each shard for the backup.

use std::collections::BTreeMap;

use async_trait::async_trait;
use detector::SeriesConfig;
use domain::{SeriesKey, Tenant};

use super::capacity;
use super::connection::Call;
use super::keys::{
    configs_complete, configured, history_enabled, index_member, key_of_member, unsaved_configs,
};
use super::store::RedisStore;
use crate::config_backup::CONFIGS_COMPLETE_TTL_S;
use crate::{ConfigBackupStatus, ConfigStore, StoreError, StoredConfig, UnsavedConfig};

#[async_trait]
impl ConfigStore for RedisStore {
    async fn put_config(&self, key: &SeriesKey, config: &SeriesConfig) -> Result<i64, StoreError> {
        let keys = self.keys(key);
        let configs_max = self.configs_max(key.tenant()).await?;
        let mut call = self.scripts.put_config.prepare_invoke();
        call.key(keys.config()).key(unsaved_configs(keys.shard));
        call.key(keys.configured()).key(history_enabled(keys.shard));
        call.arg(index_member(key)).arg(key.name()).arg(configs_max).arg("");
        call.arg(StoredConfig::text_of(config));
        let revision = self.connection.invoke(Call::repeatable(keys.shard), &call).await?;
        if revision < 0 {
            return Err(StoreError::TooManyConfigs { max: self.series_limits().of_tenant });
        }
        Ok(revision)
    }

    async fn replace_config(
        &self,
        key: &SeriesKey,
        config: Option<&SeriesConfig>,
        revision: i64,
    ) -> Result<Option<i64>, StoreError> {
        let keys = self.keys(key);
        let configs_max = self.configs_max(key.tenant()).await?;
        let mut call = self.scripts.put_config.prepare_invoke();
        call.key(keys.config()).key(unsaved_configs(keys.shard));
        call.key(keys.configured()).key(history_enabled(keys.shard));
        call.arg(index_member(key)).arg(key.name()).arg(configs_max).arg(revision);
        if let Some(config) = config {
            call.arg(StoredConfig::text_of(config));
        }
        // Not repeatable: the second call would report another revision.
        match self.connection.invoke(Call::once(keys.shard), &call).await? {
            -1 => Err(StoreError::TooManyConfigs { max: self.series_limits().of_tenant }),
            -2 => Ok(None),
            revision => Ok(Some(revision)),
        }
    }

    async fn configs(&self, keys: &[SeriesKey]) -> Result<Vec<Option<StoredConfig>>, StoreError> {
        let mut by_shard: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (i, key) in keys.iter().enumerate() {
            by_shard.entry(key.shard(self.n_shards)).or_default().push(i);
        }
        let pipeline = |(shard, positions): (&u16, &Vec<usize>)| {
            let mut commands = redis::pipe();
            for i in positions {
                commands.cmd("GET").arg(self.keys(&keys[*i]).config());
            }
            (*shard, commands)
        };
        let pipelines: Vec<_> = by_shard.iter().map(pipeline).collect();
        let replies: Vec<Vec<Option<String>>> = self.connection.query_each(&pipelines).await?;
        let mut configs = vec![None; keys.len()];
        for (replies, positions) in replies.into_iter().zip(by_shard.values()) {
            for (i, text) in positions.iter().zip(replies) {
                configs[*i] = text.as_deref().and_then(StoredConfig::from_text);
            }
        }
        Ok(configs)
    }

    async fn remove_config(&self, key: &SeriesKey) -> Result<bool, StoreError> {
        let keys = self.keys(key);
        let mut call = self.scripts.put_config.prepare_invoke();
        call.key(keys.config()).key(unsaved_configs(keys.shard));
        call.key(keys.configured()).key(history_enabled(keys.shard));
        call.arg(index_member(key)).arg(key.name()).arg(0).arg("");
        // Not repeatable: the second call would report that there was nothing to remove.
        let revision: i64 = self.connection.invoke(Call::once(keys.shard), &call).await?;
        Ok(revision != 0)
    }

    async fn restore_config(
        &self,
        key: &SeriesKey,
        stored: &StoredConfig,
    ) -> Result<bool, StoreError> {
        let keys = self.keys(key);
        let mut call = self.scripts.restore_config.prepare_invoke();
        call.key(keys.config()).key(unsaved_configs(keys.shard)).key(keys.configured());
        call.arg(index_member(key)).arg(key.name()).arg(stored.to_text());
        self.connection.invoke(Call::once(keys.shard), &call).await
    }

    async fn config_backup_status(&self, limit: usize) -> Result<ConfigBackupStatus, StoreError> {
        let last = limit.saturating_sub(1);
        let replies =
            self.query_shards::<(bool, Vec<(String, f64)>)>(self.shards(), |shard, commands| {
                commands.cmd("EXISTS").arg(configs_complete(shard));
                commands.cmd("ZRANGE").arg(unsaved_configs(shard)).arg(0).arg(last);
                commands.arg("WITHSCORES");
            });
        let mut status = ConfigBackupStatus { unsaved: Vec::new(), is_complete: true };
        for (is_complete, unsaved) in replies.await? {
            status.is_complete &= is_complete;
            for (member, revision) in unsaved {
                let (key, revision) = (key_of_member(&member)?, revision as i64);
                status.unsaved.push(UnsavedConfig { key, revision });
            }
        }
        status.unsaved.truncate(limit);
        Ok(status)
    }

    async fn mark_config_saved(&self, key: &SeriesKey, revision: i64) -> Result<(), StoreError> {
        let shard = self.keys(key).shard;
        let mut call = self.scripts.mark_config_saved.prepare_invoke();
        call.key(unsaved_configs(shard)).arg(index_member(key)).arg(revision);
        self.connection.invoke(Call::repeatable(shard), &call).await
    }

    async fn mark_configs_complete(&self) -> Result<(), StoreError> {
        let replies = self.query_shards::<((),)>(self.shards(), |shard, commands| {
            commands.cmd("SET").arg(configs_complete(shard)).arg(1);
            commands.arg("EX").arg(CONFIGS_COMPLETE_TTL_S);
        });
        replies.await.map(|_| ())
    }
}

impl RedisStore {
    /// Most configurations of a tenant in one shard; 0 if no new one is admitted.
    ///
    /// Configurations change rarely, so they are counted for each change.
    async fn configs_max(&self, tenant: &Tenant) -> Result<u64, StoreError> {
        if capacity::is_full(&self.memory().await?) {
            return Ok(0);
        }
        let counts = self.query_shards::<(u64,)>(self.shards(), |shard, commands| {
            commands.cmd("SCARD").arg(configured(shard, tenant.part()));
        });
        let n_configs: u64 = counts.await?.into_iter().map(|(n,)| n).sum();
        let limits = self.series_limits();
        let has_room = n_configs < limits.of_tenant;
        Ok(if has_room { limits.of_shard(self.n_shards).of_tenant } else { 0 })
    }
}
