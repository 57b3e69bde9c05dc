//! Appends and commits in the memory of the process.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::{JudgedSample, Judgement, Sample, SeriesKey};

use super::store::{EmbeddedState, EmbeddedStore, SeriesEntry, StoredMemory};
use crate::state::{INBOX_LEN_MAX, INBOX_READ_MAX};
use crate::{
    ANOMALIES_AGE_MAX_US, ANOMALIES_KEPT_MAX, Append, AppendOutcome, ClassifiedSamples, Commit,
    CommitOutcome, NewSample, ReceiptUpdate, SampleClass, SeriesState, SeriesWriter, StoreError,
    StoredConfig, decayed_score, totals,
};

impl SeriesEntry {
    pub(super) fn state(&self, cached_version: i64, config: Option<&StoredConfig>) -> SeriesState {
        let is_cached = self.version() == cached_version && cached_version != 0;
        let memory = self.memory.as_ref().filter(|_| !is_cached);
        let window = if is_cached { Vec::new() } else { self.window.judged().to_vec() };
        let inbox = self.inbox.iter().take(INBOX_READ_MAX);
        SeriesState {
            version: self.version(),
            is_cached,
            memory: memory.map(|memory| memory.bytes.clone()),
            window,
            inbox: inbox.filter_map(|(at_us, value)| Sample::new(*at_us, *value).ok()).collect(),
            config: config.filter(|_| !is_cached).cloned(),
        }
    }

    fn version(&self) -> i64 {
        self.memory.as_ref().map_or(0, |memory| memory.version)
    }

    fn floor_us(&self) -> Option<i64> {
        let memory = self.memory.as_ref()?;
        if self.window.is_empty() { Some(memory.cursor_us) } else { memory.floor_us }
    }

    fn class(&mut self, sample: NewSample, free_us: &mut i64) -> SampleClass {
        if self.inbox.len() >= INBOX_LEN_MAX {
            return SampleClass::Full;
        }
        let at_us = sample.at_us.unwrap_or_else(|| {
            while self.inbox.contains_key(free_us) || self.window.at(*free_us).is_some() {
                *free_us += 1;
            }
            *free_us
        });
        if self.floor_us().is_some_and(|floor_us| at_us <= floor_us) {
            return SampleClass::TooOld;
        }
        let judged = self.window.at(at_us);
        let stored = self.inbox.get(&at_us).copied().or(judged.map(|judged| judged.sample.value()));
        match stored {
            None => {
                self.inbox.insert(at_us, sample.value);
                SampleClass::Fresh { at_us }
            }
            Some(value) if value == sample.value => {
                let judgement = judged.map(|judged| self.judgement(judged));
                SampleClass::Duplicate { at_us, judgement }
            }
            Some(stored) => SampleClass::Conflict { stored },
        }
    }

    fn judgement(&self, judged: &JudgedSample) -> Judgement {
        let anomaly = self.anomalies.get(&judged.sample.at_us());
        anomaly.copied().unwrap_or_else(|| judged.judgement())
    }

    /// Whether the series, under a configuration of this revision, is the one that was judged on.
    fn is_judged_on(&self, commit: &Commit, revision: i64) -> bool {
        let stored = self.memory.as_ref().map(|memory| memory.bytes.as_slice()).unwrap_or_default();
        self.version() == commit.version
            && revision == commit.revision
            && commit.memory.fits(stored)
    }

