//! Judges and commits the samples that wait in inboxes, until none of the round waits.
//!
//! Other writers judge the same samples at the same time. A conflict means that one of them made progress, and returns the
//! series as it left it: what it judged is taken over, and only the rest is judged again.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use detector::MemoryOrigin;
use domain::{EpisodePhase, EpisodeRecord, Judgement, SeriesKey};
use futures_util::future::join_all;
use store::{
    ClassifiedSamples, Commit, CommitOutcome, EPISODES_KEPT_MAX, INBOX_READ_MAX, NewSample,
    PastRange, SeriesState, StoreError,
};

use super::judge_cache::CachedJudge;
use super::judging::{judge_samples, restore_judge};
use super::outcome_tracker::OutcomeTracker;
use super::round::RoundRunner;
use super::sample_outcome::WriteError;
use super::series_round::SeriesRound;
use crate::failpoint::{Failpoint, reach};
use crate::metrics::StoreOperation;

/// Commits per round and series: each conflict is progress of another writer, so more means a broken store.
const COMMITS_MAX: usize = 64;

impl RoundRunner {
    /// Judges what waits in the inbox of a series after an append; `None` if nothing does.
    pub(super) async fn judge_classified(
        &self,
        series: &mut SeriesRound,
        samples: Vec<NewSample>,
        classified: ClassifiedSamples,
    ) -> Result<Option<Commit>, WriteError> {
        series.outcomes = OutcomeTracker::new(samples, &classified.classes);
        if let Some(state) = classified.state.as_ref().filter(|state| !state.is_cached) {
            self.expects_new.store(state.memory.is_none() && state.window.is_empty(), Relaxed);
        }
        if !series.judged.is_empty() {
            // The optimistic commit was refused, so the judge is ahead of the store.
            series.judged.clear();
            series.cached = None;
        }
        let Some(state) = classified.state.filter(|state| !state.inbox.is_empty()) else {
            if let Some(cached) = series.cached.take() {
                self.cache.put(&series.key, cached);
            }
            return Ok(None);
        };
        if !state.is_cached {
            return self.judge_state(series, &state).await.map(Some);
        }
        // The store left out the memory, because this process has it.
        let cached = series.cached.as_mut().filter(|cached| cached.version == state.version);
        let cached = cached.ok_or(WriteError::Aborted)?;
        let stored = cached.judge.memory().encode();
        let (judged, commit) = judge_samples(cached, &stored, &state.inbox);
        series.judged = judged;
        Ok(Some(commit))
    }

    /// Judges what waits in a series, from its stored state.
    async fn judge_state(
        &self,
        series: &mut SeriesRound,
        state: &SeriesState,
    ) -> Result<Commit, WriteError> {
        let judge = restore_judge(self.deployed_for(&series.key), state)?;
        let is_relearned = judge.origin() == MemoryOrigin::Relearned;
        let mut cached = CachedJudge::new(judge, state.version, state.revision());
        let stored = state.memory.as_deref().unwrap_or_default();
        series.log_origin(&cached.judge);
        let (judged, mut commit) = judge_samples(&mut cached, stored, &state.inbox);
        series.judged = judged;
        series.cached = Some(cached);
        if is_relearned {
            let orphans = self.orphaned_episodes(&series.key).await?;
            commit.episode_update.is_notable |= !orphans.is_empty();
            commit.episode_update.episodes.splice(0..0, orphans);
        }
        Ok(commit)
    }

    /// Returns the episodes that were open when the memory of a series was lost, ended: the new memory does not have
    /// them.
    async fn orphaned_episodes(&self, key: &SeriesKey) -> Result<Vec<EpisodeRecord>, WriteError> {
        let all = PastRange { since_us: 0, before_us: None, limit: EPISODES_KEPT_MAX };
        let read = self.store.episodes(key, all);
        let stored = self.totals.measure(StoreOperation::Read, read).await?;
        let records = stored.iter().map(|episode| episode.record);
        let open = records.filter(|record| record.phase != EpisodePhase::Over);
        Ok(open.map(EpisodeRecord::over).collect())
    }

