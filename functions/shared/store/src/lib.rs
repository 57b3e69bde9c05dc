//! Keeps series between invocations.
//!
//! A series is an inbox of accepted samples, a window of judged ones and a memory. Writers append, judge and
//! commit: an append is kept before it is judged, a commit succeeds only on the version that was judged, and a
//! sample is in the inbox or judged, never between. Whoever dies between two steps loses nothing, since the next
//! writer of the series judges what waits.
//!
//! Architecture invariant: every store passes the same conformance suite (`tests/conformance.rs`).

mod credentials;
mod episodes;
mod heat;
mod history;
mod instances;
mod member;
mod mirror;
mod overview;
mod patch;
mod quota;
mod secret;
mod series_config;
mod state;

mod embedded;
mod redis;

#[cfg(feature = "testbed")]
pub mod testbed;

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use detector::SeriesConfig;
use domain::Judgement;
use domain::{SeriesKey, SeriesKeyError, Tenant};
use thiserror::Error;

pub use credentials::{CredentialsError, CredentialsProvider, Login};
pub use embedded::EmbeddedStore;
pub use episodes::{
    EPISODES_KEPT_MAX, Episodes, HISTORY_TTL_S, Notes, PastRange, StoredEpisode, Unsaved,
};
pub use history::{History, HistoryError, HistoryOptions};
pub use instances::{INSTANCE_LEASE_S, INSTANCES_MAX, Instance, Instances};
pub use mirror::{CONFIGS_HERE_TTL_S, Mirrored, Mirroring, Unmirrored};
pub use overview::{Counts, Glance, Levels, Overview, PENDING_COUNTED_MAX};
pub use patch::Patch;
pub use quota::{Lease, Leased, Quotas};
pub use redis::{CircuitOptions, RedisCredentials, RedisOptions, RedisStore, Topology};
pub use secret::Secret;
pub use series_config::StoredConfig;
pub use state::{
    ANOMALIES_AGE_MAX_US, ANOMALIES_KEPT_MAX, APPEND_MAX, Ahead, Append, Appended, Class, Commit,
    Committed, HEAT_DECAY_US, INBOX_LEN_MAX, INBOX_READ_MAX, Listed, NewSample, Page, Receipt,
    SERIES_MAX_DEFAULT, SERIES_TTL_S, State, Written,
};

/// Names of the totals that a store counts itself, exactly, inside its atomic steps.
pub mod totals {
    /// Samples by what became of them; the name of a [`crate::Class`] follows, of all but those that came again.
    pub const SAMPLES: &str = "samples";
    /// Samples judged late.
    pub const LATE: &str = "late";
    /// Anomalies by head; the name of a head follows.
    pub const ANOMALIES: &str = "anomalies";
    /// Silences noticed.
    pub const SILENCES: &str = "silences";
    /// Episodes dropped before history held them.
    pub const EPISODES_LOST: &str = "episodes_lost";
    /// Commits that found another version.
    pub const CONFLICTS: &str = "commit_conflicts";
}

