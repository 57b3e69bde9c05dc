//! Queues of a sweep in the memory of the process.

use async_trait::async_trait;
use detector::SilenceCheck;
use domain::SeriesKey;

use super::store::{EmbeddedState, EmbeddedStore};
use crate::episodes::EPISODES_KEPT_MAX;
use crate::{EpisodeUpdate, StoreError, StoredEpisode, SweepQueues, UnsavedEpisodes, totals};

impl EmbeddedState {
    /// Records what a commit told that made `version` of a series.
    pub(super) fn note(&mut self, key: &SeriesKey, notes: &EpisodeUpdate, version: i64) {
        if let Some(look) = notes.silence_check {
            self.set_silence_check(key, look);
        }
        self.count(totals::SILENCES, "", notes.n_silences);
        let Some(entry) = self.series.get_mut(key) else { return };
        for record in &notes.episodes {
            let before = entry.episodes.get(&record.start_us).filter(|_| !notes.is_notable);
            let notable_version = before.map_or(version, |it| it.notable_version);
            let stored = StoredEpisode { revision: version, notable_version, record: *record };
            entry.episodes.insert(record.start_us, stored);
        }
        if self.is_history_enabled && notes.is_notable {
            self.unsaved_episodes.entry(key.clone()).or_insert(version - 1);
        }
        let saved = self.unsaved_episodes.get(key).copied().unwrap_or(i64::MAX);
        let mut n_lost = 0;
        while entry.episodes.len() > EPISODES_KEPT_MAX {
            let lost = entry.episodes.pop_first().filter(|(_, it)| it.notable_version > saved);
            n_lost += u64::from(lost.is_some());
        }
        self.count(totals::EPISODES_LOST, "", n_lost);
    }

    fn set_silence_check(&mut self, key: &SeriesKey, look: SilenceCheck) {
        self.remove_silence_check(key);
        if let SilenceCheck::At(at_us) = look {
            let key = self.own(key);
            self.silence_checks.insert((at_us, key.clone()));
            self.silence_check_of.insert(key, at_us);
        }
    }

    pub(super) fn remove_silence_check(&mut self, key: &SeriesKey) {
        if let Some(at_us) = self.silence_check_of.remove(key) {
            self.silence_checks.remove(&(at_us, key.clone()));
        }
    }
}

#[async_trait]
impl SweepQueues for EmbeddedStore {
    async fn pending(&self, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        let state = self.lock();
        let waits =
            |key: &SeriesKey| state.series.get(key).is_some_and(|entry| !entry.inbox.is_empty());
        let pending = state.by_receipt.iter().filter(|(_, key)| waits(key));
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
        look: SilenceCheck,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.silence_check_of.contains_key(key) {
            state.set_silence_check(key, look);
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
        let episodes = state.series.get(key).map(|entry| entry.episodes.values());
        let newest =
            episodes.into_iter().flatten().map(|it| it.notable_version).max().unwrap_or_default();
        if newest <= version {
            state.unsaved_episodes.remove(key);
        } else if let Some(saved) = state.unsaved_episodes.get_mut(key) {
            *saved = version;
        }
        Ok(())
    }
}
