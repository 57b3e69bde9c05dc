//! One round of some series: append, judge, commit, answer.
//!
//! Whatever ends it between two steps leaves its samples in the store, where the next writer finds them.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use detector::{DeployedDetector, EpisodeChanges, Judge, MemoryOrigin, RestoreError, SeriesConfig};
use domain::SeriesKey;
use domain::{EpisodePhase, EpisodeRecord};
use domain::{Judgement, Sample, VerdictKind};
use futures_util::future::join_all;
use store::{
    Append, AppendOutcome, Commit, CommitOutcome, EPISODES_KEPT_MAX, EpisodeUpdate, INBOX_READ_MAX,
    MemoryPatch, NewSample, OptimisticCommit, PastRange, ReceiptUpdate, SeriesState, StoreError,
};
use tracing::{info, warn};

use crate::ahead::{Ordered, fresh_in_order};
use crate::clock::now_us;
use crate::failpoint::{Failpoint, reach};
use crate::fate::{Fate, Round, Said, Told, WriteError};
use crate::known::Held;
use crate::store_metrics::StoreOperation;
use crate::writer::{Inner, Work};

/// Most rounds of commit for one append: each conflict is another writer's progress, so more means a broken store.
const COMMITS_MAX: usize = 64;

/// Series judged without a pause: about a tenth of a millisecond.
const SERIES_AT_A_STRETCH: usize = 8;

/// How often the receipt of a series is noted that is written without a pause: its time in lists is as exact.
const NOTED_EVERY_US: i64 = 1_000_000;

/// The requests of one series that share a round.
pub(crate) struct Begun {
    pub(crate) key: SeriesKey,
    pub(crate) works: Vec<Work>,
}

impl Begun {
    fn samples(&self) -> Vec<NewSample> {
        self.works.iter().flat_map(|work| work.samples.iter().copied()).collect()
    }

    /// Tells each request what became of its samples, which `fates` has in the order of `order`.
    fn answer(self, order: &[usize], fates: Result<Vec<Fate>, WriteError>) {
        let mut fates = fates.map(|fates| {
            let mut sorted: Vec<(usize, Fate)> = order.iter().copied().zip(fates).collect();
            sorted.sort_unstable_by_key(|(i, _)| *i);
            sorted.into_iter().map(|(_, fate)| fate)
        });
        for Work { samples, answer } in self.works {
            let part = match &mut fates {
                Ok(fates) => Ok(fates.take(samples.len()).collect()),
                Err(error) => Err(error.clone()),
            };
            // The client may have hung up; its samples are stored all the same.
            let _hung_up = answer.send(part);
        }
    }
}

/// What a round knows before it asks the store.
struct Prepared {
    /// As this process stored the series last; where it was judged ahead, as it will be then.
    held: Option<Held>,
    /// Where each appended sample stood among those of the requests.
    order: Vec<usize>,
    /// What was judged ahead.
    said: Vec<Said>,
}

/// A round on its way from append to answer.
struct Open {
    begun: Begun,
    order: Vec<usize>,
    round: Round,
    /// What came of its last commit; none where nothing waited.
    outcome: Option<Result<Outcome, WriteError>>,
}

/// What was judged of a series, to be stored.
struct Judged {
    held: Held,
    said: Vec<Said>,
    commit: Commit,
}

enum Outcome {
    Stored(Vec<Said>),
    Conflict(SeriesState),
}

