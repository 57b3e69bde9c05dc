//! Runs rounds: appends, judges and commits the queued samples of several series together.
//!
//! A process that stops between two steps leaves the samples in the store, where the next writer finds them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use detector::{DeployedDetector, MemoryOrigin};
use domain::{EpisodePhase, EpisodeRecord, Judgement, SeriesKey};
use futures_util::future::join_all;
use store::{
    Append, AppendOutcome, ClassifiedSamples, Commit, CommitOutcome, EPISODES_KEPT_MAX,
    INBOX_READ_MAX, NewSample, OptimisticCommit, PastRange, ReceiptUpdate, SeriesState, Store,
};

use super::judge_cache::{CachedJudge, JudgeCache};
use super::judging::{judge_samples, restore_judge};
use super::optimistic::{OrderedSamples, order_fresh};
use super::outcome_tracker::OutcomeTracker;
use super::sample_outcome::WriteError;
use super::series_round::{SeriesRound, WriteRequest};
use crate::failpoint::{Failpoint, reach};
use crate::metrics::{StoreOperation, Totals};

/// Commits per round and series: each conflict is progress of another writer, so more means a broken store.
const COMMITS_MAX: usize = 64;

/// Series judged between two yields: about 0.1 ms.
const SERIES_PER_YIELD: usize = 8;

/// Interval at which the time of receipt of a busy series is updated in the index; lists are this exact.
const RECEIPT_INTERVAL_US: i64 = 1_000_000;

/// Runs the rounds of all series.
#[derive(Debug)]
pub(super) struct RoundRunner {
    store: Arc<dyn Store>,
    totals: Arc<Totals>,
    deployed: DeployedDetector,
    cache: JudgeCache,
    /// True if the last series that was not cached turned out to be new; the next one is assumed to be new too.
    expects_new: AtomicBool,
}

impl RoundRunner {
    pub(super) fn new(
        store: Arc<dyn Store>,
        totals: Arc<Totals>,
        deployed: DeployedDetector,
        cache_bytes_max: usize,
    ) -> Self {
        let cache = JudgeCache::new(cache_bytes_max);
        Self { store, totals, deployed, cache, expects_new: AtomicBool::new(true) }
    }

    /// Runs one round and answers its requests.
    ///
    /// Optimistic commits are answered after the append. The other series are judged and committed together, and
    /// conflicts are then resolved series by series. If the append of a series fails, the requests that `take_queue`
    /// takes fail with it: they have waited for the store already.
    pub(super) async fn run(
        &self,
        queued: Vec<(SeriesKey, Vec<WriteRequest>)>,
        take_queue: &(dyn Fn(&SeriesKey) -> VecDeque<WriteRequest> + Sync),
    ) {
        let (mut round, mut appends) = (Vec::new(), Vec::new());
        for (i, (key, requests)) in queued.into_iter().enumerate() {
            yield_sometimes(i).await;
            let mut series = SeriesRound::new(key, requests);
            appends.push(self.prepare(&mut series));
            round.push(series);
        }
        let outcomes = self.append(&appends).await;
        let (mut open, mut commits) = (Vec::new(), Vec::new());
        let round = round.into_iter().zip(appends).zip(outcomes);
        for (i, ((mut series, append), outcome)) in round.enumerate() {
            yield_sometimes(i).await;
            match outcome {
                Ok(AppendOutcome::Committed { version }) => self.finish_committed(series, version),
                Ok(AppendOutcome::Classified(classified)) => {
                    match self.judge_classified(&mut series, append.samples, classified).await {
                        Ok(commit) => {
                            commits.push(commit.map(|commit| (series.key.clone(), commit)));
                            open.push(series);
                        }
                        Err(error) => series.reply(Err(error)),
                    }
                }
                Err(error) => {
                    series.requests.extend(take_queue(&series.key));
                    series.reply(Err(error.into()));
                }
            }
        }
        self.commit(&mut open, commits).await;
        join_all(open.into_iter().map(|series| self.finish(series))).await;
    }

    /// Builds the append of a series: with an optimistic commit if the series is cached, or assumed to be new, and all
    /// samples are fresh to it.
    fn prepare(&self, series: &mut SeriesRound) -> Append {
        let samples = series.samples();
        let cached = self.cache.take(&series.key).or_else(|| self.assume_new());
        let ordered = cached
            .as_ref()
            .filter(|_| !samples.is_empty())
            .and_then(|cached| order_fresh(&*self.store, &series.key, &cached.judge, &samples));
        match (cached, ordered) {
            (Some(cached), Some(ordered)) => {
                self.judge_optimistically(series, cached, &samples, ordered)
            }
            (cached, _) => {
                series.cached = cached.filter(|cached| cached.version != 0);
                series.append_to_inbox(samples)
            }
        }
    }

