//! Use case without a request: judges pending samples, detects silent series, notifies, saves episodes and configurations.
//!
//! Any replica may sweep at any time, several at once: each step is a compare-and-set or idempotent. A sweep is bounded
//! in series and time; the next one continues.

use std::time::Duration;

use detector::{EpisodeChanges, MemoryOrigin, SilenceCheck};
use domain::SeriesKey;
use futures_util::stream::{self, StreamExt};
use store::{Commit, CommitOutcome, EpisodeUpdate, MemoryPatch, SeriesState};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::answers::SweepAnswer;
use crate::clock::steady_us;
use crate::error::ServiceError;
use crate::metrics::StoreOperation;
use crate::service::Service;
use crate::write::restore_judge;

/// Series processed concurrently: enough to fill a round trip.
const CONCURRENCY: usize = 16;

/// Series that one sweep judges, and that it checks for silence.
const SWEPT_MAX: usize = 1_000;

/// Delay of the next silence check of a series that cannot be checked now: ten minutes, in microseconds.
const RETRY_US: i64 = 600_000_000;

/// Delay of the next silence check of a silent series in maintenance: a minute, in microseconds.
const MAINTENANCE_RETRY_US: i64 = 60_000_000;

/// Time that one sweep spends on rounds of notifications.
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(10);

/// Time that one sweep spends on the history.
const HISTORY_TIMEOUT: Duration = Duration::from_secs(20);

impl Service {
    /// Sweeps once.
    pub async fn sweep(&self) -> Result<SweepAnswer, ServiceError> {
        let mut answer = SweepAnswer::default();
        let judged = self.judge_pending(&mut answer).await;
        let checked = self.check_silence(&mut answer).await;
        // Receivers are notified at once of episodes that changed in this sweep.
        self.notify_all(&mut answer).await;
        judged.and(checked)?;
        let on_history = async {
            self.back_up_configs(&mut answer).await;
            self.save_episodes(&mut answer).await;
        };
        if timeout(HISTORY_TIMEOUT, on_history).await.is_err() {
            warn!("history too slow, the next sweep continues");
            answer.more = true;
        }
        Ok(answer)
    }

    /// Notifies until nothing is due, within a bound of time.
    async fn notify_all(&self, answer: &mut SweepAnswer) {
        let until = Instant::now() + NOTIFY_TIMEOUT;
        loop {
            match self.notify().await {
                Ok(notified) => {
                    answer.notified += notified.delivered;
                    if !notified.more {
                        return;
                    }
                }
                Err(error) => {
                    return warn!(code = error.code(), %error, "alerts not checked");
                }
            }
            if Instant::now() >= until {
                answer.more = true;
                return;
            }
        }
    }

    async fn judge_pending(&self, answer: &mut SweepAnswer) -> Result<(), ServiceError> {
        let keys = self.measure(StoreOperation::List, self.store().pending(SWEPT_MAX)).await?;
        answer.series = keys.len();
        answer.more |= keys.len() == SWEPT_MAX;
        let drained = stream::iter(keys).map(|key| async move { self.writer().drain(&key).await });
        answer.judged = drained
            .buffer_unordered(CONCURRENCY)
            .filter(|drained| std::future::ready(drained.is_ok()))
            .count()
            .await;
        answer.failed = answer.series - answer.judged;
        Ok(())
    }

    async fn check_silence(&self, answer: &mut SweepAnswer) -> Result<(), ServiceError> {
        let now_us = steady_us();
        let due = self.store().due_silence_checks(now_us, SWEPT_MAX);
        let keys = self.measure(StoreOperation::List, due).await?;
        answer.checked = keys.len();
        answer.more |= keys.len() == SWEPT_MAX;
        let checks = stream::iter(keys).map(|key| async move {
            let check = self.check_series(&key, now_us).await;
            check.inspect_err(|error| warn!(code = error.code(), %error, "silence not checked"))
        });
        answer.silent = checks
            .buffer_unordered(CONCURRENCY)
            .filter(|check| std::future::ready(matches!(check, Ok(true))))
            .count()
            .await;
        Ok(())
    }

    /// Checks one series; returns whether it newly fell silent.
    async fn check_series(&self, key: &SeriesKey, now_us: i64) -> Result<bool, ServiceError> {
        let state = match self.read(key).await {
            Ok(state) => state,
            Err(ServiceError::NotFound) => {
                // The series was deleted or has expired.
                self.reschedule(key, SilenceCheck::Never).await?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        match self.silence_of(key, &state, now_us) {
            SilenceResult::Ended(commit) => {
                let call = self.store().commit(key, &commit);
                let outcome = self.measure(StoreOperation::Commit, call).await;
                self.totals().note_commit(&commit, &outcome);
                // On a conflict a sample arrived, or another sweep was faster.
                let is_committed = matches!(outcome?, CommitOutcome::Committed { .. });
                // Without a silence only an open episode ended: the detector ignores gaps.
                let fell_silent = is_committed && commit.episode_update.n_silences > 0;
                if fell_silent {
                    info!(series = ?key.series(), "series fell silent");
                }
                Ok(fell_silent)
            }
            SilenceResult::CheckAgain(check) => {
                self.reschedule(key, check).await?;
                Ok(false)
            }
        }
    }

    async fn reschedule(&self, key: &SeriesKey, check: SilenceCheck) -> Result<(), ServiceError> {
        let call = self.store().reschedule_silence_check(key, check);
        Ok(self.measure(StoreOperation::Commit, call).await?)
    }

    fn silence_of(&self, key: &SeriesKey, state: &SeriesState, now_us: i64) -> SilenceResult {
        let retry = SilenceResult::CheckAgain(SilenceCheck::At(now_us + RETRY_US));
        // Pending samples are judged first, and a lost or foreign memory is left to the next write.
        let Ok(mut judge) = restore_judge(self.deployed_for(key), state) else { return retry };
        if !state.inbox.is_empty() || judge.origin() != MemoryOrigin::Stored {
            return retry;
        }
        let mut changes = EpisodeChanges::since(judge.memory());
        if !judge.mark_silent(now_us) {
            let check = judge.silent_from_us().map_or(SilenceCheck::Never, |from_us| {
                let is_in_maintenance = from_us <= now_us;
                let next_us =
                    if is_in_maintenance { now_us + MAINTENANCE_RETRY_US } else { from_us };
                SilenceCheck::At(next_us)
            });
            return SilenceResult::CheckAgain(check);
        }
        changes.record(judge.memory());
        judge.next_silence_check();
        let memory = judge.memory();
        SilenceResult::Ended(Commit {
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

/// Result of a silence check.
enum SilenceResult {
    /// The series fell silent, or its open episode ended for lack of samples: commit this.
    Ended(Commit),
    /// The series is not silent, or is in maintenance: check it again.
    CheckAgain(SilenceCheck),
}