impl Inner {
    /// One round of some series: what was judged ahead and is stored at once is answered; the rest is judged and
    /// committed together, and what others changed meanwhile is gone after one by one.
    pub(crate) async fn round(&self, begun: Vec<Begun>) {
        let (mut appends, mut prepared) = (Vec::new(), Vec::new());
        for (i, begun) in begun.iter().enumerate() {
            let_others_run(i).await;
            let (append, known) = self.prepare(begun);
            appends.push(append);
            prepared.push(known);
        }
        reach(Failpoint::Append);
        if prepared.iter().any(|it| !it.said.is_empty()) {
            reach(Failpoint::Judged);
        }
        let written =
            self.totals.measure(StoreOperation::Append, self.store.append_all(&appends)).await;
        self.totals.note_appends(&appends, &written);
        reach(Failpoint::Appended);
        if written.iter().any(|it| matches!(it, Ok(AppendOutcome::Committed { .. }))) {
            reach(Failpoint::Committed);
        }
        let (mut open, mut judged) = (Vec::new(), Vec::new());
        let rounds = begun.into_iter().zip(appends).zip(prepared).zip(written);
        for (i, (((begun, append), prepared), written)) in rounds.enumerate() {
            let_others_run(i).await;
            let appended = match written {
                Ok(AppendOutcome::Committed { version }) => {
                    self.tell_stored(begun, prepared, version);
                    continue;
                }
                Ok(AppendOutcome::Classified(appended)) => appended,
                Err(error) => {
                    self.fail(begun, &error.into());
                    continue;
                }
            };
            if let Some(state) = appended.state.as_ref().filter(|state| !state.is_cached) {
                self.expects_new.store(state.memory.is_none() && state.window.is_empty(), Relaxed);
            }
            // What was judged ahead in vain is not what is stored.
            let held = prepared.held.filter(|_| prepared.said.is_empty());
            match self.judge_appended(&begun.key, held, appended.state).await {
                Ok(it) => judged.push(it),
                Err(error) => {
                    begun.answer(&[], Err(error));
                    continue;
                }
            }
            let round = Round::new(&append.samples, &appended.classes);
            open.push(Open { begun, order: prepared.order, round, outcome: None });
        }
        self.commit(&mut open, judged).await;
        join_all(open.into_iter().map(|open| self.finish(open))).await;
    }

    /// What to append for a round: with what it comes to, where the series is known, or taken for new, and all samples
    /// are fresh to it.
    fn prepare(&self, begun: &Begun) -> (Append, Prepared) {
        let (key, samples) = (begun.key.clone(), begun.samples());
        let held = self.known.take(&key).or_else(|| self.new_series());
        let fresh = held
            .as_ref()
            .filter(|_| !samples.is_empty())
            .and_then(|held| fresh_in_order(self.store.as_ref(), &key, &held.judge, &samples));
        match (held, fresh) {
            (Some(held), Some(fresh)) => self.judge_ahead(key, held, &samples, fresh),
            (held, _) => {
                let held = held.filter(|held| held.version != 0);
                let cached_version = held.as_ref().map_or(0, |held| held.version);
                let order = (0..samples.len()).collect();
                let append = Append { key, samples, cached_version, optimistic: None };
                (append, Prepared { held, order, said: Vec::new() })
            }
        }
    }

    /// What is known of a series of which there is nothing, where the last ones that were not known were such.
    fn new_series(&self) -> Option<Held> {
        if self.known.is_off() || !self.expects_new.load(Relaxed) {
            return None;
        }
        let judge = judge_under(self.deployed, &SeriesState::default()).ok()?;
        Some(Held { judge, version: 0, revision: 0, noted_us: 0, has_place: false })
    }

    fn judge_ahead(
        &self,
        key: SeriesKey,
        held: Held,
        samples: &[NewSample],
        fresh: Ordered,
    ) -> (Append, Prepared) {
        let stored = held.judge.memory().encode();
        let Judged { mut held, said, commit } = judge(held, &stored, &fresh.samples);
        let now_us = self.store.store_time_us(&key).unwrap_or_default();
        let is_noted = held.version != 0 && (0..NOTED_EVERY_US).contains(&(now_us - held.noted_us));
        let receipt = if is_noted { ReceiptUpdate::Skip } else { ReceiptUpdate::Write };
        if !is_noted {
            held.noted_us = now_us;
        }
        let samples = fresh.order.iter().map(|i| samples[*i]).collect();
        // What is held is of no use where it is outdated: all of the series is told then.
        let optimistic = Some(OptimisticCommit { commit, receipt });
        let append = Append { key, samples, cached_version: 0, optimistic };
        (append, Prepared { held: Some(held), order: fresh.order, said })
    }

