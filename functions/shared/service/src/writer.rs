//! Appends, judges and commits: the loop of every writer of a series.
//!
//! Samples of a series that arrive while a round of it is under way in this process join the next round, so a hot
//! series batches itself and does not conflict with its own process. A round runs in a task of its own: a client
//! that hangs up cancels nobody else. There is no timer and no lock over a wait.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use detector::{Deployed, Judge, Judgement, Kind, Origin, RestoreError, Sample, SeriesConfig};
use store::{
    APPEND_MAX, Commit, Committed, INBOX_READ_MAX, NewSample, SeriesKey, SeriesStore, State,
};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::failpoint::{Step, reach};
use crate::fate::{Fate, Round, Said, WriteError};

/// Most rounds of commit for one append: each conflict is another writer's progress, so more means a broken store.
const COMMITS_MAX: usize = 64;

/// Most requests of one series that may wait for its next round: past it they are told to come again.
const WAITING_MAX: usize = 4_096;

/// Writes series, one round at a time each.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn SeriesStore>,
    deployed: Deployed,
    // A `std::sync::Mutex` and not a Tokio one: it is never held over a wait.
    rounds: Mutex<HashMap<SeriesKey, VecDeque<Work>>>,
}

/// Samples of one request, and where to say what became of them.
#[derive(Debug)]
struct Work {
    samples: Vec<NewSample>,
    answer: oneshot::Sender<Result<Vec<Fate>, WriteError>>,
}

impl Writer {
    pub(crate) fn new(store: Arc<dyn SeriesStore>, deployed: Deployed) -> Self {
        Self { inner: Arc::new(Inner { store, deployed, rounds: Mutex::default() }) }
    }

    /// Writes samples of a series, and says for each what became of it; none judges only what waits.
    ///
    /// More than fit one round go round by round, in time order.
    pub(crate) async fn write(
        &self,
        key: &SeriesKey,
        samples: Vec<NewSample>,
    ) -> Vec<Result<Fate, WriteError>> {
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
        let (answer, fates) = oneshot::channel();
        let work = Work { samples, answer };
        let is_idle = {
            let mut rounds = self.inner.rounds();
            let is_idle = !rounds.contains_key(key);
            let waiting = rounds.entry(key.clone()).or_default();
            if waiting.len() >= WAITING_MAX {
                return Err(WriteError::Overloaded);
            }
            waiting.push_back(work);
            is_idle
        };
        if is_idle {
            let rounds = Rounds {
                inner: Arc::clone(&self.inner),
                key: key.clone(),
                is_over: false,
                known: Mutex::default(),
            };
            tokio::spawn(rounds.run());
        }
        // A sender that is gone without a word was dropped by a round that panicked.
        fates.await.unwrap_or(Err(WriteError::Aborted))
    }
}

impl Inner {
    fn rounds(&self) -> MutexGuard<'_, HashMap<SeriesKey, VecDeque<Work>>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rounds of one series, until nothing waits for another.
struct Rounds {
    inner: Arc<Inner>,
    key: SeriesKey,
    is_over: bool,
    // A `std::sync::Mutex` and not a Tokio one: it is never held over a wait.
    known: Mutex<Known>,
}

/// What the last round left behind: a hint, held against the store's version before it is used.
#[derive(Debug, Default)]
struct Known {
    /// The version that the store will have when the commit under way succeeds; 0 when none is known.
    version: i64,
    held: Option<Held>,
}

/// The judge of a series, and the configuration that it judges under.
#[derive(Debug)]
struct Held {
    judge: Judge,
    /// 0 for none.
    revision: i64,
}

impl Drop for Rounds {
    /// After a panic those who wait are let go, and the next request starts again.
    fn drop(&mut self) {
        if !self.is_over {
            self.inner.rounds().remove(&self.key);
        }
    }
}

/// A round whose samples have been appended.
struct Begun {
    works: Vec<Work>,
    appended: Result<(Round, Option<State>), WriteError>,
}

impl Rounds {
    /// Round after round: what waits is appended while the round before is judged and committed.
    ///
    /// Both travel on one connection in that order, so the append sees the commit; where it does not, the next commit
    /// finds another version, as with any other writer.
    async fn run(mut self) {
        while let Some(works) = self.next_works() {
            let mut begun = self.begin(works).await;
            while self.is_in_step(&begun) {
                let works = self.waiting_works();
                if works.is_empty() {
                    break;
                }
                ((), begun) = tokio::join!(self.end(begun), self.begin(works));
            }
            if begun.appended.is_err() {
                // Who came while the store did not answer has waited as long, and need not wait again.
                begun.works.extend(self.all_waiting());
            }
            self.end(begun).await;
        }
    }