    /// Commits series, judges those again that another writer changed meanwhile, and answers each as soon as none of its
    /// samples waits.
    pub(super) async fn commit_waiting(&self, mut waiting: Vec<(SeriesRound, Commit)>) {
        for _ in 0..COMMITS_MAX {
            if waiting.is_empty() {
                return;
            }
            let (series, commits): (Vec<SeriesRound>, Vec<(SeriesKey, Commit)>) = waiting
                .into_iter()
                .map(|(series, commit)| {
                    let key = series.key.clone();
                    (series, (key, commit))
                })
                .unzip();
            reach(Failpoint::Judged);
            let call = self.store.commit_all(&commits);
            let outcomes = self.totals.measure(StoreOperation::Commit, call).await;
            for ((_, commit), outcome) in commits.iter().zip(&outcomes) {
                self.totals.note_commit(commit, outcome);
            }
            reach(Failpoint::Committed);
            let next = series.into_iter().zip(outcomes);
            let next = next.map(|(series, outcome)| self.judge_next(series, outcome));
            waiting = join_all(next).await.into_iter().flatten().collect();
        }
        for (series, _) in waiting {
            self.finish(series).await;
        }
    }

    /// Answers a series after a commit, or judges the samples that still wait.
    async fn judge_next(
        &self,
        mut series: SeriesRound,
        outcome: Result<CommitOutcome, StoreError>,
    ) -> Option<(SeriesRound, Commit)> {
        let next = async {
            let Some(state) = self.after_commit(&mut series, outcome?).await? else {
                return Ok(None);
            };
            self.judge_state(&mut series, &state).await.map(Some)
        };
        match next.await {
            Ok(Some(commit)) => return Some((series, commit)),
            Ok(None) => self.finish(series).await,
            Err(error) => series.reply(Err(error)),
        }
        None
    }

    /// Completes the outcomes of a series and answers its requests.
    pub(super) async fn finish(&self, mut series: SeriesRound) {
        let result = self.fill_in(&mut series).await;
        series.reply(result);
    }

    /// Applies the outcome of a commit; returns the state to judge next, if samples still wait.
    async fn after_commit(
        &self,
        series: &mut SeriesRound,
        outcome: CommitOutcome,
    ) -> Result<Option<SeriesState>, WriteError> {
        let state = match outcome {
            CommitOutcome::Committed { version } => {
                if let Some(cached) = series.cached.take() {
                    self.cache.put(&series.key, CachedJudge { version, ..cached });
                }
                let judged = std::mem::take(&mut series.judged);
                series.outcomes.resolve_committed(&judged);
                let mut rest = None;
                if judged.len() >= INBOX_READ_MAX {
                    let read = self.store.read(&series.key);
                    rest = self.totals.measure(StoreOperation::Read, read).await?;
                }
                self.append_again(series).await?.or(rest)
            }
            CommitOutcome::Conflict(now) => {
                series.outcomes.resolve_conflict(&now);
                let appended = self.append_again(series).await?;
                appended.or(Some(now)).filter(|_| !series.outcomes.is_resolved())
            }
        };
        Ok(state.filter(|state| !state.inbox.is_empty()))
    }

    /// Appends the samples that a full inbox refused, or that the store lost.
    async fn append_again(
        &self,
        series: &mut SeriesRound,
    ) -> Result<Option<SeriesState>, WriteError> {
        let not_stored = series.outcomes.not_stored();
        if not_stored.is_empty() {
            return Ok(None);
        }
        let samples: Vec<NewSample> = not_stored.iter().map(|(_, sample)| *sample).collect();
        let call = self.store.append(&series.key, &samples, 0);
        let classified = self.totals.measure(StoreOperation::Append, call).await?;
        self.totals.note(|emf| emf.note_classes(&classified.classes));
        for ((i, _), class) in not_stored.iter().zip(&classified.classes) {
            series.outcomes.set_class(*i, class);
        }
        Ok(classified.state)
    }

    /// Reads the expected values of anomalies that another writer judged: the window stores only their scores.
    async fn fill_in(&self, series: &mut SeriesRound) -> Result<(), WriteError> {
        if let Some(since_us) = series.outcomes.oldest_without_expectation() {
            let read = self.store.anomalies(&series.key, since_us, store::ANOMALIES_KEPT_MAX);
            let anomalies = self.totals.measure(StoreOperation::Read, read).await?;
            let by_time: BTreeMap<i64, Judgement> =
                anomalies.into_iter().map(|anomaly| (anomaly.sample.at_us(), anomaly)).collect();
            series.outcomes.fill_in(&by_time);
        }
        Ok(())
    }
}