    /// Answers a round that was stored as it was judged ahead.
    fn tell_stored(&self, begun: Begun, prepared: Prepared, version: i64) {
        if let Some(held) = prepared.held {
            self.known.put(&begun.key, Held { version, ..held });
        }
        let fate = |it: Said| {
            let at_us = it.judgement.sample.at_us();
            let told = Told { at_us, judgement: Some(it.judgement), learning: it.learning };
            Fate::Accepted(told)
        };
        begun.answer(&prepared.order, Ok(prepared.said.into_iter().map(fate).collect()));
    }

    /// Answers a round that could not be appended.
    fn fail(&self, mut begun: Begun, error: &WriteError) {
        // Who came while the store did not answer has waited as long, and need not wait again.
        let waiting = self.rounds().get_mut(&begun.key).map(std::mem::take);
        begun.works.extend(waiting.unwrap_or_default());
        begun.answer(&[], Err(error.clone()));
    }

    /// What waits in a series, judged; none where nothing does.
    async fn judge_appended(
        &self,
        key: &SeriesKey,
        held: Option<Held>,
        state: Option<SeriesState>,
    ) -> Result<Option<Judged>, WriteError> {
        let Some(waiting) = state.filter(|state| !state.inbox.is_empty()) else {
            if let Some(held) = held {
                self.known.put(key, held);
            }
            return Ok(None);
        };
        if !waiting.is_cached {
            return self.judge_state(key, &waiting).await.map(Some);
        }
        // It was spared because it is held.
        let held = held.filter(|held| held.version == waiting.version);
        let held = held.ok_or(WriteError::Aborted)?;
        let stored = held.judge.memory().encode();
        Ok(Some(judge(held, &stored, &waiting.inbox)))
    }

    /// What waits in a series as it is stored, judged.
    async fn judge_state(
        &self,
        key: &SeriesKey,
        waiting: &SeriesState,
    ) -> Result<Judged, WriteError> {
        let judge_of = judge_under(self.deployed, waiting)?;
        match judge_of.origin() {
            MemoryOrigin::Relearned => {
                warn!(series = ?key.series(), "memory lost, relearned from the window");
            }
            MemoryOrigin::Migrated => {
                info!(series = ?key.series(), detector = %judge_of.memory().detector, "memory migrated to another detector");
            }
            MemoryOrigin::New | MemoryOrigin::Stored => {}
        }
        let is_relearned = judge_of.origin() == MemoryOrigin::Relearned;
        let (version, revision) = (waiting.version, waiting.revision());
        let held = Held { judge: judge_of, version, revision, noted_us: 0, has_place: false };
        let stored = waiting.memory.as_deref().unwrap_or_default();
        let mut judged = judge(held, stored, &waiting.inbox);
        if is_relearned {
            let orphans = self.orphans(key).await?;
            judged.commit.episode_update.is_notable |= !orphans.is_empty();
            judged.commit.episode_update.episodes.splice(0..0, orphans);
        }
        Ok(judged)
    }

    /// The episodes, ended, that were open when the memory of a series was lost: nobody else would end them.
    async fn orphans(&self, key: &SeriesKey) -> Result<Vec<EpisodeRecord>, WriteError> {
        let all = PastRange { since_us: 0, before_us: None, limit: EPISODES_KEPT_MAX };
        let kept = self.totals.measure(StoreOperation::Read, self.store.episodes(key, all)).await?;
        let open = kept.iter().map(|it| it.record).filter(|it| it.phase != EpisodePhase::Over);
        Ok(open.map(EpisodeRecord::over).collect())
    }