    fn commit(&mut self, commit: &Commit, now_us: i64) -> i64 {
        let version = if commit.version == 0 { now_us } else { commit.version + 1 };
        let mut bytes = self.memory.take().map(|memory| memory.bytes).unwrap_or_default();
        commit.memory.apply(&mut bytes, version);
        for judgement in &commit.judgements {
            let at_us = judgement.sample.at_us();
            self.inbox.remove(&at_us);
            self.window.insert(judgement.judged());
            if judgement.verdict.is_anomaly() {
                self.anomalies.insert(at_us, *judgement);
            }
        }
        if self.inbox.is_empty() {
            self.inbox = BTreeMap::new(); // One that was emptied keeps a node for the next.
        }
        if let Some(new) = decayed_score::of(&commit.judgements) {
            self.score = Some(self.score.map_or(new, |score| decayed_score::sum(score, new)));
        }
        if let Some(floor_us) = commit.floor_us {
            self.window.trim(floor_us);
        }
        self.anomalies = self.anomalies.split_off(&(commit.cursor_us - ANOMALIES_AGE_MAX_US));
        while self.anomalies.len() > ANOMALIES_KEPT_MAX {
            self.anomalies.pop_first();
        }
        self.memory = Some(StoredMemory {
            version,
            floor_us: commit.floor_us,
            cursor_us: commit.cursor_us,
            bytes,
        });
        version
    }
}

impl EmbeddedState {
    fn revision(&self, key: &SeriesKey) -> i64 {
        self.configs.get(key).map_or(0, |it| it.revision)
    }

    /// Stores what was judged ahead; none where the series is not the one that was judged on, or samples wait.
    fn append_judged(&mut self, append: &Append, series_max: u64, now_us: i64) -> Option<i64> {
        let (key, optimistic) = (&append.key, append.optimistic.as_ref()?);
        let revision = self.revision(key);
        if !self.series.contains_key(key) {
            let may_begin =
                optimistic.commit.version == 0 && optimistic.commit.revision == revision;
            if !may_begin || self.n_series(key.tenant()) >= series_max {
                return None;
            }
            self.receive(key, now_us);
        }
        let entry = self.series.get_mut(key)?;
        let is_expected = entry.memory.is_some() == (optimistic.commit.version != 0);
        let is_expected = is_expected && entry.window.is_empty() == entry.memory.is_none();
        if !is_expected
            || !entry.inbox.is_empty()
            || !entry.is_judged_on(&optimistic.commit, revision)
        {
            return None;
        }
        let version = entry.commit(&optimistic.commit, now_us);
        self.count(totals::SAMPLES, "accepted", optimistic.commit.judgements.len() as u64);
        self.count_judged(&optimistic.commit);
        self.note(key, &optimistic.commit.episode_update, version);
        if optimistic.receipt == ReceiptUpdate::Write {
            self.receive(key, now_us);
        }
        Some(version)
    }

    fn append(&mut self, append: &Append, series_max: u64, now_us: i64) -> ClassifiedSamples {
        let Append { key, samples, cached_version, .. } = append;
        if !self.series.contains_key(key) && self.n_series(key.tenant()) >= series_max {
            let classes = vec![SampleClass::TooManySeries; samples.len()];
            return ClassifiedSamples { classes, state: None };
        }
        let entry = self.series.entry(key.clone()).or_default();
        if entry.inbox.is_empty() {
            entry.waits_since_us = now_us;
        }
        // At or below the floor no time is free.
        let mut free_us = now_us.max(entry.floor_us().map_or(0, |floor_us| floor_us + 1));
        let classes: Vec<SampleClass> =
            samples.iter().map(|sample| entry.class(*sample, &mut free_us)).collect();
        let config = self.configs.get(key);
        let state = (!entry.inbox.is_empty()).then(|| entry.state(*cached_version, config));
        if entry.inbox.is_empty() && entry.memory.is_none() {
            self.series.remove(key);
        } else if classes.iter().any(|class| matches!(class, SampleClass::Fresh { .. })) {
            self.receive(key, now_us);
        }
        for (label, n) in class_counts(&classes) {
            self.count(totals::SAMPLES, label, n);
        }
        ClassifiedSamples { classes, state }
    }

