//! A store whose steps are timed and counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use detector::{DeployedDetector, SeriesConfig, SilenceCheck};
use domain::Judgement;
use domain::{SeriesKey, Tenant};
use store::{
    Append, Circuits, Class, Commit, Committed, Counts, Episodes, Glance, Instance, Instances,
    Lease, Leased, Levels, Listed, Mirrored, Mirroring, Overview, Page, PastRange, Quotas,
    SeriesStore, State, StoreError, StoredConfig, StoredEpisode, Unsaved, Written,
};
use tokio::time::Instant;

use crate::metrics::Totals;

/// Passes every call on, and counts it.
#[derive(Debug)]
pub(crate) struct Timed {
    inner: Arc<dyn SeriesStore>,
    totals: Arc<Totals>,
}

impl Timed {
    pub(crate) fn new(inner: Arc<dyn SeriesStore>, totals: Arc<Totals>) -> Self {
        Self { inner, totals }
    }

    /// A step of several series is one: they travel together.
    async fn timed_all<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Vec<Result<T, StoreError>>>,
    ) -> Vec<Result<T, StoreError>> {
        let start = Instant::now();
        let answers = call.await;
        let is_failed = answers.iter().any(Result::is_err);
        self.totals.count_operation(operation, start.elapsed().as_secs_f64(), is_failed);
        answers
    }

    async fn timed<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let start = Instant::now();
        let answer = call.await;
        self.totals.count_operation(operation, start.elapsed().as_secs_f64(), answer.is_err());
        answer
    }
}

/// What became of samples that were stored as they were judged ahead.
fn fresh(judgements: &[Judgement]) -> Vec<Class> {
    judgements.iter().map(|it| Class::Fresh { at_us: it.sample.at_us() }).collect()
}

#[async_trait]
impl SeriesStore for Timed {
    async fn append_all(&self, appends: &[Append]) -> Vec<Result<Written, StoreError>> {
        let written = self.timed_all("append", self.inner.append_all(appends)).await;
        self.totals.note(|journal| {
            for (append, written) in appends.iter().zip(&written) {
                match (written, &append.ahead) {
                    (Ok(Written::Appended(appended)), _) => journal.note_classes(&appended.classes),
                    (Ok(Written::Stored { .. }), Some(ahead)) => {
                        journal.note_classes(&fresh(&ahead.commit.judgements));
                        journal.note_judgements(&ahead.commit.judgements);
                    }
                    _ => {}
                }
            }
        });
        written
    }

    async fn commit_all(
        &self,
        commits: &[(SeriesKey, Commit)],
    ) -> Vec<Result<Committed, StoreError>> {
        let committed = self.timed_all("commit", self.inner.commit_all(commits)).await;
        self.totals.note(|journal| {
            for ((_, commit), committed) in commits.iter().zip(&committed) {
                match committed {
                    Ok(Committed::Done { .. }) => journal.note_judgements(&commit.judgements),
                    Ok(Committed::Conflict(_)) => {
                        journal.count(crate::metrics::MetricName::CommitConflicts, &[], 1);
                    }
                    Err(_) => {}
                }
            }
        });
        committed
    }

    fn stamp_us(&self, key: &SeriesKey) -> Option<i64> {
        self.inner.stamp_us(key)
    }

    async fn read(&self, key: &SeriesKey) -> Result<Option<State>, StoreError> {
        self.timed("read", self.inner.read(key)).await
    }