    /// Commits what was judged of some rounds, and notes what came of each.
    async fn commit(&self, open: &mut [Open], judged: Vec<Option<Judged>>) {
        let (mut commits, mut places) = (Vec::new(), Vec::new());
        for (i, judged) in judged.into_iter().enumerate() {
            if let Some(Judged { held, said, commit }) = judged {
                commits.push((open[i].begun.key.clone(), commit));
                places.push((i, held, said));
            }
        }
        if commits.is_empty() {
            return;
        }
        reach(Failpoint::Judged);
        let committed =
            self.totals.measure(StoreOperation::Commit, self.store.commit_all(&commits)).await;
        for ((_, commit), committed) in commits.iter().zip(&committed) {
            self.totals.note_commit(commit, committed);
        }
        reach(Failpoint::Committed);
        for ((i, held, said), committed) in places.into_iter().zip(committed) {
            let outcome = self.outcome(&open[i].begun.key, held, said, committed);
            open[i].outcome = Some(outcome);
        }
    }

    fn outcome(
        &self,
        key: &SeriesKey,
        held: Held,
        said: Vec<Said>,
        committed: Result<CommitOutcome, StoreError>,
    ) -> Result<Outcome, WriteError> {
        Ok(match committed? {
            CommitOutcome::Committed { version } => {
                self.known.put(key, Held { version, ..held });
                Outcome::Stored(said)
            }
            CommitOutcome::Conflict(now) => Outcome::Conflict(now),
        })
    }

    /// Judges and commits until none of the samples of a round waits, and answers it.
    async fn finish(&self, open: Open) {
        let Open { begun, order, round, outcome } = open;
        let fates = self.fates(&begun.key, round, outcome).await;
        begun.answer(&order, fates);
    }

    async fn fates(
        &self,
        key: &SeriesKey,
        mut round: Round,
        outcome: Option<Result<Outcome, WriteError>>,
    ) -> Result<Vec<Fate>, WriteError> {
        let mut outcome = outcome.transpose()?;
        for _ in 0..COMMITS_MAX {
            let state = match outcome.take() {
                None => break,
                Some(Outcome::Stored(said)) => {
                    round.resolve(&said);
                    self.after_commit(key, &mut round, said.len()).await?
                }
                Some(Outcome::Conflict(now)) => {
                    round.resolve_by_others(&now);
                    let appended = self.append_again(key, &mut round).await?;
                    appended.or(Some(now)).filter(|_| !round.is_resolved())
                }
            };
            let Some(waiting) = state.filter(|state| !state.inbox.is_empty()) else { break };
            let Judged { held, said, commit } = self.judge_state(key, &waiting).await?;
            reach(Failpoint::Judged);
            let committed =
                self.totals.measure(StoreOperation::Commit, self.store.commit(key, &commit)).await;
            self.totals.note_commit(&commit, &committed);
            reach(Failpoint::Committed);
            outcome = Some(self.outcome(key, held, said, committed)?);
        }
        self.fill_in(key, &mut round).await?;
        round.into_fates()
    }

    /// What is left to judge after a commit: the rest of a long inbox, and samples that it had no room for.
    async fn after_commit(
        &self,
        key: &SeriesKey,
        round: &mut Round,
        n_judged: usize,
    ) -> Result<Option<SeriesState>, WriteError> {
        let mut state = None;
        if n_judged >= INBOX_READ_MAX {
            state = self.totals.measure(StoreOperation::Read, self.store.read(key)).await?;
        }
        Ok(self.append_again(key, round).await?.or(state))
    }

    /// Appends the samples that were not kept, or that the store has lost meanwhile.
    async fn append_again(
        &self,
        key: &SeriesKey,
        round: &mut Round,
    ) -> Result<Option<SeriesState>, WriteError> {
        let missing = round.missing();
        if missing.is_empty() {
            return Ok(None);
        }
        let samples: Vec<NewSample> = missing.iter().map(|(_, sample)| *sample).collect();
        let append = Append { key: key.clone(), samples, cached_version: 0, optimistic: None };
        let append = std::slice::from_ref(&append);
        let mut written =
            self.totals.measure(StoreOperation::Append, self.store.append_all(append)).await;
        self.totals.note_appends(append, &written);
        let Some(AppendOutcome::Classified(appended)) = written.pop().transpose()? else {
            return Err(WriteError::Aborted);
        };
        for ((i, _), class) in missing.iter().zip(&appended.classes) {
            round.set_class(*i, class);
        }
        Ok(appended.state)
    }

