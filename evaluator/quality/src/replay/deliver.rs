//! Concurrent senders that take batches in turn, wait until each is due, and retry failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::answer::ReplayedSample;
use super::batch::{Batch, Destination};
use super::client::{Client, Reply};
use super::outcome::Log;
use super::retry::{self, ATTEMPTS_MAX};
use super::tally::Attempts;

/// Batches with the times at which they are due.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) client: Client,
    pub(super) batches: Vec<Batch>,
    /// Due time of each batch, from the start.
    pub(super) dues: Vec<Duration>,
    pub(super) destination: Destination,
    pub(super) n_writers: usize,
}

/// A batch that has its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Samples in the batch.
    pub n_samples: usize,
    /// One line for each anomaly of the answer.
    pub anomalies: Vec<String>,
}

/// A delivery in progress, shared by its senders.
struct Progress {
    delivery: Delivery,
    next: AtomicUsize,
    start: Instant,
    answered: mpsc::UnboundedSender<Answered>,
}

/// Delivers every batch and returns the log and the seconds; fails as soon as the deployment refuses a request.
pub(super) async fn all(
    delivery: Delivery,
    on_answer: &mut impl FnMut(&Answered),
) -> anyhow::Result<(Log, f64)> {
    let (answered, mut answers) = mpsc::unbounded_channel();
    let n_writers = delivery.n_writers;
    let start = Instant::now();
    let progress = Arc::new(Progress { delivery, next: AtomicUsize::new(0), start, answered });
    let mut writers = JoinSet::new();
    for _ in 0..n_writers {
        writers.spawn(write(Arc::clone(&progress)));
    }
    let mut log = Log::default();
    loop {
        tokio::select! {
            biased;
            Some(batch) = answers.recv() => on_answer(&batch),
            ended = writers.join_next() => match ended {
                // An error returns early, which drops the set and stops the other senders.
                Some(part) => log += part.context("a sender stopped")??,
                None => break,
            },
        }
    }
    while let Ok(batch) = answers.try_recv() {
        on_answer(&batch);
    }
    Ok((log, start.elapsed().as_secs_f64()))
}

/// One sender: takes the next batch until there is none.
async fn write(progress: Arc<Progress>) -> anyhow::Result<Log> {
    let mut log = Log::default();
    loop {
        let turn = progress.next.fetch_add(1, Ordering::Relaxed);
        let Some(batch) = progress.delivery.batches.get(turn) else {
            return Ok(log);
        };
        tokio::time::sleep_until(progress.start + progress.delivery.dues[turn]).await;
        let anomalies = deliver(&progress.delivery, turn, batch, &mut log).await?;
        // Sending fails only if the receiver has returned with an error.
        let _returned = progress.answered.send(Answered { n_samples: batch.len(), anomalies });
    }
}

/// Sends one batch until it is answered or all attempts have failed, and returns a line for each anomaly; each
/// attempt goes to the next replica.
async fn deliver(
    delivery: &Delivery,
    turn: usize,
    batch: &Batch,
    log: &mut Log,
) -> anyhow::Result<Vec<String>> {
    let body = batch.body(&delivery.destination);
    let n_samples = batch.len() as u64;
    let mut attempts = Attempts::default();
    for n_attempt in 1..=ATTEMPTS_MAX {
        let sent = Instant::now();
        let reply = delivery.client.attempt(turn + n_attempt as usize - 1, &body).await?;
        log.latencies_ms.push(sent.elapsed().as_secs_f64() * 1e3);
        match reply {
            Reply::Answered(answer) => {
                log.counts += attempts.answered(n_samples, &answer);
                let anomalies =
                    answer.verdicts.iter().filter_map(ReplayedSample::anomaly).collect();
                log.verdicts.extend(answer.verdicts);
                return Ok(anomalies);
            }
            Reply::Failed { partial, retry_after, why } => {
                attempts.failed(&partial);
                log.verdicts.extend(partial.verdicts);
                log.failure = Some(why);
                if n_attempt < ATTEMPTS_MAX {
                    log.n_retries += 1;
                    tokio::time::sleep(retry::wait(n_attempt, retry_after)).await;
                }
            }
        }
    }
    log.counts += attempts.given_up(n_samples);
    Ok(Vec::new())
}
