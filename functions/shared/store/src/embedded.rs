//! The embedded store: series in the memory of one process.
//!
//! For a laptop, a single pod and the tests of everything above; it holds nothing after the process ends, and
//! only one process sees it. It keeps the protocol of the Redis store step by step, under one lock.

mod episodes;
mod mirror;
mod overview;
mod window;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use detector::{DeployedDetector, SeriesConfig};
use domain::{JudgedSample, Judgement, Sample};

use self::window::Window;
use crate::heat;
use crate::quota::Bucket;
use crate::state::{INBOX_LEN_MAX, INBOX_READ_MAX};
use crate::{
    ANOMALIES_AGE_MAX_US, ANOMALIES_KEPT_MAX, Append, Appended, Class, Commit, Committed, Instance,
    Lease, Leased, Listed, NewSample, Page, Quotas, Receipt, SERIES_MAX_DEFAULT, SERIES_TTL_S,
    SeriesStore, State, StoreError, StoredConfig, StoredEpisode, Written, totals,
};
use domain::{SeriesKey, Tenant};

/// Series in the memory of this process.
#[derive(Debug)]
pub struct EmbeddedStore {
    clock: fn() -> i64,
    series_max: u64,
    // A `std::sync::Mutex` and not a Tokio one: no step waits for anything while it holds the lock.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    series: HashMap<SeriesKey, Entry>,
    by_receipt: BTreeSet<(i64, SeriesKey)>,
    // How many of them each tenant has.
    n_series: HashMap<Tenant, u64>,
    buckets: HashMap<Tenant, Bucket>,
    // Beside the series and not in them: they expire, and need not be there yet.
    configs: HashMap<SeriesKey, StoredConfig>,
    // Those that may have fallen silent, by when to look, and the same by series.
    looks: BTreeSet<(i64, SeriesKey)>,
    look_of: HashMap<SeriesKey, i64>,
    // Up to which version history holds the news of those of which it does not hold all.
    unsaved: BTreeMap<SeriesKey, i64>,
    // Those of whose configuration history does not hold the last word, with its revision.
    unmirrored: BTreeMap<SeriesKey, i64>,
    has_all_configs: bool,
    keeps_history: bool,
    totals: BTreeMap<String, u64>,
    // With the end of its lease, in microseconds.
    instances: BTreeMap<String, (i64, Instance)>,
    detectors: BTreeMap<u32, String>,
}

#[derive(Debug, Default)]
struct Entry {
    received_us: i64,
    // Since when some sample waits; it means something only while one does.
    waits_since_us: i64,
    inbox: BTreeMap<i64, f64>,
    window: Window,
    anomalies: BTreeMap<i64, Judgement>,
    episodes: BTreeMap<i64, StoredEpisode>,
    memory: Option<Stored>,
    heat: Option<f64>,
}

/// A memory with the fields that the steps look at.
#[derive(Debug)]
struct Stored {
    version: i64,
    floor_us: Option<i64>,
    cursor_us: i64,
    bytes: Vec<u8>,
}

impl EmbeddedStore {
    /// An empty store that reads the time, in microseconds since the Unix epoch, from `clock`.
    pub fn new(clock: fn() -> i64) -> Self {
        Self { clock, series_max: SERIES_MAX_DEFAULT, inner: Mutex::default() }
    }

