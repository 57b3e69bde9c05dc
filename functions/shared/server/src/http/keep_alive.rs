//! Tracks the activity of one connection, to detect when it is idle and when its keep-alive timeout has passed.
//!
//! hyper reports neither, so requests, bodies, responses and reads and writes of bytes each record themselves here. A
//! connection without a request in progress may also be evicted, to make room for a new one.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Longest time without a request. Longer than proxies keep idle connections open (ALB 60 s, Knative's queue-proxy
/// 90 s): the side that sends requests must be the one that closes, or a request may meet a closed connection.
pub(crate) const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_mins(2);

/// Time without a request after which a connection is idle: longer than the pause of a client that sends request after
/// request.
pub(crate) const IDLE_AFTER: Duration = Duration::from_millis(100);

/// Time after which a connection that sent no request is evicted before any other: its first request takes a round trip.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);

/// Time without progress after which a client that does not read its response may be evicted.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// Order in which connections are evicted: silent ones from their begin first, then the longest idle.
pub(crate) type EvictionRank = (Reverse<bool>, Instant);

/// The activity of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionActivity {
    // A `std::sync::Mutex` and not a Tokio one: it is never locked across an await.
    state: Mutex<ActivityState>,
    evicted: Notify,
}

#[derive(Debug)]
struct ActivityState {
    /// When the last request began or ended.
    last_used: Instant,
    /// When the client last read a part of a response.
    last_written: Instant,
    /// True once a request has begun.
    was_used: bool,
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
        let now = Instant::now();
        let state = ActivityState {
            last_used: now,
            last_written: now,
            was_used: false,
            n_requests: 0,
            n_bodies: 0,
            has_unparsed_bytes: false,
            is_write_pending: false,
        };
        Self { state: Mutex::new(state), evicted: Notify::new() }
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
        let mut state = self.state();
        state.is_write_pending = is_pending;
        if !is_pending {
            state.last_written = Instant::now();
        }
    }

    /// The rank of the connection among those that may be evicted; `None` while a request is in progress.
    pub(crate) fn eviction_rank(&self) -> Option<EvictionRank> {
        let state = self.state();
        let is_responding = state.n_bodies > 0 || state.is_write_pending;
        let is_stalled = is_responding && state.last_written.elapsed() >= STALLED_AFTER;
        if state.n_requests > 0 || is_responding && !is_stalled {
            return None;
        }
        let is_silent = !state.was_used && state.last_used.elapsed() >= FIRST_REQUEST_GRACE;
        Some((Reverse(is_silent), state.last_used))
    }

    /// Asks the connection to close.
    pub(crate) fn evict(&self) {
        self.evicted.notify_one();
    }

    /// Waits until the connection is asked to close.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// True unless a request or response is in progress.
    pub(crate) fn is_evictable(&self) -> bool {
        self.eviction_rank().is_some()
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
        let now = Instant::now();
        state.n_requests += 1;
        (state.last_used, state.last_written, state.was_used) = (now, now, true);
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
