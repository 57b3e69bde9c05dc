//! The ports of a store, one trait per use: writing, reading, configuration, sweeping, alerts, limits, leases, status.
//!
//! A use case asks for the trait it needs; [`Store`] is all of them. Only the adapters know where series are stored.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use detector::{DeployedDetector, SeriesConfig, SilenceCheck};
use domain::{Judgement, SeriesKey, Tenant};

use crate::{
    Append, AppendOutcome, CircuitCounts, ClassifiedSamples, Commit, CommitOutcome,
    ConfigBackupStatus, DataLoss, DueAlerts, Instance, ListedSeries, NewSample, Page, PastRange,
    Requeue, SeriesState, SeriesSummary, StoreError, StoreGauges, StoredAlerts, StoredConfig,
    StoredEpisode, TenantCounts, TokenGrant, TokenRequest, UnsavedEpisodes,
};

/// Every port of a store.
pub trait Store:
    SeriesWriter
    + SeriesReader
    + ConfigStore
    + SweepQueues
    + AlertStore
    + RateLimiter
    + InstanceLeases
    + StoreStatus
    + Debug
    + Send
    + Sync
{
}

impl<S> Store for S where
    S: SeriesWriter
        + SeriesReader
        + ConfigStore
        + SweepQueues
        + AlertStore
        + RateLimiter
        + InstanceLeases
        + StoreStatus
        + Debug
        + Send
        + Sync
{
}

/// Appends samples and commits their judgements.
#[async_trait]
pub trait SeriesWriter {
    /// Appends samples to the inboxes of several series, each sample at most once; returns the outcomes in order.
    ///
    /// A new series is refused if its tenant has reached the limit of series. If an optimistic commit matches the
    /// stored version and configuration and no sample waits, it is stored in the same step; otherwise the samples are
    /// appended, or the state is returned, as [`OptimisticCommit::on_refusal`](crate::OptimisticCommit) specifies.
    async fn append_all(&self, appends: &[Append]) -> Vec<Result<AppendOutcome, StoreError>>;

    /// Commits several series, each if its version and configuration are those judged on; returns the outcomes in order.
    async fn commit_all(
        &self,
        commits: &[(SeriesKey, Commit)],
    ) -> Vec<Result<CommitOutcome, StoreError>>;

    /// Appends samples to the inbox of one series.
    async fn append(
        &self,
        key: &SeriesKey,
        samples: &[NewSample],
        cached_version: i64,
    ) -> Result<ClassifiedSamples, StoreError> {
        let samples = samples.to_vec();
        let append = Append { key: key.clone(), samples, cached_version, optimistic: None };
        match self.append_all(&[append]).await.pop() {
            Some(Ok(AppendOutcome::Classified(classified))) => Ok(classified),
            Some(Err(error)) => Err(error),
            _ => Err(StoreError::Unreadable { what: "answer" }),
        }
    }

    /// Stores what was judged of one series.
    async fn commit(&self, key: &SeriesKey, commit: &Commit) -> Result<CommitOutcome, StoreError> {
        let outcome = self.commit_all(&[(key.clone(), commit.clone())]).await.pop();
        outcome.unwrap_or(Err(StoreError::Unreadable { what: "answer" }))
    }

    /// Deletes a series and its configuration; returns whether anything was stored.
    async fn forget(&self, key: &SeriesKey) -> Result<bool, StoreError>;

    /// Estimates the time, in Unix microseconds, by the clock that stamps samples of a series: never ahead of that
    /// clock, never before the last time it reported; `None` before its first reply.
    fn store_time_us(&self, key: &SeriesKey) -> Option<i64>;
}

/// Reads series: one of them, or lists of a tenant's.
#[async_trait]
pub trait SeriesReader {
    /// Reads several series; `None` for each of which neither samples nor a configuration are stored.
    async fn read_all(&self, keys: &[&SeriesKey]) -> Vec<Result<Option<SeriesState>, StoreError>>;

    /// Reads a series; `None` if neither samples nor a configuration are stored.
    async fn read(&self, key: &SeriesKey) -> Result<Option<SeriesState>, StoreError> {
        self.read_all(&[key]).await.pop().unwrap_or(Err(StoreError::Unreadable { what: "answer" }))
    }

