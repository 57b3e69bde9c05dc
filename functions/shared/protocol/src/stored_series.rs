//! The stored state of one series, and the steps that change it.

use std::collections::BTreeMap;

use detector::counter;
use detector::window::floor_without_memory;
use domain::{JudgedSample, Judgement, Sample, SampleKind};

use crate::limits::{
    ANOMALIES_AGE_MAX_US, ANOMALIES_KEPT_MAX, EPISODES_KEPT_MAX, INBOX_LEN_MAX, INBOX_READ_MAX,
};
use crate::stored_window::StoredWindow;
use crate::{
    Commit, EpisodeUpdate, MemoryHeader, NewSample, ReceiptUpdate, SampleClass, SeriesState,
    StoredConfig, StoredEpisode, decayed_score, member,
};

/// Inbox, window, anomalies, episodes and memory of a series; each may be lost alone.
#[derive(Debug, Default)]
pub struct StoredSeries {
    inbox: BTreeMap<i64, (f64, SampleKind)>,
    window: StoredWindow,
    anomalies: BTreeMap<i64, Judgement>,
    episodes: BTreeMap<i64, StoredEpisode>,
    memory: Option<Vec<u8>>,
    decayed_score: Option<f64>,
}

impl StoredSeries {
    /// Samples that wait to be judged.
    pub fn n_waiting(&self) -> usize {
        self.inbox.len()
    }

    /// Returns true if neither samples nor a memory are stored.
    pub fn is_empty(&self) -> bool {
        self.inbox.is_empty() && self.window.is_empty() && self.memory.is_none()
    }

    /// The stored bytes of the memory.
    pub fn memory(&self) -> Option<&[u8]> {
        self.memory.as_deref()
    }

    /// The stored anomalies, by time in Unix microseconds.
    pub fn anomalies(&self) -> &BTreeMap<i64, Judgement> {
        &self.anomalies
    }

    /// The stored episodes, by start in Unix microseconds.
    pub fn episodes(&self) -> &BTreeMap<i64, StoredEpisode> {
        &self.episodes
    }

    /// Logarithm of the decayed sum of anomalies; `None` if no anomaly is stored.
    pub fn decayed_score(&self) -> Option<f64> {
        self.decayed_score
    }

    /// Reads the series.
    ///
    /// If the caller has this version cached, memory, window and configuration are omitted: the commit compares the
    /// revision of the configuration.
    pub fn state(&self, cached_version: i64, config: Option<&StoredConfig>) -> SeriesState {
        let version = self.header().version;
        let is_cached = version != 0 && version == cached_version && !self.window.is_empty();
        let inbox = self.inbox.iter().take(INBOX_READ_MAX);
        SeriesState {
            version,
            is_cached,
            memory: if is_cached { None } else { self.memory.clone() },
            window: if is_cached { Vec::new() } else { self.window.judged().to_vec() },
            inbox: inbox
                .filter_map(|(at_us, (value, kind))| Sample::of_kind(*at_us, *value, *kind).ok())
                .collect(),
            config: config.filter(|_| !is_cached).cloned(),
        }
    }

    /// Appends samples: classifies each in order, and puts the fresh ones into the inbox.
    ///
    /// `now_us` is the time of receipt, in Unix microseconds, which stamps samples without a time.
    pub fn append(&mut self, samples: &[NewSample], now_us: i64) -> Vec<SampleClass> {
        let floor_us = self.floor_us();
        // At or below the floor no time is free, and at or below the cursor a sample would be late, although it is the
        // newest: another sender's clock, or the one of the store, was ahead.
        let newest_us = floor_us.max(self.header().cursor_us);
        let mut free_us = now_us.max(newest_us.map_or(0, |newest_us| newest_us + 1));
        let classify = |sample: &NewSample| self.classify(*sample, floor_us, &mut free_us);
        samples.iter().map(classify).collect()
    }

