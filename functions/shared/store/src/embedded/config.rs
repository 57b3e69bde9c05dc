//! Configurations in the memory of the process, all lost when it ends.

use async_trait::async_trait;
use detector::SeriesConfig;
use domain::SeriesKey;
use protocol::StoredConfig;

use super::store::{EmbeddedState, EmbeddedStore};
use crate::{ConfigBackupStatus, ConfigStore, StoreError, UnsavedConfig};

impl EmbeddedState {
    /// Queues a change of a configuration for the backup; returns its revision.
    fn mark_config(&mut self, key: &SeriesKey, now_us: i64) -> i64 {
        let stored = self.configs.get(key).map_or(0, |config| config.revision);
        let queued = self.unsaved_configs.get(key).copied().unwrap_or_default();
        let revision = now_us.max(stored + 1).max(queued + 1);
        self.unsaved_configs.insert(key.clone(), revision);
        revision
    }

    /// Stores a configuration at a time, if the tenant has at most so many.
    fn put_config(
        &mut self,
        key: &SeriesKey,
        config: &SeriesConfig,
        (now_us, max): (i64, u64),
    ) -> Result<i64, StoreError> {
        let n_configs = || self.configs.keys().filter(|other| other.tenant() == key.tenant());
        if !self.configs.contains_key(key) && n_configs().count() as u64 >= max {
            return Err(StoreError::TooManyConfigs { max });
        }
        let revision = self.mark_config(key, now_us);
        self.configs.insert(key.clone(), StoredConfig { revision, config: config.clone() });
        Ok(revision)
    }

    /// Removes the configuration of a series; returns whether there was one.
    pub(super) fn remove_config(&mut self, key: &SeriesKey, now_us: i64) -> bool {
        if !self.configs.contains_key(key) {
            return false;
        }
        if self.is_history_enabled {
            self.mark_config(key, now_us);
        } else {
            self.unsaved_configs.remove(key); // Without a history the mark would stay forever.
        }
        self.configs.remove(key).is_some()
    }
}

#[async_trait]
impl ConfigStore for EmbeddedStore {
    async fn put_config(&self, key: &SeriesKey, config: &SeriesConfig) -> Result<i64, StoreError> {
        let (now_us, max) = ((self.clock)(), self.series_limits().of_tenant);
        self.lock().put_config(key, config, (now_us, max))
    }

    async fn replace_config(
        &self,
        key: &SeriesKey,
        config: Option<&SeriesConfig>,
        revision: i64,
    ) -> Result<Option<i64>, StoreError> {
        let (now_us, max) = ((self.clock)(), self.series_limits().of_tenant);
        let mut state = self.lock();
        if state.configs.get(key).map_or(0, |stored| stored.revision) != revision {
            return Ok(None);
        }
        if let Some(config) = config {
            return state.put_config(key, config, (now_us, max)).map(Some);
        }
        state.remove_config(key, now_us);
        Ok(Some(now_us.max(revision + 1)))
    }

    async fn configs(&self, keys: &[SeriesKey]) -> Result<Vec<Option<StoredConfig>>, StoreError> {
        let state = self.lock();
        Ok(keys.iter().map(|key| state.configs.get(key).cloned()).collect())
    }

    async fn remove_config(&self, key: &SeriesKey) -> Result<bool, StoreError> {
        let now_us = (self.clock)();
        Ok(self.lock().remove_config(key, now_us))
    }

    async fn restore_config(
        &self,
        key: &SeriesKey,
        stored: &StoredConfig,
    ) -> Result<bool, StoreError> {
        let mut state = self.lock();
        if state.configs.contains_key(key) || state.unsaved_configs.contains_key(key) {
            return Ok(false);
        }
        state.configs.insert(key.clone(), stored.clone());
        Ok(true)
    }

    async fn config_backup_status(&self, limit: usize) -> Result<ConfigBackupStatus, StoreError> {
        let state = self.lock();
        let marked = state.unsaved_configs.iter().take(limit);
        let unsaved_configs =
            marked.map(|(key, revision)| UnsavedConfig { key: key.clone(), revision: *revision });
        Ok(ConfigBackupStatus {
            unsaved: unsaved_configs.collect(),
            is_complete: state.are_configs_complete,
        })
    }

    async fn mark_config_saved(&self, key: &SeriesKey, revision: i64) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.unsaved_configs.get(key).is_some_and(|marked| *marked <= revision) {
            state.unsaved_configs.remove(key);
        }
        Ok(())
    }

    async fn mark_configs_complete(&self) -> Result<(), StoreError> {
        self.lock().are_configs_complete = true; // A process does not lose a configuration alone.
        Ok(())
    }
}