    /// Whether an append succeeded and saw the last commit of this writer.
    ///
    /// After a conflict it came before that commit. Such a round is ended alone: if the next one were appended
    /// meanwhile it would be as outdated, and so on for as long as requests wait.
    fn is_in_step(&self, begun: &Begun) -> bool {
        let known_version = self.known().version;
        match &begun.appended {
            Ok((_, Some(state))) => known_version == 0 || state.version == known_version,
            Ok((_, None)) => true,
            Err(_) => false,
        }
    }

    /// The requests of the next round; when none waits the rounds are over.
    ///
    /// The series leaves the map under the same lock, so none can join rounds that have ended.
    fn next_works(&mut self) -> Option<Vec<Work>> {
        let inner = Arc::clone(&self.inner);
        let mut rounds = inner.rounds();
        let works = rounds.get_mut(&self.key).map(take_works).unwrap_or_default();
        if works.is_empty() {
            rounds.remove(&self.key);
            self.is_over = true;
            return None;
        }
        Some(works)
    }

    /// The requests that wait now, possibly none.
    fn waiting_works(&self) -> Vec<Work> {
        self.inner.rounds().get_mut(&self.key).map(take_works).unwrap_or_default()
    }

    /// All requests that wait now.
    fn all_waiting(&self) -> VecDeque<Work> {
        self.inner.rounds().get_mut(&self.key).map(std::mem::take).unwrap_or_default()
    }

    /// Appends the samples of some requests, possibly none: the answer holds what others left.
    async fn begin(&self, works: Vec<Work>) -> Begun {
        let samples: Vec<NewSample> =
            works.iter().flat_map(|work| work.samples.iter().copied()).collect();
        let known_version = self.known().version;
        reach(Step::Append);
        let appended = self.inner.store.append(&self.key, &samples, known_version).await;
        reach(Step::Appended);
        let begun = appended.map(|it| (Round::new(&samples, &it.classes), it.state));
        Begun { works, appended: begun.map_err(WriteError::from) }
    }

    /// Judges and commits what was appended, and answers the requests.
    async fn end(&self, begun: Begun) {
        let fates = match begun.appended {
            Ok((round, state)) => self.judge_all(round, state).await,
            Err(error) => Err(error),
        };
        let mut fates = fates.map(Vec::into_iter);
        for Work { samples, answer } in begun.works {
            let part = match &mut fates {
                Ok(fates) => Ok(fates.take(samples.len()).collect()),
                Err(error) => Err(error.clone()),
            };
            // The client may have hung up; its samples are stored all the same.
            let _hung_up = answer.send(part);
        }
    }

    /// Judges and commits until none of the samples waits.
    async fn judge_all(
        &self,
        mut round: Round,
        mut state: Option<State>,
    ) -> Result<Vec<Fate>, WriteError> {
        for _ in 0..COMMITS_MAX {
            let Some(waiting) = state.filter(|state| !state.inbox.is_empty()) else { break };
            state = match self.judge_and_commit(&waiting).await? {
                Outcome::Stored(said) => {
                    round.resolve(&said);
                    self.after_commit(&mut round, said.len()).await?
                }
                Outcome::Conflict(now) => {
                    round.resolve_by_others(&now);
                    self.append_again(&mut round)
                        .await?
                        .or(Some(now))
                        .filter(|_| !round.is_resolved())
                }
            };
        }
        self.finish(round).await
    }

    /// What is left to judge after a commit: the rest of a long inbox, and samples that it had no room for.
    async fn after_commit(
        &self,
        round: &mut Round,
        n_judged: usize,
    ) -> Result<Option<State>, WriteError> {
        let mut state = None;
        if n_judged >= INBOX_READ_MAX {
            state = self.inner.store.read(&self.key).await?;
        }
        Ok(self.append_again(round).await?.or(state))
    }

