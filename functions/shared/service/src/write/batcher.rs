//! Batches the requests of each series: samples that arrive during a round of their series join its next round.
//!
//! So a busy series batches itself, and does not conflict with its own process. The series of a request share their
//! rounds, so each step is one round trip. A round runs in a task of its own, so a client that disconnects cancels
//! nothing. There is no timer.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::SeriesKey;
use futures_util::future::join_all;
use store::{APPEND_MAX, NewSample, Store};
use tokio::sync::oneshot;

use super::round::RoundRunner;
use super::sample_outcome::{SampleOutcome, WriteError};
use super::series_round::WriteRequest;
use crate::config::Config;
use crate::low_priority;
use crate::metrics::Totals;
use crate::selection::SelectionRules;

/// Requests that may wait for the next round of a series; further ones are rejected as overload.
const QUEUE_LEN_MAX: usize = 4_096;

/// Samples above which a round runs on a thread of low priority.
const LIGHT_SAMPLES_MAX: usize = 256;

/// Writes samples in batches. Clones share the queues.
#[derive(Debug, Clone)]
pub(crate) struct WriteBatcher {
    runner: Arc<RoundRunner>,
    queues: Arc<WriteQueues>,
}

/// Requests that wait for the next round, by series; a series has a queue while its rounds run.
#[derive(Debug, Default)]
struct WriteQueues {
    by_series: Mutex<HashMap<SeriesKey, VecDeque<WriteRequest>>>,
}

impl WriteQueues {
    fn lock(&self) -> MutexGuard<'_, HashMap<SeriesKey, VecDeque<WriteRequest>>> {
        self.by_series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Outcomes that a queued request waits for.
type QueuedOutcomes = oneshot::Receiver<Result<Vec<SampleOutcome>, WriteError>>;

impl WriteBatcher {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        totals: Arc<Totals>,
        config: &Config,
        rules: Arc<SelectionRules>,
    ) -> Self {
        let cache_bytes_max = config.judge_cache_bytes_max;
        let runner = RoundRunner::new(store, totals, (config.deployed, rules), cache_bytes_max);
        Self { runner: Arc::new(runner), queues: Arc::default() }
    }

    /// Writes samples of several distinct series; returns the outcomes of each series in order.
    ///
    /// A series with more samples than fit one round takes several, in time order.
    pub(crate) async fn write_all(
        &self,
        batch: Vec<(SeriesKey, Vec<NewSample>)>,
    ) -> Vec<Vec<Result<SampleOutcome, WriteError>>> {
        let short = batch.iter().filter(|(_, samples)| samples.len() <= APPEND_MAX);
        let mut queued = self.enqueue(short.cloned()).into_iter();
        let outcomes = batch.iter().map(|(key, samples)| {
            let queued = if samples.len() <= APPEND_MAX { queued.next() } else { None };
            async move {
                let Some(queued) = queued else { return self.write_long(key, samples).await };
                match receive(queued).await {
                    Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error); samples.len()],
                }
            }
        });
        join_all(outcomes).await
    }

    async fn write_long(
        &self,
        key: &SeriesKey,
        samples: &[NewSample],
    ) -> Vec<Result<SampleOutcome, WriteError>> {
        let mut order: Vec<usize> = (0..samples.len()).collect();
        order.sort_by_key(|i| samples[*i].at_us.unwrap_or(i64::MAX));
        let mut outcomes = vec![Err(WriteError::Aborted); samples.len()];
        for (n_done, part) in order.chunks(APPEND_MAX).enumerate() {
            match self.write(key, part.iter().map(|i| samples[*i]).collect()).await {
                Ok(written) => {
                    part.iter().zip(written).for_each(|(i, outcome)| outcomes[*i] = Ok(outcome));
                }
                Err(error) => {
                    // Stop: a later part would raise the floor above this one, whose resend would be too old.
                    let rest = &order[n_done * APPEND_MAX..];
                    for i in rest {
                        outcomes[*i] = Err(error.clone());
                    }
                    break;
                }
            }
        }
        outcomes
    }

    /// Judges the samples that wait in the inbox of a series.
    pub(crate) async fn drain(&self, key: &SeriesKey) -> Result<(), WriteError> {
        self.write(key, Vec::new()).await.map(|_| ())
    }

    async fn write(
        &self,
        key: &SeriesKey,
        samples: Vec<NewSample>,
    ) -> Result<Vec<SampleOutcome>, WriteError> {
        match self.enqueue(std::iter::once((key.clone(), samples))).pop() {
            Some(queued) => receive(queued).await,
            None => Err(WriteError::Aborted),
        }
    }

    /// Queues samples for the next round of each series, and starts the rounds of idle series together.
    fn enqueue(
        &self,
        batch: impl Iterator<Item = (SeriesKey, Vec<NewSample>)>,
    ) -> Vec<Result<QueuedOutcomes, WriteError>> {
        let (mut idle, mut n_samples) = (Vec::new(), 0);
        let mut queues = self.queues.lock();
        let enqueue = |(key, samples): (SeriesKey, Vec<NewSample>)| {
            n_samples += samples.len();
            let (reply, outcomes) = oneshot::channel();
            let queue = queues.entry(key.clone()).or_insert_with(|| {
                idle.push(key);
                VecDeque::new()
            });
            if queue.len() >= QUEUE_LEN_MAX {
                return Err(WriteError::Overloaded);
            }
            queue.push_back(WriteRequest { samples, reply });
            Ok(outcomes)
        };
        let queued = batch.map(enqueue).collect();
        drop(queues);
        if !idle.is_empty() {
            let (runner, queues) = (Arc::clone(&self.runner), Arc::clone(&self.queues));
            let rounds = SeriesRounds { runner, queues, keys: idle }.run();
            // Neither is awaited: the requests wait for their outcomes.
            if n_samples > LIGHT_SAMPLES_MAX {
                drop(low_priority::spawn(rounds));
            } else {
                drop(tokio::spawn(rounds));
            }
        }
        queued
    }
}