    /// Anomalies of a series at or after `since_us`, newest first, at most `limit`.
    async fn anomalies(
        &self,
        key: &SeriesKey,
        since_us: i64,
        limit: usize,
    ) -> Result<Vec<Judgement>, StoreError>;

    /// Episodes of a series, newest first.
    async fn episodes(
        &self,
        key: &SeriesKey,
        range: PastRange,
    ) -> Result<Vec<StoredEpisode>, StoreError>;

    /// Memory and number of anomalies of several series, in their order.
    async fn summaries(&self, keys: &[SeriesKey]) -> Result<Vec<SeriesSummary>, StoreError>;

    /// Lists the series of a tenant shard by shard, least recently received first.
    ///
    /// A series that receives a sample meanwhile may be listed twice; none is left out.
    async fn list(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ListedSeries>, StoreError>;

    /// Lists the series of a tenant with the most recent anomalies, highest decayed score first.
    ///
    /// A series whose score changes meanwhile may be listed twice or not at all.
    async fn worst(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SeriesKey>, StoreError>;

    /// Series of a tenant that received a sample last, most recent first, at most `limit`.
    async fn recent(&self, tenant: &Tenant, limit: usize) -> Result<Vec<SeriesKey>, StoreError>;

    /// Counts the series of a tenant.
    async fn tenant_counts(&self, tenant: &Tenant) -> Result<TenantCounts, StoreError>;
}

/// Stores the configurations of series.
#[async_trait]
pub trait ConfigStore {
    /// Stores the configuration of a series, which need not have a sample; returns its revision.
    ///
    /// It replaces the one before, applies at once to every writer, and does not expire.
    async fn put_config(&self, key: &SeriesKey, config: &SeriesConfig) -> Result<i64, StoreError>;

    /// Replaces or removes the configuration of a series if `revision`, 0 for none, is still that of the stored one;
    /// returns the new revision, or `None` if another revision is stored.
    async fn replace_config(
        &self,
        key: &SeriesKey,
        config: Option<&SeriesConfig>,
        revision: i64,
    ) -> Result<Option<i64>, StoreError>;

    /// Reads the configurations of several series, in their order.
    async fn configs(&self, keys: &[SeriesKey]) -> Result<Vec<Option<StoredConfig>>, StoreError>;

    /// Removes the configuration of a series; returns whether there was one.
    async fn remove_config(&self, key: &SeriesKey) -> Result<bool, StoreError>;

    /// Restores a configuration from the backup, unless the store has one or one was removed since; returns whether
    /// it did.
    async fn restore_config(
        &self,
        key: &SeriesKey,
        stored: &StoredConfig,
    ) -> Result<bool, StoreError>;

    /// Configurations that changed since they were backed up, at most `limit`.
    async fn config_backup_status(&self, limit: usize) -> Result<ConfigBackupStatus, StoreError>;

    /// Records that the backup holds `revision`; a later change stays in the queue.
    async fn mark_config_saved(&self, key: &SeriesKey, revision: i64) -> Result<(), StoreError>;

    /// Records that the store holds every configuration of the backup, for [`crate::CONFIGS_COMPLETE_TTL_S`] or until
    /// the store loses its data.
    async fn mark_configs_complete(&self) -> Result<(), StoreError>;
}

/// Queues of the work that a sweep does without a request.
#[async_trait]
pub trait SweepQueues {
    /// Series with samples that wait to be judged, longest wait first, at most `limit`.
    async fn pending(&self, limit: usize) -> Result<Vec<SeriesKey>, StoreError>;

    /// Series to check for silence by `now_us`, earliest due first, at most `limit`.
    async fn due_silence_checks(
        &self,
        now_us: i64,
        limit: usize,
    ) -> Result<Vec<SeriesKey>, StoreError>;

    /// Moves the next silence check of a series; does nothing if none is scheduled.
    async fn reschedule_silence_check(
        &self,
        key: &SeriesKey,
        check: SilenceCheck,
    ) -> Result<(), StoreError>;

    /// Series with episodes that the history does not hold, at most `limit`; makes the store queue them for the next
    /// [`crate::HISTORY_TTL_S`].
    async fn unsaved_episodes(&self, limit: usize) -> Result<Vec<UnsavedEpisodes>, StoreError>;

    /// Number of series with episodes that the history does not hold.
    async fn n_unsaved_episodes(&self) -> Result<u64, StoreError>;

    /// Records that the history holds all notable changes of a series up to `version`.
    async fn mark_episodes_saved(&self, key: &SeriesKey, version: i64) -> Result<(), StoreError>;
}

/// Stores the alerts of series, and queues the series whose alerts are to be checked.
///
/// While a notifier runs, the commit that changes an episode queues its series, so that no change is missed.
#[async_trait]
pub trait AlertStore {
    /// Takes or renews the lease of the notifier; returns false if another holder has it.
    async fn lease_notifier(&self, holder: &str, lease: Duration) -> Result<bool, StoreError>;

    /// Ends the lease of a holder.
    async fn release_notifier(&self, holder: &str) -> Result<(), StoreError>;

    /// Series whose alerts are to be checked by `now_us`, those with changed episodes first, at most `limit`; makes the
    /// store queue them for the next [`crate::ALERTS_TTL_S`].
    async fn due_alerts(&self, now_us: i64, limit: usize) -> Result<Vec<DueAlerts>, StoreError>;

    /// Alerts of a series.
    async fn alerts(&self, key: &SeriesKey) -> Result<StoredAlerts, StoreError>;

    /// Saves the alerts of a series if the stored version is that of `alerts`, and moves it in the queue; an empty text
    /// removes them. Returns whether it did.
    async fn save_alerts(
        &self,
        key: &SeriesKey,
        alerts: &StoredAlerts,
        requeue: Option<Requeue>,
    ) -> Result<bool, StoreError>;

    /// Series of a tenant that have alerts, at most `limit`, in any order.
    async fn alerting_series(
        &self,
        tenant: &Tenant,
        limit: usize,
    ) -> Result<Vec<SeriesKey>, StoreError>;
}

/// Limits the samples per second of a tenant.
#[async_trait]
pub trait RateLimiter {
    /// Takes tokens from the bucket of a tenant, which no other tenant shares.
    async fn take_tokens(
        &self,
        tenant: &Tenant,
        request: &TokenRequest,
    ) -> Result<TokenGrant, StoreError>;
}

/// Leases by which the processes of a deployment report that they serve.
#[async_trait]
pub trait InstanceLeases {
    /// Stores the report of a process for [`crate::INSTANCE_LEASE_S`], replacing its last one.
    ///
    /// Past [`crate::INSTANCES_MAX`] processes a further one is ignored.
    async fn renew_lease(&self, instance: &Instance) -> Result<(), StoreError>;

    /// Ends the lease of a process.
    async fn end_lease(&self, instance: &Instance) -> Result<(), StoreError>;

    /// Processes with a lease.
    async fn instances(&self) -> Result<Vec<Instance>, StoreError>;
}

/// State of the store as a whole.
#[async_trait]
pub trait StoreStatus {
    /// Succeeds if the store answers and has as many shards as this deployment; writes nothing.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Succeeds if the store answers and every deployment of this generation has the same detector.
    async fn check_deployment(&self, deployed: &DeployedDetector) -> Result<(), StoreError>;

    /// Open circuits; a store in the process has none.
    fn circuits(&self) -> CircuitCounts {
        CircuitCounts::default()
    }

    /// Takes what the store was seen to have lost since the last call; a store in the process loses nothing.
    fn take_loss(&self) -> DataLoss {
        DataLoss::default()
    }

    /// Number of series, of those with waiting samples, and the longest wait, over all tenants.
    async fn gauges(&self) -> Result<StoreGauges, StoreError>;

    /// The totals of all processes, summed over the shards.
    async fn totals(&self) -> Result<BTreeMap<String, u64>, StoreError>;

    /// Adds to the totals.
    async fn add_totals(&self, totals: &BTreeMap<String, u64>) -> Result<(), StoreError>;
}
