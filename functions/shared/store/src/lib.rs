//! Keeps series between invocations.
//!
//! A series is an inbox of accepted samples, a window of judged ones and a memory. Writers append, judge and commit:
//! an accepted sample is stored before it is judged, a commit is a compare-and-set on the version that was judged, and
//! a sample is always in the inbox or judged. A writer that stops between two steps loses nothing: the next writer of
//! the series judges what waits.
//!
//! Architecture invariant: every store passes the same conformance suite (`tests/conformance.rs`).

mod credentials;
mod error;
mod ports;

mod config_backup;
mod decayed_score;
mod episodes;
mod history;
mod instances;
mod member;
mod patch;
mod rate_limit;
mod secret;
mod series_config;
mod state;
mod status;

mod embedded;
mod redis;

#[cfg(feature = "testbed")]
pub mod testbed;

pub use config_backup::{CONFIGS_COMPLETE_TTL_S, ConfigBackupStatus, UnsavedConfig};
pub use credentials::{CredentialsError, CredentialsProvider, Login};
pub use embedded::EmbeddedStore;
pub use episodes::{
    EPISODES_KEPT_MAX, EpisodeUpdate, HISTORY_TTL_S, PastRange, StoredEpisode, UnsavedEpisodes,
};
pub use error::StoreError;
pub use history::{History, HistoryError, HistoryOptions};
pub use instances::{INSTANCE_LEASE_S, INSTANCES_MAX, Instance};
pub use patch::MemoryPatch;
pub use ports::{
    ConfigStore, InstanceLeases, RateLimiter, SeriesReader, SeriesWriter, Store, StoreStatus,
    SweepQueues,
};
pub use rate_limit::{TokenGrant, TokenRequest};
pub use redis::{CircuitOptions, RedisCredentials, RedisOptions, RedisStore, Topology};
pub use secret::Secret;
pub use series_config::StoredConfig;
pub use state::{
    ANOMALIES_AGE_MAX_US, ANOMALIES_KEPT_MAX, APPEND_MAX, Append, AppendOutcome, ClassifiedSamples,
    Commit, CommitOutcome, INBOX_LEN_MAX, INBOX_READ_MAX, NewSample, OptimisticCommit,
    ReceiptUpdate, SCORE_DECAY_US, SERIES_MAX_DEFAULT, SERIES_TTL_S, SampleClass, SeriesState,
};
pub use status::{
    CircuitCounts, ListedSeries, PENDING_COUNTED_MAX, Page, SeriesSummary, StoreGauges,
    TenantCounts,
};

/// Names of the totals that a store counts itself, exactly, inside its atomic steps.
pub mod totals {
    /// Samples by outcome; the name of a [`crate::SampleClass`] follows. Refused samples are not counted.
    pub const SAMPLES: &str = "samples";
    /// Samples judged late.
    pub const LATE: &str = "late";
    /// Anomalies by signal; the name of a signal follows.
    pub const ANOMALIES: &str = "anomalies";
    /// Series that fell silent.
    pub const SILENCES: &str = "silences";
    /// Episodes dropped before the history held them.
    pub const EPISODES_LOST: &str = "episodes_lost";
    /// Commits that found another version.
    pub const CONFLICTS: &str = "commit_conflicts";
}
