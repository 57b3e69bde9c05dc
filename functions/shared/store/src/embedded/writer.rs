//! Appends and commits in the memory of the process.

use async_trait::async_trait;
use domain::SeriesKey;
use protocol::admission::SeriesLimits;
use protocol::{
    Append, AppendOutcome, ClassifiedSamples, Commit, CommitOutcome, EpisodeUpdate, OnRefusal,
    ReceiptUpdate, SampleClass, SeriesState, StoredSeries, totals,
};

use super::store::{EmbeddedState, EmbeddedStore};
use crate::alerts::place_of;
use crate::{SeriesWriter, StoreError};

#[async_trait]
impl SeriesWriter for EmbeddedStore {
    async fn append_all(&self, appends: &[Append]) -> Vec<Result<AppendOutcome, StoreError>> {
        let append = |append: &Append| {
            let (now_us, limits) = ((self.clock)(), self.series_limits());
            let mut state = self.lock();
            state.expire(now_us);
            if let Some(version) = state.append_optimistic(append, limits, now_us) {
                return Ok(AppendOutcome::Committed { version });
            }
            Ok(match state.refused(append, limits) {
                Some(now) => AppendOutcome::Refused(now),
                None => AppendOutcome::Classified(state.append(append, limits, now_us)),
            })
        };
        appends.iter().map(append).collect()
    }

    async fn commit_all(
        &self,
        commits: &[(SeriesKey, Commit)],
    ) -> Vec<Result<CommitOutcome, StoreError>> {
        let commit = |(key, commit): &(SeriesKey, Commit)| {
            let now_us = (self.clock)();
            Ok(self.lock().commit(key, commit, now_us))
        };
        commits.iter().map(commit).collect()
    }

    async fn forget(&self, key: &SeriesKey) -> Result<bool, StoreError> {
        let now_us = (self.clock)();
        let mut state = self.lock();
        let had_config = state.remove_config(key, now_us);
        state.unsaved_episodes.remove(key);
        state.remove_silence_check(key);
        // The notifier resolves the alerts of a removed series.
        if let Some(place) = state.alert_checks.get_mut(key) {
            *place = 0;
        }
        let Some(series) = state.series.remove(key) else { return Ok(had_config) };
        state.remove_receipt(key, series.received_us);
        // All parts of a series may have been lost.
        let is_stored = !series.stored.is_empty() || !series.stored.anomalies().is_empty();
        Ok(is_stored || had_config)
    }

    fn store_time_us(&self, _: &SeriesKey) -> Option<i64> {
        Some((self.clock)())
    }
}

impl EmbeddedState {
    /// Stores an optimistic commit; `None` if it is not accepted.
    fn append_optimistic(
        &mut self,
        append: &Append,
        limits: SeriesLimits,
        now_us: i64,
    ) -> Option<i64> {
        let (key, optimistic) = (&append.key, append.optimistic.as_ref()?);
        let (commit, config) = (&optimistic.commit, self.configs.get(key));
        let receipt = match self.series.get(key) {
            Some(series) if !series.stored.accepts_optimistic(commit, config) => return None,
            Some(series) if series.stored.memory().is_some() => optimistic.receipt,
            Some(_) => ReceiptUpdate::Write,
            None => {
                let has_room = self.has_room(key.tenant(), limits);
                if !has_room || !StoredSeries::default().accepts_optimistic(commit, config) {
                    return None;
                }
                ReceiptUpdate::Write
            }
        };
        let n_accepted = commit.judgements.len() as u64;
        self.count([(totals::SAMPLES, "accepted", n_accepted)]);
        let version = self.store(key, commit, receipt, now_us);
        if receipt == ReceiptUpdate::Write {
            self.receive(key, commit.judgements.len(), now_us);
        }
        Some(version)
    }