    async fn anomalies(
        &self,
        key: &SeriesKey,
        since_us: i64,
        limit: usize,
    ) -> Result<Vec<Judgement>, StoreError> {
        self.timed("read", self.inner.anomalies(key, since_us, limit)).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Listed>, StoreError> {
        self.timed("list", self.inner.list(tenant, cursor, limit)).await
    }

    async fn worst(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SeriesKey>, StoreError> {
        self.timed("list", self.inner.worst(tenant, cursor, limit)).await
    }

    async fn pending(&self, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        self.timed("list", self.inner.pending(limit)).await
    }

    async fn configure(&self, key: &SeriesKey, config: &SeriesConfig) -> Result<i64, StoreError> {
        self.timed("commit", self.inner.configure(key, config)).await
    }

    async fn unconfigure(&self, key: &SeriesKey) -> Result<bool, StoreError> {
        self.timed("commit", self.inner.unconfigure(key)).await
    }

    async fn forget(&self, key: &SeriesKey) -> Result<bool, StoreError> {
        self.timed("commit", self.inner.forget(key)).await
    }

    // The rest tells of the store and is no work on series.

    async fn add_totals(&self, totals: &BTreeMap<String, u64>) -> Result<(), StoreError> {
        self.inner.add_totals(totals).await
    }

    async fn totals(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        self.inner.totals().await
    }

    async fn answers(&self) -> Result<(), StoreError> {
        self.inner.answers().await
    }

    async fn ready(&self, deployed: &DeployedDetector) -> Result<(), StoreError> {
        self.inner.ready(deployed).await
    }

    fn circuits(&self) -> Circuits {
        self.inner.circuits()
    }
}

#[async_trait]
impl Quotas for Timed {
    async fn lease(&self, tenant: &Tenant, wanted: &Lease) -> Result<Leased, StoreError> {
        self.timed("lease", self.inner.lease(tenant, wanted)).await
    }
}

#[async_trait]
impl Overview for Timed {
    // It tells of the store, as totals do.
    async fn levels(&self) -> Result<Levels, StoreError> {
        self.inner.levels().await
    }

    async fn count(&self, tenant: &Tenant) -> Result<Counts, StoreError> {
        self.timed("list", self.inner.count(tenant)).await
    }

    async fn recent(&self, tenant: &Tenant, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        self.timed("list", self.inner.recent(tenant, limit)).await
    }

    async fn glances(&self, keys: &[SeriesKey]) -> Result<Vec<Glance>, StoreError> {
        self.timed("read", self.inner.glances(keys)).await
    }
}

// No work on series either.
#[async_trait]
impl Instances for Timed {
    async fn report(&self, instance: &Instance) -> Result<(), StoreError> {
        self.inner.report(instance).await
    }

    async fn withdraw(&self, instance: &Instance) -> Result<(), StoreError> {
        self.inner.withdraw(instance).await
    }

    async fn instances(&self) -> Result<Vec<Instance>, StoreError> {
        self.inner.instances().await
    }
}

#[async_trait]
impl Episodes for Timed {
    async fn episodes(
        &self,
        key: &SeriesKey,
        range: PastRange,
    ) -> Result<Vec<StoredEpisode>, StoreError> {
        self.timed("read", self.inner.episodes(key, range)).await
    }

    async fn unsaved(&self, limit: usize) -> Result<Vec<Unsaved>, StoreError> {
        self.timed("list", self.inner.unsaved(limit)).await
    }

    async fn count_unsaved(&self) -> Result<u64, StoreError> {
        self.inner.count_unsaved().await
    }

    async fn saved(&self, key: &SeriesKey, version: i64) -> Result<(), StoreError> {
        self.timed("commit", self.inner.saved(key, version)).await
    }

    async fn looks(&self, now_us: i64, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        self.timed("list", self.inner.looks(now_us, limit)).await
    }

    async fn look_again(&self, key: &SeriesKey, look: SilenceCheck) -> Result<(), StoreError> {
        self.timed("commit", self.inner.look_again(key, look)).await
    }
}

#[async_trait]
impl Mirrored for Timed {
    async fn mirroring(&self, limit: usize) -> Result<Mirroring, StoreError> {
        self.timed("list", self.inner.mirroring(limit)).await
    }

    async fn mirrored(&self, key: &SeriesKey, revision: i64) -> Result<(), StoreError> {
        self.timed("commit", self.inner.mirrored(key, revision)).await
    }

    async fn restore(&self, key: &SeriesKey, stored: &StoredConfig) -> Result<bool, StoreError> {
        self.timed("commit", self.inner.restore(key, stored)).await
    }

    async fn complete(&self) -> Result<(), StoreError> {
        self.timed("commit", self.inner.complete()).await
    }
}
