//! Appends, judges and commits: the loop of every writer of a series.
//!
//! Samples of a series that arrive while a round of it is under way in this process join the next round, so a hot
//! series batches itself and does not conflict with its own process. The series of a request go through their rounds
//! together, so that a batch is one round trip for each step. Of a series that this process still knows, and of one that
//! is probably new, the samples are judged first, and appended and committed by one step.
//!
//! A round runs in a task of its own: a client that hangs up cancels nobody else. There is no timer and no lock over a
//! wait.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use detector::DeployedDetector;
use domain::SeriesKey;
use futures_util::future::join_all;
use store::{APPEND_MAX, NewSample, Store};
use tokio::sync::oneshot;

use crate::config::Config;
use crate::fate::{Fate, WriteError};
use crate::known::Known;
use crate::metrics::Totals;
use crate::round::Begun;

/// Most requests of one series that may wait for its next round: past it they are told to come again.
const WAITING_MAX: usize = 4_096;

/// Writes series, one round at a time each.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    inner: Arc<Inner>,
}

/// What the rounds share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) totals: Arc<Totals>,
    pub(crate) deployed: DeployedDetector,
    pub(crate) known: Known,
    /// Whether the last series that was not known turned out to be new: the next one is taken for new, too.
    pub(crate) expects_new: AtomicBool,
    // A `std::sync::Mutex` and not a Tokio one: it is never held over a wait.
    rounds: Mutex<HashMap<SeriesKey, VecDeque<Work>>>,
}

/// Samples of one request, and where to say what became of them.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) samples: Vec<NewSample>,
    pub(crate) answer: oneshot::Sender<Result<Vec<Fate>, WriteError>>,
}

/// A request among those of the next round of its series.
enum Joined {
    Waiting(oneshot::Receiver<Result<Vec<Fate>, WriteError>>),
    /// Too many wait.
    Refused,
}

impl Joined {
    async fn fates(self) -> Result<Vec<Fate>, WriteError> {
        match self {
            // A sender that is gone without a word was dropped by a round that panicked.
            Self::Waiting(fates) => fates.await.unwrap_or(Err(WriteError::Aborted)),
            Self::Refused => Err(WriteError::Overloaded),
        }
    }
}

/// What became of each sample of a request in one series.
pub(crate) type Fates = Vec<Result<Fate, WriteError>>;

impl Writer {
    /// A writer that keeps judges of the series that it wrote last, at most so many bytes of them.
    pub(crate) fn new(store: Arc<dyn Store>, totals: Arc<Totals>, config: &Config) -> Self {
        let (known, deployed) = (Known::new(config.judge_cache_bytes_max), config.deployed);
        let (expects_new, rounds) = (AtomicBool::new(true), Mutex::default());
        Self { inner: Arc::new(Inner { store, totals, deployed, known, expects_new, rounds }) }
    }

