//! What is done without a request: judging what waits, noticing silence, bringing episodes and configurations to history.
//!
//! Any number of sweeps may run at once, on any replica: each step is a compare-and-set or comes to the same twice. A
//! sweep is bounded in series and in time; what it leaves is there for the next.

use std::time::Duration;

use detector::{EpisodeChanges, MemoryOrigin, SilenceCheck};
use domain::SeriesKey;
use futures_util::stream::{self, StreamExt};
use store::{Commit, CommitOutcome, EpisodeUpdate, MemoryPatch, SeriesState};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::answers::SweepAnswer;
use crate::clock::now_us;
use crate::error::ServiceError;
use crate::round::judge_under;
use crate::service::Service;
use crate::store_metrics::StoreOperation;

/// Series judged, looked at or saved at once: enough to fill a round trip.
const AT_ONCE: usize = 16;

/// Most series that one sweep judges, most that it looks at, and most that it saves.
const SWEPT_MAX: usize = 1_000;

/// When a series is looked at again that could not be looked at now, in microseconds: ten minutes.
const LATER_US: i64 = 600_000_000;

/// When a series is looked at again that is silent and maintenance, in microseconds: a minute.
const MUTED_US: i64 = 60_000_000;

/// Longest time that one sweep spends on history.
const HISTORY_TIMEOUT: Duration = Duration::from_secs(20);

impl Service {
    /// Judges what waits in any series, notices series that fell silent, and brings to history what it
    /// does not hold.
    pub async fn sweep(&self) -> Result<SweepAnswer, ServiceError> {
        let mut answer = SweepAnswer::default();
        self.judge_pending(&mut answer).await?;
        self.look_for_silence(&mut answer).await?;
        let on_history = async {
            self.mirror_configs(&mut answer).await;
            self.save_episodes(&mut answer).await;
        };
        if timeout(HISTORY_TIMEOUT, on_history).await.is_err() {
            warn!("history took too long, the next sweep goes on");
            answer.more = true;
        }
        Ok(answer)
    }

    async fn judge_pending(&self, answer: &mut SweepAnswer) -> Result<(), ServiceError> {
        let keys =
            self.totals().measure(StoreOperation::List, self.store().pending(SWEPT_MAX)).await?;
        answer.series = keys.len();
        answer.more |= keys.len() == SWEPT_MAX;
        let drained = stream::iter(keys).map(|key| async move { self.writer().drain(&key).await });
        answer.judged = drained
            .buffer_unordered(AT_ONCE)
            .filter(|drained| std::future::ready(drained.is_ok()))
            .count()
            .await;
        answer.failed = answer.series - answer.judged;
        Ok(())
    }

    async fn look_for_silence(&self, answer: &mut SweepAnswer) -> Result<(), ServiceError> {
        let now_us = now_us();
        let keys = self
            .totals()
            .measure(StoreOperation::List, self.store().due_silence_checks(now_us, SWEPT_MAX))
            .await?;
        answer.checked = keys.len();
        answer.more |= keys.len() == SWEPT_MAX;
        let looked = stream::iter(keys).map(|key| async move {
            let looked = self.look_at(&key, now_us).await;
            looked.inspect_err(|error| warn!(code = error.code(), %error, "series not looked at"))
        });
        answer.silent = looked
            .buffer_unordered(AT_ONCE)
            .filter(|looked| std::future::ready(matches!(looked, Ok(true))))
            .count()
            .await;
        Ok(())
    }

    /// Answers whether the series fell silent, and nobody noticed before.
    async fn look_at(&self, key: &SeriesKey, now_us: i64) -> Result<bool, ServiceError> {
        let state = self
            .totals()
            .measure(StoreOperation::Read, self.store().read(key))
            .await?
            .filter(|state| !state.has_no_sample());
        let Some(state) = state else {
            self.totals()
                .measure(
                    StoreOperation::Commit,
                    self.store().reschedule_silence_check(key, SilenceCheck::Never),
                )
                .await?; // It was forgotten, or has expired.
            return Ok(false);
        };
        match self.silence_of(&state, now_us) {
            Seen::Gone(commit) => {
                let is_silent = commit.episode_update.n_silences > 0;
                let committed = self
                    .totals()
                    .measure(StoreOperation::Commit, self.store().commit(key, &commit))
                    .await;
                self.totals().note_commit(&commit, &committed);
                let committed = committed?;
                let is_told = matches!(committed, CommitOutcome::Committed { .. }) && is_silent;
                if is_told {
                    info!(series = ?key.series(), "series fell silent");
                }
                Ok(is_told) // Otherwise a sample came, or another sweep was faster, or nobody listens for gaps.
            }
            Seen::There(look) => {
                self.totals()
                    .measure(
                        StoreOperation::Commit,
                        self.store().reschedule_silence_check(key, look),
                    )
                    .await?;
                Ok(false)
            }
        }
    }

    fn silence_of(&self, state: &SeriesState, now_us: i64) -> Seen {
        let later = Seen::There(SilenceCheck::At(now_us + LATER_US));
        // What waits is judged first; what this deployment may not judge, or has lost its memory, is not its to tell.
        let Ok(mut judge) = judge_under(self.deployed(), state) else { return later };
        if !state.inbox.is_empty() || judge.origin() != MemoryOrigin::Stored {
            return later;
        }
        let mut changes = EpisodeChanges::since(judge.memory());
        if !judge.mark_silent(now_us) {
            let look = judge.silent_from_us().map_or(SilenceCheck::Never, |from_us| {
                SilenceCheck::At(if from_us <= now_us { now_us + MUTED_US } else { from_us })
            });
            return Seen::There(look);
        }
        changes.record(judge.memory());
        judge.next_silence_check();
        let memory = judge.memory();
        Seen::Gone(Commit {
            version: state.version,
            revision: state.revision(),
            memory: MemoryPatch::whole(&memory.encode()),
            cursor_us: memory.cursor_us.unwrap_or_default(),
            floor_us: memory.floor_us,
            judgements: Vec::new(),
            episode_update: EpisodeUpdate {
                episodes: changes.records().to_vec(),
                is_notable: true,
                n_silences: u64::from(memory.silence.is_silent),
                silence_check: Some(SilenceCheck::Never),
            },
        })
    }
}

/// What a look at a series came to.
enum Seen {
    /// It is silent, or its episode is over without another sample, and this says so.
    Gone(Commit),
    /// It is not, or not to be told of: look again then.
    There(SilenceCheck),
}
