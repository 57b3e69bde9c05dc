//! Reports the open connections and requests of this process to the store, under a lease.
//!
//! A metric of several processes must be read from one place, so the numbers are in the store. They are written at most
//! once a second while they change, and otherwise often enough that the lease does not expire.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use service::{INSTANCE_LEASE_S, Instance, Service};
use tokio::time::Instant;
use tracing::debug;

/// Shortest time between two reports; slightly less than the flush period of one second, so that none is skipped.
const REPORT_PERIOD_MIN: Duration = Duration::from_millis(900);

/// Period at which an unchanged report is renewed: two may fail before the lease expires.
const RENEW_PERIOD: Duration = Duration::from_secs(INSTANCE_LEASE_S / 3);

/// The counts of this process and its last report.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    function: &'static str,
    instance: String,
    n_connections: AtomicU64,
    n_requests: AtomicU64,
    // A `std::sync::Mutex` and not a Tokio one: it is never locked across an await.
    last_report: Mutex<Option<(Instant, Instance)>>,
}

impl Heartbeat {
    pub(crate) fn new(function: &'static str, instance: String) -> Self {
        Self {
            function,
            instance,
            n_connections: AtomicU64::new(0),
            n_requests: AtomicU64::new(0),
            last_report: Mutex::new(None),
        }
    }

    /// The name of this process, unique within its function.
    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    pub(crate) fn connection_opened(&self) {
        self.n_connections.fetch_add(1, Relaxed);
    }

    pub(crate) fn connection_closed(&self) {
        self.n_connections.fetch_sub(1, Relaxed);
    }

    pub(crate) fn request_started(&self) {
        self.n_requests.fetch_add(1, Relaxed);
    }

    pub(crate) fn request_ended(&self) {
        self.n_requests.fetch_sub(1, Relaxed);
    }

    /// Writes a report to the store if one is due.
    pub(crate) async fn send(&self, service: &Service) {
        let Some(report) = self.due_report() else { return };
        if let Err(error) = service.renew_lease(&report).await {
            // Failures of the store are logged as warnings by the flush of totals.
            debug!(code = error.code(), %error, "heartbeat not sent");
        }
    }

    /// Removes this process from the store before it ends.
    pub(crate) async fn withdraw(&self, service: &Service) {
        if let Err(error) = service.end_lease(&self.report()).await {
            debug!(code = error.code(), %error, "heartbeat not withdrawn");
        }
    }

    /// The report to send, if one is due. It counts as sent at once, so that concurrent calls do not send it again.
    fn due_report(&self) -> Option<Instance> {
        let report = self.report();
        let mut last_report = self.last_report.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, last)) = last_report.as_ref() {
            let period = if *last == report { RENEW_PERIOD } else { REPORT_PERIOD_MIN };
            if at.elapsed() < period {
                return None;
            }
        }
        *last_report = Some((Instant::now(), report.clone()));
        Some(report)
    }

    fn report(&self) -> Instance {
        Instance {
            function: self.function.to_owned(),
            name: self.instance.clone(),
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
    async fn changes_are_reported_once_a_second_and_the_lease_is_renewed_before_it_expires() {
        let heartbeat = Heartbeat::new("ingest", "a".to_owned());
        assert_eq!(heartbeat.due_report().unwrap().n_requests, 0);
        heartbeat.request_started();
        assert_eq!(heartbeat.due_report(), None);
        advance(Duration::from_secs(1)).await;
        assert_eq!(heartbeat.due_report().unwrap().n_requests, 1);
        advance(Duration::from_secs(9)).await;
        assert_eq!(heartbeat.due_report(), None);
        advance(Duration::from_secs(1)).await;
        assert_eq!(heartbeat.due_report().unwrap().n_requests, 1);
    }
}
