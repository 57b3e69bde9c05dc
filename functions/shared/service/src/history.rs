//! Episodes beyond what the store keeps: bringing them to history, and reading them from both.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use domain::SeriesKey;
use futures_util::stream::{self, StreamExt};
use store::{EPISODES_KEPT_MAX, History, HistoryError, PastRange, UnsavedEpisodes};
use tokio::time::timeout;
use tracing::warn;

use crate::answers::SweepAnswer;
use crate::clock::now_us;
use crate::failpoint::{Failpoint, reach};
use crate::service::Service;
use crate::store_metrics::StoreOperation;

/// Series saved at once.
const AT_ONCE: usize = 16;

/// Most series that one sweep brings to history.
const SAVED_MAX: usize = 1_000;

/// Longest wait for one answer of history.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Failures after which a sweep leaves history alone.
const FAILURES_MAX: usize = 16;

impl Service {
    /// Brings to history what the store has marked; what fails stays marked.
    pub(crate) async fn save_episodes(&self, answer: &mut SweepAnswer) {
        let Some(history) = self.history() else { return };
        let unsaved = match self
            .totals()
            .measure(StoreOperation::List, self.store().unsaved_episodes(SAVED_MAX))
            .await
        {
            Ok(unsaved) => unsaved,
            Err(error) => return warn!(code = error.code(), %error, "unsaved episodes not found"),
        };
        answer.more |= unsaved.len() == SAVED_MAX;
        let n_failed = &AtomicUsize::new(0);
        let saves = stream::iter(unsaved).map(|unsaved| async move {
            // A history that does not answer is not asked for the rest.
            if n_failed.load(Relaxed) >= FAILURES_MAX {
                return Saved { n: 0, is_whole: false };
            }
            let saved = self.save_series(history, &unsaved).await;
            n_failed.fetch_add(usize::from(!saved.is_whole), Relaxed);
            saved
        });
        let mut saves = saves.buffer_unordered(AT_ONCE);
        while let Some(saved) = saves.next().await {
            answer.episodes_saved += saved.n;
            answer.unsaved += usize::from(!saved.is_whole);
        }
    }

    async fn save_series(&self, history: &dyn History, unsaved: &UnsavedEpisodes) -> Saved {
        let key = &unsaved.key;
        let all = PastRange { since_us: 0, before_us: None, limit: EPISODES_KEPT_MAX };
        let mut saved = Saved { n: 0, is_whole: false };
        let kept = match self
            .totals()
            .measure(StoreOperation::Read, self.store().episodes(key, all))
            .await
        {
            Ok(kept) => kept,
            Err(error) => {
                warn!(code = error.code(), %error, "episodes not read");
                return saved;
            }
        };
        let mut version = unsaved.saved_version;
        for episode in kept.iter().filter(|episode| episode.notable_version > unsaved.saved_version)
        {
            let save = history.save(key, episode, now_us());
            if self.of_history("save", save).await.is_err() {
                return saved;
            }
            reach(Failpoint::Saved);
            version = version.max(episode.notable_version);
            saved.n += 1;
        }
        match self
            .totals()
            .measure(StoreOperation::Commit, self.store().mark_episodes_saved(key, version))
            .await
        {
            Ok(()) => saved.is_whole = true,
            Err(error) => warn!(code = error.code(), %error, "saved episodes go on as unsaved"),
        }
        saved
    }

    /// What history answers within its time; a failure is counted and logged.
    pub(crate) async fn of_history<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, HistoryError>>,
    ) -> Result<T, HistoryError> {
        let late = || HistoryError::Unavailable { reason: "no answer in time".to_owned() };
        let answer = timeout(ANSWER_TIMEOUT, call).await.unwrap_or_else(|_| Err(late()));
        answer.inspect_err(|error| {
            self.totals().count_history_error(operation);
            warn!(code = error.code(), operation, %error, "history failed");
        })
    }

    /// Forgets a series in history, too, so that none of it is found there.
    pub(crate) async fn forget_history(&self, key: &SeriesKey) -> Result<(), HistoryError> {
        match self.history() {
            Some(history) => self.of_history("forget", history.forget(key)).await,
            None => Ok(()),
        }
    }
}

/// What became of the unsaved episodes of one series.
struct Saved {
    n: usize,
    /// Whether none is left.
    is_whole: bool,
}
