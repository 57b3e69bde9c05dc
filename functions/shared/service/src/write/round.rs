//! Runs rounds: appends, judges and commits the queued samples of several series together.
//!
//! A process that stops between two steps leaves the samples in the store, where the next writer finds them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use detector::{DeployedDetector, MemoryOrigin};
use domain::SeriesKey;
use futures_util::future::join;
use store::{
    Append, AppendOutcome, Commit, NewSample, OnRefusal, OptimisticCommit, ReceiptUpdate,
    SeriesState, Store, StoreError,
};

use super::judge_cache::{CachedJudge, JudgeCache};
use super::judging::{judge_samples, restore_judge};
use super::optimistic::{OrderedSamples, order_fresh};
use super::series_round::{SeriesRound, WriteRequest};
use crate::failpoint::{Failpoint, reach};
use crate::metrics::{StoreOperation, Totals};
use crate::selection::SelectionRules;

/// Series judged between two yields: about 0.1 ms.
const SERIES_PER_YIELD: usize = 8;

/// Interval at which the time of receipt of a busy series is updated in the index; lists are this exact.
const RECEIPT_INTERVAL_US: i64 = 1_000_000;

/// Runs the rounds of all series.
#[derive(Debug)]
pub(super) struct RoundRunner {
    pub(super) store: Arc<dyn Store>,
    pub(super) totals: Arc<Totals>,
    pub(super) deployed: DeployedDetector,
    pub(super) rules: Arc<SelectionRules>,
    pub(super) cache: JudgeCache,
    /// True if the last series that was not cached turned out to be new; the next one is assumed to be new too.
    pub(super) expects_new: AtomicBool,
}

impl RoundRunner {
    pub(super) fn new(
        store: Arc<dyn Store>,
        totals: Arc<Totals>,
        (deployed, rules): (DeployedDetector, Arc<SelectionRules>),
        cache_bytes_max: usize,
    ) -> Self {
        let cache = JudgeCache::new(cache_bytes_max);
        Self { store, totals, deployed, rules, cache, expects_new: AtomicBool::new(true) }
    }

    /// Runs one round and answers its requests.
    ///
    /// The first calls commit series that are cached, or assumed to be new, and read the others. A series whose cached
    /// judge is out of date, or that was read, is judged on the returned state and appended with that commit. What is
    /// refused again waits in the inbox, and is judged and committed with what others have appended. If a call for a
    /// series fails, the requests that `take_queue` takes fail with it: they have waited for the store already.
    pub(super) async fn run(
        &self,
        queued: Vec<(SeriesKey, Vec<WriteRequest>)>,
        take_queue: &(dyn Fn(&SeriesKey) -> VecDeque<WriteRequest> + Sync),
    ) {
        let (mut first, mut unknown) = (RoundAppends::default(), Vec::new());
        for (i, (key, requests)) in queued.into_iter().enumerate() {
            yield_sometimes(i).await;
            let mut series = SeriesRound::new(key, requests);
            match self.prepare(&mut series) {
                Some(append) => first.push(series, append),
                None => unknown.push(series),
            }
        }
        let again = RoundAppends::default();
        let mut calls = RoundCalls { take_queue, again, waiting: Vec::new() };
        let (outcomes, states) = join(self.append(&first.appends), self.read(&unknown)).await;
        for (i, (series, state)) in unknown.into_iter().zip(states).enumerate() {
            yield_sometimes(i).await;
            match state {
                Ok(state) => {
                    let (series, append) = self.prepare_again(series, &state.unwrap_or_default());
                    calls.again.push(series, append);
                }
                Err(error) => calls.fail(series, error),
            }
        }
        self.settle(first, outcomes, &mut calls).await;
        let again = std::mem::take(&mut calls.again);
        let outcomes = self.append(&again.appends).await;
        self.settle(again, outcomes, &mut calls).await;
        self.commit_waiting(calls.waiting).await;
    }

    /// Answers the series that were committed with their append, and judges those whose samples wait.
    async fn settle(
        &self,
        round: RoundAppends,
        outcomes: Vec<Result<AppendOutcome, StoreError>>,
        calls: &mut RoundCalls<'_>,
    ) {
        let round = round.series.into_iter().zip(round.appends).zip(outcomes);
        for (i, ((mut series, append), outcome)) in round.enumerate() {
            yield_sometimes(i).await;
            match outcome {
                Ok(AppendOutcome::Committed { version }) => self.finish_committed(series, version),
                Ok(AppendOutcome::Refused(state)) => {
                    let (series, append) = self.prepare_again(series, &state);
                    calls.again.push(series, append);
                }
                Ok(AppendOutcome::Classified(classified)) => {
                    match self.judge_classified(&mut series, append.samples, classified).await {
                        Ok(Some(commit)) => calls.waiting.push((series, commit)),
                        Ok(None) => self.finish(series).await,
                        Err(error) => series.reply(Err(error)),
                    }
                }
                Err(error) => calls.fail(series, error),
            }
        }
    }