    fn classify(
        &mut self,
        sample: NewSample,
        floor_us: Option<i64>,
        free_us: &mut i64,
    ) -> SampleClass {
        if self.inbox.len() >= INBOX_LEN_MAX {
            return SampleClass::Full;
        }
        let at_us = sample.at_us.unwrap_or_else(|| self.first_free(free_us));
        if floor_us.is_some_and(|floor_us| at_us <= floor_us) {
            return SampleClass::TooOld;
        }
        let judged = self.window.at(at_us);
        let waiting = self.inbox.get(&at_us).map(|(value, _)| *value);
        let stored = waiting.or(judged.map(|judged| judged.sample.value()));
        match stored {
            None => {
                self.inbox.insert(at_us, (sample.value, sample.kind));
                SampleClass::Fresh { at_us }
            }
            Some(value) if value == sample.value => {
                let judgement = judged.map(|judged| self.judgement(judged));
                SampleClass::Duplicate { at_us, judgement }
            }
            Some(stored) => SampleClass::Conflict { stored },
        }
    }

    /// The first free microsecond at or after `free_us`.
    fn first_free(&self, free_us: &mut i64) -> i64 {
        while self.inbox.contains_key(free_us) || self.window.at(*free_us).is_some() {
            *free_us += 1;
        }
        *free_us
    }

    fn judgement(&self, judged: &JudgedSample) -> Judgement {
        let at_us = judged.sample.at_us();
        let before = || self.window.before(at_us).map(|before| before.sample);
        let anomaly = self.anomalies.get(&at_us);
        anomaly.copied().unwrap_or_else(|| counter::judgement(before(), judged))
    }

    fn header(&self) -> MemoryHeader {
        MemoryHeader::read(self.memory())
    }

    /// The time at and below which samples are too old: a duplicate cannot be recognized there.
    ///
    /// Without its window, everything judged counts as trimmed; without its memory, see [`floor_without_memory`].
    fn floor_us(&self) -> Option<i64> {
        let header = self.header();
        match (header.version, self.window.is_empty()) {
            (0, _) => floor_without_memory(self.window.judged()),
            (_, true) => header.cursor_us,
            (_, false) => header.floor_us,
        }
    }

    /// Returns true if an optimistic commit is to be stored: no sample waits, and memory and window are those judged on,
    /// or both are missing for a new series.
    pub fn accepts_optimistic(&self, commit: &Commit, config: Option<&StoredConfig>) -> bool {
        let has_memory = self.memory.is_some();
        self.inbox.is_empty()
            && self.window.is_empty() != has_memory
            && has_memory == (self.header().version != 0)
            && self.is_judged_on(commit, config)
    }

    /// Returns true if a commit is to be stored: version, configuration and length of the memory are those judged on.
    ///
    /// If the window was lost, the floor must have risen to the cursor first.
    pub fn accepts(&self, commit: &Commit, config: Option<&StoredConfig>) -> bool {
        let header = self.header();
        let is_window_lost =
            header.version != 0 && self.window.is_empty() && commit.floor_us < header.cursor_us;
        !is_window_lost && self.is_judged_on(commit, config) && !self.has_judged(commit)
    }

    /// Returns true if a sample of a first commit has left the inbox for the window: another writer committed it, and the
    /// memory was lost since, so that the version does not show it.
    fn has_judged(&self, commit: &Commit) -> bool {
        let mut times = commit.judgements.iter().map(|judgement| judgement.sample.at_us());
        let is_judged =
            |at_us: i64| !self.inbox.contains_key(&at_us) && self.window.at(at_us).is_some();
        commit.version == 0 && times.any(is_judged)
    }

    fn is_judged_on(&self, commit: &Commit, config: Option<&StoredConfig>) -> bool {
        self.header().version == commit.version
            && config.map_or(0, |config| config.revision) == commit.revision
            && commit.memory.fits(self.memory().unwrap_or_default())
    }