    /// The same, with at most so many series of a tenant.
    #[must_use]
    pub fn with_series_max(self, series_max: u64) -> Self {
        Self { series_max, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every step leaves the maps whole at each point where it could panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn state(&self, known_version: i64, config: Option<&StoredConfig>) -> State {
        let is_known = self.version() == known_version && known_version != 0;
        let memory = self.memory.as_ref().filter(|_| !is_known);
        let window = if is_known { Vec::new() } else { self.window.judged().to_vec() };
        let inbox = self.inbox.iter().take(INBOX_READ_MAX);
        State {
            version: self.version(),
            is_known,
            memory: memory.map(|memory| memory.bytes.clone()),
            window,
            inbox: inbox.filter_map(|(at_us, value)| Sample::new(*at_us, *value).ok()).collect(),
            config: config.filter(|_| !is_known).cloned(),
        }
    }

    fn version(&self) -> i64 {
        self.memory.as_ref().map_or(0, |memory| memory.version)
    }

    fn floor_us(&self) -> Option<i64> {
        let memory = self.memory.as_ref()?;
        if self.window.is_empty() { Some(memory.cursor_us) } else { memory.floor_us }
    }

    fn class(&mut self, sample: NewSample, free_us: &mut i64) -> Class {
        if self.inbox.len() >= INBOX_LEN_MAX {
            return Class::Full;
        }
        let at_us = sample.at_us.unwrap_or_else(|| {
            while self.inbox.contains_key(free_us) || self.window.at(*free_us).is_some() {
                *free_us += 1;
            }
            *free_us
        });
        if self.floor_us().is_some_and(|floor_us| at_us <= floor_us) {
            return Class::TooOld;
        }
        let judged = self.window.at(at_us);
        let stored = self.inbox.get(&at_us).copied().or(judged.map(|judged| judged.sample.value()));
        match stored {
            None => {
                self.inbox.insert(at_us, sample.value);
                Class::Fresh { at_us }
            }
            Some(value) if value == sample.value => {
                let judgement = judged.map(|judged| self.judgement(judged));
                Class::Duplicate { at_us, judgement }
            }
            Some(stored) => Class::Conflict { stored },
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
        if let Some(new) = heat::of(&commit.judgements) {
            self.heat = Some(self.heat.map_or(new, |heat| heat::sum(heat, new)));
        }
        if let Some(floor_us) = commit.floor_us {
            self.window.trim(floor_us);
        }
        self.anomalies = self.anomalies.split_off(&(commit.cursor_us - ANOMALIES_AGE_MAX_US));
        while self.anomalies.len() > ANOMALIES_KEPT_MAX {
            self.anomalies.pop_first();
        }
        self.memory =
            Some(Stored { version, floor_us: commit.floor_us, cursor_us: commit.cursor_us, bytes });
        version
    }
}

impl Inner {
    fn count(&mut self, name: &str, label: &str, n: u64) {
        if n > 0 {
            let field = if label.is_empty() { name.to_owned() } else { format!("{name} {label}") };
            *self.totals.entry(field).or_default() += n;
        }
    }

    fn receive(&mut self, key: &SeriesKey, now_us: i64) {
        let entry = self.series.entry(key.clone()).or_default();
        let before = (std::mem::replace(&mut entry.received_us, now_us), key.clone());
        // The key that is there goes on, and not that of the latest request beside it.
        let key = if let Some((_, key)) = self.by_receipt.take(&before) {
            key
        } else {
            *self.n_series.entry(key.tenant().clone()).or_default() += 1;
            self.own(key)
        };
        self.by_receipt.insert((now_us, key));
    }

    /// The key of a series as the store has it: clones share their texts, and equal ones do not.
    fn own(&self, key: &SeriesKey) -> SeriesKey {
        self.series.get_key_value(key).map_or(key, |(own, _)| own).clone()
    }

    /// Drops series that received nothing for as long as series are kept.
    fn expire(&mut self, now_us: i64) {
        let oldest_us = now_us - (SERIES_TTL_S as i64) * 1_000_000;
        while self.by_receipt.first().is_some_and(|(received_us, _)| *received_us < oldest_us) {
            if let Some((_, expired)) = self.by_receipt.pop_first() {
                self.series.remove(&expired);
                self.forget_look(&expired);
                self.count_less(expired.tenant());
            }
        }
    }

    fn n_series(&self, tenant: &Tenant) -> u64 {
        self.n_series.get(tenant).copied().unwrap_or_default()
    }

    fn count_less(&mut self, tenant: &Tenant) {
        if let Some(n_series) = self.n_series.get_mut(tenant) {
            *n_series -= 1;
        }
    }

    fn of_tenant<'a>(
        &'a self,
        tenant: &'a Tenant,
    ) -> impl Iterator<Item = (&'a SeriesKey, &'a Entry)> {
        self.series.iter().filter(move |(key, _)| key.tenant() == tenant)
    }
}

impl Inner {
    fn revision(&self, key: &SeriesKey) -> i64 {
        self.configs.get(key).map_or(0, |it| it.revision)
    }

    /// Stores what was judged ahead; none where the series is not the one that was judged on, or samples wait.
    fn append_judged(&mut self, append: &Append, series_max: u64, now_us: i64) -> Option<i64> {
        let (key, ahead) = (&append.key, append.ahead.as_ref()?);
        let revision = self.revision(key);
        if !self.series.contains_key(key) {
            let may_begin = ahead.commit.version == 0 && ahead.commit.revision == revision;
            if !may_begin || self.n_series(key.tenant()) >= series_max {
                return None;
            }
            self.receive(key, now_us);
        }
        let entry = self.series.get_mut(key)?;
        let is_expected = entry.memory.is_some() == (ahead.commit.version != 0);
        let is_expected = is_expected && entry.window.is_empty() == entry.memory.is_none();
        if !is_expected || !entry.inbox.is_empty() || !entry.is_judged_on(&ahead.commit, revision) {
            return None;
        }
        let version = entry.commit(&ahead.commit, now_us);
        self.count(totals::SAMPLES, "accepted", ahead.commit.judgements.len() as u64);
        self.count_judged(&ahead.commit);
        self.note(key, &ahead.commit.notes, version);
        if ahead.receipt == Receipt::Noted {
            self.receive(key, now_us);
        }
        Some(version)
    }

    fn append(&mut self, append: &Append, series_max: u64, now_us: i64) -> Appended {
        let Append { key, samples, known_version, .. } = append;
        if !self.series.contains_key(key) && self.n_series(key.tenant()) >= series_max {
            let classes = vec![Class::TooManySeries; samples.len()];
            return Appended { classes, state: None };
        }
        let entry = self.series.entry(key.clone()).or_default();
        if entry.inbox.is_empty() {
            entry.waits_since_us = now_us;
        }
        // At or below the floor no time is free.
        let mut free_us = now_us.max(entry.floor_us().map_or(0, |floor_us| floor_us + 1));
        let classes: Vec<Class> =
            samples.iter().map(|sample| entry.class(*sample, &mut free_us)).collect();
        let config = self.configs.get(key);
        let state = (!entry.inbox.is_empty()).then(|| entry.state(*known_version, config));
        if entry.inbox.is_empty() && entry.memory.is_none() {
            self.series.remove(key);
        } else if classes.iter().any(|class| matches!(class, Class::Fresh { .. })) {
            self.receive(key, now_us);
        }
        for (label, n) in class_counts(&classes) {
            self.count(totals::SAMPLES, label, n);
        }
        Appended { classes, state }
    }

    fn commit(&mut self, key: &SeriesKey, commit: &Commit, now_us: i64) -> Committed {
        let revision = self.revision(key);
        let entry = self.series.entry(key.clone()).or_default();
        if !entry.is_judged_on(commit, revision) {
            let state = entry.state(0, self.configs.get(key));
            if state.has_no_sample() {
                self.series.remove(key); // It was forgotten meanwhile.
            }
            self.count(totals::CONFLICTS, "", 1);
            return Committed::Conflict(state);
        }
        let version = entry.commit(commit, now_us);
        if entry.received_us == 0 {
            self.receive(key, now_us);
        }
        self.count_judged(commit);
        self.note(key, &commit.notes, version);
        Committed::Done { version }
    }

    fn count_judged(&mut self, commit: &Commit) {
        for (name, label, n) in judgement_counts(&commit.judgements) {
            self.count(name, label, n);
        }
    }
}

#[async_trait]
impl SeriesStore for EmbeddedStore {
    async fn append_all(&self, appends: &[Append]) -> Vec<Result<Written, StoreError>> {
        let append = |append: &Append| {
            let now_us = (self.clock)();
            let mut inner = self.lock();
            inner.expire(now_us);
            Ok(match inner.append_judged(append, self.series_max, now_us) {
                Some(version) => Written::Stored { version },
                None => Written::Appended(inner.append(append, self.series_max, now_us)),
            })
        };
        appends.iter().map(append).collect()
    }

    async fn commit_all(
        &self,
        commits: &[(SeriesKey, Commit)],
    ) -> Vec<Result<Committed, StoreError>> {
        let commit = |(key, commit): &(SeriesKey, Commit)| {
            let now_us = (self.clock)();
            Ok(self.lock().commit(key, commit, now_us))
        };
        commits.iter().map(commit).collect()
    }

    fn stamp_us(&self, _: &SeriesKey) -> Option<i64> {
        Some((self.clock)())
    }

    async fn read(&self, key: &SeriesKey) -> Result<Option<State>, StoreError> {
        let inner = self.lock();
        let (entry, config) = (inner.series.get(key), inner.configs.get(key));
        if entry.is_none() && config.is_none() {
            return Ok(None);
        }
        let nothing = Entry::default();
        Ok(Some(entry.unwrap_or(&nothing).state(0, config)))
    }

    async fn anomalies(
        &self,
        key: &SeriesKey,
        since_us: i64,
        limit: usize,
    ) -> Result<Vec<Judgement>, StoreError> {
        let inner = self.lock();
        let anomalies =
            inner.series.get(key).map(|entry| entry.anomalies.range(since_us..).rev().take(limit));
        Ok(anomalies.into_iter().flatten().map(|(_, judgement)| *judgement).collect())
    }

    async fn list(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Listed>, StoreError> {
        let after = cursor.map(|cursor| parse_cursor(tenant, cursor)).transpose()?;
        let inner = self.lock();
        let range = match &after {
            Some(after) => inner
                .by_receipt
                .range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded)),
            None => inner.by_receipt.range(..),
        };
        let mut items: Vec<Listed> = range
            .filter(|(_, key)| key.tenant() == tenant)
            .take(limit + 1)
            .map(|(received_us, key)| Listed { key: key.clone(), received_us: *received_us })
            .collect();
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items
            .last()
            .filter(|_| has_more)
            .map(|last| format!("{}:{}", last.received_us, last.key.name()));
        Ok(Page { items, next })
    }

    async fn worst(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SeriesKey>, StoreError> {
        let after = cursor.map(heat::parse_cursor).transpose()?;
        let is_after = |heat: f64, name: &str| {
            after
                .as_ref()
                .is_none_or(|last| heat < last.0 || heat == last.0 && name < last.1.as_str())
        };
        let inner = self.lock();
        let mut hot: Vec<(f64, &SeriesKey)> = inner
            .of_tenant(tenant)
            .filter(|(_, entry)| !entry.anomalies.is_empty())
            .filter_map(|(key, entry)| Some((entry.heat?, key)))
            .filter(|(heat, key)| is_after(*heat, key.name()))
            .collect();
        hot.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.name().cmp(a.1.name())));
        let has_more = hot.len() > limit;
        hot.truncate(limit);
        let next = hot.last().filter(|_| has_more);
        let next = next.map(|(heat, key)| heat::cursor(&(*heat, key.name().to_owned())));
        Ok(Page { items: hot.into_iter().map(|(_, key)| key.clone()).collect(), next })
    }