    /// Fills in what a window does not keep of an anomaly that another writer judged.
    async fn fill_in(&self, key: &SeriesKey, round: &mut Round) -> Result<(), WriteError> {
        if let Some(since_us) = round.oldest_without_expectation() {
            let anomalies = self
                .totals
                .measure(
                    StoreOperation::Read,
                    self.store.anomalies(key, since_us, store::ANOMALIES_KEPT_MAX),
                )
                .await?;
            let by_time: BTreeMap<i64, Judgement> =
                anomalies.iter().map(|it| (it.sample.at_us(), *it)).collect();
            round.fill_in(&by_time);
        }
        Ok(())
    }
}

/// Lets other tasks run between so many series of a round: an answer that waits to be read meanwhile must not seem late.
async fn let_others_run(i: usize) {
    if i % SERIES_AT_A_STRETCH == SERIES_AT_A_STRETCH - 1 {
        tokio::task::yield_now().await;
    }
}

/// Judges samples in order, on a series as it is held, whose memory is `stored` as these bytes.
fn judge(mut held: Held, stored: &[u8], samples: &[Sample]) -> Judged {
    let newest_us = samples.iter().map(Sample::at_us).max().unwrap_or_default();
    let (said, episode_update) = say_all(&mut held.judge, samples, newest_us);
    let judgements: Vec<Judgement> = said.iter().map(|it| it.judgement).collect();
    let memory = held.judge.memory();
    let bytes = memory.encode();
    // Without a version, whatever is there is replaced.
    let is_new = held.version == 0;
    let commit = Commit {
        version: held.version,
        revision: held.revision,
        memory: if is_new {
            MemoryPatch::whole(&bytes)
        } else {
            MemoryPatch::between(stored, &bytes)
        },
        cursor_us: memory.cursor_us.unwrap_or(newest_us),
        floor_us: memory.floor_us,
        judgements,
        episode_update,
    };
    Judged { held, said, commit }
}

/// The judge of a series as it is stored, under its own configuration where it has one.
pub(crate) fn judge_under(
    deployed: DeployedDetector,
    state: &SeriesState,
) -> Result<Judge, RestoreError> {
    let none = SeriesConfig::default();
    let config = state.config.as_ref().map_or(&none, |it| &it.config);
    Judge::restore_configured(deployed, config, state.memory.as_deref(), state.window.clone())
}

/// Judges samples that were received now, up to those of `newest_us`, and notes what becomes of episodes by it.
fn say_all(judge: &mut Judge, samples: &[Sample], newest_us: i64) -> (Vec<Said>, EpisodeUpdate) {
    judge.record_receipt(now_us(), newest_us);
    let mut changes = EpisodeChanges::since(judge.memory());
    let say_one = |sample: &Sample| {
        let said = say(judge, *sample);
        changes.record(judge.memory());
        said
    };
    let said = samples.iter().map(say_one).collect();
    let (episodes, is_notable) = (changes.records().to_vec(), changes.is_notable());
    (
        said,
        EpisodeUpdate {
            episodes,
            is_notable,
            n_silences: 0,
            silence_check: judge.next_silence_check(),
        },
    )
}

/// Judges a sample, and says how far learning is while the series learns.
pub(crate) fn say(judge: &mut Judge, sample: Sample) -> Said {
    let judgement = judge.judge(sample);
    let is_learning = judgement.verdict.kind == VerdictKind::Learning;
    Said { judgement, learning: is_learning.then(|| judge.learning()) }
}