    /// Stores a commit that was accepted; returns the new version.
    ///
    /// An optimistic commit that skips the receipt leaves old anomalies to a later one.
    pub fn commit(&mut self, commit: &Commit, receipt: ReceiptUpdate, now_us: i64) -> i64 {
        let version = if commit.version == 0 { now_us } else { commit.version + 1 };
        self.store_anomalies(&commit.judgements);
        if let Some(floor_us) = commit.floor_us {
            self.window.trim(floor_us);
        }
        for judgement in &commit.judgements {
            let at_us = judgement.sample.at_us();
            self.inbox.remove(&at_us);
            if commit.floor_us.is_none_or(|floor_us| at_us > floor_us) {
                self.window.insert(member::as_stored(judgement.judged()));
            }
        }
        if self.inbox.is_empty() {
            self.inbox = BTreeMap::new(); // An emptied map keeps a node.
        }
        if receipt == ReceiptUpdate::Write {
            self.drop_old_anomalies(commit.cursor_us - ANOMALIES_AGE_MAX_US);
        }
        let mut memory = self.memory.take().unwrap_or_default();
        commit.memory.apply(&mut memory, version);
        self.memory = Some(memory);
        version
    }

    fn store_anomalies(&mut self, judgements: &[Judgement]) {
        let Some(added) = decayed_score::of(judgements) else { return };
        let anomalies = judgements.iter().filter(|judgement| judgement.verdict.is_anomaly());
        self.anomalies.extend(anomalies.map(|judgement| (judgement.sample.at_us(), *judgement)));
        while self.anomalies.len() > ANOMALIES_KEPT_MAX {
            self.anomalies.pop_first();
        }
        let score = self.decayed_score.map_or(added, |score| decayed_score::sum(score, added));
        self.decayed_score = Some(score);
    }

    fn drop_old_anomalies(&mut self, oldest_us: i64) {
        if self.anomalies.first_key_value().is_some_and(|(at_us, _)| *at_us < oldest_us) {
            self.anomalies = self.anomalies.split_off(&oldest_us);
            if self.anomalies.is_empty() {
                self.decayed_score = None;
            }
        }
    }

    /// Stores the episodes of a commit that made `version`; returns the number of episodes dropped unsaved.
    ///
    /// The history holds changes up to `saved_version`; `None` if it holds all.
    pub fn store_episodes(
        &mut self,
        update: &EpisodeUpdate,
        version: i64,
        saved_version: Option<i64>,
    ) -> u64 {
        for record in &update.episodes {
            let before = self.episodes.get(&record.start_us).filter(|_| !update.is_notable);
            let notable_version = before.map_or(version, |before| before.notable_version);
            let stored = StoredEpisode { revision: version, notable_version, record: *record };
            self.episodes.insert(record.start_us, stored);
        }
        let saved_version = saved_version.unwrap_or(i64::MAX);
        let mut n_lost = 0;
        while self.episodes.len() > EPISODES_KEPT_MAX {
            let Some((_, dropped)) = self.episodes.pop_first() else { break };
            n_lost += u64::from(dropped.notable_version > saved_version);
        }
        n_lost
    }
}

/// Parts of a series that a store may lose alone, by eviction or expiry.
#[cfg(feature = "testbed")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesPart {
    /// Samples that wait.
    Inbox,
    /// Judged samples.
    Window,
    /// Anomalies.
    Anomalies,
    /// Episodes.
    Episodes,
    /// The memory.
    Memory,
}

#[cfg(feature = "testbed")]
impl StoredSeries {
    /// Loses a part.
    pub fn lose(&mut self, part: SeriesPart) {
        match part {
            SeriesPart::Inbox => self.inbox.clear(),
            SeriesPart::Window => self.window = StoredWindow::default(),
            SeriesPart::Anomalies => self.anomalies.clear(),
            SeriesPart::Episodes => self.episodes.clear(),
            SeriesPart::Memory => self.memory = None,
        }
    }
}