    async fn pending(&self, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        let inner = self.lock();
        let waits =
            |key: &SeriesKey| inner.series.get(key).is_some_and(|entry| !entry.inbox.is_empty());
        let pending = inner.by_receipt.iter().filter(|(_, key)| waits(key));
        Ok(pending.take(limit).map(|(_, key)| key.clone()).collect())
    }

    async fn configure(&self, key: &SeriesKey, config: &SeriesConfig) -> Result<i64, StoreError> {
        let now_us = (self.clock)();
        let mut inner = self.lock();
        let revision = inner.mark_config(key, now_us);
        inner.configs.insert(key.clone(), StoredConfig { revision, config: config.clone() });
        Ok(revision)
    }

    async fn unconfigure(&self, key: &SeriesKey) -> Result<bool, StoreError> {
        let now_us = (self.clock)();
        Ok(self.lock().remove_config(key, now_us))
    }

    async fn forget(&self, key: &SeriesKey) -> Result<bool, StoreError> {
        let now_us = (self.clock)();
        let mut inner = self.lock();
        let had_config = inner.remove_config(key, now_us);
        inner.unsaved.remove(key);
        inner.forget_look(key);
        let Some(entry) = inner.series.remove(key) else { return Ok(had_config) };
        if inner.by_receipt.remove(&(entry.received_us, key.clone())) {
            inner.count_less(key.tenant());
        }
        Ok(true)
    }

