//! What this process tells of itself: connections and requests that it has open, under a lease.
//!
//! Numbers of many processes are only worth something beside each other, so they live in the store. They are told at
//! most once a second while they change, and well before the lease ends while they do not.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use service::Service;
use store::{INSTANCE_LEASE_S, Instance};
use tokio::time::Instant;
use tracing::debug;

/// Least time between two reports; a little less than the second at which they are looked for.
const REPORT_PAUSE: Duration = Duration::from_millis(900);

/// How long what was told last holds, so that two reports may fail before the lease ends.
const RENEW_PERIOD: Duration = Duration::from_secs(INSTANCE_LEASE_S / 3);

/// What is open, and what was told of it.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    function: &'static str,
    name: String,
    n_connections: AtomicU64,
    n_requests: AtomicU64,
    // A `std::sync::Mutex` and not a Tokio one: it is never held over a wait.
    told: Mutex<Option<(Instant, Instance)>>,
}

impl Heartbeat {
    pub(crate) fn new(function: &'static str, name: String) -> Self {
        Self {
            function,
            name,
            n_connections: AtomicU64::new(0),
            n_requests: AtomicU64::new(0),
            told: Mutex::new(None),
        }
    }

    /// The name that no other process of the function has.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// One connection more; [`Heartbeat::close`] is to follow.
    pub(crate) fn open(&self) {
        self.n_connections.fetch_add(1, Relaxed);
    }

    /// One connection less.
    pub(crate) fn close(&self) {
        self.n_connections.fetch_sub(1, Relaxed);
    }

    /// One request more; [`Heartbeat::end`] is to follow.
    pub(crate) fn begin(&self) {
        self.n_requests.fetch_add(1, Relaxed);
    }

    /// One request less.
    pub(crate) fn end(&self) {
        self.n_requests.fetch_sub(1, Relaxed);
    }

    /// Tells the store, if something changed, or nothing was told for a while.
    pub(crate) async fn tell(&self, service: &Service) {
        let Some(instance) = self.due() else { return };
        if let Err(error) = service.report(&instance).await {
            // What is wrong with the store is told where totals are saved.
            debug!(code = error.code(), %error, "instance not reported");
        }
    }

    /// Tells the store that this process ends.
    pub(crate) async fn leave(&self, service: &Service) {
        if let Err(error) = service.withdraw(&self.now()).await {
            debug!(code = error.code(), %error, "instance not withdrawn");
        }
    }

    /// What is to be told, and from now on counts as told: whoever comes at the same time need not tell it, too.
    fn due(&self) -> Option<Instance> {
        let now = self.now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, before)) = told.as_ref() {
            let pause = if *before == now { RENEW_PERIOD } else { REPORT_PAUSE };
            if at.elapsed() < pause {
                return None;
            }
        }
        *told = Some((Instant::now(), now.clone()));
        Some(now)
    }

    fn now(&self) -> Instance {
        Instance {
            function: self.function.to_owned(),
            name: self.name.clone(),
            n_connections: self.n_connections.load(Relaxed),
            n_requests: self.n_requests.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn changes_are_told_once_a_second_and_the_rest_before_the_lease_ends() {
        let heartbeat = Heartbeat::new("ingest", "a".to_owned());
        assert_eq!(heartbeat.due().unwrap().n_requests, 0);
        heartbeat.begin();
        assert_eq!(heartbeat.due(), None);
        advance(Duration::from_secs(1)).await;
        assert_eq!(heartbeat.due().unwrap().n_requests, 1);
        advance(Duration::from_secs(9)).await;
        assert_eq!(heartbeat.due(), None);
        advance(Duration::from_secs(1)).await;
        assert_eq!(heartbeat.due().unwrap().n_requests, 1);
    }
}
