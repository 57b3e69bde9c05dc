//! How this process shows Redis who it is, and Redis this process.

use redis::{Client, ConnectionInfo, ErrorKind, RedisError, RedisResult, TlsCertificates};

use super::iam::IamUser;
use super::kept::KeptPassword;
use crate::{Secret, StoreError};

/// What is not part of an address, or should not be: where it is given it counts, and not what the address says.
#[derive(Debug, Clone, Default)]
pub struct RedisCredentials {
    /// The user of the access control list.
    pub username: Option<String>,
    /// Its password, or that of the server.
    pub password: Option<Secret>,
    /// Certificates in PEM, one of which must vouch for a `rediss://` server; without it those that browsers trust.
    pub ca_pem: Option<String>,
    /// A user of an ElastiCache, whose tokens are in the place of user and password.
    pub iam: Option<IamUser>,
    /// A password that is asked for, in the place of user and password.
    pub kept: Option<KeptPassword>,
}

impl RedisCredentials {
    /// A client of one server.
    pub(super) fn client(&self, info: ConnectionInfo) -> RedisResult<Client> {
        let mut settings = info.redis_settings().clone();
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password.expose());
        }
        let info = info.set_redis_settings(settings);
        match self.certificates() {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        }
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        let root_cert = Some(self.ca_pem.as_ref()?.clone().into_bytes());
        Some(TlsCertificates { client_tls: None, root_cert })
    }
}

/// How Redis 7.0 begins to tell of a right that is missing within a script; it has no code for it.
const IN_SCRIPT: &str = "The user executing the script can't";

/// What the failure of a command says of credentials, rights and trust, and otherwise that Redis is not available.
///
/// The client tells of a certificate, and of commands within a transaction, in its text only.
pub(super) fn failure(error: &RedisError) -> StoreError {
    let reason = error.to_string();
    let says = |code: &str| error.code() == Some(code) || reason.contains(code);
    if error.kind() == ErrorKind::AuthenticationFailed || says("WRONGPASS") || says("NOAUTH") {
        StoreError::CredentialsRefused { reason }
    } else if says("NOPERM") || says("NoPerm") || says(IN_SCRIPT) {
        StoreError::NotPermitted { reason }
    } else if says("invalid peer certificate") {
        StoreError::Untrusted { reason }
    } else {
        StoreError::Unavailable { reason }
    }
}