    async fn add_totals(&self, totals: &BTreeMap<String, u64>) -> Result<(), StoreError> {
        let mut inner = self.lock();
        for (field, n) in totals {
            *inner.totals.entry(field.clone()).or_default() += n;
        }
        Ok(())
    }

    async fn totals(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        Ok(self.lock().totals.clone())
    }

    async fn answers(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn ready(&self, deployed: &DeployedDetector) -> Result<(), StoreError> {
        let detector = deployed.detector.to_string();
        let mut inner = self.lock();
        let first =
            inner.detectors.entry(deployed.generation).or_insert_with(|| detector.clone()).clone();
        check_detector(deployed, &first)
    }
}

#[async_trait]
impl Quotas for EmbeddedStore {
    async fn lease(&self, tenant: &Tenant, wanted: &Lease) -> Result<Leased, StoreError> {
        let now_us = (self.clock)();
        let mut inner = self.lock();
        let full = || Bucket::new(now_us, wanted.burst);
        let bucket = inner.buckets.entry(tenant.clone()).or_insert_with(full);
        Ok(bucket.lease(now_us, wanted))
    }
}

/// Compares the first detector of a generation with that of a deployment.
pub(crate) fn check_detector(deployed: &DeployedDetector, first: &str) -> Result<(), StoreError> {
    let (detector, generation) = (deployed.detector.to_string(), deployed.generation);
    if first == detector {
        return Ok(());
    }
    Err(StoreError::DetectorMismatch { stored: first.to_owned(), deployed: detector, generation })
}

/// How many samples became what.
fn class_counts(classes: &[Class]) -> [(&'static str, u64); 4] {
    let mut counts = [("accepted", 0), ("duplicate", 0), ("conflict", 0), ("too_old", 0)];
    for class in classes {
        let i = match class {
            // A sample that finds no room comes again, and is its writer's to count.
            Class::TooManySeries | Class::Full => continue,
            Class::Fresh { .. } => 0,
            Class::Duplicate { .. } => 1,
            Class::Conflict { .. } => 2,
            Class::TooOld => 3,
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

fn parse_cursor(tenant: &Tenant, cursor: &str) -> Result<(i64, SeriesKey), StoreError> {
    let invalid = || StoreError::CursorInvalid { cursor: cursor.to_owned() };
    let (received_us, name) = cursor.split_once(':').ok_or_else(invalid)?;
    let key = SeriesKey::from_name(tenant, name).map_err(|_| invalid())?;
    Ok((received_us.parse().map_err(|_| invalid())?, key))
}
