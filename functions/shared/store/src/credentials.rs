//! The port by which a store obtains the login of a connection.
//!
//! The store knows no cloud: adapters for one implement this port, outside of this crate.

use std::fmt::Debug;

use async_trait::async_trait;
use thiserror::Error;

use crate::Secret;

/// User and password of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user of the access control list.
    pub username: String,
    /// Its password.
    pub password: Secret,
}

/// Supplies the login of each new connection.
#[async_trait]
pub trait CredentialsProvider: Debug + Send + Sync {
    /// Returns the login for a connection that opens now.
    async fn login(&self) -> Result<Login, CredentialsError>;

    /// Completes when a connection that logs in now has to do so again; by default never.
    async fn renewal(&self) {
        std::future::pending::<()>().await;
    }
}

/// Cause of a missing login.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A source of credentials did not answer, or not in time; a retry may succeed.
    #[error("the credentials are unavailable: {reason}")]
    Unavailable {
        /// Which source, and its error.
        reason: String,
    },
    /// A source of credentials refused the request, or there is none.
    #[error("the credentials are refused: {reason}")]
    Refused {
        /// Which source, and its error.
        reason: String,
    },
}

impl CredentialsError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "credentials_unavailable",
            Self::Refused { .. } => "credentials_refused",
        }
    }
}