/// Where series live.
#[async_trait]
pub trait SeriesStore:
    Quotas + Episodes + Mirrored + Overview + Instances + Debug + Send + Sync
{
    /// Puts samples into the inboxes of some series, each at most once.
    ///
    /// Where the tenant has as many series as it may have, those of a new one are refused. Of a series that is still as
    /// its writer judged it ahead, the samples are stored with their verdicts at once. Each series has its own answer,
    /// in order.
    async fn append_all(&self, appends: &[Append]) -> Vec<Result<Written, StoreError>>;

    /// Stores what was judged of some series, of each if version and configuration are still those judged on.
    async fn commit_all(
        &self,
        commits: &[(SeriesKey, Commit)],
    ) -> Vec<Result<Committed, StoreError>>;

    /// Puts samples into the inbox of one series.
    async fn append(
        &self,
        key: &SeriesKey,
        samples: &[NewSample],
        known_version: i64,
    ) -> Result<Appended, StoreError> {
        let samples = samples.to_vec();
        let append = Append { key: key.clone(), samples, known_version, ahead: None };
        match self.append_all(&[append]).await.pop() {
            Some(Ok(Written::Appended(appended))) => Ok(appended),
            Some(Err(error)) => Err(error),
            _ => Err(StoreError::Unreadable { what: "answer" }),
        }
    }

    /// Stores what was judged of one series.
    async fn commit(&self, key: &SeriesKey, commit: &Commit) -> Result<Committed, StoreError> {
        let committed = self.commit_all(&[(key.clone(), commit.clone())]).await.pop();
        committed.unwrap_or(Err(StoreError::Unreadable { what: "answer" }))
    }

    /// The time by the clock that stamps samples of a series, in microseconds: never ahead of it, and never before what
    /// it last told; none until it told something.
    fn stamp_us(&self, key: &SeriesKey) -> Option<i64>;

    /// The series as it is; none where nothing is known of it.
    async fn read(&self, key: &SeriesKey) -> Result<Option<State>, StoreError>;

    /// Anomalies of a series at or after `since_us`, the newest first, at most `limit`.
    async fn anomalies(
        &self,
        key: &SeriesKey,
        since_us: i64,
        limit: usize,
    ) -> Result<Vec<Judgement>, StoreError>;

    /// Series of a tenant, shard by shard, the longest without a sample first; one that receives while it is
    /// listed may come twice, none is left out.
    async fn list(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Listed>, StoreError>;

    /// Series of a tenant with the most recent anomalies, the worst first; one that gets worse or better while it is
    /// listed may come twice or not at all.
    async fn worst(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SeriesKey>, StoreError>;

    /// Series with samples that wait to be judged, those that wait longest first, at most `limit`.
    async fn pending(&self, limit: usize) -> Result<Vec<SeriesKey>, StoreError>;

    /// Stores the configuration of a series, which need not have a sample; answers its revision.
    ///
    /// It replaces the one before, counts at once for every writer, and does not expire.
    async fn configure(&self, key: &SeriesKey, config: &SeriesConfig) -> Result<i64, StoreError>;

    /// Removes the configuration of a series; answers whether there was one.
    async fn unconfigure(&self, key: &SeriesKey) -> Result<bool, StoreError>;

    /// Forgets all of a series, its configuration too; answers whether there was something.
    async fn forget(&self, key: &SeriesKey) -> Result<bool, StoreError>;

    /// Adds to totals that processes share.
    async fn add_totals(&self, totals: &BTreeMap<String, u64>) -> Result<(), StoreError>;

    /// The totals, added up over all shards.
    async fn totals(&self) -> Result<BTreeMap<String, u64>, StoreError>;

    /// Answers when the store does, and has as many shards as this deployment; stores nothing.
    async fn answers(&self) -> Result<(), StoreError>;

    /// Answers when the store does, and holds the deployment's detector against those of the same generation.
    async fn ready(&self, deployed: &detector::DeployedDetector) -> Result<(), StoreError>;

    /// Which parts of the store are left alone for a while because they did not answer; a store in the process has none.
    fn circuits(&self) -> Circuits {
        Circuits::default()
    }
}

/// How many parts of a store are left alone for a while, as seen by this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Circuits {
    /// Left alone now.
    pub n_open: usize,
    /// All of them.
    pub n: usize,
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It did not answer, or not in time.
    #[error("the store does not answer: {reason}")]
    Unavailable {
        /// What it, or the network, said.
        reason: String,
    },
    /// It does not know the user, or the password is another.
    #[error("the store refuses the credentials: {reason}")]
    CredentialsRefused {
        /// What it said.
        reason: String,
    },
    /// The user may not run a command, or touch a key.
    #[error("the store does not permit it: {reason}")]
    NotPermitted {
        /// What it said.
        reason: String,
    },
    /// Nobody who is trusted vouches for its certificate.
    #[error("the store cannot be trusted: {reason}")]
    Untrusted {
        /// What is wrong with the certificate.
        reason: String,
    },
    /// What it holds cannot be read.
    #[error("a stored {what} cannot be read")]
    Unreadable {
        /// Which part.
        what: &'static str,
    },
    /// A cursor is not one that this store gave.
    #[error("cursor `{cursor}` is not one that was given out: the `next` of a page is wanted")]
    CursorInvalid {
        /// The cursor that was given.
        cursor: String,
    },
    /// It was made with another number of shards.
    #[error(
        "the store has {stored} shards, this deployment {wanted}: the number is fixed for the life of a store"
    )]
    ShardsDiffer {
        /// Its own number.
        stored: u16,
        /// The configured one.
        wanted: u16,
    },
    /// Another deployment of the same generation judges with another detector.
    #[error(
        "generation {generation} judges with `{stored}`, this deployment with `{deployed}`: \
         another generation is wanted with another detector"
    )]
    DetectorMismatch {
        /// The detector that came first.
        stored: String,
        /// The configured one.
        deployed: String,
        /// The generation of both.
        generation: u32,
    },
    /// The address of the store is not one.
    #[error("store address is not usable: {reason}")]
    AddressInvalid {
        /// What is wrong with it.
        reason: String,
    },
}

impl From<SeriesKeyError> for StoreError {
    fn from(error: SeriesKeyError) -> Self {
        let what = match error {
            SeriesKeyError::Series => "series name",
            _ => "tenant",
        };
        Self::Unreadable { what }
    }
}

impl StoreError {
    /// Whether there is no store to speak of, so that asking again at once is in vain.
    pub fn is_away(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. }
                | Self::CredentialsRefused { .. }
                | Self::NotPermitted { .. }
                | Self::Untrusted { .. }
        )
    }

    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "store_unavailable",
            Self::CredentialsRefused { .. } => "store_credentials_refused",
            Self::NotPermitted { .. } => "store_not_permitted",
            Self::Untrusted { .. } => "store_untrusted",
            Self::Unreadable { .. } => "store_unreadable",
            Self::CursorInvalid { .. } => "cursor_invalid",
            Self::ShardsDiffer { .. } => "shards_differ",
            Self::DetectorMismatch { .. } => "detector_mismatch",
            Self::AddressInvalid { .. } => "address_invalid",
        }
    }
}
