//! Whether a connection is of use to anybody, and whether anything of it is under way.
//!
//! hyper tells neither, so what passes leaves its mark here: requests, their bodies, their answers, and the bytes on
//! the wire.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Longest time without a request. It is longer than proxies keep idle connections (ALB 60 s, Knative's queue-proxy
/// 90 s): who closes first must be the one who knows whether he sends.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_mins(2);

/// Time without a request after which a connection is quiet: past it a sender has more than the next request to wait
/// for.
pub(crate) const QUIET_AFTER: Duration = Duration::from_millis(100);

/// The pulse of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionActivity {
    // A `std::sync::Mutex` and not a Tokio one: it is never held over a wait.
    state: Mutex<ActivityState>,
}

#[derive(Debug)]
struct ActivityState {
    /// When a request came or was answered last.
    last: Instant,
    /// Requests that are being answered.
    n_requests: usize,
    /// Bodies of requests and of answers that somebody holds.
    n_bodies: usize,
    /// Whether bytes came that belong to no request so far.
    is_unread: bool,
    /// Whether bytes of an answer wait for their reader.
    is_unwritten: bool,
}

impl ConnectionActivity {
    pub(crate) fn new() -> Self {
        let last = Instant::now();
        let state = ActivityState {
            last,
            n_requests: 0,
            n_bodies: 0,
            is_unread: false,
            is_unwritten: false,
        };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, ActivityState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the connection for one that has just been used.
    pub(crate) fn beat(&self) {
        self.state().last = Instant::now();
    }

    /// Notes that bytes came.
    pub(crate) fn read(&self) {
        self.state().is_unread = true;
    }

    /// Notes whether bytes wait for their reader.
    pub(crate) fn write(&self, is_unwritten: bool) {
        self.state().is_unwritten = is_unwritten;
    }

    /// When it would be idle if nothing came; while it is busy, when to look again.
    pub(crate) fn idle_at(&self) -> Instant {
        let state = self.state();
        let from = if state.n_requests > 0 { Instant::now() } else { state.last };
        from + IDLE_TIMEOUT
    }

    /// Whether there was no request for so long that nobody seems to need it.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state();
        state.n_requests == 0 && state.last.elapsed() >= IDLE_TIMEOUT
    }

    /// When it will be quiet if nothing comes; none while part of a request or of an answer is under way.
    pub(crate) fn quiet_at(&self) -> Option<Instant> {
        let state = self.state();
        let is_between = state.n_requests == 0 && state.n_bodies == 0;
        let is_still = !state.is_unread && !state.is_unwritten;
        (is_between && is_still).then(|| state.last + QUIET_AFTER)
    }

    /// Whether it lies between two requests, and has for a while.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet_at().is_some_and(|at| at <= Instant::now())
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct RequestGuard(Arc<ConnectionActivity>);

impl RequestGuard {
    pub(crate) fn new(pulse: &Arc<ConnectionActivity>) -> Self {
        let mut state = pulse.state();
        state.n_requests += 1;
        state.last = Instant::now();
        drop(state);
        Self(Arc::clone(pulse))
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.n_requests -= 1;
        state.last = Instant::now();
    }
}

/// A body that somebody holds.
#[derive(Debug)]
pub(crate) struct BodyGuard(Arc<ConnectionActivity>);

impl BodyGuard {
    pub(crate) fn new(pulse: &Arc<ConnectionActivity>) -> Self {
        pulse.state().n_bodies += 1;
        Self(Arc::clone(pulse))
    }
}

impl Drop for BodyGuard {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.n_bodies -= 1;
        // Whatever came belonged to a request. Should part of a next one be among it, that is found where it lies.
        state.is_unread = false;
    }
}