    fn commit(&mut self, key: &SeriesKey, commit: &Commit, now_us: i64) -> CommitOutcome {
        let revision = self.revision(key);
        let entry = self.series.entry(key.clone()).or_default();
        if !entry.is_judged_on(commit, revision) {
            let state = entry.state(0, self.configs.get(key));
            if state.has_no_sample() {
                self.series.remove(key); // It was forgotten meanwhile.
            }
            self.count(totals::CONFLICTS, "", 1);
            return CommitOutcome::Conflict(state);
        }
        let version = entry.commit(commit, now_us);
        if entry.received_us == 0 {
            self.receive(key, now_us);
        }
        self.count_judged(commit);
        self.note(key, &commit.episode_update, version);
        CommitOutcome::Committed { version }
    }

    fn count_judged(&mut self, commit: &Commit) {
        for (name, label, n) in judgement_counts(&commit.judgements) {
            self.count(name, label, n);
        }
    }
}

#[async_trait]
impl SeriesWriter for EmbeddedStore {
    async fn append_all(&self, appends: &[Append]) -> Vec<Result<AppendOutcome, StoreError>> {
        let append = |append: &Append| {
            let now_us = (self.clock)();
            let mut state = self.lock();
            state.expire(now_us);
            Ok(match state.append_judged(append, self.series_max, now_us) {
                Some(version) => AppendOutcome::Committed { version },
                None => AppendOutcome::Classified(state.append(append, self.series_max, now_us)),
            })
        };
        appends.iter().map(append).collect()
    }

    async fn commit_all(
        &self,
        commits: &[(SeriesKey, Commit)],
    ) -> Vec<Result<CommitOutcome, StoreError>> {
        let commit = |(key, commit): &(SeriesKey, Commit)| {
            let now_us = (self.clock)();
            Ok(self.lock().commit(key, commit, now_us))
        };
        commits.iter().map(commit).collect()
    }

    async fn forget(&self, key: &SeriesKey) -> Result<bool, StoreError> {
        let now_us = (self.clock)();
        let mut state = self.lock();
        let had_config = state.remove_config(key, now_us);
        state.unsaved_episodes.remove(key);
        state.remove_silence_check(key);
        let Some(entry) = state.series.remove(key) else { return Ok(had_config) };
        if state.by_receipt.remove(&(entry.received_us, key.clone())) {
            state.count_less(key.tenant());
        }
        Ok(true)
    }

    fn store_time_us(&self, _: &SeriesKey) -> Option<i64> {
        Some((self.clock)())
    }
}

/// How many samples became what.
fn class_counts(classes: &[SampleClass]) -> [(&'static str, u64); 4] {
    let mut counts = [("accepted", 0), ("duplicate", 0), ("conflict", 0), ("too_old", 0)];
    for class in classes {
        let i = match class {
            // A sample that finds no room comes again, and is its writer's to count.
            SampleClass::TooManySeries | SampleClass::Full => continue,
            SampleClass::Fresh { .. } => 0,
            SampleClass::Duplicate { .. } => 1,
            SampleClass::Conflict { .. } => 2,
            SampleClass::TooOld => 3,
        };
        counts[i].1 += 1;
    }
    counts
}

/// Late samples, and anomalies by head, among what was judged.
pub(crate) fn judgement_counts(judgements: &[Judgement]) -> Vec<(&'static str, &'static str, u64)> {
    let n_late = judgements.iter().filter(|judgement| judgement.late).count() as u64;
    let anomalies = judgements.iter().filter(|judgement| judgement.verdict.is_anomaly());
    let heads: Vec<&str> = anomalies
        .filter_map(|it| it.verdict.expectation)
        .map(|expectation| expectation.signal.as_str())
        .collect();
    let of_head =
        |head: domain::Signal| heads.iter().filter(|name| **name == head.as_str()).count() as u64;
    let mut counts = vec![(totals::LATE, "", n_late)];
    counts
        .extend(domain::Signal::ALL.map(|head| (totals::ANOMALIES, head.as_str(), of_head(head))));
    counts.retain(|count| count.2 > 0);
    counts
}