    /// Writes samples of some series, each named once, and says for each sample what became of it.
    ///
    /// More samples of a series than fit one round go round by round, in time order.
    pub(crate) async fn write_all(&self, batch: Vec<(SeriesKey, Vec<NewSample>)>) -> Vec<Fates> {
        let joined = self.join_rounds(batch.iter().map(|(key, samples)| {
            (key.clone(), if samples.len() > APPEND_MAX { None } else { Some(samples.clone()) })
        }));
        let written = batch.iter().zip(joined).map(|((key, samples), joined)| async move {
            match joined {
                Some(joined) => match joined.fates().await {
                    Ok(fates) => fates.into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error); samples.len()],
                },
                None => self.write_long(key, samples).await,
            }
        });
        join_all(written).await
    }

    async fn write_long(&self, key: &SeriesKey, samples: &[NewSample]) -> Fates {
        let mut order: Vec<usize> = (0..samples.len()).collect();
        order.sort_by_key(|i| samples[*i].at_us.unwrap_or(i64::MAX));
        let mut fates: Vec<Option<Result<Fate, WriteError>>> = vec![None; samples.len()];
        for part in order.chunks(APPEND_MAX) {
            let part_samples = part.iter().map(|i| samples[*i]).collect();
            match self.join_round(key, part_samples).await {
                Ok(part_fates) => {
                    part.iter().zip(part_fates).for_each(|(i, fate)| fates[*i] = Some(Ok(fate)));
                }
                Err(error) => {
                    // A later part would raise the floor over this one, and its resend would be too old.
                    let fates = fates.into_iter();
                    return fates.map(|fate| fate.unwrap_or_else(|| Err(error.clone()))).collect();
                }
            }
        }
        fates.into_iter().map(|fate| fate.unwrap_or(Err(WriteError::Aborted))).collect()
    }

    /// Judges what waits in a series.
    pub(crate) async fn drain(&self, key: &SeriesKey) -> Result<(), WriteError> {
        self.join_round(key, Vec::new()).await.map(|_| ())
    }

    async fn join_round(
        &self,
        key: &SeriesKey,
        samples: Vec<NewSample>,
    ) -> Result<Vec<Fate>, WriteError> {
        let one = std::iter::once((key.clone(), Some(samples)));
        match self.join_rounds(one).into_iter().flatten().next() {
            Some(joined) => joined.fates().await,
            None => Err(WriteError::Aborted),
        }
    }

    /// Joins the next round of each series, where there is something to write; rounds that are not under way begin, those
    /// of this call together.
    fn join_rounds(
        &self,
        batch: impl Iterator<Item = (SeriesKey, Option<Vec<NewSample>>)>,
    ) -> Vec<Option<Joined>> {
        let mut idle = Vec::new();
        let joined = {
            let mut rounds = self.inner.rounds();
            let join = |(key, samples): (SeriesKey, Option<Vec<NewSample>>)| {
                let (answer, fates) = oneshot::channel();
                let work = Work { samples: samples?, answer };
                let waiting = rounds.entry(key.clone()).or_insert_with(|| {
                    idle.push(key);
                    VecDeque::new()
                });
                if waiting.len() >= WAITING_MAX {
                    return Some(Joined::Refused);
                }
                waiting.push_back(work);
                Some(Joined::Waiting(fates))
            };
            batch.map(join).collect()
        };
        if !idle.is_empty() {
            tokio::spawn(Rounds { inner: Arc::clone(&self.inner), keys: idle }.run());
        }
        joined
    }
}

impl Inner {
    pub(crate) fn rounds(&self) -> MutexGuard<'_, HashMap<SeriesKey, VecDeque<Work>>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rounds of some series, until nothing waits for another.
struct Rounds {
    inner: Arc<Inner>,
    /// Those that have not ended.
    keys: Vec<SeriesKey>,
}

impl Drop for Rounds {
    /// After a panic those who wait are let go, and the next request starts again.
    fn drop(&mut self) {
        let mut rounds = self.inner.rounds();
        for key in &self.keys {
            rounds.remove(key);
        }
    }
}

impl Rounds {
    async fn run(mut self) {
        loop {
            let begun = self.begin();
            if begun.is_empty() {
                return;
            }
            self.inner.round(begun).await;
        }
    }

    /// The next round of each series; those for which nothing waits have ended.
    ///
    /// They leave the map under the same lock, so none can join rounds that have ended.
    fn begin(&mut self) -> Vec<Begun> {
        let mut begun = Vec::with_capacity(self.keys.len());
        let mut rounds = self.inner.rounds();
        self.keys.retain(|key| {
            let works = rounds.get_mut(key).map(take_works).unwrap_or_default();
            if works.is_empty() {
                rounds.remove(key);
                return false;
            }
            begun.push(Begun { key: key.clone(), works });
            true
        });
        begun
    }
}

/// The first requests of a queue: as many as fit one append, at least one.
fn take_works(waiting: &mut VecDeque<Work>) -> Vec<Work> {
    let (mut works, mut n_samples) = (Vec::new(), 0);
    while let Some(work) = waiting.front() {
        n_samples += work.samples.len();
        if n_samples > APPEND_MAX && !works.is_empty() {
            break;
        }
        works.extend(waiting.pop_front());
    }
    works
}
