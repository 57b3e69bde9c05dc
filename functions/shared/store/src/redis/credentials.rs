//! Authentication in both directions: the login sent to Redis, and the certificates that Redis must present.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use redis::auth::{BasicAuth, StreamingCredentialsProvider};
use redis::{Client, ConnectionInfo, ErrorKind, RedisError, RedisResult, TlsCertificates};
use tokio::time::sleep;

use crate::{CredentialsError, CredentialsProvider, Login, Secret, StoreError};

/// Pause before a renewal that failed is repeated; a server leaves hours for it.
const RENEWAL_RETRY: Duration = Duration::from_mins(1);

/// User, password and trusted certificates; they override what the address contains.
#[derive(Debug, Clone, Default)]
pub struct RedisCredentials {
    /// The user of the access control list.
    pub username: Option<String>,
    /// Its password, or that of the server.
    pub password: Option<Secret>,
    /// Certificates in PEM, one of which must have signed that of a `rediss://` server; by default those of browsers.
    pub ca_pem: Option<String>,
    /// Supplies user and password for each new connection, instead of the two above.
    pub provider: Option<Arc<dyn CredentialsProvider>>,
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

/// Passes the logins of a provider to the client: one when a connection opens, and one for each renewal.
pub(super) struct LoginStream(pub(super) Arc<dyn CredentialsProvider>);

#[derive(Clone, Copy)]
enum Renewal {
    Immediate,
    WhenDue,
    Retry,
}

impl StreamingCredentialsProvider for LoginStream {
    fn subscribe(&self) -> Pin<Box<dyn Stream<Item = RedisResult<BasicAuth>> + Send + 'static>> {
        let provider = Arc::clone(&self.0);
        Box::pin(unfold(Renewal::Immediate, move |renewal| {
            let provider = Arc::clone(&provider);
            async move {
                match renewal {
                    Renewal::Immediate => {}
                    Renewal::WhenDue => provider.renewal().await,
                    Renewal::Retry => sleep(RENEWAL_RETRY).await,
                }
                Some(match provider.login().await {
                    Ok(Login { username, password }) => {
                        let login = BasicAuth::new(username, password.expose().to_owned());
                        (Ok(login), Renewal::WhenDue)
                    }
                    Err(error) => (Err(login_error(error)), Renewal::Retry),
                })
            }
        }))
    }
}

/// The error of a connection without login: like a refusal by the server, or like a server that is away.
fn login_error(error: CredentialsError) -> RedisError {
    match error {
        CredentialsError::Refused { reason } => {
            (ErrorKind::AuthenticationFailed, "no login", reason).into()
        }
        error => io::Error::other(error.to_string()).into(),
    }
}

/// Start of the error by which Redis 7.0 reports a missing right within a script; it has no code.
const DENIED_IN_SCRIPT: &str = "The user executing the script can't";

/// The error of the store for the error of a command: credentials, rights, trust, and otherwise unavailability.
///
/// The client reports certificates, and commands within a transaction, in the text only.
pub(super) fn failure(error: &RedisError) -> StoreError {
    let reason = error.to_string();
    let has = |code: &str| error.code() == Some(code) || reason.contains(code);
    if error.kind() == ErrorKind::AuthenticationFailed || has("WRONGPASS") || has("NOAUTH") {
        StoreError::CredentialsRefused { reason }
    } else if has("NOPERM") || has("NoPerm") || has(DENIED_IN_SCRIPT) {
        StoreError::NotPermitted { reason }
    } else if has("invalid peer certificate") {
        StoreError::Untrusted { reason }
    } else {
        StoreError::Unavailable { reason }
    }
}
