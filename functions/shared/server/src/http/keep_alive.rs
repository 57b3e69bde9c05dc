//! Tracks the activity of one connection, to detect when it is idle and when its keep-alive timeout has passed.
//!
//! hyper reports neither, so requests, bodies, responses and reads and writes of bytes each record themselves here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Longest time without a request. Longer than proxies keep idle connections open (ALB 60 s, Knative's queue-proxy
/// 90 s): the side that sends requests must be the one that closes, or a request may meet a closed connection.
pub(crate) const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_mins(2);

/// Time without a request after which a connection is idle: longer than the pause of a client that sends request after
/// request.
pub(crate) const IDLE_AFTER: Duration = Duration::from_millis(100);

/// The activity of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionActivity {
    // A `std::sync::Mutex` and not a Tokio one: it is never locked across an await.
    state: Mutex<ActivityState>,
}

#[derive(Debug)]
struct ActivityState {
    /// When the last request began or ended.
    last_used: Instant,
    /// Requests that are being answered.
    n_requests: usize,
    /// Bodies of requests and responses that have not been dropped.
    n_bodies: usize,
    /// True if bytes were read that belong to no request yet.
    has_unparsed_bytes: bool,
    /// True if the last write is pending, because the peer reads slowly.
    is_write_pending: bool,
}

impl ConnectionActivity {
    pub(crate) fn new() -> Self {
        let state = ActivityState {
            last_used: Instant::now(),
            n_requests: 0,
            n_bodies: 0,
            has_unparsed_bytes: false,
            is_write_pending: false,
        };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, ActivityState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Restarts the keep-alive timeout.
    pub(crate) fn touch(&self) {
        self.state().last_used = Instant::now();
    }

    /// Records that bytes were read.
    pub(crate) fn record_read(&self) {
        self.state().has_unparsed_bytes = true;
    }

    /// Records a write, which is pending if the peer reads slowly.
    pub(crate) fn record_write(&self, is_pending: bool) {
        self.state().is_write_pending = is_pending;
    }

    /// The end of the keep-alive timeout; during a request, the earliest possible one.
    pub(crate) fn expires_at(&self) -> Instant {
        let state = self.state();
        let from = if state.n_requests > 0 { Instant::now() } else { state.last_used };
        from + KEEP_ALIVE_TIMEOUT
    }

    /// True if the keep-alive timeout has passed.
    pub(crate) fn is_expired(&self) -> bool {
        let state = self.state();
        state.n_requests == 0 && state.last_used.elapsed() >= KEEP_ALIVE_TIMEOUT
    }

    /// The time from which the connection is idle; `None` while part of a request or response is in flight.
    pub(crate) fn idle_at(&self) -> Option<Instant> {
        let state = self.state();
        let is_between_requests = state.n_requests == 0 && state.n_bodies == 0;
        let is_transferring = state.has_unparsed_bytes || state.is_write_pending;
        (is_between_requests && !is_transferring).then(|| state.last_used + IDLE_AFTER)
    }

    /// True if the connection is idle.
    pub(crate) fn is_idle(&self) -> bool {
        self.idle_at().is_some_and(|at| at <= Instant::now())
    }
}

/// Counts a request as being answered until it is dropped.
#[derive(Debug)]
pub(crate) struct RequestGuard(Arc<ConnectionActivity>);

impl RequestGuard {
    pub(crate) fn new(activity: &Arc<ConnectionActivity>) -> Self {
        let mut state = activity.state();
        state.n_requests += 1;
        state.last_used = Instant::now();
        drop(state);
        Self(Arc::clone(activity))
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.n_requests -= 1;
        state.last_used = Instant::now();
    }
}

/// Counts a body of a request or response as in use until it is dropped.
#[derive(Debug)]
pub(crate) struct BodyGuard(Arc<ConnectionActivity>);

impl BodyGuard {
    pub(crate) fn new(activity: &Arc<ConnectionActivity>) -> Self {
        activity.state().n_bodies += 1;
        Self(Arc::clone(activity))
    }
}

impl Drop for BodyGuard {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.n_bodies -= 1;
        // The bytes read so far belong to this request. If they include the begin of the next one, hyper returns it
        // with the connection.
        state.has_unparsed_bytes = false;
    }
}
