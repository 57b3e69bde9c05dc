//! Failures of a store, each with a bounded code.

use domain::SeriesKeyError;
use thiserror::Error;

/// Why a call of a store failed.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No answer, or none in time.
    #[error("the store does not answer: {reason}")]
    Unavailable {
        /// The reason given by the server or the network.
        reason: String,
    },
    /// Unknown user or wrong password.
    #[error("the store refuses the credentials: {reason}")]
    CredentialsRefused {
        /// The reason given by the server.
        reason: String,
    },
    /// The user lacks the right to a command or a key.
    #[error("the store does not permit it: {reason}")]
    NotPermitted {
        /// The reason given by the server.
        reason: String,
    },
    /// No trusted authority signed the certificate of the server.
    #[error("the store cannot be trusted: {reason}")]
    Untrusted {
        /// The problem with the certificate.
        reason: String,
    },
    /// A key has another type or content than this version writes.
    #[error("a stored {what} cannot be read")]
    Unreadable {
        /// Name of the part.
        what: &'static str,
    },
    /// The configuration of a series is new, and its tenant has reached the limit, or the store is nearly full.
    #[error(
        "no new configuration of a series is admitted: the tenant may have {max}, and the store must have room"
    )]
    TooManyConfigs {
        /// Most configurations of the tenant.
        max: u64,
    },
    /// The cursor of a page was not issued by this store.
    #[error("the cursor is invalid: expected the `next` of a page")]
    CursorInvalid,
    /// The store was created with another number of shards.
    #[error(
        "the store has {stored} shards, this deployment {configured}: the number cannot change during the life of a store"
    )]
    ShardsDiffer {
        /// The number of the store.
        stored: u16,
        /// The configured number.
        configured: u16,
    },
    /// Another deployment of the same generation has another detector.
    #[error(
        "generation {generation} judges with `{stored}`, this deployment with `{deployed}`: \
         another detector needs another generation"
    )]
    DetectorMismatch {
        /// The detector that was deployed first.
        stored: String,
        /// The configured one.
        deployed: String,
        /// The generation of both.
        generation: u32,
    },
    /// The configured address of the store cannot be parsed.
    #[error("store address is not usable: {reason}")]
    AddressInvalid {
        /// The problem with the address.
        reason: String,
    },
}

impl From<SeriesKeyError> for StoreError {
    fn from(error: SeriesKeyError) -> Self {
        let what = match error {
            SeriesKeyError::Series => "series name",
            SeriesKeyError::Tenant => "tenant",
        };
        Self::Unreadable { what }
    }
}

impl StoreError {
    /// Returns true if the whole store is unreachable, so that an immediate retry is pointless.
    pub fn is_away(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. }
                | Self::CredentialsRefused { .. }
                | Self::NotPermitted { .. }
                | Self::Untrusted { .. }
        )
    }

    /// The message for clients: without the reason of the server or the network, which only the log has.
    pub fn public_detail(&self) -> String {
        match self {
            Self::Unavailable { .. } => "the store does not answer".to_owned(),
            Self::CredentialsRefused { .. } => "the store refuses the credentials".to_owned(),
            Self::NotPermitted { .. } => "the store does not permit it".to_owned(),
            Self::Untrusted { .. } => "the store cannot be trusted".to_owned(),
            Self::AddressInvalid { .. } => "the address of the store is not usable".to_owned(),
            _ => self.to_string(),
        }
    }

    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "store_unavailable",
            Self::CredentialsRefused { .. } => "store_credentials_refused",
            Self::NotPermitted { .. } => "store_not_permitted",
            Self::Untrusted { .. } => "store_untrusted",
            Self::Unreadable { .. } => "store_unreadable",
            Self::TooManyConfigs { .. } => "too_many_configs",
            Self::CursorInvalid => "cursor_invalid",
            Self::ShardsDiffer { .. } => "shards_differ",
            Self::DetectorMismatch { .. } => "detector_mismatch",
            Self::AddressInvalid { .. } => "address_invalid",
        }
    }
}
