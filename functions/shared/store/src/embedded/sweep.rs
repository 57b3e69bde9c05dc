//! Queues of a sweep in the memory of the process.

use async_trait::async_trait;
use detector::SilenceCheck;
use domain::SeriesKey;

use super::store::{EmbeddedState, EmbeddedStore};
use crate::{StoreError, SweepQueues, UnsavedEpisodes};

impl EmbeddedState {
    /// Schedules the next silence check of a series, or removes it.
    pub(super) fn set_silence_check(&mut self, key: &SeriesKey, check: SilenceCheck) {
        self.remove_silence_check(key);
        if let SilenceCheck::At(at_us) = check {
            let key = self.shared_key(key);
            self.silence_checks.insert((at_us, key.clone()));
            self.silence_check_of.insert(key, at_us);
        }
    }
}

#[async_trait]
impl SweepQueues for EmbeddedStore {
    async fn pending(&self, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        let state = self.lock();
        let is_pending = |key: &SeriesKey| {
            state.series.get(key).is_some_and(|series| series.stored.n_waiting() > 0)
        };
        let pending = state.by_receipt.iter().filter(|(_, key)| is_pending(key));
        Ok(pending.take(limit).map(|(_, key)| key.clone()).collect())
    }

    async fn due_silence_checks(
        &self,
        now_us: i64,
        limit: usize,
    ) -> Result<Vec<SeriesKey>, StoreError> {
        let state = self.lock();
        let due = state.silence_checks.iter().take_while(|(at_us, _)| *at_us <= now_us);
        Ok(due.take(limit).map(|(_, key)| key.clone()).collect())
    }

    async fn reschedule_silence_check(
        &self,
        key: &SeriesKey,
        check: SilenceCheck,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.silence_check_of.contains_key(key) {
            state.set_silence_check(key, check);
        }
        Ok(())
    }

    async fn unsaved_episodes(&self, limit: usize) -> Result<Vec<UnsavedEpisodes>, StoreError> {
        let mut state = self.lock();
        state.is_history_enabled = true;
        let unsaved = state.unsaved_episodes.iter().take(limit);
        Ok(unsaved
            .map(|(key, saved)| UnsavedEpisodes { key: key.clone(), saved_version: *saved })
            .collect())
    }

    async fn n_unsaved_episodes(&self) -> Result<u64, StoreError> {
        Ok(self.lock().unsaved_episodes.len() as u64)
    }

    async fn mark_episodes_saved(&self, key: &SeriesKey, version: i64) -> Result<(), StoreError> {
        let mut state = self.lock();
        let episodes = state.series.get(key).map(|series| series.stored.episodes().values());
        let versions = episodes.into_iter().flatten().map(|episode| episode.notable_version);
        if versions.max().unwrap_or_default() <= version {
            state.unsaved_episodes.remove(key);
        } else if let Some(saved_version) = state.unsaved_episodes.get_mut(key) {
            *saved_version = version;
        }
        Ok(())
    }
}
