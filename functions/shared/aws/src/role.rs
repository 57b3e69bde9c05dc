//! Credentials of the process's role, by the standard chain of AWS: environment, profile, web identity (EKS), container
//! endpoint (ECS, EKS Pod Identity), instance metadata (EC2).
//!
//! Temporary credentials are cached, and fetched again before they expire.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError as ChainError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_types::error::display::DisplayErrorContext;
use store::CredentialsError;
use tokio::sync::OnceCell;

use crate::cached::{Cached, Source};
use crate::client::https_client;

/// Returns the time of day, in microseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Time before expiry at which credentials are fetched again: a request that is signed now must arrive in time.
const EXPIRY_MARGIN: Duration = Duration::from_mins(1);

/// Longest wait for a connection to a source of credentials.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest attempt to get credentials from one source.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// Cached credentials of the process's role.
#[derive(Clone)]
pub struct RoleCredentials(Arc<Cached<Chain>>);

impl fmt::Debug for RoleCredentials {
    // The `Debug` of the SDK's credentials shows the access key id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoleCredentials")
    }
}

impl RoleCredentials {
    /// The role that the environment describes, with STS of this region; nothing is read before the first use.
    pub fn from_env(region: &str, clock: Clock) -> Self {
        let region = Region::new(region.to_owned());
        Self(Cached::new(Chain { region, provider: OnceCell::new(), clock }))
    }

    /// The credentials of a provider.
    #[cfg(test)]
    pub(crate) fn of(provider: impl ProvideCredentials + 'static, clock: Clock) -> Self {
        let provider = OnceCell::from(SharedCredentialsProvider::new(provider));
        Self(Cached::new(Chain { region: Region::from_static("eu-west-1"), provider, clock }))
    }

    /// Returns credentials that have not expired.
    pub(crate) async fn get(&self, patience: Duration) -> Result<Credentials, CredentialsError> {
        self.0.get(patience).await
    }

    /// The time of day, for signatures.
    pub(crate) fn now(&self) -> SystemTime {
        self.0.source.now()
    }
}

struct Chain {
    region: Region,
    provider: OnceCell<SharedCredentialsProvider>,
    clock: Clock,
}

impl Chain {
    async fn load(&self) -> Result<SharedCredentialsProvider, CredentialsError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT);
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(self.region.clone())
            .http_client(https_client())
            .timeout_config(timeouts.build())
            .load()
            .await;
        let missing = || CredentialsError::Refused { reason: "no provider".to_owned() };
        config.credentials_provider().ok_or_else(missing)
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(u64::try_from((self.clock)()).unwrap_or_default())
    }

    fn expires_in(&self, credentials: &Credentials) -> Duration {
        let expiry = credentials.expiry();
        expiry.map_or(Duration::MAX, |expiry| expiry.duration_since(self.now()).unwrap_or_default())
    }
}

#[async_trait]
impl Source for Chain {
    type Value = Credentials;

    async fn fetch(&self) -> Result<Credentials, CredentialsError> {
        let provider = self.provider.get_or_try_init(|| self.load()).await?;
        provider.provide_credentials().await.map_err(|error| failure(&error))
    }

    fn is_fresh(&self, credentials: &Credentials) -> bool {
        self.expires_in(credentials) > EXPIRY_MARGIN
    }

    fn is_usable(&self, credentials: &Credentials) -> bool {
        !self.expires_in(credentials).is_zero()
    }
}

fn failure(error: &ChainError) -> CredentialsError {
    let reason = format!("no credentials of AWS: {}", DisplayErrorContext(error));
    match error {
        ChainError::CredentialsNotLoaded(_) | ChainError::InvalidConfiguration(_) => {
            CredentialsError::Refused { reason }
        }
        _ => CredentialsError::Unavailable { reason },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

    use aws_credential_types::provider::future;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A source of numbered credentials that expire ten minutes after their request.
    #[derive(Debug)]
    struct Numbered {
        now_us: Arc<AtomicI64>,
        n_requests: Arc<AtomicU64>,
        is_away: Arc<AtomicBool>,
    }

    impl ProvideCredentials for Numbered {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            if self.is_away.load(Ordering::Relaxed) {
                return future::ProvideCredentials::ready(Err(ChainError::provider_error("away")));
            }
            let n = 1 + self.n_requests.fetch_add(1, Ordering::Relaxed);
            let expiry_us = self.now_us.load(Ordering::Relaxed) as u64 + 600_000_000;
            let expiry = UNIX_EPOCH + Duration::from_micros(expiry_us);
            let id = format!("ASIA{n}");
            future::ProvideCredentials::ready(Ok(Credentials::new(
                id,
                "hunter2",
                None,
                Some(expiry),
                "test",
            )))
        }
    }

    #[tokio::test]
    async fn credentials_are_cached_until_shortly_before_they_expire() {
        let now_us = Arc::new(AtomicI64::new(1_732_060_800_000_000));
        let (n_requests, is_away) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let provider = Numbered {
            now_us: Arc::clone(&now_us),
            n_requests: Arc::clone(&n_requests),
            is_away: Arc::clone(&is_away),
        };
        let time = Arc::clone(&now_us);
        let role = RoleCredentials::of(provider, Arc::new(move || time.load(Ordering::Relaxed)));
        let id = async || {
            role.get(PATIENCE).await.map(|credentials| credentials.access_key_id().to_owned())
        };
        let together = futures_util::future::join_all((0..3).map(|_| id())).await;
        assert!(together.into_iter().all(|id| id.unwrap() == "ASIA1"));
        now_us.fetch_add(539_000_000, Ordering::Relaxed);
        assert_eq!(id().await.unwrap(), "ASIA1");
        // Within the last minute they are fetched again; if that fails, they are still valid.
        now_us.fetch_add(1_000_000, Ordering::Relaxed);
        is_away.store(true, Ordering::Relaxed);
        assert_eq!(id().await.unwrap(), "ASIA1");
        is_away.store(false, Ordering::Relaxed);
        assert_eq!(id().await.unwrap(), "ASIA2");
        // Expired ones are not used.
        now_us.fetch_add(600_000_000, Ordering::Relaxed);
        is_away.store(true, Ordering::Relaxed);
        assert_eq!(id().await.unwrap_err().code(), "credentials_unavailable");
        is_away.store(false, Ordering::Relaxed);
        assert_eq!(id().await.unwrap(), "ASIA3");
        assert_eq!(n_requests.load(Ordering::Relaxed), 3);
    }
}
