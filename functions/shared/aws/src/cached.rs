//! A cached value that is fetched on demand, by one request at a time.
//!
//! A fetch runs in a task of its own: a caller that gives up does not cancel it, so the next caller finds its result.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use store::CredentialsError;
use tokio::time::timeout;

/// Longest fetch; a stuck one must not block all that follow.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Supplies the value of a [`Cached`].
#[async_trait]
pub(crate) trait Source: Send + Sync + 'static {
    type Value: Clone + Send + Sync + 'static;

    async fn fetch(&self) -> Result<Self::Value, CredentialsError>;

    /// True if a fetched value is returned without another fetch.
    fn is_fresh(&self, value: &Self::Value) -> bool;

    /// True if a fetched value may be returned after a failed fetch.
    fn is_usable(&self, value: &Self::Value) -> bool;
}

/// The last value of a source.
pub(crate) struct Cached<S: Source> {
    pub(crate) source: S,
    // A `std::sync::Mutex`: it is never held over a wait.
    latest: Mutex<Option<S::Value>>,
    /// Held during a fetch, so that callers wait for one request instead of sending their own.
    fetching: tokio::sync::Mutex<()>,
}

impl<S: Source> Cached<S> {
    pub(crate) fn new(source: S) -> Arc<Self> {
        Arc::new(Self { source, latest: Mutex::default(), fetching: tokio::sync::Mutex::default() })
    }

    /// Returns the value if it is fresh, and fetches it otherwise; falls back to a usable one if the fetch fails or takes
    /// longer than `patience`.
    pub(crate) async fn get(
        self: &Arc<Self>,
        patience: Duration,
    ) -> Result<S::Value, CredentialsError> {
        if let Some(value) = self.fresh() {
            return Ok(value);
        }
        let cached = Arc::clone(self);
        let fetch = tokio::spawn(async move { cached.refresh().await });
        let fetched = match timeout(patience, fetch).await {
            Ok(Ok(fetched)) => fetched,
            Ok(Err(panic)) => Err(CredentialsError::Unavailable { reason: panic.to_string() }),
            Err(_) => Err(no_response(patience)),
        };
        fetched.or_else(|error| {
            let usable = self.latest().clone().filter(|value| self.source.is_usable(value));
            usable.ok_or(error)
        })
    }

    #[cfg(test)]
    pub(crate) fn set(&self, value: S::Value) {
        *self.latest() = Some(value);
    }

    async fn refresh(&self) -> Result<S::Value, CredentialsError> {
        // Bounded, or fetches of callers that gave up would queue while the source does not respond.
        let Ok(_fetching) = timeout(FETCH_TIMEOUT, self.fetching.lock()).await else {
            return Err(no_response(FETCH_TIMEOUT));
        };
        // Another caller may have fetched it meanwhile.
        if let Some(value) = self.fresh() {
            return Ok(value);
        }
        let fetched = timeout(FETCH_TIMEOUT, self.source.fetch()).await;
        let value = fetched.unwrap_or_else(|_| Err(no_response(FETCH_TIMEOUT)))?;
        *self.latest() = Some(value.clone());
        Ok(value)
    }

    fn fresh(&self) -> Option<S::Value> {
        self.latest().clone().filter(|value| self.source.is_fresh(value))
    }

    fn latest(&self) -> MutexGuard<'_, Option<S::Value>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_response(limit: Duration) -> CredentialsError {
    CredentialsError::Unavailable { reason: format!("no response within {} ms", limit.as_millis()) }
}
