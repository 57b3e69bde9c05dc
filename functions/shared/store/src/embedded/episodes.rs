//! Episodes in the memory of the process.

use async_trait::async_trait;
use detector::SilenceCheck;

use super::{EmbeddedStore, Inner};
use crate::episodes::EPISODES_KEPT_MAX;
use crate::{Episodes, Notes, PastRange, StoreError, StoredEpisode, Unsaved, totals};
use domain::SeriesKey;

impl Inner {
    /// Records what a commit told that made `version` of a series.
    pub(super) fn note(&mut self, key: &SeriesKey, notes: &Notes, version: i64) {
        if let Some(look) = notes.look {
            self.look(key, look);
        }
        self.count(totals::SILENCES, "", notes.n_silences);
        let Some(entry) = self.series.get_mut(key) else { return };
        for record in &notes.episodes {
            let before = entry.episodes.get(&record.start_us).filter(|_| !notes.is_news);
            let news = before.map_or(version, |it| it.news);
            let stored = StoredEpisode { revision: version, news, record: *record };
            entry.episodes.insert(record.start_us, stored);
        }
        if self.keeps_history && notes.is_news {
            self.unsaved.entry(key.clone()).or_insert(version - 1);
        }
        let saved = self.unsaved.get(key).copied().unwrap_or(i64::MAX);
        let mut n_lost = 0;
        while entry.episodes.len() > EPISODES_KEPT_MAX {
            let lost = entry.episodes.pop_first().filter(|(_, it)| it.news > saved);
            n_lost += u64::from(lost.is_some());
        }
        self.count(totals::EPISODES_LOST, "", n_lost);
    }

    fn look(&mut self, key: &SeriesKey, look: SilenceCheck) {
        self.forget_look(key);
        if let SilenceCheck::At(at_us) = look {
            let key = self.own(key);
            self.looks.insert((at_us, key.clone()));
            self.look_of.insert(key, at_us);
        }
    }

    pub(super) fn forget_look(&mut self, key: &SeriesKey) {
        if let Some(at_us) = self.look_of.remove(key) {
            self.looks.remove(&(at_us, key.clone()));
        }
    }
}

#[async_trait]
impl Episodes for EmbeddedStore {
    async fn episodes(
        &self,
        key: &SeriesKey,
        range: PastRange,
    ) -> Result<Vec<StoredEpisode>, StoreError> {
        let inner = self.lock();
        let before_us = range.before_us.unwrap_or(i64::MAX).max(range.since_us);
        let episodes = inner
            .series
            .get(key)
            .map(|entry| entry.episodes.range(range.since_us..before_us).rev().take(range.limit));
        Ok(episodes.into_iter().flatten().map(|(_, episode)| *episode).collect())
    }

    async fn unsaved(&self, limit: usize) -> Result<Vec<Unsaved>, StoreError> {
        let mut inner = self.lock();
        inner.keeps_history = true;
        let unsaved = inner.unsaved.iter().take(limit);
        Ok(unsaved.map(|(key, saved)| Unsaved { key: key.clone(), saved: *saved }).collect())
    }

    async fn count_unsaved(&self) -> Result<u64, StoreError> {
        Ok(self.lock().unsaved.len() as u64)
    }

    async fn saved(&self, key: &SeriesKey, version: i64) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let episodes = inner.series.get(key).map(|entry| entry.episodes.values());
        let newest = episodes.into_iter().flatten().map(|it| it.news).max().unwrap_or_default();
        if newest <= version {
            inner.unsaved.remove(key);
        } else if let Some(saved) = inner.unsaved.get_mut(key) {
            *saved = version;
        }
        Ok(())
    }

    async fn looks(&self, now_us: i64, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        let inner = self.lock();
        let due = inner.looks.iter().take_while(|(at_us, _)| *at_us <= now_us);
        Ok(due.take(limit).map(|(_, key)| key.clone()).collect())
    }

    async fn look_again(&self, key: &SeriesKey, look: SilenceCheck) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if inner.look_of.contains_key(key) {
            inner.look(key, look);
        }
        Ok(())
    }
}