    /// Creates the judge of a new series, if the last uncached series were new.
    fn assume_new(&self) -> Option<CachedJudge> {
        if self.cache.is_off() || !self.expects_new.load(Relaxed) {
            return None;
        }
        let judge = restore_judge(self.deployed, &SeriesState::default()).ok()?;
        Some(CachedJudge::new(judge, 0, 0))
    }

    fn judge_optimistically(
        &self,
        series: &mut SeriesRound,
        mut cached: CachedJudge,
        samples: &[NewSample],
        ordered: OrderedSamples,
    ) -> Append {
        let stored = cached.judge.memory().encode();
        let (judged, commit) = judge_samples(&mut cached, &stored, &ordered.samples);
        let now_us = self.store.store_time_us(&series.key).unwrap_or_default();
        let is_recent = (0..RECEIPT_INTERVAL_US).contains(&(now_us - cached.receipt_us));
        let receipt = if cached.version != 0 && is_recent {
            ReceiptUpdate::Skip
        } else {
            cached.receipt_us = now_us;
            ReceiptUpdate::Write
        };
        let samples = ordered.order.iter().map(|i| samples[*i]).collect();
        (series.cached, series.judged, series.order) = (Some(cached), judged, ordered.order);
        let optimistic = Some(OptimisticCommit { commit, receipt });
        Append { key: series.key.clone(), samples, cached_version: 0, optimistic }
    }

    /// Answers a series whose optimistic commit was stored.
    fn finish_committed(&self, mut series: SeriesRound, version: i64) {
        if let Some(cached) = series.cached.take() {
            self.cache.put(&series.key, CachedJudge { version, ..cached });
        }
        series.reply_committed();
    }

    /// Judges what waits in the inbox of a series after an append; `None` if nothing does.
    async fn judge_classified(
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
        let judge = restore_judge(self.deployed, state)?;
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

    async fn append(&self, appends: &[Append]) -> Vec<Result<AppendOutcome, store::StoreError>> {
        reach(Failpoint::Append);
        if appends.iter().any(|append| append.optimistic.is_some()) {
            reach(Failpoint::Judged);
        }
        let call = self.store.append_all(appends);
        let outcomes = self.totals.measure(StoreOperation::Append, call).await;
        self.totals.note_appends(appends, &outcomes);
        reach(Failpoint::Appended);
        let is_committed = |outcome| matches!(outcome, &Ok(AppendOutcome::Committed { .. }));
        if outcomes.iter().any(is_committed) {
            reach(Failpoint::Committed);
        }
        outcomes
    }

    /// Commits several series at once and records the outcome of each.
    async fn commit(&self, open: &mut [SeriesRound], commits: Vec<Option<(SeriesKey, Commit)>>) {
        let committing: Vec<bool> = commits.iter().map(Option::is_some).collect();
        let commits: Vec<(SeriesKey, Commit)> = commits.into_iter().flatten().collect();
        if commits.is_empty() {
            return;
        }
        reach(Failpoint::Judged);
        let call = self.store.commit_all(&commits);
        let outcomes = self.totals.measure(StoreOperation::Commit, call).await;
        for ((_, commit), outcome) in commits.iter().zip(&outcomes) {
            self.totals.note_commit(commit, outcome);
        }
        reach(Failpoint::Committed);
        let series = open.iter_mut().zip(committing).filter(|(_, is_committing)| *is_committing);
        for ((series, _), outcome) in series.zip(outcomes) {
            series.commit_outcome = Some(outcome);
        }
    }

    /// Resolves every sample of a series and answers its requests.
    async fn finish(&self, mut series: SeriesRound) {
        let result = self.resolve(&mut series).await;
        series.reply(result);
    }

    /// Judges and commits until no sample of the round waits.
    async fn resolve(&self, series: &mut SeriesRound) -> Result<(), WriteError> {
        for _ in 0..COMMITS_MAX {
            let Some(outcome) = series.commit_outcome.take() else { break };
            let Some(state) = self.after_commit(series, outcome?).await? else { break };
            let commit = self.judge_state(series, &state).await?;
            reach(Failpoint::Judged);
            let call = self.store.commit(&series.key, &commit);
            let outcome = self.totals.measure(StoreOperation::Commit, call).await;
            self.totals.note_commit(&commit, &outcome);
            reach(Failpoint::Committed);
            series.commit_outcome = Some(outcome);
        }
        self.fill_in(series).await
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

/// Yields every few series, so that a large round does not delay the answers of other requests.
async fn yield_sometimes(i: usize) {
    if i % SERIES_PER_YIELD == SERIES_PER_YIELD - 1 {
        tokio::task::yield_now().await;
    }
}