    /// Appends the samples that were not kept, or that the store has lost meanwhile.
    async fn append_again(&self, round: &mut Round) -> Result<Option<State>, WriteError> {
        let missing = round.missing();
        if missing.is_empty() {
            return Ok(None);
        }
        let samples: Vec<NewSample> = missing.iter().map(|(_, sample)| *sample).collect();
        let appended = self.inner.store.append(&self.key, &samples, 0).await?;
        for ((i, _), class) in missing.iter().zip(&appended.classes) {
            round.set_class(*i, class);
        }
        Ok(appended.state)
    }

    async fn judge_and_commit(&self, waiting: &State) -> Result<Outcome, WriteError> {
        let Some(mut held) = self.judge_of(waiting)? else {
            // What was known is known no more, since a commit between failed: read it.
            let now = self.inner.store.read(&self.key).await?.unwrap_or_default();
            return Ok(Outcome::Conflict(now));
        };
        let said: Vec<Said> =
            waiting.inbox.iter().map(|sample| say(&mut held.judge, *sample)).collect();
        let judgements: Vec<Judgement> = said.iter().map(|it| it.judgement).collect();
        let memory = held.judge.memory();
        let newest_us = judgements.iter().map(|it| it.sample.at_us()).max().unwrap_or_default();
        let commit = Commit {
            version: waiting.version,
            revision: held.revision,
            memory: memory.encode(),
            cursor_us: memory.cursor_us.unwrap_or(newest_us),
            floor_us: memory.floor_us,
            judgements,
        };
        // The version of a first commit is the store's to choose; those that follow count up.
        let next_version = if waiting.version == 0 { 0 } else { waiting.version + 1 };
        *self.known() = Known { version: next_version, held: None };
        reach(Step::Judged);
        let committed = self.inner.store.commit(&self.key, &commit).await;
        reach(Step::Committed);
        *self.known() = match committed {
            Ok(Committed::Done { version }) => Known { version, held: Some(held) },
            _ => Known::default(),
        };
        Ok(match committed? {
            Committed::Done { .. } => Outcome::Stored(said),
            Committed::Conflict(now) => Outcome::Conflict(now),
        })
    }

    /// The judge of the series as it is stored; none when the store spared us what we do not hold any more.
    fn judge_of(&self, waiting: &State) -> Result<Option<Held>, WriteError> {
        if waiting.is_known {
            let known = std::mem::take(&mut *self.known());
            return Ok(known.held.filter(|_| known.version == waiting.version));
        }
        let judge = judge_under(self.inner.deployed, waiting)?;
        match judge.origin() {
            Origin::Relearned => {
                warn!(series = ?self.key.series(), "memory lost, relearned from the window");
            }
            Origin::Migrated => {
                info!(series = ?self.key.series(), detector = %judge.memory().detector, "memory migrated to another detector");
            }
            Origin::New | Origin::Stored => {}
        }
        Ok(Some(Held { judge, revision: waiting.revision() }))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills in what a window does not keep of an anomaly that another writer judged.
    async fn finish(&self, mut round: Round) -> Result<Vec<Fate>, WriteError> {
        if let Some(since_us) = round.oldest_without_expectation() {
            let anomalies =
                self.inner.store.anomalies(&self.key, since_us, store::ANOMALIES_KEPT_MAX).await?;
            let by_time: BTreeMap<i64, Judgement> =
                anomalies.iter().map(|it| (it.sample.at_us(), *it)).collect();
            round.fill_in(&by_time);
        }
        round.into_fates()
    }
}

/// The judge of a series as it is stored, under its own configuration where it has one.
pub(crate) fn judge_under(deployed: Deployed, state: &State) -> Result<Judge, RestoreError> {
    let none = SeriesConfig::default();
    let config = state.config.as_ref().map_or(&none, |it| &it.config);
    Judge::restore_configured(deployed, config, state.memory.as_deref(), state.window.clone())
}

/// Judges a sample, and says how far learning is while the series learns.
pub(crate) fn say(judge: &mut Judge, sample: Sample) -> Said {
    let judgement = judge.judge(sample);
    let is_learning = judgement.verdict.kind == Kind::Learning;
    Said { judgement, learning: is_learning.then(|| judge.learning()) }
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

enum Outcome {
    Stored(Vec<Said>),
    Conflict(State),
}
