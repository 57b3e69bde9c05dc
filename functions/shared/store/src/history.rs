//! Port of the durable history: episodes, and a backup of the configurations of series.
//!
//! Optional: without it, only the episodes in the store are available. No request waits for it: a store queues unsaved
//! changes, and a sweep saves them.

use std::fmt::Debug;

use async_trait::async_trait;
use detector::SeriesConfig;
use thiserror::Error;

use crate::{Page, PastRange, StoredConfig, StoredEpisode};
use domain::SeriesKey;

/// Table and retention of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryOptions {
    /// The name of the table, or its ARN.
    pub table: String,
    /// Retention after the last change of an episode, in days.
    pub days: u32,
}

/// Durable storage of episodes and configurations, with a longer retention than a store.
#[async_trait]
pub trait History: Debug + Send + Sync {
    /// Saves an episode, unless a later revision is saved: idempotent, and independent of order.
    ///
    /// `received_us` is the time of the call, in Unix microseconds; the retention starts there.
    async fn save(
        &self,
        key: &SeriesKey,
        episode: &StoredEpisode,
        received_us: i64,
    ) -> Result<(), HistoryError>;

    /// Episodes of a series, the newest first.
    async fn episodes(
        &self,
        key: &SeriesKey,
        range: PastRange,
    ) -> Result<Vec<StoredEpisode>, HistoryError>;

    /// Saves `revision` of the configuration of a series, or its removal if there is none, unless a later revision is
    /// saved: idempotent, and independent of order.
    ///
    /// `received_us` is the time of the call, in Unix microseconds.
    async fn mirror(
        &self,
        key: &SeriesKey,
        revision: i64,
        config: Option<&SeriesConfig>,
        received_us: i64,
    ) -> Result<(), HistoryError>;

    /// A page of the configurations of all series of all tenants; those that this version cannot read are left out.
    async fn configs(
        &self,
        cursor: Option<&str>,
    ) -> Result<Page<(SeriesKey, StoredConfig)>, HistoryError>;

    /// Removes a series with its episodes and configuration.
    async fn forget(&self, key: &SeriesKey) -> Result<(), HistoryError>;

    /// Succeeds if the history can be read.
    async fn ready(&self) -> Result<(), HistoryError>;
}

/// Error of the history.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The history did not reply, or not in time, or throttles requests.
    #[error("history does not answer: {reason}")]
    Unavailable {
        /// The error of the history or of the network.
        reason: String,
    },
    /// The history refuses the request: table, permission or credentials are wrong.
    #[error("history refuses: {reason}")]
    Refused {
        /// The error of the history.
        reason: String,
    },
    /// A stored item cannot be read.
    #[error("an episode in history cannot be read")]
    Unreadable,
}

impl HistoryError {
    /// The message for clients: without the reason, which only the log has.
    pub fn public_detail(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "the history does not answer",
            Self::Refused { .. } => "the history refuses the request",
            Self::Unreadable => "an episode in history cannot be read",
        }
    }

    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "history_unavailable",
            Self::Refused { .. } => "history_refused",
            Self::Unreadable => "history_unreadable",
        }
    }
}
