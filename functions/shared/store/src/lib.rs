//! Stores series between invocations.
//!
//! A series is an inbox of accepted samples, a window of judged ones and a memory. Writers append, judge and commit:
//! an accepted sample is stored before it is judged, a commit is a compare-and-set on the version that was judged, and
//! a sample is always in the inbox or judged. A writer that stops between two steps loses nothing: the next writer of
//! the series judges what waits.
//!
//! Architecture invariant: every store passes the same conformance suite (`tests/conformance`), and both agree after every step
//! of generated histories (`tests/differential.rs`).

mod alerts;
mod credentials;
mod error;
mod ports;

mod config_backup;
mod episodes;
mod history;
mod instances;
mod limits;
mod rate_limit;
mod secret;
mod status;

mod embedded;
mod redis;

#[cfg(feature = "testbed")]
pub mod testbed;

pub use alerts::{ALERTS_TTL_S, DueAlerts, Requeue, StoredAlerts};
pub use config_backup::{CONFIGS_COMPLETE_TTL_S, ConfigBackupStatus, UnsavedConfig};
pub use credentials::{CredentialsError, CredentialsProvider, Login};
pub use embedded::EmbeddedStore;
pub use episodes::{HISTORY_TTL_S, PastRange, UnsavedEpisodes};
pub use error::StoreError;
pub use history::{History, HistoryError, HistoryOptions};
pub use instances::{INSTANCE_LEASE_S, INSTANCES_MAX, Instance};
pub use limits::{SERIES_MAX_DEFAULT, StoreLimits, TENANT_PERCENT_DEFAULT};
pub use ports::{
    AlertStore, ConfigStore, InstanceLeases, RateLimiter, SeriesReader, SeriesWriter, Store,
    StoreStatus, SweepQueues,
};
pub use protocol::limits::{
    ANOMALIES_AGE_MAX_US, ANOMALIES_KEPT_MAX, APPEND_MAX, EPISODES_KEPT_MAX, INBOX_LEN_MAX,
    INBOX_READ_MAX,
};
pub use protocol::{
    Append, AppendOutcome, ClassifiedSamples, Commit, CommitOutcome, EpisodeUpdate, MemoryPatch,
    NewSample, OnRefusal, OptimisticCommit, ReceiptUpdate, SampleClass, SeriesState, StoredConfig,
    StoredEpisode, totals,
};
pub use rate_limit::{TokenBucket, TokenGrant, TokenRequest};
pub use redis::{CircuitOptions, RedisCredentials, RedisOptions, RedisStore, Topology};
pub use secret::Secret;
pub use status::{
    CircuitCounts, DataLoss, ListedSeries, PENDING_COUNTED_MAX, Page, SeriesSummary, StoreGauges,
    StoreMemory, TenantCounts,
};

/// Time after the last receipt after which a series expires: 35 days, in seconds.
pub const SERIES_TTL_S: u64 = 35 * 86_400;

/// Time after which a series with a single sample expires: 8 days, in seconds. It has no verdict, and a weekly series
/// sends its second sample earlier.
pub const SINGLE_SAMPLE_TTL_S: u64 = 8 * 86_400;