    /// The series whose optimistic commit was refused; `None` if its samples are to be appended.
    fn refused(&self, append: &Append, limits: SeriesLimits) -> Option<SeriesState> {
        let (key, optimistic) = (&append.key, append.optimistic.as_ref()?);
        if optimistic.on_refusal == OnRefusal::Append {
            return None;
        }
        let config = self.configs.get(key);
        if let Some(series) = self.series.get(key) {
            return (series.stored.n_waiting() == 0).then(|| series.stored.state(0, config));
        }
        let has_room = self.has_room(key.tenant(), limits);
        has_room.then(|| StoredSeries::default().state(0, config))
    }

    fn append(&mut self, append: &Append, limits: SeriesLimits, now_us: i64) -> ClassifiedSamples {
        let Append { key, samples, cached_version, .. } = append;
        let is_new = !self.series.contains_key(key);
        if is_new && !self.has_room(key.tenant(), limits) {
            let classes = vec![SampleClass::TooManySeries; samples.len()];
            return ClassifiedSamples { classes, state: None };
        }
        let series = self.series.entry(key.clone()).or_default();
        if series.stored.n_waiting() == 0 {
            series.waiting_since_us = now_us;
        }
        let classes = series.stored.append(samples, now_us);
        let (is_waiting, is_empty) = (series.stored.n_waiting() > 0, series.stored.is_empty());
        let config = self.configs.get(key);
        let state = is_waiting.then(|| series.stored.state(*cached_version, config));
        if is_empty {
            // One whose parts were lost stays in the index until it expires.
            if is_new {
                self.series.remove(key);
            }
        } else {
            let is_fresh = |class: &&SampleClass| matches!(class, SampleClass::Fresh { .. });
            let n_fresh = classes.iter().filter(is_fresh).count();
            if n_fresh > 0 {
                self.receive(key, n_fresh, now_us);
            }
        }
        self.count(totals::of_classes(&classes));
        ClassifiedSamples { classes, state }
    }

    fn commit(&mut self, key: &SeriesKey, commit: &Commit, now_us: i64) -> CommitOutcome {
        let config = self.configs.get(key);
        let new = StoredSeries::default();
        let stored = self.series.get(key).map_or(&new, |series| &series.stored);
        if !stored.accepts(commit, config) {
            let state = stored.state(0, config);
            self.count([(totals::CONFLICTS, "", 1)]);
            return CommitOutcome::Conflict(state);
        }
        let version = self.store(key, commit, ReceiptUpdate::Write, now_us);
        // The series may have been deleted between append and commit.
        if self.series.get(key).is_some_and(|series| series.received_us == 0) {
            self.receive(key, usize::MAX, now_us);
        }
        CommitOutcome::Committed { version }
    }

    /// Stores an accepted commit; returns the new version.
    fn store(
        &mut self,
        key: &SeriesKey,
        commit: &Commit,
        receipt: ReceiptUpdate,
        now_us: i64,
    ) -> i64 {
        let series = self.series.entry(key.clone()).or_default();
        let version = series.stored.commit(commit, receipt, now_us);
        self.count(totals::of_commit(commit));
        self.store_episodes(key, &commit.episode_update, version);
        version
    }

    fn store_episodes(&mut self, key: &SeriesKey, update: &EpisodeUpdate, version: i64) {
        if let Some(check) = update.silence_check {
            self.set_silence_check(key, check);
        }
        if update.episodes.is_empty() {
            return;
        }
        if self.is_history_enabled && update.is_notable {
            let key = self.shared_key(key);
            self.unsaved_episodes.entry(key).or_insert(version - 1);
        }
        if self.are_alerts_enabled {
            let key = self.shared_key(key);
            self.alert_checks.insert(key, place_of(version));
        }
        let saved_version = self.unsaved_episodes.get(key).copied();
        let Some(series) = self.series.get_mut(key) else { return };
        let n_lost = series.stored.store_episodes(update, version, saved_version);
        self.count([(totals::EPISODES_LOST, "", n_lost)]);
    }
}
