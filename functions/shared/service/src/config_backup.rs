//! Backs up series configurations to the durable history, and restores those that the store lost.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use domain::SeriesKey;
use futures_util::stream::{self, StreamExt};
use store::{History, StoredConfig, UnsavedConfig};
use tracing::{info, warn};

use crate::answers::SweepAnswer;
use crate::clock::now_us;
use crate::episode_history::FAILURES_MAX;
use crate::error::ServiceError;
use crate::failpoint::{Failpoint, reach};
use crate::metrics::StoreOperation;
use crate::service::Service;

/// Series backed up or restored concurrently.
const CONCURRENCY: usize = 16;

/// Configurations that one sweep backs up.
const SAVED_MAX: usize = 1_000;

impl Service {
    /// Backs up changed configurations and restores lost ones; after a failure the next sweep tries again.
    pub(crate) async fn back_up_configs(&self, answer: &mut SweepAnswer) {
        let Some(history) = self.history() else { return };
        let status = self.store().config_backup_status(SAVED_MAX);
        let status = match self.measure(StoreOperation::List, status).await {
            Ok(status) => status,
            Err(error) => return warn!(code = error.code(), %error, "configurations not found"),
        };
        answer.more |= status.unsaved.len() == SAVED_MAX;
        self.save_configs(history, status.unsaved, answer).await;
        if status.is_complete {
            return;
        }
        if let Err(error) = self.restore_configs(history, answer).await {
            warn!(code = error.code(), %error, "configurations not restored");
        }
    }

    async fn save_configs(
        &self,
        history: &dyn History,
        unsaved: Vec<UnsavedConfig>,
        answer: &mut SweepAnswer,
    ) {
        let n = unsaved.len();
        let n_failed = &AtomicUsize::new(0);
        let saves = stream::iter(unsaved).map(|unsaved| async move {
            if n_failed.load(Relaxed) >= FAILURES_MAX {
                return false;
            }
            let saved = self.save_config(history, &unsaved).await;
            if let Err(error) = &saved {
                warn!(code = error.code(), %error, "a configuration stays unsaved");
                n_failed.fetch_add(1, Relaxed);
            }
            saved.is_ok()
        });
        let saved = saves.buffer_unordered(CONCURRENCY).filter(|saved| std::future::ready(*saved));
        answer.configs_saved = saved.count().await;
        answer.configs_unsaved = n - answer.configs_saved;
    }

    /// Saves the current configuration, which may be newer than the mark; the mark has the revision of a removal.
    async fn save_config(
        &self,
        history: &dyn History,
        unsaved: &UnsavedConfig,
    ) -> Result<(), ServiceError> {
        let key = &unsaved.key;
        let state = self.measure(StoreOperation::Read, self.store().read(key)).await?;
        let stored = state.and_then(|state| state.config);
        let revision = stored.as_ref().map_or(unsaved.revision, |stored| stored.revision);
        let config = stored.as_ref().map(|stored| &stored.config);
        self.call_history("backup", history.mirror(key, revision, config, now_us())).await?;
        reach(Failpoint::BackedUp);
        let mark = self.store().mark_config_saved(key, revision);
        Ok(self.measure(StoreOperation::Commit, mark).await?)
    }

    async fn restore_configs(
        &self,
        history: &dyn History,
        answer: &mut SweepAnswer,
    ) -> Result<(), ServiceError> {
        let mut cursor = None;
        loop {
            let page = self.call_history("restore", history.configs(cursor.as_deref())).await?;
            let restored = stream::iter(page.items)
                .map(|(key, stored)| async move { self.restore_config(&key, &stored).await });
            let mut restored = restored.buffer_unordered(CONCURRENCY);
            while let Some(restored) = restored.next().await {
                answer.configs_restored += usize::from(restored?);
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        // Only now: if the process stops before, the next sweep restores from the start.
        let mark = self.store().mark_configs_complete();
        Ok(self.measure(StoreOperation::Commit, mark).await?)
    }

    async fn restore_config(
        &self,
        key: &SeriesKey,
        stored: &StoredConfig,
    ) -> Result<bool, ServiceError> {
        let call = self.store().restore_config(key, stored);
        let is_restored = self.measure(StoreOperation::Commit, call).await?;
        if is_restored {
            info!(series = ?key.series(), revision = stored.revision, "configuration restored");
        }
        Ok(is_restored)
    }
}
