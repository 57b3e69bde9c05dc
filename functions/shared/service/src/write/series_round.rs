//! One series in a round, from its queued requests to their answers.

use detector::{Judge, MemoryOrigin};
use domain::SeriesKey;
use store::{Append, NewSample};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::judge_cache::CachedJudge;
use super::outcome_tracker::OutcomeTracker;
use super::sample_outcome::{SampleOutcome, StoredSample, WriteError};

/// Samples of one request in one series, with the channel of their outcomes.
#[derive(Debug)]
pub(super) struct WriteRequest {
    pub(super) samples: Vec<NewSample>,
    pub(super) reply: oneshot::Sender<Result<Vec<SampleOutcome>, WriteError>>,
}

/// Requests of one series that share a round, and its state in the round.
#[derive(Debug)]
pub(super) struct SeriesRound {
    pub(super) key: SeriesKey,
    pub(super) requests: Vec<WriteRequest>,
    /// Position of each appended sample among those of the requests.
    pub(super) order: Vec<usize>,
    /// Judge of the series; ahead of the store by `judged`.
    pub(super) cached: Option<CachedJudge>,
    /// Samples judged but not yet committed.
    pub(super) judged: Vec<StoredSample>,
    pub(super) outcomes: OutcomeTracker,
}

impl SeriesRound {
    pub(super) fn new(key: SeriesKey, requests: Vec<WriteRequest>) -> Self {
        Self {
            key,
            requests,
            order: Vec::new(),
            cached: None,
            judged: Vec::new(),
            outcomes: OutcomeTracker::default(),
        }
    }

    /// Returns the samples of all requests, in order.
    pub(super) fn samples(&self) -> Vec<NewSample> {
        self.requests.iter().flat_map(|request| request.samples.iter().copied()).collect()
    }

    /// Builds the append of a series that is judged from the inbox.
    pub(super) fn append_to_inbox(&mut self, samples: Vec<NewSample>) -> Append {
        self.order = (0..samples.len()).collect();
        let cached_version = self.cached.as_ref().map_or(0, |cached| cached.version);
        Append { key: self.key.clone(), samples, cached_version, optimistic: None }
    }

    /// Logs if the memory of a restored judge was rebuilt.
    pub(super) fn log_origin(&self, judge: &Judge) {
        let series = self.key.series();
        match judge.origin() {
            MemoryOrigin::Relearned => warn!(?series, "memory lost, relearned from the window"),
            MemoryOrigin::Migrated => {
                let detector = judge.memory().detector;
                info!(?series, %detector, "memory migrated to another detector");
            }
            MemoryOrigin::New | MemoryOrigin::Stored => {}
        }
    }

    /// Answers every request whose samples were committed optimistically.
    pub(super) fn reply_committed(self) {
        let outcomes = self.judged.into_iter().map(SampleOutcome::Accepted).collect();
        reply(self.requests, &self.order, Ok(outcomes));
    }

    /// Answers every request with its outcomes, or with the error that prevented them.
    pub(super) fn reply(self, result: Result<(), WriteError>) {
        let outcomes = result.and_then(|()| self.outcomes.into_outcomes());
        reply(self.requests, &self.order, outcomes);
    }
}

/// Sends each request its share of the outcomes, which are in the order of the append.
fn reply(
    requests: Vec<WriteRequest>,
    order: &[usize],
    outcomes: Result<Vec<SampleOutcome>, WriteError>,
) {
    let mut outcomes = outcomes.map(|outcomes| {
        let mut sorted: Vec<(usize, SampleOutcome)> = order.iter().copied().zip(outcomes).collect();
        sorted.sort_unstable_by_key(|(i, _)| *i);
        sorted.into_iter().map(|(_, outcome)| outcome)
    });
    for WriteRequest { samples, reply } in requests {
        let share = match &mut outcomes {
            Ok(outcomes) => Ok(outcomes.take(samples.len()).collect()),
            Err(error) => Err(error.clone()),
        };
        // The client may have disconnected; its samples are stored all the same.
        let _disconnected = reply.send(share);
    }
}
