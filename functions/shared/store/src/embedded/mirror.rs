//! The mirror of configurations in the memory of the process, which loses all of them when it ends.

use async_trait::async_trait;

use super::{EmbeddedStore, Inner};
use crate::{Mirrored, Mirroring, StoreError, StoredConfig, Unmirrored};
use domain::SeriesKey;

impl Inner {
    /// Marks that the configuration of a series changes; answers the revision with which it does.
    pub(super) fn mark_config(&mut self, key: &SeriesKey, now_us: i64) -> i64 {
        let stored = self.configs.get(key).map_or(0, |it| it.revision);
        let marked = self.unmirrored.get(key).copied().unwrap_or_default();
        let revision = now_us.max(stored + 1).max(marked + 1);
        self.unmirrored.insert(key.clone(), revision);
        revision
    }

    /// Removes the configuration of a series; answers whether there was one.
    pub(super) fn remove_config(&mut self, key: &SeriesKey, now_us: i64) -> bool {
        if !self.configs.contains_key(key) {
            return false;
        }
        self.mark_config(key, now_us);
        self.configs.remove(key).is_some()
    }
}

#[async_trait]
impl Mirrored for EmbeddedStore {
    async fn mirroring(&self, limit: usize) -> Result<Mirroring, StoreError> {
        let inner = self.lock();
        let marked = inner.unmirrored.iter().take(limit);
        let unmirrored =
            marked.map(|(key, revision)| Unmirrored { key: key.clone(), revision: *revision });
        Ok(Mirroring { unmirrored: unmirrored.collect(), is_complete: inner.has_all_configs })
    }

    async fn mirrored(&self, key: &SeriesKey, revision: i64) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if inner.unmirrored.get(key).is_some_and(|marked| *marked <= revision) {
            inner.unmirrored.remove(key);
        }
        Ok(())
    }

    async fn restore(&self, key: &SeriesKey, stored: &StoredConfig) -> Result<bool, StoreError> {
        let mut inner = self.lock();
        if inner.configs.contains_key(key) || inner.unmirrored.contains_key(key) {
            return Ok(false);
        }
        inner.configs.insert(key.clone(), stored.clone());
        Ok(true)
    }

    async fn complete(&self) -> Result<(), StoreError> {
        self.lock().has_all_configs = true; // What is in one process is not lost alone.
        Ok(())
    }
}
