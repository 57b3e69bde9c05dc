//! Configurations beyond the store: a copy of each in history, and back from there when the store lost them.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use domain::SeriesKey;
use futures_util::stream::{self, StreamExt};
use store::{History, StoredConfig, UnsavedConfig};
use tracing::{info, warn};

use crate::answers::SweepAnswer;
use crate::clock::now_us;
use crate::error::ServiceError;
use crate::failpoint::{Failpoint, reach};
use crate::service::Service;
use crate::store_metrics::StoreOperation;

/// Series mirrored or restored at once.
const AT_ONCE: usize = 16;

/// Most configurations that one sweep brings to history.
const MIRRORED_MAX: usize = 1_000;

/// Failures after which a sweep leaves history alone.
const FAILURES_MAX: usize = 16;

impl Service {
    /// Brings to history what was configured since, and back from there what the store has lost; what fails stays
    /// marked, or lost, until the next sweep.
    pub(crate) async fn mirror_configs(&self, answer: &mut SweepAnswer) {
        let Some(history) = self.history() else { return };
        let mirroring = match self
            .totals()
            .measure(StoreOperation::List, self.store().config_backup_status(MIRRORED_MAX))
            .await
        {
            Ok(mirroring) => mirroring,
            Err(error) => return warn!(code = error.code(), %error, "configurations not found"),
        };
        answer.more |= mirroring.unsaved.len() == MIRRORED_MAX;
        self.save_configs(history, mirroring.unsaved, answer).await;
        if mirroring.is_complete {
            return;
        }
        if let Err(error) = self.restore_configs(history, answer).await {
            warn!(code = error.code(), %error, "configurations not restored");
        }
    }

    async fn save_configs(
        &self,
        history: &dyn History,
        unmirrored: Vec<UnsavedConfig>,
        answer: &mut SweepAnswer,
    ) {
        let n = unmirrored.len();
        let n_failed = &AtomicUsize::new(0);
        let saves = stream::iter(unmirrored).map(|it| async move {
            // A history that does not answer is not asked for the rest.
            if n_failed.load(Relaxed) >= FAILURES_MAX {
                return false;
            }
            let saved = self.save_config(history, &it).await;
            let saved = saved.inspect_err(|error| {
                warn!(code = error.code(), %error, "a configuration goes on as not in history");
            });
            n_failed.fetch_add(usize::from(saved.is_err()), Relaxed);
            saved.is_ok()
        });
        let saved = saves.buffer_unordered(AT_ONCE).filter(|saved| std::future::ready(*saved));
        answer.configs_saved = saved.count().await;
        answer.configs_unsaved = n - answer.configs_saved;
    }

    /// What is in the store by now counts; the mark says when it was removed.
    async fn save_config(
        &self,
        history: &dyn History,
        marked: &UnsavedConfig,
    ) -> Result<(), ServiceError> {
        let key = &marked.key;
        let stored = self
            .totals()
            .measure(StoreOperation::Read, self.store().read(key))
            .await?
            .and_then(|state| state.config);
        let revision = stored.as_ref().map_or(marked.revision, |it| it.revision);
        let config = stored.as_ref().map(|it| &it.config);
        self.of_history("backup", history.mirror(key, revision, config, now_us())).await?;
        reach(Failpoint::BackedUp);
        Ok(self
            .totals()
            .measure(StoreOperation::Commit, self.store().mark_config_saved(key, revision))
            .await?)
    }

    async fn restore_configs(
        &self,
        history: &dyn History,
        answer: &mut SweepAnswer,
    ) -> Result<(), ServiceError> {
        let mut cursor = None;
        loop {
            let page = self.of_history("restore", history.configs(cursor.as_deref())).await?;
            let restored = stream::iter(page.items)
                .map(|(key, stored)| async move { self.restore(&key, &stored).await });
            let mut restored = restored.buffer_unordered(AT_ONCE);
            while let Some(restored) = restored.next().await {
                answer.configs_restored += usize::from(restored?);
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        // Who dies before has restored some of them; the next sweep goes through all.
        Ok(self
            .totals()
            .measure(StoreOperation::Commit, self.store().mark_configs_complete())
            .await?)
    }

    async fn restore(&self, key: &SeriesKey, stored: &StoredConfig) -> Result<bool, ServiceError> {
        let is_restored = self
            .totals()
            .measure(StoreOperation::Commit, self.store().restore_config(key, stored))
            .await?;
        if is_restored {
            info!(series = ?key.series(), revision = stored.revision, "configuration restored");
        }
        Ok(is_restored)
    }
}