    /// Builds the append of a series: with an optimistic commit if the series is cached, or assumed to be new, and all
    /// samples are fresh to it; `None` if the series is to be read first.
    fn prepare(&self, series: &mut SeriesRound) -> Option<Append> {
        let samples = series.samples();
        let cached = self.cache.take(&series.key).or_else(|| self.assume_new(&series.key));
        if cached.is_none() && !samples.is_empty() && !self.cache.is_off() {
            return None;
        }
        let ordered = cached.as_ref().and_then(|cached| self.order(series, cached, &samples));
        Some(match (cached, ordered) {
            (Some(cached), Some(ordered)) => {
                let stored = cached.judge.memory().encode();
                let judged_on = JudgedOn { cached, stored: &stored, on_refusal: OnRefusal::Return };
                self.judge_optimistically(series, judged_on, &samples, ordered)
            }
            (cached, _) => {
                series.cached = cached.filter(|cached| cached.version != 0);
                series.append_to_inbox(samples)
            }
        })
    }

    /// Builds the append of a series that was read, or whose optimistic commit was refused, judged on its state now.
    ///
    /// A series whose memory is lost or not readable here goes through the inbox: its samples are kept, whatever comes
    /// of judging.
    fn prepare_again(&self, mut series: SeriesRound, state: &SeriesState) -> (SeriesRound, Append) {
        self.expects_new.store(state.memory.is_none() && state.window.is_empty(), Relaxed);
        (series.cached, series.judged) = (None, Vec::new());
        let samples = series.samples();
        let judge = restore_judge(self.deployed_for(&series.key), state).ok();
        let judge = judge.filter(|judge| judge.origin() != MemoryOrigin::Relearned);
        let cached = judge.map(|judge| CachedJudge::new(judge, state.version, state.revision()));
        let ordered = cached.as_ref().and_then(|cached| self.order(&series, cached, &samples));
        let append = match (cached, ordered) {
            (Some(cached), Some(ordered)) => {
                series.log_origin(&cached.judge);
                let stored = state.memory.as_deref().unwrap_or_default();
                let judged_on = JudgedOn { cached, stored, on_refusal: OnRefusal::Append };
                self.judge_optimistically(&mut series, judged_on, &samples, ordered)
            }
            _ => series.append_to_inbox(samples),
        };
        (series, append)
    }

    fn order(
        &self,
        series: &SeriesRound,
        cached: &CachedJudge,
        samples: &[NewSample],
    ) -> Option<OrderedSamples> {
        if samples.is_empty() {
            return None;
        }
        order_fresh(&*self.store, &series.key, &cached.judge, samples)
    }

    /// Creates the judge of a new series, if the last uncached series were new.
    fn assume_new(&self, key: &SeriesKey) -> Option<CachedJudge> {
        if self.cache.is_off() || !self.expects_new.load(Relaxed) {
            return None;
        }
        let judge = restore_judge(self.deployed_for(key), &SeriesState::default()).ok()?;
        Some(CachedJudge::new(judge, 0, 0))
    }

    pub(super) fn deployed_for(&self, key: &SeriesKey) -> DeployedDetector {
        self.rules.detector_of(self.deployed, key)
    }

    fn judge_optimistically(
        &self,
        series: &mut SeriesRound,
        judged_on: JudgedOn<'_>,
        samples: &[NewSample],
        ordered: OrderedSamples,
    ) -> Append {
        let JudgedOn { mut cached, stored, on_refusal } = judged_on;
        let (judged, commit) = judge_samples(&mut cached, stored, &ordered.samples);
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
        let optimistic = Some(OptimisticCommit { commit, receipt, on_refusal });
        Append { key: series.key.clone(), samples, cached_version: 0, optimistic }
    }

    /// Answers a series whose optimistic commit was stored.
    fn finish_committed(&self, mut series: SeriesRound, version: i64) {
        if let Some(cached) = series.cached.take() {
            self.cache.put(&series.key, CachedJudge { version, ..cached });
        }
        series.reply_committed();
    }

    async fn append(&self, appends: &[Append]) -> Vec<Result<AppendOutcome, StoreError>> {
        if appends.is_empty() {
            return Vec::new();
        }
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

    async fn read(&self, unknown: &[SeriesRound]) -> Vec<Result<Option<SeriesState>, StoreError>> {
        if unknown.is_empty() {
            return Vec::new();
        }
        let keys: Vec<&SeriesKey> = unknown.iter().map(|series| &series.key).collect();
        self.totals.measure(StoreOperation::Read, self.store.read_all(&keys)).await
    }
}

/// A judge before an optimistic commit, the stored bytes of its memory, and what a refusal does.
struct JudgedOn<'a> {
    cached: CachedJudge,
    stored: &'a [u8],
    on_refusal: OnRefusal,
}

/// Series of a round, and the append of each.
#[derive(Default)]
struct RoundAppends {
    series: Vec<SeriesRound>,
    appends: Vec<Append>,
}

impl RoundAppends {
    fn push(&mut self, series: SeriesRound, append: Append) {
        self.series.push(series);
        self.appends.push(append);
    }
}

/// Series of a round that need another call.
struct RoundCalls<'a> {
    take_queue: &'a (dyn Fn(&SeriesKey) -> VecDeque<WriteRequest> + Sync),
    /// Judged on the state of a refusal, or of a read.
    again: RoundAppends,
    /// Judged samples of an inbox.
    waiting: Vec<(SeriesRound, Commit)>,
}

impl RoundCalls<'_> {
    fn fail(&self, mut series: SeriesRound, error: StoreError) {
        series.requests.extend((self.take_queue)(&series.key));
        series.reply(Err(error.into()));
    }
}

/// Yields every few series, so that a large round does not delay the answers of other requests.
async fn yield_sometimes(i: usize) {
    if i % SERIES_PER_YIELD == SERIES_PER_YIELD - 1 {
        tokio::task::yield_now().await;
    }
}
