//! Saves episodes to the durable history, and deletes them from it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use domain::SeriesKey;
use futures_util::stream::{self, StreamExt};
use store::{EPISODES_KEPT_MAX, History, HistoryError, PastRange, UnsavedEpisodes};
use tokio::time::timeout;
use tracing::warn;

use crate::answers::SweepAnswer;
use crate::clock::now_us;
use crate::error::ServiceError;
use crate::failpoint::{Failpoint, reach};
use crate::metrics::StoreOperation;
use crate::service::Service;

/// Series saved concurrently.
const CONCURRENCY: usize = 16;

/// Series whose episodes one sweep saves.
const SAVED_MAX: usize = 1_000;

/// Timeout of one call to the history.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Failures after which a sweep stops calling the history.
pub(crate) const FAILURES_MAX: usize = 16;

impl Service {
    /// Saves the episodes that the store marks as unsaved; after a failure they stay marked.
    pub(crate) async fn save_episodes(&self, answer: &mut SweepAnswer) {
        let Some(history) = self.history() else { return };
        let unsaved = self.store().unsaved_episodes(SAVED_MAX);
        let unsaved = match self.measure(StoreOperation::List, unsaved).await {
            Ok(unsaved) => unsaved,
            Err(error) => return warn!(code = error.code(), %error, "unsaved episodes not found"),
        };
        answer.more |= unsaved.len() == SAVED_MAX;
        let n_failed = &AtomicUsize::new(0);
        let saves = stream::iter(unsaved).map(|unsaved| async move {
            if n_failed.load(Relaxed) >= FAILURES_MAX {
                return (0, false);
            }
            let (n_saved, result) = self.save_series(history, &unsaved).await;
            if let Err(error) = &result {
                // A failure of the history is logged by its call.
                if !matches!(error, ServiceError::History(_)) {
                    warn!(code = error.code(), %error, "episodes stay unsaved");
                }
                n_failed.fetch_add(1, Relaxed);
            }
            (n_saved, result.is_ok())
        });
        let mut saves = saves.buffer_unordered(CONCURRENCY);
        while let Some((n_saved, is_complete)) = saves.next().await {
            answer.episodes_saved += n_saved;
            answer.unsaved += usize::from(!is_complete);
        }
    }

    /// Saves the episodes of one series; returns the number saved, even if a later one failed.
    async fn save_series(
        &self,
        history: &dyn History,
        unsaved: &UnsavedEpisodes,
    ) -> (usize, Result<(), ServiceError>) {
        let mut n_saved = 0;
        let result = async {
            let key = &unsaved.key;
            let all = PastRange { since_us: 0, before_us: None, limit: EPISODES_KEPT_MAX };
            let episodes = self.store().episodes(key, all);
            let episodes = self.measure(StoreOperation::Read, episodes).await?;
            let mut version = unsaved.saved_version;
            let is_new = |version: i64| version > unsaved.saved_version;
            for episode in episodes.iter().filter(|episode| is_new(episode.notable_version)) {
                self.call_history("save", history.save(key, episode, now_us())).await?;
                reach(Failpoint::Saved);
                version = version.max(episode.notable_version);
                n_saved += 1;
            }
            let mark = self.store().mark_episodes_saved(key, version);
            Ok(self.measure(StoreOperation::Commit, mark).await?)
        };
        let result = result.await;
        (n_saved, result)
    }

    /// Calls the history with a timeout; counts and logs a failure.
    pub(crate) async fn call_history<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, HistoryError>>,
    ) -> Result<T, HistoryError> {
        let late = || HistoryError::Unavailable { reason: "timeout".to_owned() };
        let answer = timeout(CALL_TIMEOUT, call).await.unwrap_or_else(|_| Err(late()));
        answer.inspect_err(|error| {
            self.totals().count_history_error(operation);
            warn!(code = error.code(), operation, %error, "history failed");
        })
    }

    /// Deletes a series from the history.
    pub(crate) async fn forget_history(&self, key: &SeriesKey) -> Result<(), HistoryError> {
        match self.history() {
            Some(history) => self.call_history("forget", history.forget(key)).await,
            None => Ok(()),
        }
    }
}