async fn receive(
    queued: Result<QueuedOutcomes, WriteError>,
) -> Result<Vec<SampleOutcome>, WriteError> {
    // The sender is dropped unused only by a round that panicked.
    queued?.await.unwrap_or(Err(WriteError::Aborted))
}

/// Successive rounds of some series, until none of them has requests.
struct SeriesRounds {
    runner: Arc<RoundRunner>,
    queues: Arc<WriteQueues>,
    /// Series with a queue.
    keys: Vec<SeriesKey>,
}

impl Drop for SeriesRounds {
    /// After a panic, drops the queues: their requests fail, and the next request starts a new task.
    fn drop(&mut self) {
        let mut queues = self.queues.lock();
        for key in &self.keys {
            queues.remove(key);
        }
    }
}

impl SeriesRounds {
    async fn run(mut self) {
        loop {
            let round = self.next_round();
            if round.is_empty() {
                return;
            }
            let queues = &self.queues;
            let take_queue = |key: &SeriesKey| {
                queues.lock().get_mut(key).map(std::mem::take).unwrap_or_default()
            };
            self.runner.run(round, &take_queue).await;
        }
    }

    /// Takes the next requests of each series; removes the queues of series without requests.
    ///
    /// The removal is under the same lock, so no request can join rounds that have ended.
    fn next_round(&mut self) -> Vec<(SeriesKey, Vec<WriteRequest>)> {
        let mut round = Vec::with_capacity(self.keys.len());
        let mut queues = self.queues.lock();
        self.keys.retain(|key| {
            let requests = queues.get_mut(key).map(take_requests).unwrap_or_default();
            if requests.is_empty() {
                queues.remove(key);
                return false;
            }
            round.push((key.clone(), requests));
            true
        });
        round
    }
}

/// Takes requests from a queue: as many as fit one append, at least one.
fn take_requests(queue: &mut VecDeque<WriteRequest>) -> Vec<WriteRequest> {
    let (mut requests, mut n_samples) = (Vec::new(), 0);
    while let Some(request) = queue.front() {
        n_samples += request.samples.len();
        if n_samples > APPEND_MAX && !requests.is_empty() {
            break;
        }
        requests.extend(queue.pop_front());
    }
    requests
}
